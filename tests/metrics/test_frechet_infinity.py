"""The extrapolated distance: exact on a line, unbiased where the plain one isn't."""

import math

import pytest
import torch

from ganforge.errors import DataError
from ganforge.features import GaussianStatistics
from ganforge.metrics import frechet_distance, frechet_infinity
from ganforge.metrics.frechet_infinity import intercept


def test_the_line_is_the_least_squares_one() -> None:
    x = torch.tensor([0.1, 0.2, 0.4, 0.8]).double()
    assert intercept(x, 3 + 2 * x) == pytest.approx((3.0, 0.0), abs=1e-7)
    noisy = intercept(x, torch.tensor([1.0, 1.5, 1.4, 2.5]).double())
    design = torch.stack([torch.ones(4).double(), x], 1)
    inverse = torch.linalg.inv(design.T @ design)
    solved = inverse @ design.T @ torch.tensor([1.0, 1.5, 1.4, 2.5]).double()
    residue = (design @ solved - torch.tensor([1.0, 1.5, 1.4, 2.5]).double()).square().sum() / 2
    assert noisy == pytest.approx((float(solved[0]), float((residue * inverse[0, 0]).sqrt())), rel=1e-9)
    assert math.isnan(intercept(x[:2], x[:2]).standard_error)


def test_it_takes_the_bias_away() -> None:
    """Real statistics are the true ones, so what is left at M fakes is the fakes' bias alone; true distance .32."""
    D = 32
    truth = GaussianStatistics(10**9, torch.zeros(D).double(), torch.eye(D).double())
    plain, extrapolated = [], []
    for seed in range(5):
        fake = torch.randn(2000, D, generator=torch.Generator().manual_seed(seed)) + 0.1
        found = frechet_infinity(real=truth, fake=fake, seed=seed)
        extrapolated.append(found.value)
        running = GaussianStatistics(2000, fake.double().mean(0), fake.double().T.cov())
        plain.append(frechet_distance(real=truth, fake=running))
    assert sum(plain) / 5 - 0.32 > 0.1  # D(D + 5)/4M of theory: .148
    assert abs(sum(extrapolated) / 5 - 0.32) < 0.03


@pytest.mark.parametrize(("count", "points", "least"), [(500, 1, None), (100, 15, None), (50, 15, 50), (50, 15, 1)])
def test_what_gives_no_line(count: int, points: int, least: int | None) -> None:
    truth = GaussianStatistics(100, torch.zeros(2).double(), torch.eye(2).double())
    with pytest.raises(DataError, match="give no line"):
        frechet_infinity(real=truth, fake=torch.randn(count, 2), points=points, least=least)
