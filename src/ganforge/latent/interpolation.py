"""Two ways from one latent to another: the straight line, and the turn that keeps the length."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["direction", "lerp", "slerp"]

Latents = Float[Tensor, "*batch dim"]
Share = Float[Tensor, "..."] | float | int


def _column(t: Share, like: Latents) -> Float[Tensor, "..."]:
    """t with an axis for the coordinates."""
    return torch.as_tensor(t, dtype=like.dtype, device=like.device)[..., None]


def lerp(a: Latents, b: Latents, t: Share) -> Float[Tensor, "*any dim"]:
    """(1 - t)·a + t·b, the straight line, exact at both ends.

    Between two Gaussian latents it passes through vectors shorter than any that a generator was trained on: E|z(½)| is
    1/√2 of E|z(0)| in every dimension (`lerp_norm_ratio`).

    Args:
        a: (..., D), where the walk begins.
        b: (..., D), where it ends.
        t: a number, or a tensor that broadcasts against (...): (T,) walks between two vectors (D,) in T steps, (B,)
            gives each of B pairs a share of its own, (T, 1) walks between B pairs at once. Beyond [0, 1] it goes on.

    >>> lerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.5)
    tensor([0.5000, 0.5000])
    """
    t = _column(t, a)
    return (1 - t) * a + t * b


def _norm(x: Latents) -> Float[Tensor, "*batch 1"]:
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True)


def _polar(x: Latents) -> tuple[Float[Tensor, "*batch 1"], Latents]:
    """|x| and x/|x|, which is 0 for 0; scaled first, so that squares neither over- nor underflow."""
    largest = x.abs().amax(-1, keepdim=True)
    x = x / torch.where(largest > 0, largest, 1.0)
    length = _norm(x)
    return largest * length, x / torch.where(length > 0, length, 1.0)


def direction(x: Latents) -> Latents:
    """x/|x|, and 0 for 0; no length is too large or too small."""
    return _polar(x)[1]


def _perpendicular(u: Latents) -> Latents:
    """The unit vector across u in the plane of u and the axis that u is farthest from; 0 in one dimension."""
    axis = torch.zeros_like(u).scatter_(-1, u.abs().argmin(-1, keepdim=True), 1.0)
    return direction(axis - (axis * u).sum(-1, keepdim=True) * u)


def _across(u: Latents, v: Latents) -> tuple[Float[Tensor, "*batch 1"], Latents]:
    """The angle between two unit vectors, and the unit vector across u towards v, so that v = cos·u + sin·across.

    The angle is Kahan's 2·atan2(|u - v|, |u + v|), which keeps its digits near 0 and near π, where arccos loses half.
    """
    angle = 2 * torch.atan2(_norm(u - v), _norm(u + v))
    apart = v - (v * u).sum(-1, keepdim=True) * u
    across = direction(apart)
    across = direction(across - (across * u).sum(-1, keepdim=True) * u)  # what rounding left along u
    aligned = _norm(apart) <= 8 * torch.finfo(u.dtype).eps
    return angle, torch.where(aligned, _perpendicular(u), across)


def slerp(a: Latents, b: Latents, t: Share) -> Float[Tensor, "*any dim"]:
    """Turns the direction of a into that of b at a steady rate, and interpolates the norm linearly.

    Shoemake 1985, SIGGRAPH, "Animating rotation with quaternion curves", for unit vectors; proposed for
    latents by White 2016, arXiv:1609.04468, section 2.1. *Differs:* there sin((1 - t)ω)/sin ω·a + sin(tω)/sin ω·b,
    whose norm isn't linear in t where |a| and |b| differ, and which loses its digits at small and at straight angles;
    for equal norms the two are one.

    Args:
        a: (..., D), where the walk begins.
        b: (..., D), where it ends.
        t: a number, or a tensor that broadcasts against (...), as in `lerp`. Beyond [0, 1] it turns on.

    The norm is (1 - t)·|a| + t·|b| to rounding. Parallel vectors are interpolated linearly. For opposite ones, to
    rounding, no shortest way is distinguished: the turn goes through the coordinate axis that is farthest from both (in
    one dimension there is none, and the walk goes through 0). A zero vector has no direction: it takes the other's.

    >>> slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.5)
    tensor([0.7071, 0.7071])
    """
    t = _column(t, a)
    a, b = torch.broadcast_tensors(a, b)
    (norm_a, u), (norm_b, v) = _polar(a), _polar(b)
    u, v = torch.where(norm_a > 0, u, v), torch.where(norm_b > 0, v, u)
    angle, across = _across(u, v)
    direction = torch.cos(t * angle) * u + torch.sin(t * angle) * across
    return ((1 - t) * norm_a + t * norm_b) * direction
