"""What training and judging ask of data: a split that is read by numbers, and a stream of batches."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float32, Int64, Num
from torch import Tensor

from ganforge.batch import Batch

__all__ = ["LabelsOf", "Split", "Stream"]

LabelsOf = Int64[Tensor, " N"] | Float32[Tensor, "N K"]
"""Labels of N samples: class numbers, or continuous vectors of K numbers."""


@runtime_checkable
class Split(Protocol):
    """One split: a row of samples of one shape, read by their numbers.

    Attributes:
        shape: (C, H, W) of images, (D,) of points.
        labels: class numbers (N,) int64, vectors (N, K) float32, or None.
        tensor: all of them, (N, *shape), if they lie in memory; else None.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def labels(self) -> LabelsOf | None: ...
    @property
    def tensor(self) -> Tensor | None: ...
    def __len__(self) -> int: ...
    def read(self, index: Int64[Tensor, " n"]) -> Num[Tensor, "n ..."]:
        """The samples of these numbers, images as uint8; DataError if a file can't be read."""
        ...


@runtime_checkable
class Stream(Protocol):
    """A row of batches without end, whose only state is `position`, the samples drawn so far.

    A stream that starts at `position=p` goes on exactly as one that was run to p.
    """

    position: int

    def next(self) -> Batch:
        """The next batch, on the device."""
        ...

    def close(self) -> None:
        """Let go of threads and memory; `with` does."""
        ...

    def __enter__(self) -> "Stream": ...
    def __exit__(self, *_: object) -> None: ...
