"""Mixtures of round Gaussians as data: what the rings, grids and bumps of the toys are."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.errors import RecipeError

__all__ = ["Mixture"]


@dataclass(frozen=True)
class Mixture:
    """Σ_k w_k N(μ_k, σ_k² I) in D dimensions, in float32.

    Attributes:
        means: the modes μ_k, (K, D).
        sigmas: the standard deviations σ_k > 0, (K,), the same in every direction.
        weights: the shares w_k >= 0, (K,), that sum to 1.
    """

    means: Float[Tensor, "K D"]
    sigmas: Float[Tensor, " K"]
    weights: Float[Tensor, " K"]

    @classmethod
    def of(
        cls, means: tuple[tuple[float, ...], ...], sigmas: tuple[float, ...], weights: tuple[float, ...] | None = None
    ) -> "Mixture":
        """A mixture from plain numbers; one sigma stands for all, and no weights are equal ones.

        Raises:
            RecipeError: for lengths that differ, a sigma that isn't positive, or weights that aren't probabilities.
        """
        sigmas = sigmas * len(means) if len(sigmas) == 1 else sigmas
        weights = (1 / len(means),) * len(means) if weights is None else weights
        check(means, sigmas, weights)
        return cls(*(torch.tensor(numbers, dtype=torch.float32) for numbers in (means, sigmas, weights)))

    @property
    def dim(self) -> int:
        """D."""
        return self.means.shape[1]

    def draw(self, count: int, rng: torch.Generator) -> Float[Tensor, "count D"]:
        """Independent points."""
        edges = self.weights.cumsum(0)[:-1]  # K - 1 of them: rounding can't lead beyond the last mode
        mode = torch.bucketize(torch.rand(count, generator=rng, dtype=torch.float32), edges, right=True)
        noise = torch.randn(count, self.dim, generator=rng, dtype=torch.float32)
        return torch.addcmul(self.means[mode], self.sigmas[mode, None], noise)


def check(means: tuple[tuple[float, ...], ...], sigmas: tuple[float, ...], weights: tuple[float, ...]) -> None:
    """Raise RecipeError with every reason why these are no mixture."""
    lengths = {len(mean) for mean in means}
    rules = [
        (len(lengths) != 1 or 0 in lengths, f"means = {means}: all need the same number of coordinates, one or more"),
        (len(sigmas) != len(means), f"sigmas = {sigmas}: give one, or one for each of the {len(means)} means"),
        (not all(0 < s < math.inf for s in sigmas), f"sigmas = {sigmas}: standard deviations are positive"),
        (len(weights) != len(means), f"weights = {weights}: give one for each of the {len(means)} means, or none"),
        (not all(w >= 0 for w in weights), f"weights = {weights}: shares aren't negative"),
        (not abs(sum(weights) - 1) < 1e-6, f"weights = {weights}: they sum to {sum(weights):g}; make it 1"),
    ]
    if mistakes := [f"data.{sentence}" for wrong, sentence in rules if wrong]:
        raise RecipeError(*mistakes)
