"""Directions of latent space that nobody named: along which a generator changes most, by three measures."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.edit.maps import activations, first_map, image_of
from ganforge.errors import RecipeError
from ganforge.latent import tangent
from ganforge.sample import Sampler

__all__ = ["METHODS", "Found", "activation_directions", "first_map_directions", "jacobian_directions"]

SEED = 3_000_000_000  # the first of the seeds that directions are found with: none that anybody asks for; below 2^32,
# above which torch takes a seed's lower 32 bits
MORE = 8  # vectors beyond those asked for in a block iteration, which speed it up
WHOLE = 128  # numbers of a latent up to which its metric is computed whole
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
    z = sampler.latents(seeds)
    h = activations(sampler, z, sampler.labels_of(seeds)).double()
    h, z = h - h.mean(0), z - z.mean(0)
    rank = min(2 * count + MORE, *h.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, S, V = torch.svd_lowrank(h, q=rank, niter=6)
    kept = min(count, int((RATIO * S[0] < S).sum()))
    x = h @ V[:, :kept]
    u = (z.double().T @ x / x.square().sum(0)).T  # (K, z)
    u = u / u.norm(dim=1, keepdim=True)
    return Found(signed(u.float()), (S[:kept].square() / h.square().sum()).float())


def sensitivity(sampler: Sampler, *, samples: int = 64) -> Callable[[Tensor], Float[Tensor, "z k"]]:
    """E[JᵀJ] of the Jacobian J = ∂G/∂z over latents, as a product with k vectors (z, k): how fast samples move.

    Three reverse passes for each vector: J is never stored.
    """
    seeds = range(SEED, SEED + samples)
    z = sampler.latents(seeds).to(sampler.device).requires_grad_()
    x = image_of(sampler, z, sampler.labels_of(seeds))
    J = tangent(x, z)

    def moved(v: Tensor) -> Tensor:
        return torch.autograd.grad(x, z, J(v), retain_graph=True)[0].mean(0).double().cpu()

    return lambda vectors: torch.stack([moved(v) for v in vectors.T], 1)


def jacobian_directions(sampler: Sampler, count: int, *, samples: int = 64, steps: int = 8) -> Found:
    """The directions along which samples change fastest: leading eigenvectors of E[JᵀJ].

    The pixels' metric pulled back to latents (Arvanitidis et al. 2018, arXiv:1710.11379, eq. 3), averaged over latents
    as in Wang and Ponce 2021, arXiv:2101.06006, section 3. *Differs:* by exact derivatives; a latent of more than
    128 numbers by block power iteration.

    Args:
        samples: latents whose metric is averaged.
        steps: iterations, where they are needed.
    """
    product, z_dim = sensitivity(sampler, samples=samples), sampler.z_dim
    if z_dim <= WHOLE:
        M = product(torch.eye(z_dim))
        return leading((M + M.T) / 2, count)
    rng = torch.Generator().manual_seed(0)
    Q = torch.linalg.qr(torch.randn(z_dim, min(z_dim, count + MORE), generator=rng, dtype=torch.float64))[0]
    for _ in range(steps):
        Q = torch.linalg.qr(product(Q))[0]
    M = Q.T @ product(Q)
    inner = leading((M + M.T) / 2, count)
    return Found(signed((inner.vectors.double() @ Q.T).float()), inner.shares)


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
