"""How alike the images of a generator are to each other: multi-scale structural similarity of random pairs."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Num
from torch import Tensor
from torch.nn import functional as F

from ganforge.errors import DataError

__all__ = ["Similarity", "ms_ssim", "pairwise_similarity"]

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first
WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
CHUNK = 64  # pairs at once


class Similarity(NamedTuple):
    """Mean over the pairs, its standard error, and the number of scales that the images had room for."""

    value: float
    standard_error: float
    scales: int


def window(dtype: torch.dtype, device: torch.device) -> Float[Tensor, " taps"]:
    """A Gaussian of σ 1.5 over 11 pixels, of sum 1."""
    x = torch.arange(WINDOW, dtype=dtype, device=device) - WINDOW // 2
    weights = (-x.square() / (2 * SIGMA**2)).exp()
    return weights / weights.sum()


def blurred(x: Float[Tensor, "B C H W"], weights: Float[Tensor, " taps"]) -> Float[Tensor, "B C h w"]:
    """The window's mean around each pixel that has a whole window; rows, then columns."""
    C = x.shape[1]
    rows = F.conv2d(x, weights.view(1, 1, 1, -1).expand(C, 1, 1, -1), groups=C)
    return F.conv2d(rows, weights.view(1, 1, -1, 1).expand(C, 1, -1, 1), groups=C)


def scale(
    x: Float[Tensor, "B C H W"], y: Float[Tensor, "B C H W"], weights: Float[Tensor, " taps"]
) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B C"]]:
    """Of pairs of images in [0, 1], channel by channel: the mean SSIM, and the mean of its contrast and structure."""
    c1, c2 = K1**2, K2**2
    m, n = blurred(x, weights), blurred(y, weights)
    var_x, var_y = blurred(x * x, weights) - m * m, blurred(y * y, weights) - n * n
    together = blurred(x * y, weights) - m * n
    structure = (2 * together + c2) / (var_x + var_y + c2)
    luminance = (2 * m * n + c1) / (m * m + n * n + c1)
    return (luminance * structure).mean((2, 3)), structure.mean((2, 3))


def scales_of(size: tuple[int, ...]) -> int:
    """How many scales an image has room for: the coarsest is still as large as the window.

    >>> scales_of((256, 256)), scales_of((32, 32)), scales_of((10, 99))
    (5, 2, 0)
    """
    return min(len(WEIGHTS), max(0, (min(size) // WINDOW).bit_length()))


def ms_ssim(x: Float[Tensor, "B C H W"], y: Float[Tensor, "B C H W"]) -> Float[Tensor, " B"]:
    """Multi-scale structural similarity of pairs of images in [0, 1]: 1 for equals, near 0 for unrelated ones.

    The product over scales, each half as fine as the one before (means of 2 × 2 pixels), of the mean contrast and
    structure to the power of that scale's weight; of the last scale it is the whole SSIM. Negative means count as 0,
    and channels are averaged. Five scales need 176 pixels; smaller images have fewer, whose weights are then divided by
    their sum.

    Raises `DataError` for images smaller than the window of 11 pixels.

    Wang, Simoncelli and Bovik 2003, "Multi-scale structural similarity for image quality assessment", equation 7.
    """
    count = scales_of(x.shape[2:])
    if not count:
        raise DataError(f"images of {x.shape[2]} × {x.shape[3]} are smaller than the window of {WINDOW} pixels")
    weights, taps = torch.tensor(WEIGHTS[:count], dtype=x.dtype), window(x.dtype, x.device)
    parts = []
    for step in range(count):
        whole, structure = scale(x, y, taps)
        parts.append(whole if step == count - 1 else structure)
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    powers = (weights / weights.sum()).to(x.device)
    return torch.stack(parts).clamp_min(0).pow(powers[:, None, None]).prod(0).mean(1)


def pairwise_similarity(images: Num[Tensor, "N C H W"], *, pairs: int = 1000, seed: int = 0) -> Similarity:
    """Mean MS-SSIM of random pairs of different images, bytes or floats in [-1, 1]: the nearer to 1, the less variety.

    To be compared with that of real images, class by class where there are classes: a value above theirs is a collapse
    within the class. Says nothing of quality.

    Raises `DataError` with fewer than two images, or images smaller than 11 pixels.

    Odena, Olah and Shlens 2017, "Conditional image synthesis with auxiliary classifier GANs", section 4.2.
    """
    N = len(images)
    if N < 2:
        raise DataError(f"pairs need two or more images; there are {N}")
    rng = torch.Generator().manual_seed(seed)
    first = torch.randint(N, (pairs,), generator=rng)
    second = (first + torch.randint(1, N, (pairs,), generator=rng)) % N
    values: list[Float64[Tensor, " b"]] = []
    for i, j in zip(first.split(CHUNK), second.split(CHUNK), strict=True):
        x, y = (unit(images[k.to(images.device)]) for k in (i, j))
        values.append(ms_ssim(x, y).double())
    found = torch.cat(values)
    error = found.std() / len(found) ** 0.5 if len(found) > 1 else torch.tensor(torch.nan)
    return Similarity(float(found.mean()), float(error), scales_of(images.shape[2:]))


def unit(images: Num[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """To [0, 1]."""
    return (images + 1) / 2 if images.is_floating_point() else images.float() / 255
