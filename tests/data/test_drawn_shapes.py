"""Lines, ellipses, blobs and sketches as data: each against its own formula."""

import math

import pytest
import torch
from torch import Tensor

from ganforge.data import TOYS
from ganforge.errors import RecipeError


def drawn(name: str, **keys: object) -> Tensor:
    return TOYS[name](held_out=1, **keys).train.read(torch.arange(40_000)).double()


def test_a_line_is_even_along_and_normal_across() -> None:
    points = drawn("line", length=3.0, angle=30.0, sigma=0.05)
    way = torch.tensor([math.cos(math.pi / 6), 0.5], dtype=torch.float64)
    along, across = points @ way, points @ torch.stack([-way[1], way[0]])
    assert abs(float(along.var()) - (3.0**2 / 12 + 0.05**2)) < 0.02
    assert abs(float(across.std()) - 0.05) < 1e-3


def test_an_ellipse_is_a_stretched_circle() -> None:
    points = drawn("ellipse", radii=(2.0, 0.5), sigma=0.0)
    assert ((points / torch.tensor([2.0, 0.5])).norm(dim=1) - 1).abs().max() < 1e-6
    assert points.mean(0).abs().max() < 0.02


def test_two_gaussians_of_the_plane_have_the_moments_of_their_formula() -> None:
    points = drawn("gaussians", distance=40.0, sigma=0.5, stretch=2.0, share=0.7)
    left = points[:, 0] < 0
    assert abs(float(left.double().mean()) - 0.7) < 0.01
    long, short = 0.5**2, 0.25**2
    for part, sign in ((points[left], 1), (points[~left], -1)):
        wanted = torch.tensor([[long + short, sign * (long - short)], [sign * (long - short), long + short]]) / 2
        assert (part.T.cov() - wanted).abs().max() < 0.01
        assert abs(float(part.mean(0)[0]) + sign * 20) < 0.02


def test_blobs_stand_apart_and_know_their_modes() -> None:
    source = TOYS["blobs"](held_out=1)
    assert source.mixture is not None
    wanted = torch.tensor([[0.0, 1.0], [-(3**0.5) / 2, -0.5], [3**0.5 / 2, -0.5]])
    assert (source.mixture.means - wanted).abs().max() < 1e-6


def test_a_sketch_has_the_mass_of_its_letters() -> None:
    points = drawn("sketch", rows=("#3", ".6"), radius=1.0)
    right, up = points[:, 0] > 0, points[:, 1] > 0
    shares = [float((a & b).double().mean()) for a, b in ((~right, up), (right, up), (~right, ~up), (right, ~up))]
    assert shares == pytest.approx([0.5, 3 / 18, 0.0, 6 / 18], abs=0.01)
    assert shares[2] == 0
    assert points.abs().max() <= 1


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (("..", "."), "1 to 2 characters"),
        (("..", ".."), "blank"),
        (("#x",), "'x'"),
        ((), "empty"),
        (("#" * 129,), "128"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(rows: tuple[str, ...], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        TOYS["sketch"](rows=rows)
