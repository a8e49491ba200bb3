"""Directions that were asked for: the normal of a hyperplane between latents, and what is left of it beside others."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from ganforge.errors import RecipeError

__all__ = ["Plane", "beside", "hyperplane"]

FEWEST = 20  # latents on either side
LEFT = 1e-3  # of a direction's length, beside the others


class Plane(NamedTuple):
    """A hyperplane through latents: normal·z = offset, |normal| = 1; and its share of right answers on latents that it
    wasn't fitted to, each side counting half."""

    normal: Float[Tensor, " z"]
    offset: float
    accuracy: float


def logistic(z: Float[Tensor, "N z"], side: Bool[Tensor, " N"], decay: float) -> tuple[Tensor, Tensor]:
    """w and b of the least mean of log(1 + exp(∓(w·z + b))) + decay/2·|w|², both sides weighing the same; by L-BFGS."""
    w = torch.zeros(z.shape[1], dtype=z.dtype, requires_grad=True)
    b = torch.zeros((), dtype=z.dtype, requires_grad=True)
    share = side.double().mean()
    weight = torch.where(side, 0.5 / share, 0.5 / (1 - share)).to(z)
    sign = side.to(z) * 2 - 1
    solver = torch.optim.LBFGS([w, b], max_iter=200, tolerance_grad=1e-7, tolerance_change=1e-9,
                               line_search_fn="strong_wolfe")  # fmt: skip

    def closure() -> Tensor:
        solver.zero_grad()
        loss = (weight * F.softplus(-sign * (z @ w + b))).mean() + decay / 2 * w.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return w.detach(), b.detach()


def hyperplane(z: Float[Tensor, "N z"], side: Bool[Tensor, " N"], *, decay: float = 1e-3) -> Plane:
    """The hyperplane that parts latents whose samples have an attribute from the others.

    InterFaceGAN: Shen et al. 2020, arXiv:1907.10786, section 3. *Differs:* logistic regression where they take a linear
    SVM, on all latents and not on the surest. A fifth of the latents is kept back for the accuracy.

    Raises:
        RecipeError: if nearly all latents lie on one side.
    """
    least = int(min(side.sum(), (~side).sum()))
    if least < FEWEST:
        raise RecipeError(f"only {least} of {len(z)} samples lie on one side; take more, or an attribute that varies")
    z = z.double()
    test = torch.arange(len(z)) % 5 == 0
    w, b = logistic(z[~test], side[~test], decay)
    right = (z[test] @ w + b > 0) == side[test]
    each = [right[side[test] == s].double().mean() for s in (True, False)]
    length = w.norm()
    return Plane((w / length).float(), float(-b / length), float(torch.stack(each).nanmean()))


def beside(direction: Float[Tensor, " z"], others: Float[Tensor, "M z"]) -> Float[Tensor, " z"]:
    """A direction without what it has of others: moving along it, none of their hyperplanes comes nearer.

    The conditional manipulation of Shen et al. 2020, arXiv:1907.10786, section 3.3, n₁ - (n₁ᵀn₂)n₂, for any number of
    others.

    Raises:
        RecipeError: if nothing is left.

    >>> beside(torch.tensor([0.6, 0.8]), torch.tensor([[1.0, 0.0]]))
    tensor([0., 1.])
    """
    if not len(others):
        return direction
    _, S, V = torch.linalg.svd(others.double(), full_matrices=False)
    span = V[LEFT * S[0] < S]
    left = direction.double() - span.T @ (span @ direction.double())
    if left.norm() <= LEFT * direction.norm():
        raise RecipeError("nothing is left of the direction beside those that are to stay; keep fewer of them")
    return (left / left.norm()).float()
