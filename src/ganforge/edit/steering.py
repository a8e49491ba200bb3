"""A direction for something that can be measured on an image, found without labels and without a classifier."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.edit.attributes import attributes
from ganforge.edit.unsupervised import SEED, sensitivity
from ganforge.errors import RecipeError
from ganforge.latent.interpolation import direction
from ganforge.sample import Sampler

__all__ = ["attribute_gradient", "attribute_of", "steered"]


def attribute_of(found: dict[str, Tensor], name: str) -> Float[Tensor, " N"]:
    """One of the attributes that were measured.

    Raises:
        RecipeError: if there is none of that name.
    """
    if name not in found:
        raise RecipeError(f"there is no attribute {name!r} of such images; there are {', '.join(found)}")
    return found[name]


def attribute_gradient(z: Float[Tensor, "N z"], values: Float[Tensor, " N"]) -> Float[Tensor, " z"]:
    """E[∇a] of an attribute a over normal latents, by Stein's identity E[∇a(z)] = E[z·a(z)]: samples suffice."""
    return (z.double() * (values.double() - values.double().mean())[:, None]).mean(0)


def steered(sampler: Sampler, name: str, *, samples: int = 8192, damping: float = 0.01) -> Float[Tensor, " z"]:
    """The direction with the most of an attribute for the least change of the image.

    d ∝ (E[JᵀJ] + λ·tr E[JᵀJ]/D·I)⁻¹ E[∇a]: of all d with the same mean change of the pixels (and λ of the latent's own
    length) the one along which the attribute a grows fastest. A linear fit alone, λ = ∞, moves the attribute further,
    and takes along whatever comes with it among samples, such as the class.

    Args:
        samples: that the gradient is taken from.
        damping: λ. The larger, the further the attribute moves, and the more often the class with it.

    Raises:
        RecipeError: for an attribute that there isn't.
    """
    seeds = range(SEED, SEED + samples)
    images = sampler.sample(seeds)
    values = attribute_of(dict(attributes(images)), name)
    gradient = attribute_gradient(sampler.latents(seeds), values)
    product = sensitivity(sampler)(torch.eye(sampler.z_dim))
    M = (product + product.T) / 2
    damped = M + damping * M.trace() / len(M) * torch.eye(len(M)).double()
    return direction(torch.linalg.solve(damped, gradient)).float()
