"""Sliced Wasserstein of Laplacian pyramids against a plain implementation on NumPy and SciPy, and its properties."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from scipy.stats import wasserstein_distance
from torch import Tensor

from ganforge.errors import DataError
from ganforge.metrics import pyramid as room
from ganforge.metrics import pyramid_distances


def noise(count: int, size: int, seed: int, channels: int = 3) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=rng)


def plain_pyramid(x: np.ndarray, levels: int) -> list[np.ndarray]:
    """By the whole filter of 5 × 5, in float64."""
    row = np.array([1, 4, 6, 4, 1]) / 16
    kernel = np.outer(row, row)[None, None]
    found = []
    for _ in range(levels - 1):
        small = convolve(x, kernel, mode="mirror")[:, :, ::2, ::2]
        wide = np.zeros_like(x)
        wide[:, :, ::2, ::2] = small
        found.append(x - convolve(wide, 4 * kernel, mode="mirror"))
        x = small
    return [*found, x]


def plain_distance(x: np.ndarray, y: np.ndarray, places: list[np.ndarray], lines: np.ndarray) -> float:
    """Patch by patch, line by line."""
    sides = []
    for images, corners in zip((x, y), places, strict=True):
        cut = np.stack([images[n, :, r : r + 7, c : c + 7] for n, at in enumerate(corners) for r, c in at])
        cut = (cut - cut.mean((0, 2, 3), keepdims=True)) / cut.std((0, 2, 3), keepdims=True)
        sides.append(cut.reshape(len(cut), -1))
    return 1000 * float(np.mean([wasserstein_distance(sides[0] @ line, sides[1] @ line) for line in lines.T]))


@pytest.mark.parametrize(("size", "counts"), [(32, (3, 3)), (37, (3, 2))])
def test_the_plain_implementation_agrees(size: int, counts: tuple[int, int]) -> None:
    real, fake = noise(counts[0], size, 0), noise(counts[1], size, 1).float().sqrt()
    found = pyramid_distances(real=real, fake=fake, seed=5)
    levels = [plain_pyramid(x.double().numpy(), len(found)) for x in (real, fake)]
    assert list(found) == [size, size // 2]
    rng = torch.Generator().manual_seed(5)
    lines = np.concatenate([room.directions(147, rng).double().numpy() for _ in range(4)], 1)
    for level, (value, a, b) in enumerate(zip(found.values(), *levels, strict=True)):
        places = [room.positions(n, a.shape[2:], torch.Generator().manual_seed(5 + level)).numpy() for n in counts]
        assert value == pytest.approx(plain_distance(a, b, places, lines), rel=1e-4)


def test_patches_lie_everywhere_and_inside() -> None:
    at = room.positions(200, (16, 20), torch.Generator().manual_seed(0))
    assert at.amin((0, 1)).tolist() == [0, 0]
    assert at.amax((0, 1)).tolist() == [9, 13]


def test_the_pyramid_adds_up_to_the_image() -> None:
    x = noise(2, 64, 0).float()
    fine, middle, rest = room.pyramid(x)
    assert [fine.shape[-1], middle.shape[-1], rest.shape[-1]] == [64, 32, 16]
    again = fine + room.enlarged(middle + room.enlarged(rest, (32, 32)), (64, 64))
    torch.testing.assert_close(again, x)


def test_a_set_is_at_0_of_itself_and_range_and_brightness_do_not_count() -> None:
    real, fake = noise(4, 16, 0, channels=1), (noise(4, 16, 1, channels=1) // 2)
    assert pyramid_distances(real=real, fake=real) == {16: 0.0}
    once = pyramid_distances(real=real, fake=fake)
    scaled = pyramid_distances(real=real.float() / 127.5 - 1, fake=3 * fake.float() + 7)
    assert scaled == pytest.approx(once, rel=1e-3)


def test_a_rotation_of_all_descriptors_changes_nothing_but_the_drawing() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(2000, 20, generator=rng), torch.randn(2000, 20, generator=rng) * torch.linspace(1, 3, 20)
    turn = torch.linalg.qr(torch.randn(20, 20, generator=rng)).Q
    lines = torch.Generator().manual_seed
    assert room.between(a @ turn, b @ turn, lines(1)) == pytest.approx(room.between(a, b, lines(2)), rel=0.05)
    assert room.between(a @ turn, a @ turn, lines(1)) == 0.0


def test_what_is_fine_shows_at_the_finest_level() -> None:
    rng = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.randn(12, 1, 4, 4, generator=rng), (64, 64), mode="bicubic")
    grain = 0.05 * torch.randn(12, 1, 64, 64, generator=rng)
    dots = (torch.rand(12, 1, 64, 64, generator=rng) < 0.01).float() * 0.5
    found = pyramid_distances(real=smooth + grain + dots, fake=smooth + grain)
    assert list(found) == [64, 32, 16]
    assert found[64] > 3 * found[32] > 3 * found[16]


@pytest.mark.parametrize(
    ("real", "fake", "words"),
    [((2, 3, 15, 15), (2, 3, 15, 15), "15 × 15 have no level"), ((2, 3, 16, 16), (2, 1, 16, 16), "of one shape"),
     ((2, 3, 16, 16), (0, 3, 16, 16), "of one shape")],
)  # fmt: skip
def test_refusals(real: tuple[int, ...], fake: tuple[int, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        pyramid_distances(real=torch.zeros(real), fake=torch.zeros(fake))
