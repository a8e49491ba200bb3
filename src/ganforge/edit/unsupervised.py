"""Directions of latent space that nobody named: along which a generator changes most, by three measures."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.edit.maps import activations, first_map, image_of
from ganforge.errors import RecipeError
from ganforge.sample import Sampler, latents

__all__ = ["METHODS", "Found", "activation_directions", "first_map_directions", "jacobian_directions"]

SEED = 2**34  # the first of the seeds that directions are found with: none that anybody asks for
MORE = 8  # vectors beyond those asked for in a block iteration, which speed it up
RATIO = 1e-9  # an eigenvalue under this share of the largest is none


class Found(NamedTuple):
    """Directions (K, z), of length 1 and by falling weight, and each one's share of all that was weighed."""

    vectors: Float[Tensor, "K z"]
    shares: Float[Tensor, " K"]


def signed(vectors: Float[Tensor, "K z"]) -> Float[Tensor, "K z"]:
    """Each with its largest entry positive: an eigenvector has no sign of its own."""
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return vectors * torch.where(largest < 0, -1.0, 1.0)


def leading(gram: Float[Tensor, "z z"], count: int) -> Found:
    """The eigenvectors of the largest eigenvalues, with their shares of the trace."""
    values, vectors = torch.linalg.eigh(gram.double())
    kept = min(count, int((values > RATIO * values[-1]).sum()))
    order = torch.arange(len(values) - 1, len(values) - 1 - kept, -1)
    return Found(signed(vectors.T[order].float()), (values[order] / values.sum()).float())


def first_map_directions(sampler: Sampler, count: int) -> Found:
    """SeFa: the eigenvectors of AᵀA of the first linear map, z ↦ Az + b, by falling eigenvalue.

    A step of length 1 along the first moves the first layer more than any other step. No sample is made.
    Shen and Zhou 2021, arXiv:2007.06600, eq. 8.

    Raises:
        RecipeError: if no layer is linear in the latent.
    """
    _, A = first_map(sampler)
    return leading(A.double().T @ A.double(), count)


def activation_directions(sampler: Sampler, count: int, *, samples: int = 4096) -> Found:
    """GANSpace: the principal components of the first hidden activations, led back to latents by regression.

    Of N latents the activations are taken, their principal coordinates x, and the latent direction of the k-th is
    the least-squares u of z ≈ Σ uₖxₖ. Härkönen et al. 2020, arXiv:2004.02546, eqs. 1 and 2. *Differs:* the activations
    behind the first nonlinearity; of a linear layer of normal latents the components are SeFa's.

    Raises:
        RecipeError: if no layer is linear in the latent.
    """
    seeds = range(SEED, SEED + samples)
    z = latents(seeds, sampler.z_dim)
    h = activations(sampler, z, sampler.labels_of(seeds)).double()
    h, z = h - h.mean(0), z - z.mean(0)
    rank = min(2 * count + MORE, *h.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, S, V = torch.svd_lowrank(h, q=rank, niter=6)
    kept = min(count, int((S > RATIO * S[0]).sum()))
    x = h @ V[:, :kept]
    u = (z.double().T @ x / x.square().sum(0)).T  # (K, z)
    u = u / u.norm(dim=1, keepdim=True)
    return Found(signed(u.float()), (S[:kept].square() / h.square().sum()).float())


def jacobian_directions(sampler: Sampler, count: int, *, samples: int = 64, steps: int = 8) -> Found:
    """The directions along which samples change fastest: leading eigenvectors of E[JᵀJ], J = ∂G/∂z.

    Block power iteration by forward and reverse derivatives, so J is never stored: exact in one step where the block
    is as wide as the latent, and Rayleigh-Ritz values else. As the pulled-back metric of Ramesh et al. 2018,
    arXiv:1812.01161, averaged over latents as in Wang and Ponce 2021, arXiv:2101.06006, section 3, for the
    pixels' distance.

    Args:
        samples: latents whose metric is averaged.
        steps: iterations, where they aren't exact at once.
    """
    seeds = range(SEED, SEED + samples)
    z, y = latents(seeds, sampler.z_dim).to(sampler.device), sampler.labels_of(seeds)

    def image(at: Tensor) -> Tensor:
        return image_of(sampler, at, y).flatten(1)

    def metric(v: Tensor) -> Tensor:
        """E[JᵀJ]v."""
        _, moved = torch.func.jvp(image, (z,), (v.expand_as(z).contiguous(),))
        _, back = torch.func.vjp(image, z)
        return back(moved)[0].mean(0)

    width = min(sampler.z_dim, count + MORE)
    rng = torch.Generator().manual_seed(0)
    Q = torch.linalg.qr(torch.randn(sampler.z_dim, width, generator=rng, dtype=torch.float64)).Q
    for _ in range(1 if width == sampler.z_dim else steps):
        MQ = torch.stack([metric(v.float().to(sampler.device)).double().cpu() for v in Q.T], 1)
        small = Q.T @ MQ
        values, turns = torch.linalg.eigh((small + small.T) / 2)
        vectors, Q = Q @ turns.flip(1), torch.linalg.qr(MQ).Q
    values = values.flip(0).clamp_min(0)
    kept = min(count, int((values > RATIO * values[0]).sum()))
    return Found(signed(vectors.T[:kept].float()), (values / values.sum())[:kept].float())


METHODS: dict[str, Callable[[Sampler, int], Found]] = {
    "activations": activation_directions,
    "first_map": first_map_directions,
    "jacobian": jacobian_directions,
}


def checked_methods(names: list[str]) -> list[str]:
    """The names, if they are all known.

    Raises:
        RecipeError: for one that isn't.
    """
    for name in names:
        if name not in METHODS:
            raise RecipeError(f"there is no way {name!r} to find directions; there are {', '.join(METHODS)}")
    return names
