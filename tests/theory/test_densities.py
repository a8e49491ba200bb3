"""Gaussians, mixtures and grids against SciPy and their own samples."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from ganforge.errors import TheoryError
from ganforge.theory import Gaussian, Grid, Mixture

COVARIANCE = [[2.0, 0.6, 0.1], [0.6, 1.0, -0.3], [0.1, -0.3, 0.5]]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two_modes() -> Mixture:
    return Mixture([Gaussian(3.0, 0.4), Gaussian(-3.0, 0.8)], [0.7, 0.3])


def test_log_prob_in_one_dimension() -> None:
    x = torch.linspace(-50, 50, 101, dtype=torch.float64).reshape(-1, 1).expand(101, 2)
    expected = stats.norm(2, 0.5).logpdf(x.numpy())
    assert np.allclose(Gaussian(2.0, 0.5).log_prob(x), expected, rtol=1e-13, atol=0)
    assert Gaussian(2, 0.5).log_prob(torch.tensor(2.0)).shape == ()


@pytest.mark.parametrize("sigma", [0.5, COVARIANCE], ids=["scalar", "covariance"])
def test_log_prob_in_three_dimensions(sigma: object) -> None:
    x = torch.randn(4, 5, 3, generator=rng(), dtype=torch.float64) * 3
    covariance = np.eye(3) * 0.25 if sigma == 0.5 else np.array(sigma)
    expected = stats.multivariate_normal([1, 2, 3], covariance).logpdf(x.numpy())
    assert np.allclose(Gaussian([1.0, 2.0, 3.0], sigma).log_prob(x), expected, rtol=1e-12)  # type: ignore[arg-type]


def test_a_mixture_is_the_sum_of_its_parts() -> None:
    x = torch.linspace(-10, 10, 201, dtype=torch.float64)
    parts = 0.7 * stats.norm(3, 0.4).pdf(x.numpy()) + 0.3 * stats.norm(-3, 0.8).pdf(x.numpy())
    assert np.allclose(two_modes().prob(x), parts, rtol=1e-12)
    parts = 0.7 * stats.norm(3, 0.4).cdf(x.numpy()) + 0.3 * stats.norm(-3, 0.8).cdf(x.numpy())
    assert np.allclose(two_modes().cdf(x), parts, rtol=1e-12)


def test_mixtures_of_mixtures_and_components_of_no_weight() -> None:
    x = torch.linspace(-10, 10, 51, dtype=torch.float64)
    nested = Mixture([two_modes(), Gaussian(0.0, 1e-9)], [1.0, 0.0])
    assert torch.allclose(nested.log_prob(x), two_modes().log_prob(x), rtol=1e-14)
    assert nested.width == 0.4
    assert nested.log_prob(torch.tensor(1e4)).isfinite()


def test_far_away_the_logarithm_stays_finite() -> None:
    far = torch.tensor(1e6, dtype=torch.float64)
    assert two_modes().prob(far) == 0
    assert two_modes().log_prob(far).item() == pytest.approx(-((1e6 + 3) ** 2) / 2 / 0.64, rel=1e-5)


@pytest.mark.parametrize(
    ("density", "cdf"),
    [
        (Gaussian(2.0, 0.5), stats.norm(2, 0.5).cdf),
        (two_modes(), lambda x: 0.7 * stats.norm(3, 0.4).cdf(x) + 0.3 * stats.norm(-3, 0.8).cdf(x)),
    ],
    ids=["gaussian", "mixture"],
)
def test_samples_follow_the_density(density: Gaussian | Mixture, cdf: Callable[[np.ndarray], np.ndarray]) -> None:
    x = density.sample(20_000, rng(1))
    assert x.shape == (20_000,)
    assert x.dtype == torch.float64
    assert torch.equal(x, density.sample(20_000, rng(1)))
    assert stats.kstest(x.numpy(), cdf).pvalue > 0.01


def test_samples_have_the_covariance() -> None:
    x = Gaussian([1.0, 2.0, 3.0], COVARIANCE).sample(200_000, rng())
    assert torch.allclose(x.mean(0), torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), atol=0.02)
    assert torch.allclose(x.T.cov(), torch.tensor(COVARIANCE, dtype=torch.float64), atol=0.03)


def test_a_mixture_samples_in_random_order() -> None:
    x = Mixture([Gaussian([0.0, 0.0], 0.1), Gaussian([9.0, 9.0], 0.1)], [0.5, 0.5]).sample(1000, rng())
    assert x.shape == (1000, 2)
    halves = (x[:500, 0] > 5).double().mean(), (x[500:, 0] > 5).double().mean()
    assert all(0.4 < half < 0.6 for half in halves)


def test_width_and_box() -> None:
    assert Gaussian(0.0, 2.0).width == 2
    rotated = Gaussian([0.0, 0.0], [[1.01, 0.99], [0.99, 1.01]])
    assert rotated.width == pytest.approx(math.sqrt(0.02))
    lower, upper = rotated.box(10.0)
    assert upper.tolist() == pytest.approx([10 * math.sqrt(1.01)] * 2)
    assert torch.equal(lower, -upper)
    lower, upper = two_modes().box(10.0)
    assert (lower.item(), upper.item()) == (-11, 7)


def test_grids() -> None:
    grid = Grid((0, -1.0), (1, 1.0), (10, 20))
    assert grid.cell == (0.1, 0.1)
    assert grid.points().shape == (11, 21, 2)
    assert grid.points()[10, 0].tolist() == [1, -1]
    cover = Grid.over(two_modes(), Gaussian(20.0, 1.0))
    assert (cover.lower, cover.upper) == ((-11.0,), (30.0,))
    assert cover.cell[0] <= 0.4 / 256
    assert math.prod(Grid.over(Gaussian([0.0, 0.0], 1e-3), Gaussian([0.0, 0.0], 1.0)).cells) <= 2**22 * 1.01


BAD = {
    "sigma": (lambda: Gaussian(0.0, 0.0), r"sigma is 0: give a positive standard deviation\."),
    "covariance": (lambda: Gaussian([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), r"symmetric and positive definite"),
    "asymmetric": (lambda: Gaussian([0.0, 0.0], [[1.0, 0.2], [0.0, 1.0]]), r"symmetric and positive definite"),
    "shapes": (lambda: Gaussian([0.0, 0.0], [[1.0]]), r"sigma of shape \(1, 1\) fits no mean of 2 coordinates"),
    "mean": (lambda: Gaussian(math.nan, 1.0), r"A mean is nan"),
    "weights": (lambda: Mixture([Gaussian(0.0, 1.0)], [0.5]), r"sum to 0\.5, not to 1"),
    "number": (lambda: Mixture([Gaussian(0.0, 1.0)], [0.5, 0.5]), r"1 components have 2 weights"),
    "dimensions": (
        lambda: Mixture([Gaussian(0.0, 1.0), Gaussian([0.0, 0.0], 1.0)], [0.5, 0.5]),
        r"dimensions \[1, 2\]",
    ),
    "points": (lambda: Gaussian([0.0, 0.0], 1.0).log_prob(torch.zeros(5, 3)), r"don't have 2 coordinates each"),
    "cdf": (lambda: Gaussian([0.0, 0.0], 1.0).cdf(torch.zeros(2)), r"A cdf needs one dimension"),
    "grid": (lambda: Grid((0.0,), (0.0,), (10,)), r"upper must be above lower"),
    "grid in 3-D": (lambda: Grid((0.0,) * 3, (1.0,) * 3, (9,) * 3), r"give each of the three 1 or 2 numbers"),
    "ragged grid": (lambda: Grid((0.0,), (1.0, 1.0), (9,)), r"give each of the three 1 or 2 numbers"),
    "few cells": (lambda: Grid((0.0,), (1.0,), (4,)), r"give 8 or more"),
    "cover in 3-D": (lambda: Grid.over(Gaussian([0.0] * 3, 1.0)), r"can't cover densities of 3 dimensions"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case: str) -> None:
    make, message = BAD[case]
    with pytest.raises(TheoryError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_points_may_be_plain_numbers() -> None:
    for density in (Gaussian(0.0, 1.0), Mixture([Gaussian(0.0, 1.0)], [1.0])):
        assert density.log_prob(0.0).item() == pytest.approx(-0.9189385332046727)
        assert density.cdf(0).item() == 0.5
        assert density.prob([0.0, 1.0]).shape == (2,)
