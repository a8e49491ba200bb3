"""Toy data: each density against its own formula, and a row of points that doesn't depend on how it is cut."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganforge.data import TOYS, Endless, Mixture, Source, Split, Stream, endless
from ganforge.data.endless import BLOCK
from ganforge.errors import DataError, RecipeError

N = 60_000


@pytest.fixture
def cross(tmp_path: Path) -> Path:
    """A picture of 40 by 20 pixels: its upper left quarter black, its lower right one half as dark."""
    pixels = np.full((20, 40), 255, np.uint8)
    pixels[:10, :20], pixels[10:, 20:] = 0, 128
    path = tmp_path / "cross.png"
    Image.fromarray(pixels).save(path)
    return path


def drawn(source: Source, count: int = N) -> Tensor:
    return source.train.read(torch.arange(count)).double()


def of(name: str, **keys: object) -> Source:
    return TOYS[name](**keys)


@pytest.mark.parametrize("name", sorted(set(TOYS) - {"drawing"}))
def test_every_toy_is_a_source_of_finite_points_with_two_fixed_drawings(name: str) -> None:
    source = of(name, held_out=300)
    assert isinstance(source.train, Split)
    assert source.endless
    assert source.held_out is not None
    assert source.test is not None
    (D,) = source.shape
    for split in (source.train, source.held_out, source.test):
        points = split.read(torch.arange(300))
        assert points.shape == (300, D)
        assert points.dtype == torch.float32
        assert points.isfinite().all()
    again = of(name, held_out=300)
    assert torch.equal(again.held_out.tensor, source.held_out.tensor)
    assert not torch.equal(source.held_out.tensor, source.test.tensor)
    assert not torch.equal(source.held_out.tensor, source.train.read(torch.arange(300)))


def test_one_line_says_what_it_is() -> None:
    assert of("ring").describe() == "ring: endless training points in 2 dimensions, 10,000 held out, 10,000 for testing"
    assert "in 1 dimension," in of("one_gaussian").describe()


# the row of points


def stream(source: Source, *, batch: int, seed: int = 3, position: int = 0) -> Stream:
    return source.stream(source.train, batch=batch, device="cpu", seed=seed, position=position)


def row(source: Source, *, batch: int, count: int, seed: int = 3, position: int = 0) -> tuple[Tensor, Tensor]:
    with stream(source, batch=batch, seed=seed, position=position) as batches:
        found = [batches.next() for _ in range(count)]
        assert batches.position == position + batch * count
    return torch.cat([b.x for b in found]), torch.cat([b.index for b in found])


@pytest.mark.parametrize("name", ["ring", "moons", "two_gaussians"])
def test_the_row_is_the_same_in_batches_of_any_size_and_from_any_position(name: str) -> None:
    source = of(name, held_out=1)
    whole, index = row(source, batch=3 * BLOCK, count=1)
    assert index.tolist() == list(range(3 * BLOCK))
    assert torch.equal(row(source, batch=1000, count=24)[0], whole[:24_000])
    for position in (0, 1, BLOCK - 1, BLOCK, BLOCK + 77, 2 * BLOCK - 64):
        assert torch.equal(row(source, batch=64, count=2, position=position)[0], whole[position : position + 128])


def test_a_batch_may_be_larger_than_several_blocks() -> None:
    source = of("ring", held_out=1)
    assert torch.equal(row(source, batch=5 * BLOCK, count=1)[0], row(source, batch=BLOCK, count=5)[0])


def test_rows_of_different_seeds_and_blocks_share_nothing() -> None:
    source = of("checkerboard", held_out=1)
    points = torch.cat([row(source, batch=2 * BLOCK, count=1, seed=seed)[0] for seed in range(4)])
    assert len(points.unique(dim=0)) >= len(points) - 2  # two of 65,536 pairs of floats may meet


def test_points_are_read_by_their_numbers_in_any_order() -> None:
    source = of("ring", held_out=1)
    numbers = torch.tensor([5, BLOCK + 1, 0, 5, 3 * BLOCK - 1])
    assert torch.equal(source.train.read(numbers), row(source, batch=3 * BLOCK, count=1, seed=0)[0][numbers])
    assert source.train.read(numbers[:0]).shape == (0, 2)


# densities


def test_a_mixture_has_its_weights_means_and_spreads() -> None:
    means, sigmas, weights = ((0.0, 10.0), (20.0, 0.0), (-20.0, -5.0)), (0.5, 1.0, 2.0), (0.2, 0.7, 0.1)
    points = drawn(of("mixture", means=means, sigmas=sigmas, weights=weights))
    nearest = torch.cdist(points, torch.tensor(means, dtype=torch.float64)).argmin(1)
    for k in range(3):
        own = points[nearest == k]
        share = len(own) / N
        assert share == pytest.approx(weights[k], abs=5 * math.sqrt(weights[k] * (1 - weights[k]) / N))
        error = 5 * sigmas[k] / math.sqrt(len(own))
        assert (own.mean(0) - torch.tensor(means[k])).abs().max() < error
        assert (own.std(0) - sigmas[k]).abs().max() < error
        assert own.T.corrcoef()[0, 1].abs() < 5 / math.sqrt(len(own))


def test_a_mode_of_weight_zero_gets_nothing() -> None:
    density = Mixture.of(((0.0,), (9.0,), (18.0,)), (0.1,), (0.0, 1.0, 0.0))
    assert density.draw(100_000, torch.Generator().manual_seed(0)).sub(9).abs().max() < 1


def normal(mean: float, sigma: float) -> torch.distributions.Normal:
    return torch.distributions.Normal(mean, sigma, validate_args=False)


def assert_distributed(points: Tensor, cdf) -> None:
    """Kolmogorov-Smirnov at a level of 1e-4: the largest gap between both distribution functions."""
    steps = torch.arange(1, len(points) + 1) / len(points)
    assert float((cdf(points.sort().values) - steps).abs().max()) < math.sqrt(-math.log(1e-4 / 2) / 2 / len(points))


def test_one_and_two_gaussians_have_the_stated_distribution() -> None:
    assert_distributed(drawn(of("one_gaussian"))[:, 0], normal(2, 0.5).cdf)
    both = drawn(of("two_gaussians"))[:, 0]
    assert_distributed(both, lambda x: 0.7 * normal(3, 0.4).cdf(x) + 0.3 * normal(-3, 0.4).cdf(x))


def test_the_rings_modes_lie_on_the_circle_and_the_grids_on_the_lattice() -> None:
    ring, grid = of("ring", sigma=0.05).mixture, of("grid").mixture
    assert ring is not None
    assert grid is not None
    angles = [k * math.pi / 4 for k in range(8)]
    assert torch.allclose(ring.means, torch.tensor([[math.cos(a), math.sin(a)] for a in angles]), atol=1e-6)
    assert grid.means.tolist() == [[x, y] for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]
    for density in (ring, grid):
        assert density.sigmas.tolist() == pytest.approx([0.05] * len(density.means))
        assert density.weights.sum().item() == pytest.approx(1)
        distance, nearest = torch.cdist(density.draw(N, torch.Generator().manual_seed(1)), density.means).min(1)
        assert_distributed(distance.double(), lambda r: 1 - torch.exp(-((r / 0.05) ** 2) / 2))  # Rayleigh
        share, count = 1 / len(density.means), torch.bincount(nearest)
        assert (count / N - share).abs().max() < 5 * math.sqrt(share / N)


def test_two_clusters_stand_side_by_side() -> None:
    points = drawn(of("two_clusters", distance=4.0, sigma=0.1, share=0.25))
    left = points[points[:, 0] < 0]
    assert len(left) / N == pytest.approx(0.25, abs=0.01)
    assert left.mean(0).tolist() == pytest.approx([-2, 0], abs=0.01)


def test_moons_are_two_half_circles() -> None:
    points = drawn(of("moons", sigma=0.0))
    upper = (points + torch.tensor([0.5, 0.25])).norm(dim=1).sub(1).abs() < 1e-5
    lower = (points - torch.tensor([0.5, 0.25])).norm(dim=1).sub(1).abs() < 1e-5
    assert (upper | lower).all()
    assert upper.double().mean().item() == pytest.approx(0.5, abs=0.01)
    assert (points[upper & ~lower][:, 1] >= -0.25 - 1e-5).all()
    assert (points[lower & ~upper][:, 1] <= 0.25 + 1e-5).all()
    assert points.mean(0).abs().max() < 0.02


def test_spirals_grow_with_their_angle() -> None:
    points = drawn(of("spirals", arms=3, turns=0.3, radius=2.0, sigma=0.0))  # less than a turn: angles say the arm
    along = points.norm(dim=1) / 2
    turned = (torch.atan2(points[:, 1], points[:, 0]) / (2 * math.pi) - 0.3 * along) * 3
    assert (turned - turned.round()).abs().max() < 1e-2
    assert torch.bincount(turned.round().long() % 3).div(N).sub(1 / 3).abs().max() < 0.01
    assert_distributed(along**2, lambda u: u.clamp(0, 1))


def test_the_swiss_roll_is_rolled() -> None:
    points = drawn(of("swiss_roll", radius=2.0, sigma=0.0))
    t = points.norm(dim=1) * 4.5 * math.pi / 2
    assert_distributed(t, lambda t: ((t / (1.5 * math.pi) - 1) / 2).clamp(0, 1))
    assert torch.allclose(points[:, 0] / points.norm(dim=1), t.cos(), atol=1e-4)


def test_the_checkerboard_is_uniform_on_its_dark_squares() -> None:
    points = drawn(of("checkerboard", cells=4, radius=2.0))
    square = points.add(2).floor().long()
    assert ((square[:, 0] + square[:, 1]) % 2 == 0).all()
    counts = torch.bincount(square[:, 0] * 4 + square[:, 1], minlength=16)
    assert (counts[counts > 0] / N - 1 / 8).abs().max() < 5 * math.sqrt(1 / 8 / N)
    assert int((counts > 0).sum()) == 8
    for axis in (0, 1):
        assert_distributed(points[:, axis] - points[:, axis].floor(), lambda u: u)


def test_noise_moves_points_off_their_curve_by_its_sigma() -> None:
    points = drawn(of("swiss_roll", radius=2.0, sigma=0.0)) - drawn(of("swiss_roll", radius=2.0, sigma=0.2))
    assert points.std(0).tolist() == pytest.approx([0.2, 0.2], rel=0.02)


# drawings


def test_a_drawing_is_as_dense_as_it_is_dark_upright_and_in_proportion(cross: Path) -> None:
    points = drawn(of("drawing", path=str(cross)))
    left = points[:, 0] < 0
    dark, grey = 1.0, 1 - 128 / 255
    assert left.double().mean().item() == pytest.approx(dark / (dark + grey), abs=0.01)
    assert_distributed(points[left][:, 0], lambda x: x + 1)
    assert_distributed(points[left][:, 1], lambda y: 2 * y)  # the upper half: y in [0, ½], the sides being 2 and 1
    assert_distributed(points[~left][:, 1], lambda y: 2 * y + 1)


def test_opaque_pixels_are_drawn_where_some_are_transparent(tmp_path: Path) -> None:
    pixels = np.full((10, 10, 4), (255, 255, 255, 0), np.uint8)
    pixels[:, 5:, 3] = 255  # white, opaque
    Image.fromarray(pixels).save(tmp_path / "half.png")
    assert drawn(of("drawing", path=str(tmp_path / "half.png")), 1000)[:, 0].min() >= 0


def test_faint_paper_is_left_out(tmp_path: Path) -> None:
    pixels = np.full((10, 10), 240, np.uint8)
    pixels[:, 0] = 0
    Image.fromarray(pixels).save(tmp_path / "paper.png")
    path = str(tmp_path / "paper.png")
    assert drawn(of("drawing", path=path), 1000)[:, 0].max() < -0.79
    assert drawn(of("drawing", path=path, threshold=0.0), 1000)[:, 0].max() > 0.5


def test_large_pictures_are_reduced(tmp_path: Path) -> None:
    Image.new("L", (600, 300), 0).save(tmp_path / "large.png")
    points = drawn(of("drawing", path=str(tmp_path / "large.png"), pixels=64, radius=3.0))
    assert_distributed(points[:, 0], lambda x: (x + 3) / 6)
    assert_distributed(points[:, 1], lambda y: (y + 1.5) / 3)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "there is no such file"), (b"no picture", "it is no image, or broken"), ("white", "is blank")],
)
def test_what_cannot_be_drawn_from_is_said_in_a_sentence(tmp_path: Path, content: object, says: str) -> None:
    path = tmp_path / "x.png"
    if content == "white":
        Image.new("L", (4, 4), 255).save(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        of("drawing", path=str(path))
    assert repr(str(path)) in str(caught.value)
    assert str(caught.value).count("\n") == 0


# what is no mixture


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"weights": (0.5, 0.6)}, r"data\.weights = \(0\.5, 0\.6\): they sum to 1\.1; make it 1"),
        ({"weights": (-0.5, 1.5)}, "shares aren't negative"),
        ({"weights": (1.0,)}, "give one for each of the 2 means"),
        ({"sigmas": (1.0, 2.0, 3.0)}, "give one, or one for each of the 2 means"),
        ({"sigmas": (0.0,)}, "standard deviations are positive"),
        ({"means": ((0.0,), (1.0, 2.0))}, "the same number of coordinates"),
    ],
)
def test_what_is_no_mixture_is_said(keys: dict, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        of("mixture", **keys)


def test_every_mistake_in_a_mixture_is_said_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        of("mixture", sigmas=(-1.0,), weights=(0.5, 0.4))
    assert len(caught.value.mistakes) == 2


def test_a_density_of_ones_own_is_a_source_too() -> None:
    source = endless("line", lambda count, rng: torch.rand(count, 3, generator=rng), dim=3, held_out=10)
    assert isinstance(source.train, Endless)
    assert source.shape == (3,)
    assert source.mixture is None


def test_a_training_set_of_fixed_size_is_seen_epoch_by_epoch() -> None:
    source = TOYS["ring"](count=50)
    assert not source.endless
    assert len(source.train) == 50
    with source.stream(source.train, batch=20, device="cpu", seed=1) as stream:
        row = torch.cat([stream.next().x for _ in range(5)])
    for epoch in row.split(50):
        assert torch.equal(epoch.sort(0).values, source.train.tensor.sort(0).values)
    assert not torch.equal(row[:50], row[50:])
    with source.stream(source.train, batch=7, device="cpu", seed=1, position=43) as later:
        assert torch.equal(later.next().x, row[43:50])
