"""Colours: against 4×4 matrices built one by one in numpy, and scipy's rotations."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.transform import Rotation
from scripted import Scripted, dice

from ganforge.augment.colour import colour, colour_matrix

F64 = torch.float64
GREY = np.ones(3) / 3**0.5


def published(b: float, c: float, flip: int, hue: float, s: float) -> np.ndarray:
    """Appendix B, matrix by matrix, on (r, g, b, 1)."""
    v = np.append(GREY, 0)
    brightness, contrast, turned = np.eye(4), np.diag([c, c, c, 1]), np.eye(4)
    brightness[:3, 3] = b
    turned[:3, :3] = Rotation.from_rotvec(hue * GREY).as_matrix()
    saturation = np.outer(v, v) + s * (np.eye(4) - np.outer(v, v))
    return saturation @ turned @ (np.eye(4) - 2 * flip * np.outer(v, v)) @ contrast @ brightness


@pytest.mark.parametrize(
    "values",
    [(0.3, 1, 0, 0, 1), (0, 1.7, 0, 0, 1), (0, 1, 1, 0, 1), (0, 1, 0, 2.1, 1), (0, 1, 0, 0, 0.4), (0.2, 0.6, 1, -1, 3)],
)
def test_the_map_is_the_product_of_the_published_matrices(values: tuple[float, float, int, float, float]) -> None:
    x = torch.randn(2, 3, 4, 5, dtype=F64)
    whole = published(*values)
    expected = np.einsum("ij,bjhw->bihw", whole[:3, :3], x.numpy()) + whole[:3, 3, None, None]
    assert np.allclose(colour(x, Scripted.of(2, *values)).numpy(), expected)


def test_one_channel_is_grey_in_three() -> None:
    x = torch.randn(2, 1, 4, 5, dtype=F64)
    values = (0.2, 0.6, 1)
    whole = published(*values, 1.3, 0.4)
    expected = whole[:3, :3].sum(1).mean() * x + whole[:3, 3].mean()
    assert torch.allclose(colour(x, Scripted.of(2, *values)), expected)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_numbers_of_channels_keep_the_distance_from_grey_apart(channels: int) -> None:
    x = torch.randn(2, channels, 3, 3, dtype=F64)
    y = colour(x, Scripted.of(2, 0.1, 1.5, 1, 0.25))  # brightness, contrast, flip, saturation
    mean = x.mean(1, keepdim=True)
    assert torch.allclose(y, 1.5 * (-(mean + 0.1) + 0.25 * (x - mean)))


@pytest.mark.parametrize(("channels", "transformations"), [(1, 2), (3, 4)])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_each_takes_place_with_probability_p(channels: int, transformations: int, p: float) -> None:
    """The luma flip is a coin besides: with p/2 it flips."""
    _, _, changed = colour_matrix(dice(20_000, p), channels)
    expected = 1 - (1 - p) ** transformations * (1 - p / 2)
    assert changed.double().mean().item() == pytest.approx(expected, abs=0.015)


def test_strengths_are_distributed_as_published() -> None:
    A, b, _ = colour_matrix(dice(4000), 3)
    v = torch.tensor(GREY)
    luma = v @ A @ v
    chroma = A - luma[:, None, None] * torch.outer(v, v)  # c·s·R on the plane across grey
    side = torch.tensor([1.0, -1.0, 0.0], dtype=F64) / 2**0.5
    other = torch.linalg.cross(v, side)
    angle = torch.atan2(other @ (chroma @ side).T, side @ (chroma @ side).T)
    saturation = (chroma @ side).norm(dim=1) / luma.abs()
    assert stats.kstest(b.numpy(), stats.norm(scale=0.2).cdf).pvalue > 1e-4
    assert stats.kstest(luma.abs().log2().numpy(), stats.norm(scale=0.5).cdf).pvalue > 1e-4
    assert stats.kstest(saturation.log2().numpy(), stats.norm(scale=1.0).cdf).pvalue > 1e-4
    assert stats.kstest(angle.numpy(), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4
    assert stats.binomtest(int((luma < 0).sum()), 4000, 0.5).pvalue > 1e-4
