"""How long Gaussian latents are, and how short the straight line between two of them gets.

z of D independent standard normals has a chi-distributed norm, near √D with a spread of .7 whatever D: in high
dimensions nearly all mass lies in a thin shell, which a straight line between two latents leaves.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["expected_norm", "lerp_norm_ratio", "line_minimum", "segment_minimum"]


def expected_norm(dim: int) -> float:
    """E|z| = √2·Γ((D + 1)/2)/Γ(D/2) of a standard normal z in D dimensions: the mean of the chi distribution.

    >>> round(expected_norm(2), 6), round(expected_norm(512), 3)
    (1.253314, 22.616)
    """
    if dim < 1:
        raise ValueError(f"a latent of {dim} dimensions has no norm: give 1 or more")
    return math.sqrt(2) * math.exp(math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2))


def lerp_norm_ratio(t: float | int) -> float:
    """E|z(t)|/E|z(0)| = √(t² + (1 - t)²) along lerp between two independent normal latents, in every dimension.

    z(t) = (1 - t)·a + t·b is itself normal with that standard deviation. Why it matters: White 2016, arXiv:1609.04468.

    >>> round(lerp_norm_ratio(0.5), 6)  # 1/√2
    0.707107
    """
    return math.hypot(t, 1 - t)


def line_minimum(dim: int) -> float:
    """The expected distance from the origin to the straight line through two independent normal latents.

    With s = (a + b)/√2 and r = (b - a)/√2, independent and normal too, the line is the set of (s + λr)/√2. Its nearest
    point is what of s lies across r, which has D - 1 dimensions whatever r: the mean is E|z| in D - 1 dimensions over
    √2, and 0 in one. In units of E|z| it is below 1/√2 and rises to it with D.

    >>> round(line_minimum(2) / expected_norm(2), 4), round(line_minimum(512) / expected_norm(512), 4)
    (0.4502, 0.7064)
    """
    return expected_norm(dim - 1) / math.sqrt(2) if dim > 1 else 0.0


def segment_minimum(a: Float[Tensor, "*batch dim"], b: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
    """The smallest |z(t)| along lerp from a to b, t in [0, 1]: the distance from the origin to the segment.

    It is at t = a·(a - b)/|a - b|² where that lies in [0, 1], else at an end.

    >>> segment_minimum(torch.tensor([1.0, 1.0]), torch.tensor([1.0, -1.0])).item()
    1.0
    """
    apart = a - b
    square = apart.square().sum(-1)
    t = (a * apart).sum(-1) / torch.where(square > 0, square, 1.0)
    nearest = a - t.clamp(0, 1)[..., None] * apart
    return torch.linalg.vector_norm(nearest, dim=-1)
