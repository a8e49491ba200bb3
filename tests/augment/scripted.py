"""Dice that fall as they are told."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganforge.augment.dice import Dice

__all__ = ["Scripted", "dice"]


@dataclass(frozen=True)
class Scripted(Dice):
    """Each drawn value is the next of `script`, the same for all samples; every transformation takes place."""

    script: Iterator[float] = field(default_factory=lambda: iter(()))

    @classmethod
    def of(cls, count: int, *script: float, dtype: torch.dtype = torch.float64) -> "Scripted":
        return cls(torch.Generator(), count, 1.0, dtype, iter(script))

    def next(self) -> Tensor:
        return torch.full((self.count,), float(next(self.script)), dtype=self.dtype)

    def uniform(self, low: float, high: float) -> Tensor:
        return self.next()

    def normal(self, sigma: float) -> Tensor:
        return self.next()

    def lognormal(self, octaves: float) -> Tensor:
        return self.next()

    def integer(self, low: int, high: int) -> Tensor:
        return self.next()

    def happens(self, p: float | Tensor | None = None) -> Tensor:
        return torch.ones(self.count, dtype=torch.bool)


def dice(count: int, p: float = 1.0, *, seed: int = 1, dtype: torch.dtype = torch.float64) -> Dice:
    """Real ones, from a seed."""
    return Dice(torch.Generator().manual_seed(seed), count, p, dtype)
