"""Random numbers of a batch, one for each sample, and whether a transformation takes place."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["Dice"]


@dataclass(frozen=True)
class Dice:
    """What is drawn for each of `count` samples; a transformation takes place with probability `p`.

    Attributes:
        rng: where the numbers come from; they are made on its device, so that nothing waits for it.
        count: samples.
        p: a number, or a tensor with one on that device.
        dtype: of the numbers, at least float32.
    """

    rng: torch.Generator
    count: int
    p: float | Float[Tensor, ""]
    dtype: torch.dtype = torch.float32

    def uniform(self, low: float, high: float) -> Float[Tensor, " B"]:
        """U(low, high)."""
        return low + (high - low) * torch.rand(self.count, generator=self.rng, device=self.rng.device, dtype=self.dtype)

    def normal(self, sigma: float) -> Float[Tensor, " B"]:
        """N(0, σ²)."""
        return sigma * torch.randn(self.count, generator=self.rng, device=self.rng.device, dtype=self.dtype)

    def lognormal(self, octaves: float) -> Float[Tensor, " B"]:
        """2^N(0, octaves²): as often twice as large as half."""
        return torch.exp2(self.normal(octaves))

    def integer(self, low: int, high: int) -> Float[Tensor, " B"]:
        """A whole number from low to high, both included."""
        numbers = torch.randint(low, high + 1, (self.count,), generator=self.rng, device=self.rng.device)
        return numbers.to(self.dtype)

    def happens(self, p: float | Float[Tensor, ""] | None = None) -> Bool[Tensor, " B"]:
        """True with probability p, never at 0 and always at 1."""
        return self.uniform(0.0, 1.0) < (self.p if p is None else p)

    def maybe(
        self, value: Float[Tensor, " B"], *, neutral: float, p: float | Float[Tensor, ""] | None = None
    ) -> Float[Tensor, " B"]:
        """The value where the transformation takes place, else the one that changes nothing."""
        return torch.where(self.happens(p), value, neutral)
