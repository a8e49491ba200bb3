"""Walks through several latents: from key to key along lines or turns, or on one smooth curve; open or closed."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.errors import RecipeError
from ganforge.latent.interpolation import direction, lerp, slerp

__all__ = ["WAYS", "bilinear", "cubic", "positions", "walk"]

Keys = Float[Tensor, "K dim"]
Places = Float[Tensor, " T"]


def positions(keys: int, frames: int, *, loop: bool = False) -> Float[Tensor, " T"]:
    """Where each frame of a walk stands, in keys: evenly from 0 to the last one, or, in a loop, up to just before the
    first one comes back, so that a film that starts over has no frame twice.

    >>> positions(3, 5).tolist(), positions(2, 4, loop=True).tolist()
    ([0.0, 0.5, 1.0, 1.5, 2.0], [0.0, 0.5, 1.0, 1.5])
    """
    if loop:
        return torch.arange(frames, dtype=torch.float64) * (keys / frames)
    return torch.linspace(0, keys - 1, frames, dtype=torch.float64)


def _segments(keys: Keys, t: Places, *, loop: bool) -> tuple[Tensor, Tensor]:
    """The number of the key before each place, and the share of the way to the next."""
    last = len(keys) if loop else len(keys) - 1
    before = t.floor().long().clamp(0, max(last - 1, 0))
    return before, (t - before).to(keys)


def _key(keys: Keys, index: Tensor, *, loop: bool) -> Float[Tensor, "T dim"]:
    """Keys by number; beyond the ends the first and the last stand still, in a loop the others come round."""
    return keys[index % len(keys) if loop else index.clamp(0, len(keys) - 1)]


def _piecewise(between: Callable[..., Tensor]) -> Callable[..., Float[Tensor, "T dim"]]:
    """A walk that takes each pair of keys by itself."""

    def walked(keys: Keys, t: Places, *, loop: bool = False) -> Float[Tensor, "T dim"]:
        before, share = _segments(keys, t, loop=loop)
        return between(_key(keys, before, loop=loop), _key(keys, before + 1, loop=loop), share)

    return walked


def _pyramid(between: Callable[..., Tensor], p: list[Tensor], t: Tensor) -> Tensor:
    """Barry and Goldman's recursion for uniform Catmull-Rom, t from p[1] to p[2]: interpolations of interpolations."""
    a, b, c = (between(p[i], p[i + 1], t + 1 - i) for i in range(3))
    return between(between(a, b, (t + 1) / 2), between(b, c, t / 2), t)


def cubic(keys: Keys, t: Places, *, loop: bool = False) -> Float[Tensor, "T dim"]:
    """A curve through all keys without corners: Catmull-Rom on the sphere for the directions, plain for the lengths.

    Why on the sphere: a cubic in space cuts through the inside of the shell where Gaussian latents lie, as `lerp` does
    (at the middle between two keys down to some 0.7 of their length), and samples fade there. Why Catmull-Rom: it goes
    through its keys, each piece depends on four of them alone, and it is C1, at the seam of a loop as anywhere: the
    velocity at a key is the mean of the two turns' that meet there.

    Barry and Goldman 1988, SIGGRAPH, "A recursive evaluation algorithm for a class of Catmull-Rom splines", with slerp
    in the place of lerp as Schlag 1991, Graphics Gems II, VIII.4. *Differs:* lengths apart, by the same recursion.

    Args:
        keys: (K, D), K >= 1.
        t: places (T,) from 0 to K - 1, in a loop to K.
        loop: whether the last key is followed by the first. Without, the ends are doubled, and met at half speed.
    """
    before, share = _segments(keys, t, loop=loop)
    around = [_key(keys, before + i, loop=loop) for i in (-1, 0, 1, 2)]
    lengths = [torch.linalg.vector_norm(p, dim=-1, keepdim=True) for p in around]
    length = _pyramid(lerp, lengths, share).clamp_min(0)
    return length * _pyramid(slerp, [direction(p) for p in around], share)


WAYS: dict[str, Callable[..., Float[Tensor, "T dim"]]] = {
    "slerp": _piecewise(slerp),
    "lerp": _piecewise(lerp),
    "cubic": cubic,
}
"""How a walk gets from key to key: `way(keys, places, loop=...)`."""


def walk(keys: Keys, frames: int, *, way: str = "slerp", loop: bool = False) -> Float[Tensor, "T dim"]:
    """A walk through latents in so many steps.

    Raises:
        RecipeError: for a way that there isn't, and for no keys or no frames.

    >>> walk(torch.eye(2), 3)[1]
    tensor([0.7071, 0.7071])
    """
    if way not in WAYS:
        raise RecipeError(f"there is no way {way!r} to walk; it is {', '.join(WAYS)}")
    if frames < 1 or len(keys) < 1:
        raise RecipeError(f"a walk of {frames} frames through {len(keys)} keys can't be; give 1 or more of either")
    return WAYS[way](keys, positions(len(keys), frames, loop=loop), loop=loop)


def bilinear(
    corners: Float[Tensor, "4 dim"], rows: int, columns: int, *, between: Callable[..., Tensor] = slerp
) -> Float[Tensor, "rows columns dim"]:
    """The field between four latents: upper left, upper right, lower left, lower right.

    The upper and the lower edge are walked first, then each column from the one to the other; with `slerp` the other
    order gives slightly different points inside, with `lerp` the same.

    >>> bilinear(torch.eye(4), 2, 2, between=lerp).tolist() == torch.eye(4).view(2, 2, 4).tolist()
    True
    """
    across, down = torch.linspace(0, 1, columns), torch.linspace(0, 1, rows)
    top, bottom = between(corners[0], corners[1], across), between(corners[2], corners[3], across)  # (columns, D)
    return between(top, bottom, down[:, None])
