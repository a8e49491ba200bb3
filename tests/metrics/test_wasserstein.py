"""The exact Wasserstein distance against POT's, and where it is known."""

import math

import pytest
import torch

from ganforge.errors import DataError
from ganforge.metrics import wasserstein_distance


@pytest.mark.parametrize("D", [1, 7, 300])
def test_agrees_with_pot(D: int) -> None:
    ot = pytest.importorskip("ot")
    rng = torch.Generator().manual_seed(D)
    real, fake = torch.randn(150, D, generator=rng), 1.3 * torch.randn(150, D, generator=rng) + 0.2
    costs = ot.dist(real.double().numpy(), fake.double().numpy(), metric="euclidean")
    expected = ot.emd2([], [], costs)
    found = wasserstein_distance(real=real, fake=fake)
    assert found.samples == 150
    assert found.value == pytest.approx(expected, rel=1e-9)


def test_a_shift_costs_its_length_and_equal_sets_nothing() -> None:
    real = torch.randn(400, 5, generator=torch.Generator().manual_seed(0)).double()
    assert wasserstein_distance(real=real, fake=real + 2).value == pytest.approx(2 * math.sqrt(5), rel=1e-12)
    assert wasserstein_distance(real=real + 1e4, fake=real + 1e4).value == 0


def test_no_more_are_matched_than_asked_for_and_they_come_from_everywhere() -> None:
    """Real images lie in the order of their files, class by class: the first ones alone would be of one class."""
    real = torch.arange(4_000).double()[:, None]
    found = wasserstein_distance(real=real, fake=real.flip(0)[:3_000], most=1_000)
    assert found.samples == 1_000
    assert 400 < found.value < 600  # means of 2,000 and of 2,500
    assert wasserstein_distance(real=real[:9], fake=real[:30]).samples == 9


def test_what_has_no_distance() -> None:
    with pytest.raises(DataError, match="0 real and 4 fake samples have no distance"):
        wasserstein_distance(real=torch.zeros(0, 2), fake=torch.zeros(4, 2))
    assert math.isnan(wasserstein_distance(real=torch.zeros(4, 2), fake=torch.full((4, 2), math.nan)).value)
