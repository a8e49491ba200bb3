"""Whether a row keeps its word: a discriminator is trained on it, and held against what the row states.

The discriminator is tabular, one logit for each atom of two discrete distributions, so nothing but the objective itself
decides where it ends. It starts from logits 0 and follows the slope of the row's d.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.errors import TheoryError
from ganforge.objectives.objective import Loss, Objective

__all__ = ["Agreement", "agreement", "expected", "generator_slope", "trained_logits"]

Vector = Float[Tensor, " n"]
Points = Float[Tensor, "n d"]


class Agreement(NamedTuple):
    """How far a trained discriminator ends from what its row states; zeros are perfect.

    Attributes:
        logit: the largest |trained logit - optimal logit|, modulo a constant where the row's logits are defined up to
            one. Where the optimum is infinite it is 0 for a logit on the right side and inf for one on the wrong side.
            For a 1-Lipschitz critic the optimal logits are the slope of the stated value in p, its potential.
        value: |mean payoff under the trained discriminator - stated value (a)|.
        gradient: the largest difference, along the simplex, between the slope in q of the generator's mean loss with
            the trained discriminator held still and that of the stated divergence (b); None where (b) is none.
    """

    logit: float
    value: float
    gradient: float | None


def expected(loss: Loss, p: Vector, q: Vector, logits: Vector) -> Float[Tensor, ""]:
    """Mean of a row's `d`, `g` or `payoff` over a real atom from p and a fake one from q, drawn apart."""
    real, fake = torch.broadcast_tensors(logits[:, None], logits[None, :])
    return p @ loss(real=real, fake=fake) @ q


def trained_logits(row: Objective, p: Vector, q: Vector, points: Points | None = None, *, steps: int = 300) -> Vector:
    """The logits (n,) of a tabular discriminator that was trained on a row, in float64.

    Rprop (Riedmiller and Braun 1993) adapts a step size for each logit to the signs of its slopes, so kinks, flat
    stretches and exponential walls are all reached alike. A row that is about 1-Lipschitz critics trains
    `lipschitz_critic`, which can't be anything else; that needs `points` (n, 1).

    >>> from ganforge.objectives import minimax
    >>> game = minimax()
    >>> p, q = torch.tensor([[0.5, 0.5], [0.7, 0.3]], dtype=torch.float64)
    >>> [round(float(d), 6) for d in trained_logits(game, p, q).sigmoid()]
    [0.416667, 0.625]
    """
    free = torch.zeros(len(p), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Rprop([free], lr=0.1, step_sizes=(1e-14, 10.0))
    for _ in range(steps):
        logits = lipschitz_critic(free, points) if row.lipschitz else free
        (free.grad,) = torch.autograd.grad(expected(row.d, p, q, logits), free)
        optimizer.step()
    return (lipschitz_critic(free, points) if row.lipschitz else free).detach()


def lipschitz_critic(free: Vector, points: Points | None) -> Vector:
    """A function on the line that is 1-Lipschitz whatever the free numbers: it sums gaps, each times a tanh."""
    if points is None or points.shape[1] != 1:
        shape = "none" if points is None else f"of shape {tuple(points.shape)}"
        raise TheoryError(f"a Lipschitz critic is trained on points on the line, shape (n, 1); these are {shape}")
    x, order = points[:, 0].sort()
    climbs = torch.cat([x.new_zeros(1), x.diff() * torch.tanh(free[1:])]).cumsum(0)
    return climbs[order.argsort()]


def generator_slope(row: Objective, p: Vector, q: Vector, logits: Vector) -> Vector:
    """Slope in q, along the simplex, of the generator's mean loss while the discriminator stands still."""
    q = q.detach().clone().requires_grad_()
    return along_simplex(torch.autograd.grad(expected(row.g, p, q, logits.detach()), q)[0])


def along_simplex(slope: Vector) -> Vector:
    """A slope without its part that masses which sum to 1 can't follow."""
    return slope - slope.mean()


def agreement(row: Objective, p: Vector, q: Vector, points: Points | None = None) -> Agreement:
    """How well a trained discriminator agrees with the row, for positive float64 masses p and q that sum to 1.

    `points` (n, 1) are read by rows about Lipschitz critics only.

    >>> from ganforge.objectives import f_kl
    >>> p, q = torch.tensor([[0.5, 0.5], [0.7, 0.3]], dtype=torch.float64)
    >>> all(distance < 1e-6 for distance in agreement(f_kl(), p, q))
    True
    """
    logits = trained_logits(row, p, q, points)
    value = float(expected(row.payoff, p, q, logits))
    stated_value = row.value.of and float(row.value.of(p, q, points))
    return Agreement(
        distance(row, logits, ideal_logits(row, p, q, points)),
        abs(value - stated_value) if stated_value is not None else 0.0,
        gradient_distance(row, p, q, points, logits),
    )


def ideal_logits(row: Objective, p: Vector, q: Vector, points: Points | None) -> Vector:
    """The stated optimal logits; of a Lipschitz critic the potential, to which the value's slope in p is equal."""
    if not row.lipschitz or row.value.of is None:
        return row.optimal_logit(p, q)
    p = p.detach().clone().requires_grad_()
    return torch.autograd.grad(row.value.of(p, q, points), p)[0]


def distance(row: Objective, trained: Vector, ideal: Vector) -> float:
    """The largest difference of logits, modulo a constant where the row's meaning is."""
    if row.level is None:
        trained, ideal = trained - trained.mean(), ideal - ideal.mean()
    far = torch.where(trained.sign() == ideal.sign(), 0.0, torch.inf)
    return float(torch.where(ideal.isinf(), far, (trained - ideal).abs()).max())


def gradient_distance(row: Objective, p: Vector, q: Vector, points: Points | None, logits: Vector) -> float | None:
    """The largest difference of slopes in q between what the generator descends and what the row states."""
    if row.follows.of is None:
        return None
    moving = q.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(row.follows.of(p, moving, points), moving)
    return float((generator_slope(row, p, q, logits) - along_simplex(slope)).abs().max())
