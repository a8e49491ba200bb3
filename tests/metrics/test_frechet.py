"""The Fréchet distance against scipy's matrix root, closed forms, and covariances without full rank."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from ganforge.errors import DataError
from ganforge.features import GaussianStatistics, RunningGaussian
from ganforge.metrics import frechet_distance


def statistics(x: Tensor) -> GaussianStatistics:
    running = RunningGaussian(x.shape[1])
    running.update(x)
    return running.result()


def gaussian(mean: Tensor, covariance: Tensor) -> GaussianStatistics:
    return GaussianStatistics(1000, mean.double(), covariance.double())


def as_published(real: Tensor, fake: Tensor) -> float:
    """The reference program's form: a root of the product of the covariances."""
    m, n = (x.double().numpy().mean(0) for x in (real, fake))
    S, T = (np.cov(x.double().numpy(), rowvar=False) for x in (real, fake))
    root = scipy.linalg.sqrtm(S @ T)
    return float(((m - n) ** 2).sum() + np.trace(S) + np.trace(T) - 2 * np.trace(root.real))


@pytest.mark.parametrize("dim", [2, 16, 64])
def test_agrees_with_scipys_root(dim: int) -> None:
    rng = torch.Generator().manual_seed(dim)
    mix = torch.randn(dim, dim, generator=rng)
    real = torch.randn(600, dim, generator=rng) @ mix + 5
    fake = torch.randn(500, dim, generator=rng).exp() + 4
    ours = frechet_distance(real=statistics(real), fake=statistics(fake))
    assert ours == pytest.approx(as_published(real, fake), rel=1e-9)


@pytest.mark.filterwarnings("ignore")  # torchmetrics' own imports
def test_agrees_with_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.image.fid", exc_type=Exception)
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(300, 12, generator=rng) * 2, torch.randn(200, 12, generator=rng) + 1
    theirs = image._compute_fid(
        real.double().mean(0), real.double().T.cov(), fake.double().mean(0), fake.double().T.cov()
    )
    assert frechet_distance(real=statistics(real), fake=statistics(fake)) == pytest.approx(float(theirs), rel=1e-9)


def test_in_one_dimension_it_is_that_of_means_and_deviations() -> None:
    left = gaussian(torch.tensor([1.0]), torch.tensor([[4.0]]))
    right = gaussian(torch.tensor([3.0]), torch.tensor([[25.0]]))
    assert frechet_distance(real=left, fake=right) == pytest.approx(2.0**2 + (5 - 2) ** 2)


def test_commuting_covariances_have_a_closed_form() -> None:
    rng = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(20, 20, generator=rng).double()).Q
    a, b = torch.rand(2, 20, generator=rng).double() * torch.logspace(0, -8, 20).double()
    mean = torch.zeros(20)
    distance = frechet_distance(
        real=gaussian(mean, turn @ a.diag() @ turn.T), fake=gaussian(mean, turn @ b.diag() @ turn.T)
    )
    assert distance == pytest.approx(float((a.sqrt() - b.sqrt()).square().sum()), rel=1e-10)


def test_singular_covariances_need_no_care() -> None:
    """Ranks 3 and 4 in ten dimensions, on planes that share one axis: the overlap is that axis' alone."""
    real = torch.diag(torch.tensor([1.0, 4, 9, 0, 0, 0, 0, 0, 0, 0]))
    fake = torch.diag(torch.tensor([0.0, 0, 16, 1, 1, 1, 0, 0, 0, 0]))
    mean = torch.zeros(10)
    assert frechet_distance(real=gaussian(mean, real), fake=gaussian(mean, fake)) == pytest.approx(1 + 4 + 1 + 3)


def test_fewer_samples_than_dimensions() -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(20, 64, generator=rng), torch.randn(30, 64, generator=rng)
    own = frechet_distance(real=statistics(real), fake=statistics(real))
    assert 0 <= own < 1e-10
    # the nuclear norm of the product of the centred data is the same number without any covariance
    A, B = ((x - x.mean(0)).double() / (len(x) - 1) ** 0.5 for x in (real, fake))
    overlap = torch.linalg.svdvals(A @ B.T).sum()
    expected = (real.mean(0) - fake.mean(0)).square().sum() + A.square().sum() + B.square().sum() - 2 * overlap
    ours = frechet_distance(real=statistics(real), fake=statistics(fake))
    assert ours == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("lowest", [-2, -6, -10, -14])
def test_steep_spectra_keep_their_digits(lowest: int) -> None:
    """Covariances that don't commute; the closed form is that of S and K·S·K for a symmetric K: |X(1 - K)|² on average.

    For a positive definite K the map x -> K·x is the optimal transport from N(0, S) to N(0, K·S·K).
    """
    rng = torch.Generator().manual_seed(0)
    turn, other = (torch.linalg.qr(torch.randn(60, 60, generator=rng).double()).Q for _ in range(2))
    S = turn @ torch.logspace(0, lowest, 60).double().diag() @ turn.T
    K = other @ (0.9 + 0.2 * torch.rand(60, generator=rng).double()).diag() @ other.T
    move = torch.eye(60).double() - K
    mean, T = torch.zeros(60), K @ S @ K
    distance = frechet_distance(real=gaussian(mean, (S + S.T) / 2), fake=gaussian(mean, (T + T.T) / 2))
    assert distance == pytest.approx(float((move @ S @ move).trace()), rel=1e-7)


def test_it_is_symmetric_and_zero_for_equals() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = (statistics(torch.randn(100, 8, generator=rng)) for _ in range(2))
    assert frechet_distance(real=a, fake=b) == pytest.approx(frechet_distance(real=b, fake=a), rel=1e-12)
    assert frechet_distance(real=a, fake=a) < 1e-12


def test_few_samples_give_too_large_a_distance() -> None:
    """The bias that the documentation names: equal distributions, and half the samples give twice the distance."""
    x = torch.randn(16000, 32, generator=torch.Generator().manual_seed(0))
    few = frechet_distance(real=statistics(x[:500]), fake=statistics(x[8000:8500]))
    many = frechet_distance(real=statistics(x[:8000]), fake=statistics(x[8000:]))
    assert few / many == pytest.approx(16, rel=0.3)


@pytest.mark.parametrize("side", ["real", "fake"])
def test_one_sample_has_no_covariance(side: str) -> None:
    enough, one = statistics(torch.randn(5, 3)), statistics(torch.randn(1, 3))
    with pytest.raises(DataError, match=f"the {side} side has 1"):
        frechet_distance(**({"real": enough, "fake": enough} | {side: one}))
