"""The sliced Wasserstein distance against SciPy on the line, and closed forms in the plane."""

import math

import pytest
import torch
from scipy.stats import wasserstein_distance

from ganforge.errors import DataError
from ganforge.metrics import sliced_distance


@pytest.mark.parametrize(("N", "M"), [(1, 1), (5, 5), (7, 3), (100, 64), (13, 14), (1, 9), (10_000, 9_999)])
def test_on_the_line_it_is_w1(N: int, M: int) -> None:
    rng = torch.Generator().manual_seed(N * M)
    real, fake = (s * torch.randn(n, 1, generator=rng, dtype=torch.float64) + m for n, s, m in ((N, 1, 0), (M, 2, 1)))
    expected = wasserstein_distance(real[:, 0].numpy(), fake[:, 0].numpy())
    assert sliced_distance(real=real, fake=fake) == pytest.approx(expected, rel=1e-9)


def test_a_shift_counts_by_its_mean_projection() -> None:
    """E|cos| = 2/π in the plane; the directions are random, so to their own error."""
    real = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    found = sliced_distance(real=real, fake=real + torch.tensor([3.0, 4.0]), directions=20_000)
    assert found == pytest.approx(5 * 2 / math.pi, rel=0.01)


def test_scales_are_kept_and_equal_clouds_are_at_zero() -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(50, 3, generator=rng), torch.randn(40, 3, generator=rng)
    once = sliced_distance(real=real, fake=fake)
    assert sliced_distance(real=10 * real, fake=10 * fake) == pytest.approx(10 * once, rel=1e-6)
    assert sliced_distance(real=fake, fake=real) == pytest.approx(once, rel=1e-12)
    assert sliced_distance(real=real, fake=real[torch.randperm(50)]) < 1e-15  # rounding of the shadows


def test_a_blob_with_the_rings_mean_and_covariance_does_not_deceive_it() -> None:
    rng = torch.Generator().manual_seed(0)
    angle = torch.rand(5000, generator=rng) * 2 * math.pi
    ring, blob = torch.stack([angle.cos(), angle.sin()], 1), torch.randn(5000, 2, generator=rng) / math.sqrt(2)
    other = torch.rand(5000, generator=rng) * 2 * math.pi
    floor = sliced_distance(real=ring, fake=torch.stack([other.cos(), other.sin()], 1))
    assert sliced_distance(real=ring, fake=blob) > 5 * floor


def test_an_empty_cloud_is_refused() -> None:
    with pytest.raises(DataError, match="3 real and 0 fake"):
        sliced_distance(real=torch.zeros(3, 2), fake=torch.zeros(0, 2))
