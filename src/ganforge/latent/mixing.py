"""Sums of latents: means of exemplars, weighted mixes, and the length that a generator knows."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.errors import RecipeError
from ganforge.latent.norms import expected_norm

__all__ = ["mix", "of_typical_length"]

CANCELLED = 1e-6  # of the length of what was added


def of_typical_length(z: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
    """The direction of z at the mean length of normal latents, E|z|.

    The mean of n latents is 1/√n as long as one of them, and a sum of n is √n times as long; a generator has seen
    neither.

    Raises:
        RecipeError: for a latent of length 0, which has no direction.

    >>> of_typical_length(torch.tensor([0.0, 3.0]))
    tensor([0.0000, 1.2533])
    """
    length = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    if not bool((length > 0).all()):
        raise RecipeError("a latent of length 0 has no direction; take other exemplars")
    return z / length * expected_norm(z.shape[-1])


def mix(z: Float[Tensor, "N dim"], weights: Float[Tensor, " N"]) -> Float[Tensor, " dim"]:
    """Σ wᵢ·zᵢ at the typical length: "a - b + c" by weights 1, -1, 1, a mean by equal ones.

    Word arithmetic of Mikolov et al. 2013, arXiv:1301.3781, on means of latents as in Radford et al. 2016,
    arXiv:1511.06434, section 6.3.2. *Differs:* the sum gets the typical length, there it keeps its own.

    Raises:
        RecipeError: where the terms cancel out, so that only rounding would have a direction.

    >>> mix(torch.eye(2), torch.tensor([1.0, 1.0])).norm()
    tensor(1.2533)
    """
    terms = weights[:, None] * z
    total = terms.sum(0)
    if total.norm() <= CANCELLED * terms.norm(dim=1).sum():
        raise RecipeError("the terms cancel each other out, so nothing is left of them; take other exemplars")
    return of_typical_length(total)
