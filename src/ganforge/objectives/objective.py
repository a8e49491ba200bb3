"""What a row of the objective table is: two elementwise losses of logits, and what the game that they make means."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Logits", "Loss", "Objective", "Statement", "softplus", "stated", "wide"]

Logits = Float[Tensor, "..."]
Loss = Callable[..., Logits]


@dataclass(frozen=True)
class Statement:
    """What theory says of an objective, in words and as a function.

    Attributes:
        text: the formula; begins with "none" where there is no such divergence.
        of: `of(p, q, points=None)`, its value in nats. p and q are (n,) float64 masses of the data and the generator,
            `points` (n, d) their positions, which Wasserstein distances alone read. Differentiable in q where all
            masses are positive. None where there is none.

    >>> from ganforge.objectives import minimax
    >>> game = minimax()
    >>> p, q = torch.tensor([[0.5, 0.5], [0.7, 0.3]], dtype=torch.float64)
    >>> round(float(game.value.of(p, q)), 6)  # 2·JSD - log 4
    -1.344283
    """

    text: str
    of: Callable[..., Tensor] | None = None


def stated(text: str, measure: Callable[[Tensor, Tensor], Tensor]) -> Statement:
    """A statement about masses alone, wherever they lie: `measure(p, q)`."""
    return Statement(text, lambda p, q, points=None: measure(p, q))


@dataclass(frozen=True)
class Objective:
    """The two losses of an adversarial game as functions of the discriminator's logits, and what they mean.

    Everything is elementwise and keyword-only, so one row serves vectors, patches and several scales. float16 and
    bfloat16 logits are computed in float32.

    Attributes:
        name: the row's name in `OBJECTIVES`.
        d: `d(*, real, fake)`, what the discriminator minimises; real and fake logits of one shape.
        g: `g(*, real=None, fake)`, what the generator minimises; reads `real` only if `paired`.
        optimal_logit: `optimal_logit(p, q)`, the logit that minimises E_p d + E_q d at a point where the data have
            density p and the generator q; ±inf where the minimum lies there.
        optimum: the same as a formula.
        value: (a) the value of the stated game at the optimal discriminator: the mean of `payoff` over real and fake.
        follows: (b) the divergence whose gradient in q is the generator's while the optimal discriminator stands still.
        citation: the paper and its equation.
        game: `game(*, real, fake)`, the payoff of the stated game with its real term, where that isn't -d.
        paired: whether losses pair a real with a fake logit; logits then mean something only up to a constant.
        lipschitz: whether the statements hold over 1-Lipschitz discriminators, not over all.
        probability: the link, logit -> probability of being real; None where logits are no probabilities.
        level: the logit at which it decides real or fake; None where logits are defined up to a constant.
        logit_range: losses and slopes are finite in float32 while |logit| stays below it. Nothing is clamped.

    >>> from ganforge.objectives import non_saturating
    >>> game = non_saturating()
    >>> float(game.g(fake=torch.zeros(1)))  # log 2: the discriminator has no idea
    0.6931471824645996
    """

    name: str
    d: Loss
    g: Loss
    optimal_logit: Callable[[Tensor, Tensor], Tensor]
    optimum: str
    value: Statement
    follows: Statement
    citation: str
    game: Loss | None = None
    paired: bool = False
    lipschitz: bool = False
    probability: Callable[[Tensor], Tensor] | None = None
    level: float | None = None
    logit_range: float = 100.0

    def payoff(self, *, real: Logits, fake: Logits) -> Logits:
        """What the stated game is about, elementwise: -d, unless the paper states a game of its own (`game`)."""
        return -self.d(real=real, fake=fake) if self.game is None else self.game(real=real, fake=fake)


def wide(logit: Logits) -> Logits:
    """The logit in float32 at least: losses of half precision would overflow or round to nothing."""
    return logit.float() if logit.dtype in (torch.float16, torch.bfloat16) else logit


def softplus(logit: Logits) -> Logits:
    """log(1 + e^logit), exact to the last bits; F.softplus turns linear at 20, which costs 2e-9 in float64."""
    return -F.logsigmoid(-wide(logit))
