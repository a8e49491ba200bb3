"""Images as a network wants them: their range, their channels, their size.

The size is where tables of FID part company. `tensorflow_bilinear` is what the published figures were taken with: no
antialiasing, and pixels compared at their corners; `clean_bicubic` is what they should have been taken with (Parmar,
Zhang and Zhu 2022, "On aliased resizing and surprising subtleties in GAN evaluation").
"""

import torch
from jaxtyping import Float, Float64, Num
from torch import Tensor
from torch.nn import functional as F

from ganforge.errors import DataError

__all__ = ["clean_bicubic", "in_levels", "in_unit_range", "on_white", "recoloured", "resized", "tensorflow_bilinear"]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow's convert("L")


def in_unit_range(images: Num[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Bytes to [-1, 1]; what is float already stands there."""
    return images.float() if images.is_floating_point() else images.float() / 127.5 - 1


def in_levels(images: Num[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Bytes as the numbers 0 to 255; floats in [-1, 1] as the bytes that a file of theirs would hold.

    >>> in_levels(torch.tensor([-1.0, 0.0, 1.0, 7.0]).view(1, 1, 1, 4)).flatten().tolist()
    [0.0, 128.0, 255.0, 255.0]
    """
    if not images.is_floating_point():
        return images.float()
    return ((images.float().nan_to_num(nan=-1.0) + 1) * 127.5).round().clamp(0, 255)


def on_white(x: Float[Tensor, "B C H W"], low: float = -1.0, high: float = 1.0) -> Float[Tensor, "B K H W"]:
    """Images of 2 or 4 channels, whose last is alpha, laid on white; others as they are. Values are `low` to `high`."""
    if x.shape[1] not in (2, 4):
        return x
    alpha = (x[:, -1:] - low) / (high - low)
    return x[:, :-1] * alpha + (1 - alpha) * high


def recoloured(x: Float[Tensor, "B C H W"], channels: int) -> Float[Tensor, "B K H W"]:
    """Grey to equal channels, or colour to its luma; raises `DataError` for other than 1 or 3 channels."""
    if x.shape[1] == channels:
        return x
    if x.shape[1] == 1:
        return x.expand(-1, channels, -1, -1)
    if x.shape[1] == 3 and channels == 1:
        return (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    raise DataError(
        f"images with {x.shape[1]} channels are no pictures that a classifier knows; judge.extractor=pixels takes any"
    )


def resized(x: Float[Tensor, "B C H W"], size: tuple[int, int]) -> Float[Tensor, "B C h w"]:
    """Antialiased bilinear, the form whose numbers don't depend on a library's taste (Parmar et al., 2022)."""
    return x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear", antialias=True)


def clean_bicubic(x: Float[Tensor, "B C H W"], size: int) -> Float[Tensor, "B C s s"]:
    """Antialiased bicubic as Pillow does it in float, clamped to [0, 255] and not rounded: clean-fid's resizing.

    Two matrix products with Pillow's own coefficients; `interpolate` computes them in float32, which shows.
    """
    rows, columns = (bicubic_weights(length, size).to(x) for length in x.shape[2:])
    return (rows @ (x @ columns.T)).clamp(0, 255)


def bicubic_weights(length: int, size: int) -> Float64[Tensor, "size length"]:
    """What each old pixel adds to each new one: Keys' cubic with a = -1/2, widened where pixels get fewer."""
    scale = length / size
    centre = (torch.arange(size, dtype=torch.float64) + 0.5) * scale
    d = (torch.arange(length, dtype=torch.float64) + 0.5 - centre[:, None]).abs() / max(scale, 1)
    near, far = (1.5 * d - 2.5) * d * d + 1, ((-0.5 * d + 2.5) * d - 4) * d + 2
    weights = torch.where(d < 1, near, torch.where(d < 2, far, 0.0))
    return weights / weights.sum(1, keepdim=True)


def tensorflow_bilinear(x: Float[Tensor, "B C H W"], size: int) -> Float[Tensor, "B C s s"]:
    """Bilinear as TensorFlow 1 did it: pixel i of n looks at i·H/n, no half pixels, no antialiasing.

    Columns first, then rows, in the order of TensorFlow's own arithmetic, so not a bit differs.

    >>> tensorflow_bilinear(torch.tensor([[[[0.0, 4.0], [8.0, 12.0]]]]), 4)[0, 0, 1].tolist()
    [4.0, 6.0, 8.0, 8.0]
    """
    for axis in (3, 2):
        low, high, share = corners(x.shape[axis], size, x.device)
        left = x.index_select(axis, low)
        x = left + (x.index_select(axis, high) - left) * share.view(-1, *[1] * (3 - axis))
    return x


def corners(length: int, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The two old pixels that each new one lies between, and the share of the second."""
    place = torch.arange(size, dtype=torch.float32, device=device) * torch.tensor(length / size, dtype=torch.float32)
    low = place.long()
    return low, (low + 1).clamp_max(length - 1), place - low
