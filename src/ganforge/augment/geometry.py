"""Moving pixels: flips, quarter turns, shifts, scalings, rotations.

A transformation is a (B, 3, 3) matrix on homogeneous coordinates (x, y, 1), in pixels from the image's centre. What
a sampler needs is its inverse, from a place in the new image to one in the old; only inverses are built here.
"""

from functools import reduce

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganforge.augment.dice import Dice
from ganforge.augment.wavelets import DELAY, SYM6, coarse_matrix, fine_matrix

__all__ = ["blit", "geometry", "picked", "resampled"]

Images = Float[Tensor, "B C H W"]
Matrices = Float[Tensor, "B 3 3"]
SCALE, SHIFT, TURN = 0.2, 0.125, torch.pi  # octaves, shares of the image's size, radians


def matrices(*entries: Tensor | float) -> Matrices:
    """3×3 matrices, one a sample, from their first two rows, entry by entry."""
    columns = torch.broadcast_tensors(*(e for e in entries if isinstance(e, Tensor)))
    first, rest = columns[0], iter(columns)
    numbers = [next(rest) if isinstance(e, Tensor) else torch.full_like(first, e) for e in (*entries, 0.0, 0.0, 1.0)]
    return torch.stack(numbers, -1).unflatten(-1, (3, 3))


def scaling(x: Float[Tensor, " B"], y: Float[Tensor, " B"] | float) -> Matrices:
    """x and y axis stretched."""
    return matrices(x, 0.0, 0.0, 0.0, y, 0.0)


def rotation(cosine: Float[Tensor, " B"], sine: Float[Tensor, " B"]) -> Matrices:
    """A turn about the centre."""
    return matrices(cosine, -sine, 0.0, sine, cosine, 0.0)


def translation(x: Float[Tensor, " B"], y: Float[Tensor, " B"]) -> Matrices:
    """A shift by so many pixels."""
    return matrices(1.0, 0.0, x, 0.0, 1.0, y)


def places(
    inverse: Matrices, x: Float[Tensor, " w"], y: Float[Tensor, " h"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B h w"], Float[Tensor, "B h w"]]:
    """Where the new image's pixels (x, y), counted from its corner, come from: columns and rows of the old one."""
    H, W = size
    corner = [(W - 1) / 2, (H - 1) / 2]
    x, y = x[None, None, :] - corner[0], y[None, :, None] - corner[1]
    row = [inverse[:, i, :, None, None] for i in range(2)]  # (B, 3, 1, 1)
    column, line = (r[:, 0] * x + r[:, 1] * y + r[:, 2] for r in row)
    return column + corner[0], line + corner[1]


def picked(x: Images, rows: Int[Tensor, "B h w"], columns: Int[Tensor, "B h w"]) -> Float[Tensor, "B C h w"]:
    """The pixels at those places, each sample its own, the same in all channels."""
    B, C, _, W = x.shape
    flat = (rows * W + columns).flatten(1)[:, None].expand(B, C, -1)  # (B, C, h·w)
    return x.flatten(2).gather(2, flat).unflatten(2, rows.shape[1:])


def reflected(place: Float[Tensor, "B h w"], size: int) -> Float[Tensor, "B h w"]:
    """A place beyond the edges, reflected about the centres of the outermost pixels."""
    last = size - 1
    return last - (place.remainder(max(2 * last, 1)) - last).abs() if last else torch.zeros_like(place)


def blit(x: Images, dice: Dice) -> Images:
    """Pixels copied as they are: x-flips, quarter turns, whole-pixel shifts up to 1/8 of the size.

    Karras et al. 2020, arXiv:2006.06676, appendix B, *pixel blitting*: i ~ U{0, 1}, i ~ U{0, 3}, t ~ U(-.125, .125).
    *Differs:* pixels are copied in a step of their own, bit for bit, where the reference sends them through the
    resampling filters with the rest of the geometry; what lies beyond the edges is then reflected step by step.
    """
    H, W = x.shape[-2:]
    flip = dice.maybe(1 - 2 * dice.integer(0, 1), neutral=1.0)
    quarters = dice.maybe(dice.integer(0, 3), neutral=0.0)
    odd = quarters.remainder(2) == 1
    shifted = dice.happens()
    across, down = (torch.where(shifted, (dice.uniform(-SHIFT, SHIFT) * n).round(), 0.0) for n in (W, H))
    cosine, sine = torch.where(odd, 0.0, 1 - quarters), torch.where(odd, 2 - quarters, 0.0)
    inverse = scaling(flip, 1.0) @ rotation(cosine, sine) @ translation(-across, -down)
    x_axis, y_axis = (torch.arange(n, dtype=inverse.dtype, device=inverse.device) for n in (W, H))
    columns, rows = places(inverse, x_axis, y_axis, (H, W))
    columns, rows = (reflected((p + 0.5).floor(), n).long() for p, n in ((columns, W), (rows, H)))
    return picked(x, rows, columns)


def geometry(x: Images, dice: Dice) -> Images:
    """Scalings, rotations and shifts by parts of pixels, resampled once.

    Karras et al. 2020, arXiv:2006.06676, appendix B, *general geometric transformations*: isotropic scaling by
    2^N(0, .2²), rotation by U(-π, π), anisotropic scaling (s, 1/s), rotation again, shift by N(0, .125²) of the size;
    each of the two rotations with 1 - √(1 - p), so that one of them takes place with p.
    """
    H, W = x.shape[-2:]
    turning = 1 - (1 - dice.p) ** 0.5
    size = dice.maybe(dice.lognormal(SCALE), neutral=1.0)
    first = dice.maybe(dice.uniform(-TURN, TURN), neutral=0.0, p=turning)
    stretch = dice.maybe(dice.lognormal(SCALE), neutral=1.0)
    second = dice.maybe(dice.uniform(-TURN, TURN), neutral=0.0, p=turning)
    shifted = dice.happens()
    across, down = (torch.where(shifted, dice.normal(SHIFT) * n, 0.0) for n in (W, H))
    steps = [
        scaling(1 / size, 1 / size),
        rotation(first.cos(), -first.sin()),
        scaling(1 / stretch, stretch),
        rotation(second.cos(), -second.sin()),
        translation(-across, -down),
    ]
    inverse = reduce(torch.matmul, steps)
    still = (inverse == torch.eye(3, dtype=inverse.dtype, device=inverse.device)).all(-1).all(-1)
    return torch.where(still[:, None, None, None], x, resampled(x, inverse))


def resampled(x: Images, inverse: Matrices) -> Images:
    """The image moved: upsampled twofold by a wavelet, sampled bilinearly, downsampled by the same wavelet.

    The wavelet (sym6) is orthonormal, so nothing is lost where nothing moves, and fine detail doesn't alias where it
    does. Karras et al. 2020, arXiv:2006.06676, appendix B. *Differs:* the image is reflected without end, where the
    reference pads by a margin that it has to read from the device and has zeros beyond; and the filter's true centre
    is accounted for (5.1 samples, not the 5.5 of a symmetric one), so that a turn by 180° leaves ramps in place.
    """
    H, W = x.shape[-2:]
    fine = fine_matrix(H, x.dtype, x.device) @ x @ fine_matrix(W, x.dtype, x.device).mT  # (B, C, ~4H, ~4W)
    x_axis, y_axis = (
        (torch.arange(2 * n + len(SYM6) - 2, dtype=inverse.dtype, device=x.device) - DELAY) / 2 for n in (W, H)
    )
    columns, rows = places(inverse, x_axis, y_axis, (H, W))
    moved = bilinear(fine, 2 * rows + DELAY, 2 * columns + DELAY)  # (B, C, 2H+10, 2W+10)
    return coarse_matrix(H, x.dtype, x.device) @ moved @ coarse_matrix(W, x.dtype, x.device).mT


def bilinear(x: Images, rows: Float[Tensor, "B h w"], columns: Float[Tensor, "B h w"]) -> Float[Tensor, "B C h w"]:
    """A periodic image between its samples; the last row and column are the first again.

    Plain gathers, which R1 can differentiate twice: older PyTorch lacks the second derivative of `grid_sample`.
    """
    height, width = (n - 1 for n in x.shape[-2:])
    rows, columns = rows.remainder(height), columns.remainder(width)
    top, left = rows.floor().clamp(max=height - 1), columns.floor().clamp(max=width - 1)
    down, right = ((a - b).to(x.dtype)[:, None] for a, b in ((rows, top), (columns, left)))
    i, j = top.long(), left.long()
    upper = torch.lerp(picked(x, i, j), picked(x, i, j + 1), right)
    lower = torch.lerp(picked(x, i + 1, j), picked(x, i + 1, j + 1), right)
    return torch.lerp(upper, lower, down)
