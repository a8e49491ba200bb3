"""Optimisers by name, each able to leave a step out when a flag on the device says that the gradient is not finite."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.moment import Lookahead
from ganforge.schedules import Number, at

__all__ = ["OPTIMIZERS", "adam", "adamw", "lookahead", "masked_step", "sgd"]

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


KERNELS = {False: "_fused_adam_", True: "_fused_adamw_"}  # by whether weight decay is decoupled


def masked_step(optimizer: torch.optim.Optimizer, *, bad: Tensor, lr: float) -> None:
    """One step at rate `lr`, left out where the 0-dim flag `bad` is 1; then the gradients are gone. The flag is not
    read on the host if the optimiser's fused kernel can read it on the device."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        for p in group["params"]:
            if p.grad is not None and p.grad.stride() != p.stride():
                p.grad = torch.empty_like(p).copy_(p.grad)  # the fused kernels read memory in the parameter's order
    if all(plain(optimizer, group) for group in optimizer.param_groups):
        for group in optimizer.param_groups:
            adam_step(optimizer, group, bad)
    elif getattr(optimizer, "_step_supports_amp_scaling", False):
        optimizer.found_inf = bad  # type: ignore[attr-defined]  # the kernels' own name for such a flag
        optimizer.step()
    elif not bad.item():
        optimizer.step()
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = None


def plain(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> bool:
    """Whether `adam_step` does what the optimiser's own step would: torch's fused Adam or AdamW without a variant, all
    weights with a gradient, and not the first step, which makes the moments."""
    return (
        type(optimizer) in (torch.optim.Adam, torch.optim.AdamW)
        and bool(group["fused"])
        and not (group["amsgrad"] or group["maximize"])
        and hasattr(torch, KERNELS[decoupled(optimizer, group)])
        and all(p.grad is not None and optimizer.state[p] for p in group["params"])
    )


def decoupled(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> bool:
    """Whether the weight decay is AdamW's."""
    return isinstance(optimizer, torch.optim.AdamW) or bool(group.get("decoupled_weight_decay"))


@torch.no_grad()
def adam_step(optimizer: torch.optim.Optimizer, group: dict[str, Any], bad: Tensor) -> None:
    """What `optimizer.step()` does to a `plain` group, without its bookkeeping, which takes longer than the arithmetic
    of a small network."""
    params = group["params"]
    slots = [optimizer.state[p] for p in params]
    steps = [slot["step"] for slot in slots]
    torch._foreach_add_(steps, [1.0 - bad] * len(steps))  # a lone tensor would be read as a number, on the host
    getattr(torch, KERNELS[decoupled(optimizer, group)])(
        params,
        [p.grad for p in params],
        [slot["exp_avg"] for slot in slots],
        [slot["exp_avg_sq"] for slot in slots],
        [],
        steps,
        amsgrad=False,
        lr=group["lr"],
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        maximize=False,
        grad_scale=None,
        found_inf=bad,
    )


Slots = dict[str, list[Tensor]]
TINY = 1e-30  # under the root: its slope at 0 is infinite, and infinity times the square's slope 0 is no number


def lookahead(optimizer: torch.optim.Optimizer, *, lr: float) -> Lookahead:
    """The next updates of one of the `OPTIMIZERS` as differentiable functions."""
    group = {**optimizer.param_groups[0], "lr": lr}
    slots_of, imagined = IMAGINED[type(optimizer)]

    def start() -> Slots:
        return slots_of(optimizer, group["params"])

    def step(params: dict[str, Tensor], grads: dict[str, Tensor], slots: Slots) -> tuple[dict[str, Tensor], Slots]:
        new, slots = imagined(list(params.values()), list(grads.values()), slots, group)
        return dict(zip(params, new, strict=True)), slots

    return Lookahead(start, step)


def adam_slots(optimizer: torch.optim.Optimizer, params: list[nn.Parameter]) -> Slots:
    """Copies of the moments and step numbers; zeros before the first step."""
    blank = {"step": lambda p: p.new_zeros(()), "exp_avg": torch.zeros_like, "exp_avg_sq": torch.zeros_like}
    states = [(p, optimizer.state.get(p, {})) for p in params]
    return {k: [s[k].clone() if k in s else new(p) for p, s in states] for k, new in blank.items()}


def imagined_adam(
    params: list[Tensor], grads: list[Tensor], slots: Slots, group: dict[str, Any]
) -> tuple[list[Tensor], Slots]:
    """Adam's step (Kingma and Ba 2015, algorithm 1) and its decoupled weight decay, nothing in place."""
    beta1, beta2 = group["betas"]
    new: Slots = {"step": [t + 1 for t in slots["step"]]}
    new["exp_avg"] = [m + (1 - beta1) * (g - m) for m, g in zip(slots["exp_avg"], grads, strict=True)]
    new["exp_avg_sq"] = [v + (1 - beta2) * (g * g - v) for v, g in zip(slots["exp_avg_sq"], grads, strict=True)]
    after = []
    for p, t, m, v in zip(params, new["step"], new["exp_avg"], new["exp_avg_sq"], strict=True):
        root = (v / (1 - beta2**t) + TINY).sqrt()
        decayed = p * (1 - group["lr"] * group["weight_decay"])
        after.append(decayed - group["lr"] / (1 - beta1**t) * m / (root + group["eps"]))
    return after, new


def sgd_slots(optimizer: torch.optim.Optimizer, params: list[nn.Parameter]) -> Slots:
    """Copies of the momentum."""
    states = [optimizer.state.get(p, {}).get("momentum_buffer") for p in params]
    return {"momentum": [torch.zeros_like(p) if s is None else s.clone() for s, p in zip(states, params, strict=True)]}


def imagined_sgd(
    params: list[Tensor], grads: list[Tensor], slots: Slots, group: dict[str, Any]
) -> tuple[list[Tensor], Slots]:
    """Gradient descent with momentum, nothing in place."""
    velocity = [group["momentum"] * v + g for v, g in zip(slots["momentum"], grads, strict=True)]
    return [p - group["lr"] * v for p, v in zip(params, velocity, strict=True)], {"momentum": velocity}


IMAGINED: dict[type, tuple[Callable[..., Slots], Callable[..., tuple[list[Tensor], Slots]]]] = {
    torch.optim.Adam: (adam_slots, imagined_adam),
    torch.optim.AdamW: (adam_slots, imagined_adam),
    torch.optim.SGD: (sgd_slots, imagined_sgd),
}
