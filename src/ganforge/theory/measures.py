"""Divergences of two non-negative measures, given as vectors of masses.

p and q are (n,) tensors of masses >= 0 of one shape, that of the data and that of the generator; they need not sum to
1. Every divergence is homogeneous of degree 1, D(c·p, c·q) = c·D(p, q), so the masses that two densities put into
the cells of a grid serve as well as probabilities do. All are in nats, and differentiable where p and q are
positive. Zeros are handled by the mathematics: 0·log 0 = 0, and mass where the other has none costs what the
divergence says, which may be inf. Nothing is checked here: `ganforge.theory.divergences` does.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "entropy",
    "jsd",
    "kl",
    "neyman_chi2",
    "pearson_chi2",
    "reverse_kl",
    "squared_hellinger",
    "total_variation",
]

Masses = Float[Tensor, " n"]
Number = Float[Tensor, ""]


def _p_log_ratio(p: Masses, q: Masses) -> Masses:
    """p·log(p/q), 0 where p is 0 and inf where only q is; the logs apart, so that a quotient can't overflow."""
    safe_p, safe_q = torch.where(p > 0, p, 1.0), torch.where(q > 0, q, 1.0)
    finite = p * (safe_p.log() - safe_q.log())
    return torch.where((p > 0) & (q == 0), math.inf, finite)


def _square_over(numerator: Masses, q: Masses) -> Masses:
    """numerator²/q, 0 where both are 0 and inf where only q is."""
    finite = numerator * (numerator / torch.where(q > 0, q, 1.0))
    return torch.where((q == 0) & (numerator != 0), math.inf, finite)


def _p_log_share(p: Masses, q: Masses) -> Masses:
    """p·log(2p/(p + q)), 0 where p is 0; by log1p of (p - q)/(p + q) where that keeps more digits."""
    safe, total = torch.where(p > 0, p, 1.0), torch.where(p > 0, p + q, 1.0)
    near = torch.where(3 * p > q, (p - q) / total, 0.0).log1p()
    return p * torch.where(3 * p > q, near, safe.log() - total.log() + math.log(2))


def entropy(p: Masses) -> Number:
    """-Σ p log p, the entropy of masses that sum to 1. Not homogeneous: a density on a grid needs its cells' size."""
    return torch.special.entr(p).sum()


def kl(p: Masses, q: Masses) -> Number:
    """Σ p log p/q, inf if p has mass where q has none (Kullback and Leibler 1951)."""
    return _p_log_ratio(p, q).sum()


def reverse_kl(p: Masses, q: Masses) -> Number:
    """Σ q log q/p, inf if q has mass where p has none."""
    return kl(q, p)


def jsd(p: Masses, q: Masses) -> Number:
    """½ Σ p log p/m + ½ Σ q log q/m with m = (p + q)/2: finite always, log 2 for probabilities that are disjoint.

    Lin 1991, IEEE Transactions on Information Theory 37, section IV with equal weights.
    """
    return (_p_log_share(p, q) + _p_log_share(q, p)).sum() / 2


def total_variation(p: Masses, q: Masses) -> Number:
    """½ Σ |p - q|, in [0, 1] for probabilities; its subgradient is 0 where p = q."""
    return (p - q).abs().sum() / 2


def pearson_chi2(p: Masses, q: Masses) -> Number:
    """Σ (p - q)²/q, inf if p has mass where q has none."""
    return _square_over(p - q, q).sum()


def neyman_chi2(p: Masses, q: Masses) -> Number:
    """Σ (p - q)²/p, inf if q has mass where p has none."""
    return pearson_chi2(q, p)


def squared_hellinger(p: Masses, q: Masses) -> Number:
    """½ Σ (√p - √q)², in [0, 1] for probabilities: 1 - Σ √(p·q)."""
    return (p.sqrt() - q.sqrt()).square().sum() / 2
