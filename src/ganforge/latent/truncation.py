"""Shorter latents: better samples, less variety."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["truncated", "truncated_deviation"]

SMALL = 1e-3  # thresholds below which the normal density is level


def truncated(z: Float[Tensor, "*batch dim"], threshold: float) -> Float[Tensor, "*batch dim"]:
    """Normal numbers made truncated normal ones: on [-τ, τ], with the normal density between.

    Each number keeps its sign and its rank: z -> sign(z)·√2·erf⁻¹(erf(|z|/√2)·erf(τ/√2)), so a sample changes smoothly
    with τ and is itself at τ = ∞. Brock et al. 2019, arXiv:1809.11096, section 3.1. *Differs:* there what falls outside
    is drawn again; the distribution is the same.

    Raises:
        ValueError: for a threshold that isn't positive.

    >>> truncated(torch.tensor([0.0, 3.0, -9.0]), 0.5).abs().max() <= 0.5
    tensor(True)
    """
    if not threshold > 0:
        raise ValueError(f"threshold {threshold} is no bound; give a positive number")
    if math.isinf(threshold):
        return z
    wide = z.double()
    share = torch.erf(wide.abs() / math.sqrt(2)) * math.erf(threshold / math.sqrt(2))
    inside = math.sqrt(2) * torch.erfinv(share.clamp(max=1 - 2**-53))
    return (wide.sign() * inside.clamp(max=threshold)).to(z.dtype)


def truncated_deviation(threshold: float) -> float:
    """The standard deviation of normal numbers truncated to [-τ, τ]: √(1 - 2τφ(τ)/(2Φ(τ) - 1)); 1 at τ = ∞.

    Johnson, Kotz and Balakrishnan 1994, Continuous Univariate Distributions 1, section 13.10.1.

    >>> round(truncated_deviation(1.0), 4), truncated_deviation(math.inf)
    (0.5396, 1.0)

    Raises:
        ValueError: for a threshold that isn't positive.
    """
    if not threshold > 0:
        raise ValueError(f"threshold {threshold} is no bound; give a positive number")
    if threshold < SMALL:
        return threshold / math.sqrt(3)  # uniform, and rounding would eat the difference
    height = math.exp(-(threshold**2) / 2) / math.sqrt(2 * math.pi)
    return math.sqrt(1 - (2 * threshold * height / math.erf(threshold / math.sqrt(2)) if height else 0.0))
