"""Several splits as one, read by numbers that go on from one to the next."""

from dataclasses import dataclass

import torch
from jaxtyping import Int64, Num
from torch import Tensor

from ganforge.data.split import LabelsOf, Split

__all__ = ["Joint", "together"]


@dataclass(frozen=True)
class Joint:
    """Splits of one shape, one after the other, wherever each of them lies."""

    parts: tuple[Split, ...]
    tensor: None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.parts[0].shape

    @property
    def labels(self) -> LabelsOf | None:
        """Of all of them; None where a part has none."""
        each = [part.labels for part in self.parts if part.labels is not None]
        return torch.cat(each) if len(each) == len(self.parts) else None

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def read(self, index: Int64[Tensor, " n"]) -> Num[Tensor, "n ..."]:
        """The samples of these numbers, in this order."""
        first, found, places = 0, [], []
        for part in self.parts:
            inside = (index >= first) & (index < first + len(part))
            found.append(part.read(index[inside] - first))
            places.append(inside.nonzero().flatten())
            first += len(part)
        return torch.cat(found)[torch.cat(places).argsort()]


def together(*parts: Split | None) -> Split:
    """Those of the splits that are there as one; a single one is itself."""
    there = tuple(part for part in parts if part is not None)
    return there[0] if len(there) == 1 else Joint(there)
