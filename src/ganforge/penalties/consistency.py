"""Penalties on a discriminator that changes its mind over a change that doesn't matter."""

from functools import partial
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganforge.penalties.penalty import Context, Interval, Penalty, widened
from ganforge.schedules import Number, at

__all__ = ["balanced_consistency", "consistency", "latent_consistency", "transformed"]

Shift = Annotated[float, Field(ge=0, lt=1, description="images: largest shift, as a share of the side")]
Flip = Annotated[bool, Field(description="images: mirror half of them; false where left and right matter")]
Jitter = Annotated[float, Field(ge=0, description="points: standard deviation of the noise, in their own units")]


def _shifted(x: Float[Tensor, "B C H W"], most: int, rng: torch.Generator) -> Float[Tensor, "B C H W"]:
    """Each image moved by up to `most` pixels each way, zeros (mid grey) coming in."""
    count, _, height, width = x.shape
    move = torch.randint(0, 2 * most + 1, (2, count, 1), generator=rng, device=rng.device).to(x.device)
    rows = torch.arange(height, device=x.device) + move[0]  # (B, H)
    columns = torch.arange(width, device=x.device) + move[1]  # (B, W)
    batch = torch.arange(count, device=x.device)[:, None, None]
    padded = F.pad(x, (most,) * 4).permute(0, 2, 3, 1)  # (B, H + 2·most, W + 2·most, C)
    return padded[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _mirrored(x: Float[Tensor, "B C H W"], rng: torch.Generator) -> Float[Tensor, "B C H W"]:
    """Each image mirrored left to right, or not, at even odds."""
    coin = torch.rand(len(x), 1, 1, 1, generator=rng, device=rng.device).to(x.device) < 0.5
    return torch.where(coin, x.flip(-1), x)


@torch.no_grad()
def transformed(
    x: Float[Tensor, "B ..."], rng: torch.Generator, *, shift: float, flip: bool, jitter: float
) -> Float[Tensor, "B ..."]:
    """Samples after a small change that leaves them what they are: images shift and mirror, points jitter.

    The members of a pack are changed alike. No gradient passes: it is the discriminator that learns from them.
    """
    if x.ndim != 4:
        noise = torch.randn(x.shape, generator=rng, device=rng.device, dtype=x.dtype).to(x.device)
        return x + jitter * noise
    x = _mirrored(x, rng) if flip else x
    return _shifted(x, round(shift * x.shape[-1]), rng)


def _disagreement(before: Float[Tensor, " B"], after: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Squared differences of logits, in float32 at least."""
    return (widened(before) - widened(after)).square()


def consistency(
    *,
    weight: Annotated[Number, Field(ge=0, description="strength λ of the penalty")] = 10.0,
    shift: Shift = 0.125,
    flip: Flip = True,
    jitter: Jitter = 0.05,
    every: Interval = 1,
) -> Penalty:
    """λ·(D(x) - D(T(x)))² at real samples, T a small shift and mirroring: the discriminator looks at what matters.

    Zhang et al. 2020, arXiv:1910.12027, section 2 (CR-GAN). *Differs:* the shift is a share of the side (1/8: 4 of 32
    pixels), so that it means the same at every size; points, which can't be mirrored, jitter instead.
    """
    change = partial(transformed, shift=shift, flip=flip, jitter=jitter)

    def term(context: Context) -> Float[Tensor, " B"]:
        moved = context.ask(change(context.real, context.rng))
        return at(weight, context.images) * _disagreement(context.real_logits, moved)

    return Penalty("consistency", term, frozenset(), every, per_sample=False)


def balanced_consistency(
    *,
    real_weight: Annotated[Number, Field(ge=0, description="strength at real samples")] = 10.0,
    fake_weight: Annotated[Number, Field(ge=0, description="strength at the generator's samples")] = 10.0,
    shift: Shift = 0.125,
    flip: Flip = True,
    jitter: Jitter = 0.05,
    every: Interval = 1,
) -> Penalty:
    """Consistency at real samples and at fakes alike: else the changes leak into what the generator makes.

    λᵣ·(D(x) - D(T(x)))² + λ_f·(D(G(z)) - D(T(G(z))))². Zhao et al. 2020, arXiv:2002.04724, algorithm 1 (bCR).
    *Differs:* as `consistency`.
    """
    change = partial(transformed, shift=shift, flip=flip, jitter=jitter)

    def term(context: Context) -> Float[Tensor, " B"]:
        real = context.ask(change(context.real, context.rng))
        fake = context.ask(change(context.fake, context.rng), fake=True)
        return at(real_weight, context.images) * _disagreement(context.real_logits, real) + at(
            fake_weight, context.images
        ) * _disagreement(context.fake_logits, fake)

    return Penalty("balanced_consistency", term, frozenset(), every, per_sample=False)


def latent_consistency(
    *,
    weight: Annotated[Number, Field(ge=0, description="strength λ of the penalty")] = 5.0,
    sigma: Annotated[float, Field(gt=0, description="standard deviation of the latents' change")] = 0.03,
    every: Interval = 1,
) -> Penalty:
    """λ·(D(G(z)) - D(G(z + δ)))², δ small and Gaussian: the discriminator doesn't mind what the latents hardly change.

    The discriminator's half of zCR; the generator's is the term `latent_spread`, and the authors use both together with
    `balanced_consistency`. Costs a generator pass. Zhao et al. 2020, arXiv:2002.04724, algorithm 2.
    """

    def term(context: Context) -> Float[Tensor, " B"]:
        assert context.z is not None
        with torch.no_grad():
            noise = torch.randn(
                context.z.shape, generator=context.rng, device=context.rng.device, dtype=context.z.dtype
            )
            moved = context.make(context.z + sigma * noise.to(context.z.device)).reshape(
                context.fake.shape
            )  # packs again
        return at(weight, context.images) * _disagreement(context.fake_logits, context.ask(moved, fake=True))

    return Penalty("latent_consistency", term, frozenset(), every, per_sample=False)
