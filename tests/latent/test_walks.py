"""Walks: through their keys, without corners, and around the sphere rather than through it."""

import math

import pytest
import torch

from ganforge.errors import RecipeError
from ganforge.latent import WAYS, bilinear, cubic, expected_norm, lerp, mix, of_typical_length, positions, slerp, walk


def keys(count: int, dim: int = 16) -> torch.Tensor:
    return torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("loop", [False, True])
def test_a_walk_goes_through_its_keys(way: str, count: int, loop: bool) -> None:
    z = keys(count)
    assert torch.allclose(WAYS[way](z, torch.arange(count).double(), loop=loop), z, atol=1e-12)


def velocity(z: torch.Tensor, at: float, side: int, way: str = "cubic") -> torch.Tensor:
    """The one-sided derivative of a loop, by second-order finite differences."""
    h = 1e-4 * side
    count = len(z)
    t = torch.tensor([at, at + h, at + 2 * h], dtype=torch.float64) % count
    a, b, c = WAYS[way](z, t, loop=True)
    return (-3 * a + 4 * b - c) / (2 * h)


@pytest.mark.parametrize("at", [0.0, 1.0, 3.0])
def test_a_cubic_loop_has_no_corners_and_the_seam_is_a_key_like_any_other(at: float) -> None:
    z = keys(4)
    before, after = velocity(z, at, -1), velocity(z, at, 1)
    assert (before - after).norm() < 1e-5 * after.norm()
    assert (velocity(z, at, -1, "slerp") - velocity(z, at, 1, "slerp")).norm() > 0.1 * after.norm()


def test_the_velocity_at_a_key_is_the_mean_of_the_two_turns() -> None:
    z = torch.nn.functional.normalize(keys(4), dim=1)
    turns = [velocity(z, 1.0, side, "slerp") for side in (-1, 1)]
    assert torch.allclose(velocity(z, 1.0, 1), sum(turns) / 2, atol=1e-6)


def test_on_a_circle_a_cubic_is_catmull_rom_of_the_angles() -> None:
    angles = torch.tensor([0.0, 0.4, 1.3, 1.5], dtype=torch.float64)
    z = torch.stack([angles.cos(), angles.sin()], 1)
    t = torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64)
    p, q, r, s = angles
    expected = ((2 * q) + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t**2 + (3 * q - p - 3 * r + s) * t**3) / 2
    found = cubic(z, 1 + t)
    assert torch.allclose(torch.atan2(found[:, 1], found[:, 0]), expected, atol=1e-12)


def test_cubics_stay_where_latents_are() -> None:
    z = torch.randn(6, 256, generator=torch.Generator().manual_seed(0))
    norms = {way: walk(z, 300, way=way, loop=True).norm(dim=1) / 16 for way in WAYS}
    assert norms["lerp"].min() < 0.75
    assert norms["slerp"].min() > 0.9
    assert norms["cubic"].min() > 0.9
    assert norms["cubic"].max() < 1.1


def test_opposite_keys_make_a_walk_too() -> None:
    z = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    for way in ("slerp", "cubic"):
        found = walk(z, 8, way=way, loop=True)
        assert torch.allclose(found.norm(dim=1), torch.ones(8), atol=1e-5)


def test_a_loop_has_no_frame_twice() -> None:
    assert positions(3, 6, loop=True).tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    steps = walk(keys(3), 60, way="slerp", loop=True)
    assert (steps - steps.roll(1, 0)).norm(dim=1).min() > 0


@pytest.mark.parametrize(("words", "call"), [
    ("'spiral'", lambda: walk(torch.eye(2), 3, way="spiral")),
    ("0 frames", lambda: walk(torch.eye(2), 0)),
])  # fmt: skip
def test_what_is_no_walk_is_refused(words: str, call: object) -> None:
    with pytest.raises(RecipeError, match=words):
        call()  # type: ignore[operator]


def test_a_field_has_its_corners_and_edges() -> None:
    corners = keys(4).float()
    field = bilinear(corners, 5, 3)
    assert torch.allclose(field[[0, 0, -1, -1], [0, -1, 0, -1]], corners, atol=1e-5)
    assert torch.allclose(field[0], slerp(corners[0], corners[1], torch.tensor([0, 0.5, 1])), atol=1e-5)
    assert torch.allclose(field[:, 0], slerp(corners[0], corners[2], torch.linspace(0, 1, 5)), atol=1e-5)
    assert torch.allclose(bilinear(corners, 3, 3, between=lerp)[1, 1], corners.mean(0), atol=1e-6)


def test_sums_get_the_length_of_a_latent() -> None:
    z = keys(3)
    total = mix(z, torch.tensor([1.0, -1.0, 1.0]).double())
    assert total.norm().item() == pytest.approx(expected_norm(16))
    expected = z[0] - z[1] + z[2]
    assert torch.dot(total, expected).item() == pytest.approx((total.norm() * expected.norm()).item())
    assert math.isclose(of_typical_length(z)[2].norm().item(), expected_norm(16))


def test_what_cancels_is_refused() -> None:
    with pytest.raises(RecipeError, match="cancel"):
        mix(torch.ones(2, 3), torch.tensor([1.0, -1.0]))
    with pytest.raises(RecipeError, match="length 0"):
        of_typical_length(torch.zeros(3))
