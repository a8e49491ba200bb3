"""The f-GAN objectives: any f-divergence as a game (Nowozin, Cseke and Tomioka 2016, arXiv:1606.00709).

For a convex f with f(1) = 0, D_f(p‖q) = Σ q·f(p/q) = max over T of E_p T - E_q f*(T), where f*(t) = max over u of
u·t - f(u) is the Fenchel conjugate. The maximum lies at T* = f'(p/q). A logit v becomes T = g_f(v) by an increasing
output activation g_f into the domain of f* (tables 2 and 6), so any network can be the discriminator. It maximises the
bound; the generator minimises it, hence -E_q f*(T): by construction (a) and (b) are the same D_f.

The paper's alternative generator (section 3.2) minimises -E_q T instead. It has the same fixed point, and follows
another divergence, which each row states.
"""

import math
from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganforge.objectives.objective import Logits, Loss, Objective, Statement, softplus, stated, wide
from ganforge.theory.measures import (
    jsd,
    kl,
    neyman_chi2,
    pearson_chi2,
    reverse_kl,
    squared_hellinger,
    total_variation,
)

__all__ = ["f_hellinger", "f_js", "f_kl", "f_pearson", "f_reverse_kl", "f_total_variation"]

Alternative = Annotated[
    bool,
    Field(description="the generator minimises -T(fake), f-GAN's alternative, in place of -f*(T(fake))"),
]
Function = Callable[[Logits], Logits]
CITATION = "Nowozin et al. 2016, arXiv:1606.00709, eq. 7, tables 1, 2 and 6"


def _bound(activation: Function, conjugate: Function) -> Loss:
    """f*(T(fake)) - T(real): its mean is minus the variational lower bound of D_f."""

    def d(*, real: Logits, fake: Logits) -> Logits:
        return conjugate(wide(fake)) - activation(wide(real))

    return d


def _minus(loss: Function) -> Loss:
    """The generator's loss, minus a function of the fake logit."""

    def g(*, real: Logits | None = None, fake: Logits) -> Logits:
        return -loss(wide(fake))

    return g


def _follows(value: Statement, alternative: bool, other: Statement) -> Statement:
    return other if alternative else value


def f_kl(*, alternative: Alternative = False) -> Objective:
    """KL(p‖q), maximum likelihood's divergence, as a game: it spreads the generator over every mode.

    f(u) = u·log u, T = v, f*(T) = e^(v-1). A sample's pull is p/q: nothing where there are no data. With
    `alternative` the generator minimises -v and follows KL(q‖p) instead: the opposite taste from the same critic.
    """
    value = stated("KL(p‖q)", kl)

    def activation(v: Logits) -> Logits:
        return v

    def conjugate(v: Logits) -> Logits:
        return torch.exp(v - 1)

    return Objective(
        name="f_kl",
        d=_bound(activation, conjugate),
        g=_minus(activation if alternative else conjugate),
        optimal_logit=lambda p, q: 1 + torch.log(p) - torch.log(q),
        optimum="1 + log p/q",
        value=value,
        follows=_follows(value, alternative, stated("KL(q‖p)", reverse_kl)),
        citation=CITATION,
        probability=lambda logit: torch.sigmoid(logit - 1),
        level=1.0,
        logit_range=89.0,  # e^(v-1) overflows at 89.72
    )


def f_reverse_kl(*, alternative: Alternative = False) -> Objective:
    """KL(q‖p) as a game: the generator stays where there are data, and may leave modes out.

    f(u) = -log u, T = -e^-v, f*(T) = v - 1, so the generator's loss 1 - v never saturates. With `alternative` it
    minimises e^-v and follows ½·χ²(q‖p), harder still on samples where there are no data.
    """
    value = stated("KL(q‖p)", reverse_kl)

    def activation(v: Logits) -> Logits:
        return -torch.exp(-v)

    def conjugate(v: Logits) -> Logits:
        return v - 1

    return Objective(
        name="f_reverse_kl",
        d=_bound(activation, conjugate),
        g=_minus(activation if alternative else conjugate),
        optimal_logit=lambda p, q: torch.log(p) - torch.log(q),
        optimum="log p/q",
        value=value,
        follows=_follows(
            value, alternative, stated("½·χ²(q‖p) = ½·Σ (p - q)²/p, Neyman's", lambda p, q: neyman_chi2(p, q) / 2)
        ),
        citation=CITATION,
        probability=torch.sigmoid,
        level=0.0,
        logit_range=88.0,  # e^-v overflows at -88.72
    )


def f_pearson(*, alternative: Alternative = False) -> Objective:
    """Pearson's χ²(p‖q) = Σ (p - q)²/q as a game: it dreads a generator that misses data even more than `f_kl` does.

    f(u) = (u - 1)², T = v, f*(T) = v²/4 + v. No ratio lies below v = -2, so v is no probability; down there f* is that
    of f on the whole line, as in the paper: a looser bound than u >= 0 allows, and a slope that leads back. With
    `alternative` the generator minimises -v and follows 2·KL(p‖q).
    """
    value = stated("χ²(p‖q) = Σ (p - q)²/q, Pearson's", pearson_chi2)

    def activation(v: Logits) -> Logits:
        return v

    def conjugate(v: Logits) -> Logits:
        return v.square() / 4 + v

    return Objective(
        name="f_pearson",
        d=_bound(activation, conjugate),
        g=_minus(activation if alternative else conjugate),
        optimal_logit=lambda p, q: 2 * (p - q) / q,
        optimum="2·(p/q - 1)",
        value=value,
        follows=_follows(value, alternative, stated("2·KL(p‖q)", lambda p, q: 2 * kl(p, q))),
        citation=CITATION,
        level=0.0,
    )


def f_hellinger(*, alternative: Alternative = False) -> Objective:
    """Twice the squared Hellinger distance, Σ (√p - √q)², as a game: symmetric, bounded, between both KLs.

    f(u) = (√u - 1)², T = 1 - e^-v, f*(T) = e^v - 1: D minimises the exponential loss of boosting. With `alternative`
    the generator minimises e^-v - 1 and follows ⅔·Σ q·(√(q/p) - 1), half of Cressie and Read's power divergence ½.
    """
    value = stated("Σ (√p - √q)² = 2·H²(p, q)", lambda p, q: 2 * squared_hellinger(p, q))

    def activation(v: Logits) -> Logits:
        return -torch.expm1(-v)

    def conjugate(v: Logits) -> Logits:
        return torch.expm1(v)

    def power_divergence(p: Tensor, q: Tensor) -> Tensor:
        return 2 / 3 * (q * ((q / p).sqrt() - 1)).sum()

    return Objective(
        name="f_hellinger",
        d=_bound(activation, conjugate),
        g=_minus(activation if alternative else conjugate),
        optimal_logit=lambda p, q: (torch.log(p) - torch.log(q)) / 2,
        optimum="½·log p/q",
        value=value,
        follows=_follows(value, alternative, stated("⅔·Σ q·(√(q/p) - 1)", power_divergence)),
        citation=CITATION,
        probability=lambda logit: torch.sigmoid(2 * logit),
        level=0.0,
        logit_range=88.0,  # the sum of both exponentials overflows at 88.03
    )


def f_total_variation() -> Objective:
    """TV(p, q) = ½·Σ |p - q| as a game: a critic between -½ and ½, whose slope dies where it is sure.

    f(u) = ½·|u - 1|, T = f*(T) = ½·tanh v, so both generators are one. The optimum is at infinity: T* = ½·sign(p - q).
    """
    value = stated("TV(p, q)", total_variation)

    def activation(v: Logits) -> Logits:
        return torch.tanh(v) / 2

    return Objective(
        name="f_total_variation",
        d=_bound(activation, activation),
        g=_minus(activation),
        optimal_logit=lambda p, q: torch.where(p == q, 0.0, torch.sign(p - q) * math.inf),
        optimum="∞·sign(p - q), that is T* = ½·sign(p - q)",
        value=value,
        follows=value,
        citation=CITATION,
        level=0.0,
    )


def f_js(*, alternative: Alternative = False) -> Objective:
    """2·JSD(p, q) as a game: `minimax` and a constant, so the losses can be read as a divergence that ends at 0.

    f(u) = u·log u - (1 + u)·log((1 + u)/2), T = log 2 - log(1 + e^-v), f*(T) = log(1 + e^v) - log 2. The gradients are
    minimax's to the bit, with `alternative` those of `non_saturating`; what it adds is the value, which is 0 rather
    than -log 4 where q = p.
    """
    value = stated("2·JSD(p, q)", lambda p, q: 2 * jsd(p, q))

    def activation(v: Logits) -> Logits:
        return math.log(2) - softplus(-v)

    def conjugate(v: Logits) -> Logits:
        return softplus(v) - math.log(2)

    return Objective(
        name="f_js",
        d=_bound(activation, conjugate),
        g=_minus(activation if alternative else conjugate),
        optimal_logit=lambda p, q: torch.log(p) - torch.log(q),
        optimum="log p/q",
        value=value,
        follows=_follows(
            value,
            alternative,
            stated("KL(q‖p) - 2·JSD(p, q) = 2·KL(m‖p)", lambda p, q: reverse_kl(p, q) - 2 * jsd(p, q)),
        ),
        citation=CITATION,
        probability=torch.sigmoid,
        level=0.0,
    )
