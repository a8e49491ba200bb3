"""Realism: a brute-force computation, and what it must and mustn't see."""

import math

import pytest
import torch

from ganforge.errors import DataError
from ganforge.metrics import realism


def cloud(count: int, seed: int, D: int = 5) -> torch.Tensor:
    return torch.randn(count, D, generator=torch.Generator().manual_seed(seed))


def brute(real: list[list[float]], fake: list[list[float]], k: int) -> list[float]:
    """Loops over everything, as the paper says it."""
    radii = [sorted(math.dist(a, b) for j, b in enumerate(real) if j != i)[k - 1] for i, a in enumerate(real)]
    middle = sorted(radii)[(len(radii) - 1) // 2]
    kept = [(a, r) for a, r in zip(real, radii, strict=True) if r <= middle]
    return [max(r / math.dist(f, a) for a, r in kept) for f in fake]


@pytest.mark.parametrize(("N", "M", "k"), [(40, 30, 3), (41, 300, 1), (10, 1, 5)])
def test_it_is_what_a_brute_force_gives(N: int, M: int, k: int) -> None:
    real, fake = cloud(N, 0), cloud(M, 1) * 2 + 100  # far from the origin, where products lose digits
    real = real + 100
    expected = brute(real.double().tolist(), fake.double().tolist(), k)
    assert realism(real=real, fake=fake, k=k).tolist() == pytest.approx(expected, rel=1e-9)


def test_the_further_away_the_less_real() -> None:
    real = cloud(500, 0)
    fakes = torch.stack([torch.full((5,), distance) for distance in (0.0, 2.0, 5.0, 20.0)])
    found = realism(real=real, fake=fakes)
    assert (found.diff() < 0).all()
    assert found[0] > 1 > found[1]


def test_a_copy_is_infinitely_real_and_a_near_copy_keeps_its_digits() -> None:
    real = cloud(100, 0).double()
    found = realism(real=real, fake=torch.cat([real[:50], real[:50] + 1e-9]))
    assert found[:50].isinf().any()
    finite = found[50:][found[:50].isinf()]
    assert finite.isfinite().all()
    assert (finite > 1e7).all()


def test_a_lone_real_with_its_wide_ball_makes_nothing_real() -> None:
    real = torch.cat([cloud(200, 0), torch.full((1, 5), 50.0)])
    assert realism(real=real, fake=torch.full((1, 5), 40.0)).item() < 0.1


def test_no_fakes_have_no_realism() -> None:
    assert realism(real=cloud(9, 0), fake=cloud(0, 0)).shape == (0,)


def test_too_few_reals_and_copies_are_sentences() -> None:
    with pytest.raises(DataError, match="there are 3"):
        realism(real=cloud(3, 0), fake=cloud(3, 1))
    with pytest.raises(DataError, match="more than half of the real samples are copies"):
        realism(real=torch.ones(9, 2), fake=cloud(3, 1, D=2))
