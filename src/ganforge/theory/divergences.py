"""Entropy and divergences of two discrete distributions, exact and in nats.

p is the distribution of the data and q that of the generator: n probabilities each, as a list, an array or a tensor;
results are floats, computed in float64. Zeros are handled by the mathematics, not by an epsilon. What is no
distribution is refused with a TheoryError that says why; `ganforge.theory.measures` has the same functions without
the checks, on tensors that carry gradients.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.errors import TheoryError
from ganforge.theory import measures
from ganforge.theory.numbers import Numbers, numbers

__all__ = [
    "Numbers",
    "entropy",
    "jsd",
    "kl",
    "neyman_chi2",
    "pearson_chi2",
    "probabilities",
    "reverse_kl",
    "squared_hellinger",
    "total_variation",
]

ROUNDING = 1e-9  # what a sum of probabilities may be off by, per entry; a single-precision vector its own epsilon


def _checked(values: Numbers) -> Float[Tensor, " n"]:
    """One distribution in float64, or a TheoryError."""
    given = numbers(values)
    p = given.to(torch.float64)
    if p.ndim != 1 or not len(p):
        raise TheoryError(f"Probabilities are a vector of one or more numbers, not of shape {tuple(p.shape)}: flatten.")
    if not p.isfinite().all():
        raise TheoryError(f"A probability is {p[~p.isfinite()][0].item()}: give finite numbers.")
    if p.min() < 0:
        raise TheoryError(f"A probability is {p.min().item():.6g}: probabilities can't be negative.")
    epsilon = torch.finfo(given.dtype).eps if given.is_floating_point() else 0.0
    if abs(p.sum().item() - 1) > len(p) * max(ROUNDING, epsilon):
        raise TheoryError(f"The probabilities sum to {p.sum().item():.10g}, not to 1: divide them by their sum.")
    return p


def probabilities(*distributions: Numbers) -> tuple[Float[Tensor, " n"], ...]:
    """Distributions over the same n outcomes as float64 tensors, not normalised anew.

    Raises TheoryError if a probability is negative or not finite, if a sum isn't 1 to within 1e-9·n (single precision:
    1.2e-7·n), or if the lengths differ.
    """
    checked = tuple(_checked(values) for values in distributions)
    lengths = [len(p) for p in checked]
    if len(set(lengths)) > 1:
        raise TheoryError(
            f"Distributions of {' and '.join(map(str, lengths))} probabilities can't be compared: "
            "list the same outcomes in both, with 0 where one has no mass."
        )
    return checked


def _of(divergence: Callable[[Tensor, Tensor], Tensor], p: Numbers, q: Numbers) -> float:
    return divergence(*probabilities(p, q)).item()


def entropy(p: Numbers) -> float:
    """-Σ p log p, in [0, log n]: log n for the uniform distribution, 0 where the outcome is certain (Shannon 1948).

    >>> round(entropy([0.5, 0.5]), 6)
    0.693147
    """
    return measures.entropy(*probabilities(p)).item()


def kl(p: Numbers, q: Numbers) -> float:
    """KL(p‖q) = Σ p log p/q, in [0, inf]: inf if p has mass where q has none (Kullback and Leibler 1951).

    >>> round(kl([0.5, 0.5], [0.6, 0.4]), 6)
    0.020411
    """
    return _of(measures.kl, p, q)


def reverse_kl(p: Numbers, q: Numbers) -> float:
    """KL(q‖p) = Σ q log q/p, in [0, inf]: inf if q has mass where p has none; q may leave modes of p out cheaply.

    >>> round(reverse_kl([0.6, 0.4], [0.7, 0.3]), 6)
    0.021601
    """
    return _of(measures.reverse_kl, p, q)


def jsd(p: Numbers, q: Numbers) -> float:
    """JSD = ½ KL(p‖m) + ½ KL(q‖m) with m = (p + q)/2, in [0, log 2]: log 2 if the supports are disjoint.

    Lin 1991, IEEE Transactions on Information Theory 37, section IV with equal weights.

    >>> round(jsd([0.5, 0.5], [0.7, 0.3]), 6)
    0.021006
    """
    return _of(measures.jsd, p, q)


def total_variation(p: Numbers, q: Numbers) -> float:
    """½ Σ |p - q|, in [0, 1]: the largest difference that the two make in the probability of any event.

    >>> round(total_variation([0.5, 0.5], [0.7, 0.3]), 6)
    0.2
    """
    return _of(measures.total_variation, p, q)


def pearson_chi2(p: Numbers, q: Numbers) -> float:
    """χ²(p‖q) = Σ (p - q)²/q, in [0, inf]: inf if p has mass where q has none (Pearson 1900).

    >>> round(pearson_chi2([0.5, 0.5], [0.7, 0.3]), 6)
    0.190476
    """
    return _of(measures.pearson_chi2, p, q)


def neyman_chi2(p: Numbers, q: Numbers) -> float:
    """Σ (p - q)²/p, in [0, inf]: Pearson's with the two exchanged (Neyman 1949).

    >>> round(neyman_chi2([0.5, 0.5], [0.7, 0.3]), 6)
    0.16
    """
    return _of(measures.neyman_chi2, p, q)


def squared_hellinger(p: Numbers, q: Numbers) -> float:
    """½ Σ (√p - √q)², in [0, 1]: 1 if the supports are disjoint. Some authors leave the ½ out.

    >>> round(squared_hellinger([0.5, 0.5], [0.7, 0.3]), 6)
    0.021094
    """
    return _of(measures.squared_hellinger, p, q)
