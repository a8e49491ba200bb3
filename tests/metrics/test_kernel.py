"""The kernel distance against plain loops and torchmetrics, and its standard error against repetition."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from ganforge.errors import DataError
from ganforge.metrics import KernelDistance, kernel_distance


def plain(real: Tensor, fake: Tensor) -> float:
    """The definition, over whole matrices."""
    x, y = real.double(), fake.double()
    K, L, cross = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    N, M = len(x), len(y)
    within = (K.sum() - K.trace()) / (N * (N - 1)) + (L.sum() - L.trace()) / (M * (M - 1))
    return float(within - 2 * cross.mean())


@pytest.mark.parametrize(("N", "M", "D"), [(4, 5, 1), (40, 30, 7), (600, 1100, 16), (1025, 513, 3)])
def test_blocks_add_up_to_the_definition(N: int, M: int, D: int) -> None:
    rng = torch.Generator().manual_seed(N)
    real, fake = torch.randn(N, D, generator=rng), torch.randn(M, D, generator=rng) + 0.5
    assert kernel_distance(real=real, fake=fake).value == pytest.approx(plain(real, fake), rel=1e-11, abs=1e-12)


@pytest.mark.filterwarnings("ignore")  # torchmetrics' own imports
def test_agrees_with_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.image.kid", exc_type=Exception)
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(200, 12, generator=rng).double(), torch.rand(200, 12, generator=rng).double()
    theirs = float(image.poly_mmd(real, fake))
    assert kernel_distance(real=real, fake=fake).value == pytest.approx(theirs, rel=1e-10)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Many tiny sets: threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def repeated(N: int, M: int, shift: float, times: int = 400, D: int = 6) -> tuple[Tensor, Tensor]:
    """Values and standard errors over independent draws."""
    rng = torch.Generator().manual_seed(N + M)
    draws = [
        kernel_distance(real=torch.randn(N, D, generator=rng), fake=torch.randn(M, D, generator=rng) * (1 + shift))
        for _ in range(times)
    ]
    value, error = torch.tensor(draws, dtype=torch.float64).T
    return value, error


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("N", "M"), [(100, 100), (60, 240)])
@pytest.mark.parametrize(
    ("shift", "low", "high"), [(0.0, 1.0, 1.3), (0.1, 0.95, 1.2), (0.4, 0.9, 1.1), (1.0, 0.9, 1.1)]
)
def test_the_standard_error_is_the_spread_over_repetitions(
    N: int, M: int, shift: float, low: float, high: float
) -> None:
    """Equal distributions, where only pairs vary, to distant ones, where the linear part rules."""
    value, error = repeated(N, M, shift)
    assert low < float(error.square().mean().sqrt() / value.std()) < high


@pytest.mark.usefixtures("one_thread")
def test_a_lucky_draw_has_no_small_error() -> None:
    """Tight clusters, drawn in nearly equal shares: the value is far below 0, and its error must not shrink with it."""
    rng = torch.Generator().manual_seed(0)
    centres = torch.randn(10, 16, generator=rng).relu()
    clusters = centres.repeat(20, 1)
    near = [clusters + 0.1 * torch.randn(200, 16, generator=rng) for _ in range(2)]
    drawn = [
        kernel_distance(
            real=centres[torch.randint(10, (200,), generator=rng)],
            fake=centres[torch.randint(10, (200,), generator=rng)],
        )
        for _ in range(200)
    ]
    lucky, spread = kernel_distance(real=near[0], fake=near[1]), float(torch.tensor(drawn)[:, 0].std())
    assert lucky.value < -spread
    assert lucky.standard_error > 0.9 * spread
    assert lucky.value > -3 * lucky.standard_error


@pytest.mark.usefixtures("one_thread")
def test_equal_distributions_give_zero_on_average() -> None:
    value, _ = repeated(30, 50, shift=0.0, times=500)
    assert abs(float(value.mean())) < 3 * float(value.std()) / 500**0.5
    assert float(value.min()) < 0  # unbiased, so it can't be positive always


@pytest.mark.usefixtures("one_thread")
def test_the_expectation_does_not_depend_on_the_number_of_samples() -> None:
    few, _ = repeated(20, 20, shift=0.5, times=600)
    many, _ = repeated(200, 200, shift=0.5, times=80)
    error = (few.var() / 600 + many.var() / 80).sqrt()
    assert abs(float(few.mean() - many.mean())) < 3 * float(error)


def test_a_large_common_part_of_the_features_costs_no_digits() -> None:
    """A large common part in all features: float32 sums would lose what float64 ones keep."""
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(500, 8, generator=rng) + 30, torch.randn(500, 8, generator=rng) + 30
    assert kernel_distance(real=real, fake=fake).value == pytest.approx(plain(real, fake), rel=1e-6)


def test_what_it_returns_has_names() -> None:
    x = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    distance = kernel_distance(real=x, fake=x + 3)
    assert isinstance(distance, KernelDistance)
    assert distance.value > distance.standard_error > 0


@pytest.mark.parametrize("side", ["real", "fake"])
def test_three_samples_are_too_few(side: str) -> None:
    with pytest.raises(DataError, match=f"the {side} side has 3"):
        kernel_distance(**({"real": torch.ones(9, 2), "fake": torch.ones(9, 2)} | {side: torch.ones(3, 2)}))
