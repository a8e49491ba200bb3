"""How long latents are along a straight walk: theory against other libraries and samples."""

import math

import pytest
import torch
from scipy import optimize, stats
from torch import Tensor

from ganforge.latent import expected_norm, lerp, lerp_norm_ratio, line_minimum, segment_minimum, slerp


def latents(count: int, dim: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    a, b = torch.randn(2, count, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return a, b


@pytest.mark.parametrize("dim", [1, 2, 3, 64, 512, 10_000])
def test_the_mean_of_the_chi_distribution(dim: int) -> None:
    assert expected_norm(dim) == pytest.approx(stats.chi(dim).mean(), rel=1e-9)


def test_no_dimension_is_none() -> None:
    with pytest.raises(ValueError, match="give 1 or more"):
        expected_norm(0)


@pytest.mark.parametrize("dim", [1, 2, 64, 512])
@pytest.mark.parametrize("t", [0.1, 0.5, 0.8])
def test_lerp_sags_alike_in_every_dimension(dim: int, t: float) -> None:
    a, b = latents(100_000 // dim + 2000, dim)
    error = 5 * 0.75 / math.sqrt(len(a)) / expected_norm(dim)  # five standard errors of the mean norm
    assert lerp(a, b, t).norm(dim=-1).mean().item() / expected_norm(dim) == pytest.approx(lerp_norm_ratio(t), abs=error)


def test_half_way_it_is_one_over_root_two() -> None:
    assert lerp_norm_ratio(0.5) == pytest.approx(1 / math.sqrt(2), rel=1e-15)
    assert lerp_norm_ratio(0) == lerp_norm_ratio(1) == 1


@pytest.mark.parametrize("dim", [2, 3, 64])
def test_slerp_keeps_the_mean_norm(dim: int) -> None:
    a, b = latents(20_000, dim)
    assert slerp(a, b, 0.5).norm(dim=-1).mean().item() == pytest.approx(expected_norm(dim), rel=0.02)


@pytest.mark.parametrize("dim", [1, 2, 3, 64, 512])
def test_the_distance_of_the_line(dim: int) -> None:
    a, b = latents(4000, dim, seed=dim)
    direction = (b - a) / (b - a).norm(dim=-1, keepdim=True)
    distance = (a - (a * direction).sum(-1, keepdim=True) * direction).norm(dim=-1)
    assert distance.mean().item() == pytest.approx(line_minimum(dim), abs=5 * 0.5 / math.sqrt(4000))
    assert line_minimum(dim) / expected_norm(dim) < 1 / math.sqrt(2)
    assert (segment_minimum(a, b) >= distance - 1e-12).all()


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_the_minimum_along_the_segment_by_search(dim: int) -> None:
    a, b = latents(20, dim)
    for start, end, found in zip(a, b, segment_minimum(a, b), strict=True):
        searched = optimize.minimize_scalar(
            lambda t, start=start, end=end: lerp(start, end, float(t)).square().sum().item(),
            bounds=(0, 1),
            method="bounded",
            options={"xatol": 1e-10},
        )
        ends = min(start.square().sum().item(), end.square().sum().item())
        assert found.item() == pytest.approx(math.sqrt(min(searched.fun, ends)), abs=1e-6)


def test_a_segment_of_one_point() -> None:
    assert segment_minimum(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.0])) == 5


def test_the_minimum_is_lower_than_half_way_in_few_dimensions() -> None:
    shares = {}
    for dim in (2, 64, 512):
        a, b = latents(4000, dim)
        shares[dim] = segment_minimum(a, b).mean().item() / expected_norm(dim)
    assert shares[2] < 0.65 < shares[64] < shares[512] < 1 / math.sqrt(2)
