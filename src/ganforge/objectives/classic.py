"""The objectives that most GANs are trained with."""

import math
from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganforge.errors import TheoryError
from ganforge.objectives.objective import Logits, Loss, Objective, Statement, softplus, stated, wide
from ganforge.theory.measures import jsd, kl, pearson_chi2, reverse_kl, total_variation

__all__ = ["hinge", "least_squares", "minimax", "non_saturating", "relativistic_pairing", "wasserstein"]

Smoothing = Annotated[
    float,
    Field(description="target of D on real images: below 1 is one-sided label smoothing (try .9)", gt=0.5, le=1),
]


def _cross_entropy(label_smoothing: float) -> Loss:
    """-log D(real), the real target smoothed, and -log(1 - D(fake))."""

    def d(*, real: Logits, fake: Logits) -> Logits:
        if label_smoothing == 1.0:
            return softplus(-real) + softplus(fake)
        smoothed = label_smoothing * softplus(-real) + (1 - label_smoothing) * softplus(real)
        return smoothed + softplus(fake)

    return d


def _log_ratio(label_smoothing: float) -> Callable[[Tensor, Tensor], Tensor]:
    """logit of D* = s·p/(p + q), s the smoothed target."""

    def optimal_logit(p: Tensor, q: Tensor) -> Tensor:
        return torch.log(label_smoothing * p) - torch.log((1 - label_smoothing) * p + q)

    return optimal_logit


def _smoothed(label_smoothing: float) -> Callable[[Tensor, Tensor], Tensor]:
    """2·JSD - log 4, with the masses that a smoothed target moves from D's real side to its fake side."""

    def measure(p: Tensor, q: Tensor) -> Tensor:
        return kl(label_smoothing * p, p + q) + kl((1 - label_smoothing) * p + q, p + q)

    return measure


def _cross_entropy_optimum(label_smoothing: float) -> str:
    s = label_smoothing
    return (
        "log p/q, that is D* = p/(p + q)" if s == 1 else f"log {s:g}·p/({1 - s:g}·p + q), that is D* = {s:g}·p/(p + q)"
    )


def _cross_entropy_value(label_smoothing: float) -> Statement:
    s = label_smoothing
    if s == 1:
        return stated("2·JSD(p, q) - log 4", lambda p, q: 2 * jsd(p, q) - math.log(4))
    return stated(f"KL({s:g}·p‖p + q) + KL({1 - s:g}·p + q‖p + q)", _smoothed(s))


def minimax(*, label_smoothing: Smoothing = 1.0) -> Objective:
    """The original zero-sum game, V(D, G) = E_p log D + E_q log(1 - D): the generator *minimises* log(1 - D).

    The one to study: its value is a divergence exactly. It saturates: where D(G(z)) is near 0, the slope of
    log(1 - D) in the logit is -D, hence near 0, and the generator learns nothing.
    """
    value = _cross_entropy_value(label_smoothing)

    def g(*, real: Logits | None = None, fake: Logits) -> Logits:
        return -softplus(fake)

    return Objective(
        name="minimax",
        d=_cross_entropy(label_smoothing),
        g=g,
        optimal_logit=_log_ratio(label_smoothing),
        optimum=_cross_entropy_optimum(label_smoothing),
        value=value,
        follows=stated("2·JSD(p, q)", lambda p, q: 2 * jsd(p, q)) if label_smoothing == 1 else value,
        citation="Goodfellow et al. 2014, arXiv:1406.2661, eq. 1; smoothing: Salimans et al. 2016, arXiv:1606.03498",
        probability=torch.sigmoid,
        level=0.0,
    )


def non_saturating(*, label_smoothing: Smoothing = 1.0) -> Objective:
    """The game that is played in practice: the same discriminator, and a generator that minimises -log D.

    Same fixed point as `minimax`, opposite gradient profile: near D(G(z)) = 0 its slope in the logit is -1.
    """
    value = _cross_entropy_value(label_smoothing)

    def g(*, real: Logits | None = None, fake: Logits) -> Logits:
        return softplus(-fake)

    return Objective(
        name="non_saturating",
        d=_cross_entropy(label_smoothing),
        g=g,
        optimal_logit=_log_ratio(label_smoothing),
        optimum=_cross_entropy_optimum(label_smoothing),
        value=Statement(f"{value.text}, minimax's: D's side alone, for this game isn't zero-sum", value.of),
        follows=stated("KL(q‖p) - 2·JSD(p, q) = 2·KL(m‖p)", lambda p, q: reverse_kl(p, q) - 2 * jsd(p, q)),
        citation="Goodfellow et al. 2014, arXiv:1406.2661, section 3; (b): Arjovsky and Bottou 2017, arXiv:1701.04862",
        probability=torch.sigmoid,
        level=0.0,
    )


REACH = 1 / (8 * math.log(2) - 4)  # .647: from here on r·KL(p‖m) - χ²(p‖m)/4 is never negative; tightest as q/p -> 0


def _terms(*terms: tuple[float, str]) -> str:
    """A linear combination in words: "2·p - q"; terms of coefficient 0 are left out."""
    signed = [
        ("-" if c < 0 else "+") + " " + ("" if abs(c) == 1 else f"{abs(c):g}·") + word for c, word in terms if c != 0
    ]
    return " ".join(signed).removeprefix("+ ").replace("- ", "-", 1 if signed and signed[0][0] == "-" else 0) or "0"


def _regression_follows(a: float, b: float, c: float) -> Statement:
    """What ½(D* - c)² descends: a divergence if c lies far enough from a, r = (c - a)/(b - a) >= .647."""
    if a == b:
        return Statement("none: D* is constant if b = a")
    text = _terms(((c - a) * (b - a), "KL(p‖m)"), (-((b - a) ** 2) / 4, "χ²(p‖m)"))
    if (c - a) / (b - a) < REACH:
        return Statement(f"none: the gradient is that of {text}, which can be negative")

    def measure(p: Tensor, q: Tensor) -> Tensor:
        m = (p + q) / 2
        return (c - a) * (b - a) * kl(p, m) - (b - a) ** 2 / 4 * pearson_chi2(p, m)

    return stated(text, measure)


def _regression_value(a: float, b: float, c: float) -> Statement:
    """½·Σ ((b - c)·p + (a - c)·q)²/(p + q) of Mao et al., eq. 6 to 8."""
    pearson = b - c == 1 and b - a == 2
    whose = "the paper's Pearson χ²(p + q‖2q), halved" if pearson else "which isn't Pearson's χ²"

    def measure(p: Tensor, q: Tensor) -> Tensor:
        return (((b - c) * p + (a - c) * q).square() / (p + q)).sum() / 2

    return stated(f"½·Σ ({_terms((b - c, 'p'), (a - c, 'q'))})²/(p + q), {whose}", measure)


def least_squares(
    *,
    a: Annotated[float, Field(description="target of D on fake images")] = 0.0,
    b: Annotated[float, Field(description="target of D on real images")] = 1.0,
    c: Annotated[float, Field(description="what G wants D to say of fake images")] = 1.0,
) -> Objective:
    """Regression instead of classification: ½(D - b)² on real, ½(D - a)² on fake, ½(D - c)² for the generator.

    Far logits keep pulling, so it saturates late. The stated game (a) is Mao et al.'s E_p ½(D - c)² + E_q ½(D - c)²:
    the Pearson divergence if b - c = 1 and b - a = 2; the usual 0, 1, 1 isn't such a coding. (b) is a divergence if
    (c - a)/(b - a) >= 1/(8·log 2 - 4) = .647, which that one is and Pearson's isn't; convex in q from 1 on.
    """

    def d(*, real: Logits, fake: Logits) -> Logits:
        return 0.5 * (wide(real) - b).square() + 0.5 * (wide(fake) - a).square()

    def g(*, real: Logits | None = None, fake: Logits) -> Logits:
        return 0.5 * (wide(fake) - c).square()

    def game(*, real: Logits, fake: Logits) -> Logits:
        return 0.5 * (wide(real) - c).square() + 0.5 * (wide(fake) - c).square()

    def probability(logit: Tensor) -> Tensor:
        return (logit - a) / (b - a)

    return Objective(
        name="least_squares",
        d=d,
        g=g,
        optimal_logit=lambda p, q: (b * p + a * q) / (p + q),
        optimum=f"({_terms((b, 'p'), (a, 'q'))})/(p + q)",
        value=_regression_value(a, b, c),
        follows=_regression_follows(a, b, c),
        citation="Mao et al. 2017, arXiv:1611.04076, eq. 2 and 6-10",
        game=game,
        probability=probability if a != b else None,
        level=(a + b) / 2,
    )


def _earth_mover(p: Tensor, q: Tensor, points: Tensor | None = None) -> Tensor:
    """W1 between masses on points (n, d): the difference of means of the best potential, which is its slope in p."""
    if points is None:
        raise TheoryError("W1 depends on where the masses lie: give `points`, one position for each, shape (n, d)")
    if points.shape[1] == 1:
        x, order = points[:, 0].sort()
        return ((p - q)[order].cumsum(0)[:-1].abs() * x.diff()).sum()
    from ganforge.theory.transport import potential  # imports SciPy

    return potential(p.detach(), q.detach(), points) @ (p - q)


def wasserstein() -> Objective:
    """The critic's difference of means, E_q D - E_p D: over 1-Lipschitz critics, minus the earth mover's distance.

    A ramp where a classifier goes flat, so disjoint supports still attract. It means this only with a Lipschitz
    constraint (`gradient_penalty`, spectral norm, clipping); without one the optimum is infinite wherever p != q.
    """
    earth_mover = Statement("W1(p, q), over 1-Lipschitz critics", _earth_mover)

    def d(*, real: Logits, fake: Logits) -> Logits:
        return wide(fake) - wide(real)

    def g(*, real: Logits | None = None, fake: Logits) -> Logits:
        return -wide(fake)

    return Objective(
        name="wasserstein",
        d=d,
        g=g,
        optimal_logit=lambda p, q: torch.where(p == q, 0.0, torch.sign(p - q) * math.inf),
        optimum="the Kantorovich potential, up to a constant; without a Lipschitz constraint ∞·sign(p - q)",
        value=earth_mover,
        follows=earth_mover,
        citation="Arjovsky et al. 2017, arXiv:1701.07875, eq. 2 and 3",
        lipschitz=True,
    )


def hinge() -> Objective:
    """A discriminator that stops caring once it is right by a margin: relu(1 - D) on real, relu(1 + D) on fake.

    Its optimum is bounded (sign(p - q)), which keeps large networks calm: the choice of SNGAN and BigGAN.
    """

    def d(*, real: Logits, fake: Logits) -> Logits:
        return F.relu(1 - wide(real)) + F.relu(1 + wide(fake))

    def g(*, real: Logits | None = None, fake: Logits) -> Logits:
        return -wide(fake)

    return Objective(
        name="hinge",
        d=d,
        g=g,
        optimal_logit=lambda p, q: torch.sign(p - q),
        optimum="sign(p - q)",
        value=stated(
            "2·TV(p, q) - 2: D's side alone, for this game isn't zero-sum", lambda p, q: 2 * total_variation(p, q) - 2
        ),
        follows=stated("2·TV(p, q)", lambda p, q: 2 * total_variation(p, q)),
        citation="Lim and Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957, eq. 16 and 17",
        level=0.0,
    )


def _paired_jsd(p: Tensor, q: Tensor) -> Tensor:
    """JSD(p⊗q‖q⊗p): how well the order within a pair of a real and a fake can be told."""
    pair = torch.outer(p, q)
    return jsd(pair.flatten(), pair.T.flatten())


def relativistic_pairing() -> Objective:
    """Each fake is judged against a real: D minimises log(1 + e^(fake - real)), the generator its mirror image.

    No mode can be dropped cheaply, as every real image asks for a fake beside it; with R1 and R2 it is R3GAN's
    objective. Logits are defined up to a constant, so there is no D(real) to look at.
    """

    def d(*, real: Logits, fake: Logits) -> Logits:
        return softplus(wide(fake) - wide(real))

    def g(*, real: Logits, fake: Logits) -> Logits:
        return softplus(wide(real) - wide(fake))

    return Objective(
        name="relativistic_pairing",
        d=d,
        g=g,
        optimal_logit=lambda p, q: torch.log(p) - torch.log(q),
        optimum="log p/q, up to a constant",
        value=stated(
            "JSD(p⊗q, q⊗p) - log 2, over pairs (real, fake): D's side alone, for this game isn't zero-sum",
            lambda p, q: _paired_jsd(p, q) - math.log(2),
        ),
        follows=stated("KL(q‖p) - JSD(p⊗q, q⊗p)", lambda p, q: reverse_kl(p, q) - _paired_jsd(p, q)),
        citation="Jolicoeur-Martineau 2019, arXiv:1807.00734; Huang et al. 2024 (R3GAN), arXiv:2501.05441, eq. 2",
        paired=True,
    )
