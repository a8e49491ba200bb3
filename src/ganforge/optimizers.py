"""Optimisers by name, each able to leave a step out when a flag on the device says that the gradient is not finite."""

from collections.abc import Callable, Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.schedules import Number, at

__all__ = ["OPTIMIZERS", "adam", "adamw", "masked_step", "sgd"]

Rate = Annotated[Number, Field(ge=0, description="learning rate: a number, or a schedule over images seen")]


def adam(
    params: Iterable[nn.Parameter],
    *,
    lr: Rate = 2e-4,
    beta1: Annotated[float, Field(ge=0, lt=1, description="decay of the gradient's mean; .5 or 0 for GANs")] = 0.5,
    beta2: Annotated[float, Field(ge=0, lt=1, description="decay of the gradient's mean square")] = 0.999,
    eps: Annotated[float, Field(gt=0, description="added to the denominator")] = 1e-8,
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015), fused. *Differs:* β1 is .5 by default, as Radford et al. 2016 found for GANs."""
    return torch.optim.Adam(params, lr=at(lr, 0), betas=(beta1, beta2), eps=eps, fused=True)


def adamw(
    params: Iterable[nn.Parameter],
    *,
    lr: Rate = 2e-4,
    beta1: Annotated[float, Field(ge=0, lt=1, description="decay of the gradient's mean")] = 0.5,
    beta2: Annotated[float, Field(ge=0, lt=1, description="decay of the gradient's mean square")] = 0.999,
    eps: Annotated[float, Field(gt=0, description="added to the denominator")] = 1e-8,
    weight_decay: Annotated[float, Field(ge=0, description="decoupled weight decay")] = 0.01,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), fused."""
    return torch.optim.AdamW(params, lr=at(lr, 0), betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, fused=True)


def sgd(
    params: Iterable[nn.Parameter],
    *,
    lr: Rate = 0.05,
    momentum: Annotated[float, Field(ge=0, lt=1, description="0: plain gradient descent")] = 0.0,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent, fused.

    The momentum starts as zeros of its own: torch would take uninitialised memory if the first step is left out.
    """
    optimizer = torch.optim.SGD(params, lr=at(lr, 0), momentum=momentum, fused=True)
    if momentum:
        for p in optimizer.param_groups[0]["params"]:
            optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
    return optimizer


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"adam": adam, "adamw": adamw, "sgd": sgd}


def masked_step(optimizer: torch.optim.Optimizer, *, bad: Tensor, lr: float) -> None:
    """One step at rate `lr`, left out where the 0-dim flag `bad` is 1. The flag is not read on the host if the
    optimiser's fused kernel can read it on the device."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        for p in group["params"]:
            if p.grad is not None and p.grad.stride() != p.stride():
                p.grad = torch.empty_like(p).copy_(p.grad)  # the fused kernels read memory in the parameter's order
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        optimizer.found_inf = bad  # type: ignore[attr-defined]  # the kernels' own name for such a flag
        optimizer.step()
    elif not bad.item():
        optimizer.step()
