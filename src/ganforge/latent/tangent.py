"""How outputs move with latents: the derivative along a direction."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["tangent"]


def tangent(x: Float[Tensor, "B ..."], z: Float[Tensor, "B z_dim"]) -> Callable[[Tensor], Float[Tensor, "B ..."]]:
    """Jv for vectors v (z_dim,) or (B, z_dim), where J is the Jacobian ∂x/∂z, which is never stored.

    Jᵀu is linear in u, and its derivative along v is Jv: two reverse passes, so any layer that can be differentiated
    twice will do. `x` must have been computed from `z`, and its graph is kept.

    >>> z = torch.tensor([[1.0, 2.0]], requires_grad=True)
    >>> tangent(z.square(), z)(torch.tensor([1.0, 10.0]))
    tensor([[ 2., 40.]])
    """
    u = torch.zeros_like(x, requires_grad=True)
    (back,) = torch.autograd.grad(x, z, u, create_graph=True)

    def moved(v: Tensor) -> Tensor:
        return torch.autograd.grad(back, u, v.to(z).expand_as(z), retain_graph=True)[0]

    return moved
