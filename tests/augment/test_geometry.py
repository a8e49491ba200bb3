"""Pixels moved: against numpy's flips and turns, scipy's affine maps, and ramps, which stay ramps."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from scripted import Scripted, dice
from torch import Tensor

from ganforge.augment import geometry as module
from ganforge.augment.geometry import blit, geometry, resampled

F64 = torch.float64


def image(H: int, W: int, *, count: int = 1, channels: int = 2) -> Tensor:
    return torch.rand(count, channels, H, W, generator=torch.Generator().manual_seed(0), dtype=F64)


def matrix(linear: np.ndarray, shift: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """The inverse map of one sample."""
    whole = np.eye(3)
    whole[:2, :2], whole[:2, 2] = linear, shift
    return torch.tensor(whole)[None]


def turn(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.1, -0.06), (-0.125, 0.125)])
@pytest.mark.parametrize("size", [8, 9, 16])
def test_blits_are_numpys_flips_turns_and_shifts(
    flip: int, quarters: int, shift: tuple[float, float], size: int
) -> None:
    x = image(size, size)
    done = x.flip(-1) if flip else x
    done = torch.rot90(done, quarters, (-2, -1))
    across, down = (round(s * size) for s in shift)
    padded = np.pad(done.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode="reflect")
    expected = padded[..., 4 - down : 4 - down + size, 4 - across : 4 - across + size]
    assert np.array_equal(blit(x, Scripted.of(1, flip, quarters, *shift)).numpy(), expected)


def test_an_oblong_image_keeps_its_middle_when_turned() -> None:
    x = image(5, 9)
    turned = blit(x, Scripted.of(1, 0, 1, 0, 0))
    assert torch.equal(turned[..., 2:7], torch.rot90(x[..., 2:7], 1, (-2, -1)))
    assert turned.shape == x.shape


def test_flips_and_turns_are_as_frequent_as_published() -> None:
    x = image(8, 8, channels=1).expand(4000, -1, -1, -1)
    corner = blit(x, dice(4000))[:, 0, 3:5, 3:5]  # shifts are of at most one pixel
    frame = x[0, 0]
    seen = {}
    for flip in (0, 1):
        for quarters in range(4):
            whole = torch.rot90(frame.flip(-1) if flip else frame, quarters)
            for down in (-1, 0, 1):
                for across in (-1, 0, 1):
                    part = whole[3 - down : 5 - down, 3 - across : 5 - across]
                    seen[flip, quarters, down, across] = (corner == part).all(-1).all(-1).sum().item()
    assert sum(seen.values()) == 4000
    for place, choices in ((0, 2), (1, 4)):
        counts = [sum(n for key, n in seen.items() if key[place] == value) for value in range(choices)]
        assert stats.chisquare(counts).pvalue > 1e-4
    counts = [sum(n for key, n in seen.items() if key[2] == value) for value in (-1, 0, 1)]
    assert stats.chisquare(counts, [1000, 2000, 1000]).pvalue > 1e-4  # t·8 in (-1, 1), rounded


@pytest.mark.parametrize(("H", "W"), [(2, 2), (4, 7), (16, 16), (28, 28)])
def test_nothing_is_lost_where_nothing_moves(H: int, W: int) -> None:
    x = image(H, W)
    assert torch.allclose(resampled(x, torch.eye(3, dtype=F64)[None]), x, atol=1e-10)


@pytest.mark.parametrize("shift", [(1, 0), (-2, 3)])
def test_a_shift_by_whole_pixels_is_exact(shift: tuple[int, int]) -> None:
    x = image(16, 16)
    expected = np.pad(x.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode="reflect")
    rows, columns = (slice(4 + s, 20 + s) for s in reversed(shift))
    assert np.allclose(resampled(x, matrix(np.eye(2), shift)).numpy(), expected[..., rows, columns], atol=1e-10)


@pytest.mark.parametrize(
    "linear", [turn(0.3), turn(math.pi), turn(math.pi / 2), np.diag([0.8, 1.1]), turn(1.0) @ np.diag([0.6, 0.9])]
)
def test_a_ramp_goes_to_the_ramp_that_it_should(linear: np.ndarray) -> None:
    size, shift, middle = 48, (0.37, -1.2), 23.5
    rows, columns = np.mgrid[:size, :size] - middle
    came = linear @ np.stack([columns.ravel(), rows.ravel()]) + np.array(shift)[:, None]
    expected = (2 * came[0] - came[1]).reshape(size, size)
    ramp = torch.tensor(2 * columns - rows)[None, None]
    found = resampled(ramp, matrix(linear, shift))[0, 0].numpy()
    inner = np.hypot(rows, columns) < 13
    assert np.abs(found - expected)[inner].max() < 1e-6


@pytest.mark.parametrize("angle", [0.4, 2.0])
def test_a_smooth_image_moves_as_scipy_moves_it(angle: float) -> None:
    size, shift = 32, np.array([1.3, -0.7])
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(size, size)), 2.5, mode="mirror")
    linear = turn(angle) @ np.diag([1.2, 0.9])
    swapped = linear[::-1, ::-1]  # scipy counts (row, column)
    middle = np.full(2, (size - 1) / 2)
    offset = middle + shift[::-1] - swapped @ middle
    expected = ndimage.affine_transform(smooth, swapped, offset, order=5, mode="mirror")
    found = resampled(torch.tensor(smooth)[None, None], matrix(linear, tuple(shift)))[0, 0].numpy()
    assert np.abs(found - expected).max() < 0.04 * np.abs(smooth).max()


def test_fine_detail_does_not_alias_when_an_image_shrinks() -> None:
    """At half the size, a chequerboard is beyond what the pixels can hold, and turns into its mean."""
    board = torch.tensor(np.indices((32, 32)).sum(0) % 2 * 2.0 - 1)[None, None]
    shrunk = resampled(board, matrix(1.5 * np.eye(2)))
    assert shrunk.abs().mean() < 0.25
    assert board.abs().mean() == 1


def drawn(monkeypatch: pytest.MonkeyPatch, count: int, p: float, size: int = 16) -> Tensor:
    """The inverse maps of many samples."""
    kept: list[Tensor] = []
    monkeypatch.setattr(module, "resampled", lambda x, inverse: kept.append(inverse) or x)
    geometry(torch.zeros(count, 1, size, size, dtype=F64), dice(count, p))
    return kept[0]


@pytest.mark.parametrize("p", [0.0, 0.2, 0.7, 1.0])
def test_each_transformation_takes_place_with_probability_p(monkeypatch: pytest.MonkeyPatch, p: float) -> None:
    inverse = drawn(monkeypatch, 20_000, p)
    still = (inverse == torch.eye(3, dtype=F64)).all(-1).all(-1).double().mean().item()
    assert still == pytest.approx((1 - p) ** 4, abs=0.015)  # both rotations together count as one
    scaled = (inverse[:, :2, :2].det() - 1).abs() > 1e-9
    assert scaled.double().mean().item() == pytest.approx(p, abs=0.015)


def test_strengths_are_distributed_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    inverse = drawn(monkeypatch, 4000, 1.0)
    forward = torch.linalg.inv(inverse)
    size = forward[:, :2, :2].det().log2() / 2
    ratio = torch.linalg.svdvals(forward[:, :2, :2]).log2()
    shift = forward[:, :2, 2] / 16
    angle = torch.atan2(forward[:, 1, 0] - forward[:, 0, 1], forward[:, 0, 0] + forward[:, 1, 1])
    assert stats.kstest(size.numpy(), stats.norm(scale=0.2).cdf).pvalue > 1e-4
    assert stats.kstest((ratio[:, 0] - ratio[:, 1]).numpy() / 2, stats.halfnorm(scale=0.2).cdf).pvalue > 1e-4
    assert stats.kstest(shift[:, 0].numpy(), stats.norm(scale=0.125).cdf).pvalue > 1e-4
    assert stats.kstest(shift[:, 1].numpy(), stats.norm(scale=0.125).cdf).pvalue > 1e-4
    assert stats.kstest(angle.numpy(), stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-4
