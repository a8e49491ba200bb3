"""DiffAugment: against numpy and scipy, with the published strengths."""

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from scripted import Scripted, dice

from ganforge.augment import diff_augment
from ganforge.augment.diff_augment import POLICIES, colour, cutout, translation
from ganforge.moment import Moment

F64 = torch.float64


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("brightness", "saturation", "contrast"), [(0.3, 1, 1), (0, 0.2, 1), (0, 1, 1.4), (-0.4, 2, 0.5)]
)
def test_colours_are_the_published_formulae(
    channels: int, brightness: float, saturation: float, contrast: float
) -> None:
    x = np.random.default_rng(0).normal(size=(3, channels, 4, 6))
    expected = x + brightness
    expected = (expected - expected.mean(1, keepdims=True)) * saturation + expected.mean(1, keepdims=True)
    mean = expected.mean((1, 2, 3), keepdims=True)
    expected = (expected - mean) * contrast + mean
    found = colour(torch.tensor(x), Scripted.of(3, brightness, saturation, contrast))
    assert np.allclose(found.numpy(), expected)


@pytest.mark.parametrize("start", [(0, 0), (2, 3), (4, 1), (1, 4)])
def test_shifts_are_scipys(start: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 16, 12))  # at most 2 pixels both ways
    found = translation(torch.tensor(x), Scripted.of(2, *start))
    shift = (0, 0, 2 - start[0], 2 - start[1])
    assert np.allclose(found.numpy(), ndimage.shift(x, shift, order=0, mode="constant", cval=0))


@pytest.mark.parametrize("size", [16, 28, 20])
def test_every_shift_up_to_an_eighth_is_as_likely(size: int) -> None:
    most, x = int(size / 8 + 0.5), torch.zeros(5000, 1, size, size, dtype=F64)
    x[:, :, size // 2, size // 2] = 1
    y = translation(x, dice(5000))
    assert (y.sum((1, 2, 3)) == 1).all()
    for axis in (2, 3):
        place = y.sum(5 - axis)[:, 0].argmax(1) - size // 2
        counts = torch.bincount(place + most, minlength=2 * most + 1).tolist()
        assert len(counts) == 2 * most + 1
        assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(
    ("size", "start", "rows", "columns"),
    [
        (8, (4, 4), (2, 6), (2, 6)),
        (8, (0, 8), (0, 2), (6, 8)),
        (6, (3, 3), (2, 5), (2, 5)),  # a hole of 3
        (6, (5, 0), (4, 6), (0, 2)),
    ],
)
def test_the_hole_is_where_its_centre_says(
    size: int, start: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    x = torch.rand(1, 2, size, size, dtype=F64) + 1
    expected = x.clone()
    expected[..., slice(*rows), slice(*columns)] = 0
    assert torch.equal(cutout(x, Scripted.of(1, *start)), expected)


@pytest.mark.parametrize("size", [15, 16, 18])
def test_holes_are_as_large_on_average_as_counting_says(size: int) -> None:
    hole = int(size / 2 + 0.5)
    lengths = [
        sum(0 <= place < size for place in range(centre - hole // 2, centre - hole // 2 + hole))
        for centre in range(size + 1 - hole % 2)
    ]
    y = cutout(torch.ones(5000, 1, size, size, dtype=F64), dice(5000))
    assert (y == 0).double().mean().item() == pytest.approx((np.mean(lengths) / size) ** 2, abs=0.01)


@pytest.mark.parametrize("policy", [("colour",), ("cutout", "translation"), tuple(POLICIES)])
def test_a_policy_is_its_transformations_in_order(policy: tuple[str, ...]) -> None:
    x = torch.randn(4, 3, 8, 8, dtype=F64)
    expected, same = x, dice(4, seed=3)
    for name in ("colour", "translation", "cutout"):
        if name in policy:
            expected = POLICIES[name](expected, same)
    moment = Moment(torch.Generator().manual_seed(3))
    assert torch.equal(diff_augment(policy=policy).apply(x, moment), expected)


def test_samples_are_changed_each_on_its_own() -> None:
    x = torch.randn(1, 3, 16, 16).expand(8, -1, -1, -1)
    y = diff_augment().apply(x, Moment(torch.Generator().manual_seed(0)))
    assert len({tuple(sample.flatten().tolist()) for sample in y}) == 8


@pytest.mark.parametrize("name", POLICIES)
def test_derivatives_of_both_orders(name: str) -> None:
    x = torch.randn(2, 3, 6, 5, dtype=F64, requires_grad=True)

    def change(x: torch.Tensor) -> torch.Tensor:
        return POLICIES[name](x, dice(2, seed=5))

    assert torch.autograd.gradcheck(change, x)
    assert torch.autograd.gradgradcheck(change, x)
