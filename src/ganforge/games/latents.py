"""How the noise of a batch is drawn."""

from functools import lru_cache

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.moment import Moment

__all__ = ["independent", "quasi_random"]

MOST = torch.quasirandom.SobolEngine.MAXDIM
EDGE = 2.0**-53  # of the unit interval, where the normal quantile is ±8.2


def independent(G: nn.Module, count: int, moment: Moment) -> Float[Tensor, "B z"]:
    """Standard normal latents, (count, z_dim)."""
    weight = next(G.parameters())
    return torch.randn(count, int(G.z_dim), generator=moment.rng, device=weight.device, dtype=weight.dtype)  # type: ignore[arg-type]


def quasi_random(G: nn.Module, count: int, moment: Moment) -> Float[Tensor, "B z"]:
    """Standard normal latents, (count, z_dim), spread evenly over latent space: a randomised quasi-Monte Carlo batch.

    The first `count` points of Sobol's sequence, shifted together by one random vector modulo 1 (Cranley and Patterson
    1976, "Randomization of number theoretic methods for multiple integration"), through the normal quantile, in random
    order. Each latent on its own is exactly normal; means over a batch have an error of about 1/count in few dimensions
    where independent ones have 1/√count, so batch norm's statistics, and a batch's shares of the modes, hardly vary.

    Raises:
        RecipeError: for more dimensions than the sequence has.
    """
    weight, z_dim = next(G.parameters()), int(G.z_dim)  # type: ignore[arg-type]
    if z_dim > MOST:
        raise RecipeError(
            f"game.latents = 'quasi_random' knows {MOST} dimensions, and z_dim is {z_dim}; set game.latents=independent"
        )
    each, device, parts = count // moment.games, weight.device, []
    for _ in range(moment.games):  # side by side, each game has a batch of its own
        shift = torch.rand(z_dim, generator=moment.rng, device=device, dtype=torch.float64)
        u = (sobol(each, z_dim, device) + shift) % 1
        parts.append(u[torch.randperm(each, generator=moment.rng, device=device)])
    return torch.special.ndtri(torch.cat(parts).clamp(EDGE, 1 - EDGE)).to(weight.dtype)


@lru_cache(maxsize=16)
def sobol(count: int, dim: int, device: torch.device) -> Float64[Tensor, "B z"]:
    """The first points of Sobol's sequence in the unit cube."""
    return torch.quasirandom.SobolEngine(dim).draw(count, dtype=torch.float64).to(device)
