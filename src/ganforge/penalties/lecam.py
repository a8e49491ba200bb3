"""LeCam regularisation: an anchor for the logits where data are few."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganforge.moment import Memory
from ganforge.penalties.penalty import Context, Interval, Penalty, widened
from ganforge.schedules import Number, at

__all__ = ["lecam"]


def _memory() -> Memory:
    """Weighted sums of both batches' mean logits, and the sum of the weights."""
    return {"real": torch.zeros(()), "fake": torch.zeros(()), "weight": torch.zeros(())}


@torch.no_grad()
def _anchors(context: Context, decay: float) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Running means of the logits of real samples and of fakes, this batch's included unless it isn't finite."""
    kept = context.memory
    now = [widened(logits.detach()).mean() for logits in (context.real_logits, context.fake_logits)]
    finite = torch.stack(now).isfinite().all()
    for name, value in zip(("real", "fake", "weight"), (*now, torch.ones_like(now[0])), strict=True):
        later = torch.lerp(kept[name], value.to(kept[name].dtype), 1 - decay)
        kept[name].copy_(torch.where(finite, later, kept[name]))
    weight = kept["weight"].clamp(min=1e-12)  # 0 before the first finite batch
    return kept["real"] / weight, kept["fake"] / weight


def lecam(
    *,
    weight: Annotated[Number, Field(ge=0, description="strength λ; .3 is the authors' for CIFAR")] = 0.3,
    decay: Annotated[float, Field(ge=0, lt=1, description="what a turn leaves of the running means")] = 0.99,
    one_sided: Annotated[
        bool, Field(description="punish only logits that are further apart than the other side's mean")
    ] = True,
    every: Interval = 1,
) -> Penalty:
    """λ·((D(x) - α_F)² + (D(G(z)) - α_R)²), α_R and α_F running means of D's logits: neither half may run away.

    With few images the discriminator soon knows them by heart and its logits drift apart; each half is drawn to where
    the other one has been. Two-sided and in the Wasserstein game, with α_R = -α_F = α, the best logit is
    (1/2λ - α)·(p - q)/(p + q): bounded, where it was infinite, and what the generator follows is the LeCam divergence
    Σ (p - q)²/(p + q). Tseng et al. 2021, arXiv:2104.03310, section 3.

    One-sided, as in the authors' code, max(D(x) - α_F, 0) and max(α_R - D(G(z)), 0) are squared. A batch whose logits
    aren't finite leaves the means as they were. The means start without a bias to 0, divided by the sum of their
    weights. *Differs:* with an interval they advance on the penalty's turns only.
    """

    def term(context: Context) -> Float[Tensor, " B"]:
        real_anchor, fake_anchor = _anchors(context, decay)
        real = widened(context.real_logits) - fake_anchor
        fake = real_anchor - widened(context.fake_logits)
        if one_sided:
            real, fake = F.relu(real), F.relu(fake)
        return at(weight, context.images) * (real.square() + fake.square())

    return Penalty("lecam", term, frozenset(), every, memory=_memory, per_sample=False)
