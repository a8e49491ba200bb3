"""Penalties on the discriminator's slope in its input, squared norms sample by sample."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganforge.penalties.penalty import Context, Interval, Penalty, widened
from ganforge.schedules import Number, at

__all__ = ["dragan", "gradient_penalty", "r1", "r2"]

Gamma = Annotated[Number, Field(description="strength γ of the penalty γ/2·‖∇D‖²; small images like .01 to 1", ge=0)]
Weight = Annotated[Number, Field(description="strength λ of the penalty λ·(‖∇D‖ - target)²", ge=0)]
Target = Annotated[float, Field(description="the slope that the critic should have", ge=0)]
OneSided = Annotated[bool, Field(description="punish only slopes above the target")]


def _input_gradient(logits: Float[Tensor, "B ..."], x: Float[Tensor, "B ..."]) -> Float[Tensor, "B features"]:
    """∇ₓ Σ D, flat per sample, differentiable in D's weights; in float32 at least, autocast or not."""
    with torch.autocast(x.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        return widened(gradient.flatten(1))


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


def _uniform(x: Float[Tensor, "B ..."], sizes: tuple[int, ...], rng: torch.Generator) -> Float[Tensor, "B ..."]:
    """Uniform numbers in [0, 1), in x's precision and on its device."""
    return torch.rand(sizes, generator=rng, device=rng.device, dtype=x.dtype).to(x.device)


def _interpolates(context: Context) -> Float[Tensor, "B ..."]:
    """A random point on the line between each real image and a fake one."""
    real = context.real.detach()
    epsilon = _uniform(real, (len(real),) + (1,) * (real.ndim - 1), context.rng)
    return torch.lerp(context.fake.detach().to(real.dtype), real, epsilon).requires_grad_()


def _surroundings(context: Context, spread: float) -> Float[Tensor, "B ..."]:
    """Each real image moved a random part of the way to a noisy copy of it."""
    real = context.real.detach()
    part = _uniform(real, (len(real),) + (1,) * (real.ndim - 1), context.rng)
    noise = _uniform(real, tuple(real.shape), context.rng)
    return (real + part * spread * real.std(unbiased=False) * noise).requires_grad_()


def _missed_slope(context: Context, x: Float[Tensor, "B ..."], target: float, one_sided: bool) -> Float[Tensor, " B"]:
    """(‖∇D(x)‖ - target)² per sample; this pass runs in x's own precision, autocast or not."""
    with torch.autocast(x.device.type, enabled=False):
        excess = _gradient_norm(context.ask(x), x) - target
        return (F.relu(excess) if one_sided else excess).square()


def gradient_penalty(
    *, weight: Weight = 10.0, target: Target = 1.0, one_sided: OneSided = False, every: Interval = 1
) -> Penalty:
    """λ·(‖∇ D(x̂)‖ - 1)² at random points x̂ between real and fake: keeps a Wasserstein critic near 1-Lipschitz.

    Gulrajani et al. 2017, arXiv:1704.00028, eq. 3. Needs a discriminator that doesn't mix samples (no batch norm).
    """

    def term(context: Context) -> Float[Tensor, " B"]:
        x = _interpolates(context)
        return at(weight, context.images) * _missed_slope(context, x, target, one_sided)

    return Penalty("gradient_penalty", term, frozenset(), every)


def dragan(
    *,
    weight: Weight = 10.0,
    target: Target = 1.0,
    spread: Annotated[float, Field(description="the noise's size in standard deviations of the batch", gt=0)] = 0.5,
    one_sided: OneSided = False,
    every: Interval = 1,
) -> Penalty:
    """λ·(‖∇ D(x + α·c·s·u)‖ - 1)² around real images: no sharp cliffs beside the data, where games cycle.

    α in [0, 1) is uniform for each image, u for each of its numbers, s the standard deviation of the whole batch and
    c = `spread`. Kodali et al. 2017, arXiv:1705.07215. *Differs:* the paper's noise is Gaussian; this is
    the authors' code's, which leads to one side only and goes a random part of the way.
    """

    def term(context: Context) -> Float[Tensor, " B"]:
        x = _surroundings(context, spread)
        return at(weight, context.images) * _missed_slope(context, x, target, one_sided)

    return Penalty("dragan", term, frozenset(), every, of_batch=True)
