"""What a row of the objective table does at its optimum: the best discriminator, the game's value, G's gradient.

p is the distribution of the data and q that of the generator, n probabilities each (or, for the discriminator, values
of two densities). Logits of ±inf, where one of the two has no mass, are handled by the mathematics: what has no mass
contributes nothing.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.errors import TheoryError
from ganforge.theory.divergences import probabilities
from ganforge.theory.numbers import Numbers, numbers, require

__all__ = ["Losses", "game_value", "generator_gradient", "optimal_discriminator"]

ROW = "a row of the objective table, such as ganforge.objectives.minimax()"
Vector = Float[Tensor, " n"]


@runtime_checkable
class Losses(Protocol):
    """What is read of an objective: elementwise losses and payoff of logits, by keyword.

    Attributes:
        optimal_logit: the logit that minimises E_p d + E_q d, from p and q at a point.
        probability: logit -> probability of being real, or None.
        paired: whether the losses compare a real with a fake logit, both drawn apart.
    """

    @property
    def g(self) -> Callable[..., Tensor]: ...

    @property
    def payoff(self) -> Callable[..., Tensor]: ...

    @property
    def optimal_logit(self) -> Callable[[Tensor, Tensor], Tensor]: ...

    @property
    def probability(self) -> Callable[[Tensor], Tensor] | None: ...

    @property
    def paired(self) -> bool: ...


def optimal_discriminator(row: Losses, p: Numbers, q: Numbers) -> Float[Tensor, "..."]:
    """D* where the data have density p and the generator q: probabilities of being real, or logits if it has none.

    p and q are non-negative and of one shape; they needn't sum to 1, so densities at any points will do. Logits are
    ±inf where the optimum lies there, and nan where neither has mass: any value is optimal.

    Raises TheoryError for negative or infinite values, or different shapes. Goodfellow et al. 2014, arXiv:1406.2661,
    proposition 1: D* = p/(p + q).
    """
    require(Losses, row, ROW)
    p, q = (numbers(values).to(torch.float64) for values in (p, q))
    if p.shape != q.shape:
        raise TheoryError(
            f"Densities of shapes {tuple(p.shape)} and {tuple(q.shape)} can't be compared: evaluate both at one "
            "set of points."
        )
    for density in (p, q):
        if not (density.isfinite() & (density >= 0)).all():
            worst = density[~(density.isfinite() & (density >= 0))][0].item()
            raise TheoryError(f"A density is {worst:g}: give finite values of 0 or more.")
    logit = torch.where(p + q > 0, row.optimal_logit(p, q), torch.nan)
    return logit if row.probability is None else row.probability(logit)


def _weighted(masses: Tensor, losses: Tensor) -> Tensor:
    """masses·losses, 0 where there is no mass, whatever the loss."""
    return torch.where(masses > 0, masses * losses, 0.0)


def game_value(row: Losses, p: Numbers, q: Numbers) -> float:
    """(a): the mean payoff of the stated game at the optimal discriminator, over a real from p and a fake from q.

    The payoff is the row's own, -d unless its paper states another: minimax's value is V(D*, G) = 2·JSD(p, q) - log 4.
    It is inf where the game is unbounded, as Wasserstein's is without its Lipschitz constraint.

    Raises TheoryError for what are no probabilities.
    """
    require(Losses, row, ROW)
    p, q = probabilities(p, q)
    logit = row.optimal_logit(p, q)
    value = _paired(row, p, q, logit) if row.paired else _separate(row, p, q, logit)
    return torch.inf if value.isnan() else value.item()


def _paired(row: Losses, p: Vector, q: Vector, logit: Vector) -> Tensor:
    real, fake = torch.broadcast_tensors(logit[:, None], logit[None, :])
    return _weighted(torch.outer(p, q), row.payoff(real=real, fake=fake)).sum()


def _separate(row: Losses, p: Vector, q: Vector, logit: Vector) -> Tensor:
    """A payoff that doesn't pair is a sum of a function of each logit, so its mean needs no pairs."""
    zero = torch.zeros_like(logit)
    neutral = row.payoff(real=zero, fake=zero)
    real = _weighted(p, row.payoff(real=logit, fake=zero) - neutral)
    fake = _weighted(q, row.payoff(real=zero, fake=logit) - neutral)
    return (real + fake).sum() + neutral[0]


def generator_gradient(row: Losses, p: Numbers, q: Numbers) -> Vector:
    """(b): the gradient of E g in q while the optimal discriminator stands still, along the simplex: its sum is 0.

    Entry j says how much the loss grows as mass moves to outcome j. A generator only learns where it has samples, so
    the entries are 0 where q is, and the mean that is taken off is over the rest: for disjoint supports minimax's
    gradient is 0 altogether. Entries where g itself is infinite are ±inf, and left out of the mean.

    Raises TheoryError for what are no probabilities.
    """
    require(Losses, row, ROW)
    p, q = probabilities(p, q)
    logit = row.optimal_logit(p, q)
    loss = _mean_over_real(row, p, logit) if row.paired else row.g(fake=logit)
    support = (q > 0) & loss.isfinite()
    mean = loss[support].mean() if support.any() else 0.0
    return torch.where(q > 0, loss - mean, 0.0)


def _mean_over_real(row: Losses, p: Vector, logit: Vector) -> Vector:
    """E g over a real from p, for every fake: (n,)."""
    real, fake = torch.broadcast_tensors(logit[:, None], logit[None, :])
    return _weighted(p[:, None].expand_as(real), row.g(real=real, fake=fake)).sum(0)
