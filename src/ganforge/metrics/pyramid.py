"""The sliced Wasserstein distance of patches, at each level of a Laplacian pyramid: structure, scale by scale."""

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor
from torch.nn import functional as F

from ganforge.errors import DataError
from ganforge.metrics.sliced import between_sorted

__all__ = ["descriptors", "directions", "positions", "pyramid", "pyramid_distances"]

PATCH = 7  # pixels, along either side
PATCHES = 128  # of an image, at each level
COARSEST = 16  # pixels along a side of the last level
REPEATS, LINES = 4, 128  # of the random directions
BLOCK = 16  # directions at a time
CHUNK = 256  # images at a time
BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def blurred(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Burt and Adelson's filter of 5 × 5, mirrored at the edges."""
    C, taps = x.shape[1], BINOMIAL.to(x)
    x = F.pad(x, (2, 2, 2, 2), mode="reflect")
    x = F.conv2d(x, taps.view(1, 1, 1, -1).expand(C, 1, 1, -1), groups=C)
    return F.conv2d(x, taps.view(1, 1, -1, 1).expand(C, 1, -1, 1), groups=C)


def enlarged(x: Float[Tensor, "B C h w"], size: tuple[int, int]) -> Float[Tensor, "B C H W"]:
    """Twice as large: zeros between the pixels, and the filter."""
    wide = x.new_zeros(*x.shape[:2], *size)
    wide[..., ::2, ::2] = x
    return 4 * blurred(wide)


def levels_of(size: tuple[int, ...]) -> int:
    """How many levels images have, down to 16 pixels.

    >>> levels_of((256, 256)), levels_of((28, 28)), levels_of((15, 99))
    (5, 1, 0)
    """
    return max(0, (min(size) // COARSEST).bit_length())


def pyramid(x: Float[Tensor, "B C H W"]) -> list[Float[Tensor, "B C h w"]]:
    """The Laplacian pyramid, finest level first: each is what the next, enlarged, lacks; the last is the rest.

    Burt and Adelson 1983, "The Laplacian pyramid as a compact image code".
    """
    levels = []
    for _ in range(levels_of(tuple(x.shape[2:])) - 1):
        small = blurred(x)[..., ::2, ::2]
        levels.append(x - enlarged(small, (x.shape[2], x.shape[3])))
        x = small
    return [*levels, x]


def positions(count: int, size: tuple[int, int], rng: torch.Generator) -> Int64[Tensor, "count patches 2"]:
    """The upper left corners (row, column) of the patches of so many images, any that fits with the same chance."""
    rows, columns = (torch.randint(side - PATCH + 1, (count, PATCHES), generator=rng) for side in size)
    return torch.stack([rows, columns], 2)


def directions(dim: int, rng: torch.Generator) -> Float[Tensor, "dim lines"]:
    """Random lines, of length 1: those of one repeat."""
    lines = torch.randn(dim, LINES, generator=rng)
    return lines / lines.norm(dim=0)


def patches(x: Float[Tensor, "B C h w"], at: Int64[Tensor, "B P 2"]) -> Float[Tensor, "n C 7 7"]:
    """The patches at these corners, image by image."""
    near = torch.arange(PATCH)
    rows, columns = at[..., 0, None, None] + near[:, None], at[..., 1, None, None] + near  # (B, P, 7, 1), (B, P, 1, 7)
    image = torch.arange(len(x))[:, None, None, None]
    return x.permute(0, 2, 3, 1)[image, rows, columns].flatten(0, 1).permute(0, 3, 1, 2)


def descriptors(images: Num[Tensor, "N C H W"], level: int, *, seed: int) -> Float[Tensor, "n D"]:
    """The patches of one level of all images, each channel brought to mean 0 and deviation 1 over all of them; flat."""
    rng, found = torch.Generator().manual_seed(seed + level), []
    for chunk in images.split(CHUNK):
        x = pyramid(chunk.cpu().float())[level]
        found.append(patches(x, positions(len(x), (x.shape[2], x.shape[3]), rng)))
    all_of_them = torch.cat(found)
    for channel in all_of_them.unbind(1):
        deviation = channel.std(correction=0)
        channel.sub_(channel.mean()).div_(torch.where(deviation > 0, deviation, 1.0))
    return all_of_them.flatten(1)


def pyramid_distances(*, real: Num[Tensor, "N C H W"], fake: Num[Tensor, "M K h w"], seed: int = 0) -> dict[int, float]:
    """Size of each level -> the sliced Wasserstein distance of its patches, times 1000, from the finest down to 16.

    Low values say that both sides look alike at that scale: the finest level sees noise and sharpness, the coarsest
    the large structures. 128 patches of 7 × 7 of each image and level; the mean over 4 times 128 random directions.
    Identical sets are at 0. Holds the patches of one level: 75 kB for an image in colour.

    Raises:
        DataError: for images smaller than 16 pixels, of different shapes, or none.

    *Differs:* both sides' patches lie at the same places, so that equal images are at 0; and unequal numbers of images
    are compared by their quantiles. Bytes and floats in [-1, 1] give the same, as each channel is normalised.

    Karras et al. 2018, "Progressive growing of GANs for improved quality, stability, and variation" (arXiv:1710.10196),
    section 5.
    """
    if real.shape[1:] != fake.shape[1:] or not len(real) or not len(fake):
        raise DataError(f"real images {tuple(real.shape)} and fakes {tuple(fake.shape)} have to be some of one shape")
    size = (real.shape[2], real.shape[3])
    if not (count := levels_of(size)):
        raise DataError(f"images of {size[0]} × {size[1]} have no level of {COARSEST} pixels or more")
    found = {}
    for level in range(count):
        a, b = (descriptors(images, level, seed=seed) for images in (real, fake))
        found[min(size) >> level] = 1000 * between(a, b, torch.Generator().manual_seed(seed))
    return found


def between(a: Float[Tensor, "n D"], b: Float[Tensor, "m D"], rng: torch.Generator) -> float:
    """The mean over the directions of the distance of the shadows."""
    total = 0.0
    for _ in range(REPEATS):
        for lines in directions(a.shape[1], rng).split(BLOCK, 1):
            x, y = ((side @ lines).sort(0).values for side in (a, b))
            apart = (x - y).abs().mean(0) if len(x) == len(y) else between_sorted(x.double(), y.double())
            total += float(apart.double().sum())
    return total / (REPEATS * LINES)
