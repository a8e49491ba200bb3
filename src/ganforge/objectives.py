"""Every adversarial objective, as a row of one table.

p is the density of the data, q that of the generator, m = (p + q)/2. Divergences are in nats:
KL(p‖q) = Σ p log p/q, JSD = (KL(p‖m) + KL(q‖m))/2, TV = ½ Σ |p - q|, χ²(p‖q) = Σ (p - q)²/q.
A new objective is one more function in `OBJECTIVES`: two elementwise losses of logits, and what they mean.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "OBJECTIVES",
    "Objective",
    "hinge",
    "least_squares",
    "minimax",
    "non_saturating",
    "relativistic_pairing",
    "wasserstein",
]

Logits = Float[Tensor, "..."]
Loss = Callable[..., Logits]


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
        value: (a) the value of the stated game at the optimal discriminator.
        follows: (b) the divergence whose gradient in q is the generator's while the optimal discriminator stands still.
        citation: the paper and its equation.
        paired: whether losses pair a real with a fake logit; logits then mean something only up to a constant.
        probability: the link, logit -> probability of being real; None where logits are no probabilities.
        level: the logit at which it decides real or fake; None where logits are defined up to a constant.
        logit_range: losses and slopes are finite in float32 while |logit| stays below it. Nothing is clamped.

    >>> game = non_saturating()
    >>> float(game.g(fake=torch.zeros(1)))  # log 2: the discriminator has no idea
    0.6931471824645996
    """

    name: str
    d: Loss
    g: Loss
    optimal_logit: Callable[[Tensor, Tensor], Tensor]
    value: str
    follows: str
    citation: str
    paired: bool = False
    probability: Callable[[Tensor], Tensor] | None = None
    level: float | None = None
    logit_range: float = 100.0


def _wide(logit: Logits) -> Logits:
    return logit.float() if logit.dtype in (torch.float16, torch.bfloat16) else logit


def _softplus(logit: Logits) -> Logits:
    """log(1 + e^logit), exact to the last bits; F.softplus turns linear at 20, which costs 2e-9 in float64."""
    return -F.logsigmoid(-_wide(logit))


def _cross_entropy(label_smoothing: float) -> Loss:
    """-log D(real), the real target smoothed, and -log(1 - D(fake))."""

    def d(*, real: Logits, fake: Logits) -> Logits:
        if label_smoothing == 1.0:
            return _softplus(-real) + _softplus(fake)
        smoothed = label_smoothing * _softplus(-real) + (1 - label_smoothing) * _softplus(real)
        return smoothed + _softplus(fake)

    return d


def _log_ratio(label_smoothing: float) -> Callable[[Tensor, Tensor], Tensor]:
    """logit of D* = s·p/(p + q), s the smoothed target."""

    def optimal_logit(p: Tensor, q: Tensor) -> Tensor:
        return torch.log(label_smoothing * p) - torch.log((1 - label_smoothing) * p + q)

    return optimal_logit


Smoothing = Annotated[
    float,
    Field(description="target of D on real images: below 1 is one-sided label smoothing (try .9)", gt=0.5, le=1),
]


def minimax(*, label_smoothing: Smoothing = 1.0) -> Objective:
    """The original zero-sum game, V(D, G) = E_p log D + E_q log(1 - D): the generator *minimises* log(1 - D).

    The one to study: its value is a divergence exactly. It saturates: where D(G(z)) is near 0, the slope of
    log(1 - D) in the logit is -D, hence near 0, and the generator learns nothing.
    """

    def g(*, real: Logits | None = None, fake: Logits) -> Logits:
        return -_softplus(fake)

    return Objective(
        name="minimax",
        d=_cross_entropy(label_smoothing),
        g=g,
        optimal_logit=_log_ratio(label_smoothing),
        value="2·JSD(p, q) - log 4; with smoothing s, KL(s·p‖p + q) + KL((1 - s)·p + q‖p + q)",
        follows="2·JSD(p, q); with smoothing s, KL(s·p‖p + q) + KL((1 - s)·p + q‖p + q)",
        citation="Goodfellow et al. 2014, arXiv:1406.2661, eq. 1; smoothing: Salimans et al. 2016, arXiv:1606.03498",
        probability=torch.sigmoid,
        level=0.0,
    )


def non_saturating(*, label_smoothing: Smoothing = 1.0) -> Objective:
    """The game that is played in practice: the same discriminator, and a generator that minimises -log D.

    Same fixed point as `minimax`, opposite gradient profile: near D(G(z)) = 0 its slope in the logit is -1.
    """

    def g(*, real: Logits | None = None, fake: Logits) -> Logits:
        return _softplus(-fake)

    return Objective(
        name="non_saturating",
        d=_cross_entropy(label_smoothing),
        g=g,
        optimal_logit=_log_ratio(label_smoothing),
        value="not zero-sum; the discriminator's side is minimax's, 2·JSD(p, q) - log 4",
        follows="KL(q‖p) - 2·JSD(p, q), whatever the smoothing",
        citation="Goodfellow et al. 2014, arXiv:1406.2661, section 3; (b): Arjovsky and Bottou 2017, arXiv:1701.04862",
        probability=torch.sigmoid,
        level=0.0,
    )


def least_squares(
    *,
    a: Annotated[float, Field(description="target of D on fake images")] = 0.0,
    b: Annotated[float, Field(description="target of D on real images")] = 1.0,
    c: Annotated[float, Field(description="what G wants D to say of fake images")] = 1.0,
) -> Objective:
    """Regression instead of classification: ½(D - b)² on real, ½(D - a)² on fake, ½(D - c)² for the generator.

    Far logits keep pulling, so it saturates late. (a) is the Pearson divergence ½·χ²(p + q‖2q) if b - c = 1 and
    b - a = 2; the usual 0, 1, 1 isn't such a coding. (b) is a divergence if c >= b > a.
    """

    def d(*, real: Logits, fake: Logits) -> Logits:
        return 0.5 * (_wide(real) - b).square() + 0.5 * (_wide(fake) - a).square()

    def g(*, real: Logits | None = None, fake: Logits) -> Logits:
        return 0.5 * (_wide(fake) - c).square()

    def probability(logit: Tensor) -> Tensor:
        return (logit - a) / (b - a)

    return Objective(
        name="least_squares",
        d=d,
        g=g,
        optimal_logit=lambda p, q: (b * p + a * q) / (p + q),
        value="½·Σ ((b - c)·p + (a - c)·q)²/(p + q), real term included; ½·χ²(p + q‖2q) if b - c = 1 and b - a = 2",
        follows="(c - a)(b - a)·KL(p‖m) - ¼(b - a)²·χ²(p‖m)",
        citation="Mao et al. 2017, arXiv:1611.04076, eq. 2 and 6-10",
        probability=probability if a != b else None,
        level=(a + b) / 2,
    )


def wasserstein() -> Objective:
    """The critic's difference of means, E_q D - E_p D: over 1-Lipschitz critics, minus the earth mover's distance.

    A ramp where a classifier goes flat, so disjoint supports still attract. It means this only with a Lipschitz
    constraint (`gradient_penalty`, spectral norm, clipping); without one the optimum is infinite wherever p != q.
    """

    def d(*, real: Logits, fake: Logits) -> Logits:
        return _wide(fake) - _wide(real)

    def g(*, real: Logits | None = None, fake: Logits) -> Logits:
        return -_wide(fake)

    return Objective(
        name="wasserstein",
        d=d,
        g=g,
        optimal_logit=lambda p, q: torch.where(p == q, 0.0, torch.sign(p - q) * math.inf),
        value="W1(p, q), over 1-Lipschitz critics",
        follows="W1(p, q), over 1-Lipschitz critics",
        citation="Arjovsky et al. 2017, arXiv:1701.07875, eq. 2 and 3",
    )


def hinge() -> Objective:
    """A discriminator that stops caring once it is right by a margin: relu(1 - D) on real, relu(1 + D) on fake.

    Its optimum is bounded (sign(p - q)), which keeps large networks calm: the choice of SNGAN and BigGAN.
    """

    def d(*, real: Logits, fake: Logits) -> Logits:
        return F.relu(1 - _wide(real)) + F.relu(1 + _wide(fake))

    def g(*, real: Logits | None = None, fake: Logits) -> Logits:
        return -_wide(fake)

    return Objective(
        name="hinge",
        d=d,
        g=g,
        optimal_logit=lambda p, q: torch.sign(p - q),
        value="not zero-sum; the discriminator's loss comes to 2 - 2·TV(p, q)",
        follows="2·TV(p, q)",
        citation="Lim and Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957, eq. 16 and 17",
        level=0.0,
    )


def relativistic_pairing() -> Objective:
    """Each fake is judged against a real: D minimises log(1 + e^(fake - real)), the generator its mirror image.

    No mode can be dropped cheaply, as every real image asks for a fake beside it; with R1 and R2 it is R3GAN's
    objective. Logits are defined up to a constant, so there is no D(real) to look at.
    """

    def d(*, real: Logits, fake: Logits) -> Logits:
        return _softplus(_wide(fake) - _wide(real))

    def g(*, real: Logits, fake: Logits) -> Logits:
        return _softplus(_wide(real) - _wide(fake))

    return Objective(
        name="relativistic_pairing",
        d=d,
        g=g,
        optimal_logit=lambda p, q: torch.log(p) - torch.log(q),
        value="not zero-sum; the discriminator's side is JSD(p⊗q, q⊗p) - log 2, over pairs (real, fake)",
        follows="KL(q‖p) - JSD(p⊗q, q⊗p)",
        citation="Jolicoeur-Martineau 2019, arXiv:1807.00734; Huang et al. 2024 (R3GAN), arXiv:2501.05441, eq. 2",
        paired=True,
    )


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "minimax": minimax,
    "non_saturating": non_saturating,
    "least_squares": least_squares,
    "wasserstein": wasserstein,
    "hinge": hinge,
    "relativistic_pairing": relativistic_pairing,
}
