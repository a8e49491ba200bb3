"""Penalties on the discriminator's slope in its input, squared norms sample by sample."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganforge.penalties.penalty import Context, Interval, Penalty
from ganforge.schedules import Number, at

__all__ = ["gradient_penalty", "r1", "r2"]

Gamma = Annotated[Number, Field(description="strength γ of the penalty γ/2·‖∇D‖²; small images like .01 to 1", ge=0)]


def _input_gradient(logits: Float[Tensor, "B ..."], x: Float[Tensor, "B ..."]) -> Float[Tensor, "B features"]:
    """∇ₓ Σ D, flat per sample, differentiable in D's weights."""
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.flatten(1)


def _gradient_norm(logits: Float[Tensor, "B ..."], x: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
    """‖∇ₓ D‖ per sample; its slope at a zero gradient is 0, where a plain square root's is NaN."""
    return torch.linalg.vector_norm(_input_gradient(logits, x), dim=1)


def r1(*, gamma: Gamma = 1.0, every: Interval = 1) -> Penalty:
    """γ/2·‖∇ₓ D(x)‖² at real images: a discriminator that is flat where the data lie lets the game come to rest.

    Mescheder et al. 2018, arXiv:1801.04406, eq. 9.
    """

    def term(context: Context) -> Float[Tensor, " B"]:
        gradient = _input_gradient(context.real_logits, context.real)
        return at(gamma, context.images) / 2 * gradient.square().sum(1)

    return Penalty("r1", term, frozenset({"real"}), every)


def r2(*, gamma: Gamma = 1.0, every: Interval = 1) -> Penalty:
    """γ/2·‖∇ₓ D(x)‖² at the generator's images: R1's twin, which relativistic games need beside it.

    Mescheder et al. 2018, arXiv:1801.04406, eq. 10.
    """

    def term(context: Context) -> Float[Tensor, " B"]:
        gradient = _input_gradient(context.fake_logits, context.fake)
        return at(gamma, context.images) / 2 * gradient.square().sum(1)

    return Penalty("r2", term, frozenset({"fake"}), every)


def _interpolates(context: Context) -> Float[Tensor, "B ..."]:
    """A random point on the line between each real image and a fake one."""
    real, fake = context.real.detach(), context.fake.detach()
    sizes = (len(real),) + (1,) * (real.ndim - 1)
    epsilon = torch.rand(sizes, generator=context.rng, device=context.rng.device, dtype=real.dtype)
    return torch.lerp(fake, real, epsilon.to(real.device)).requires_grad_()


def gradient_penalty(
    *,
    weight: Annotated[Number, Field(description="strength λ of the penalty λ·(‖∇D‖ - target)²", ge=0)] = 10.0,
    target: Annotated[float, Field(description="the slope that the critic should have", ge=0)] = 1.0,
    one_sided: Annotated[bool, Field(description="punish only slopes above the target")] = False,
    every: Interval = 1,
) -> Penalty:
    """λ·(‖∇ D(x̂)‖ - 1)² at random points x̂ between real and fake: keeps a Wasserstein critic near 1-Lipschitz.

    Gulrajani et al. 2017, arXiv:1704.00028, eq. 3. Needs a discriminator that doesn't mix samples (no batch norm).
    """

    def term(context: Context) -> Float[Tensor, " B"]:
        x = _interpolates(context)
        excess = _gradient_norm(context.ask(x), x) - target
        excess = F.relu(excess) if one_sided else excess
        return at(weight, context.images) * excess.square()

    return Penalty("gradient_penalty", term, frozenset(), every)
