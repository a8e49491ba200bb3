"""Points drawn from a density, for as long as anyone asks or a fixed number of them: splits, and the stream of batches.

The row of points is cut into blocks of 8,192; block b of a row is drawn from a generator of its own, seeded by (row,
b). So the row doesn't depend on how it is cut into batches, a batch at any position costs two blocks at most, and
neighbouring batches share one drawing.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ganforge.batch import Batch
from ganforge.data.images import Source
from ganforge.data.mixture import Mixture
from ganforge.data.split import LabelsOf, Split

__all__ = ["BLOCK", "Endless", "PointStream", "Points", "endless"]

BLOCK = 2**13  # points drawn at once
NUMBERED = 2**20  # points of the endless split that can be read by their numbers

Draw = Callable[[int, torch.Generator], Float[Tensor, "n D"]]
"""A density as what draws from it: (count, generator) -> points (count, D), float32."""


def block_of(draw: Draw, row: str, number: int) -> Float[Tensor, "n D"]:
    """A block of a row: hashed, so that neighbours share nothing."""
    digest = hashlib.blake2b(f"{row}/{number}".encode(), digest_size=8).digest()
    return draw(BLOCK, torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1))


@dataclass(frozen=True)
class Points:
    """Points that lie in memory: a fixed drawing, or a table's."""

    tensor: Float[Tensor, "N D"]
    labels: LabelsOf | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape[1:])

    def __len__(self) -> int:
        return len(self.tensor)

    def read(self, index: Int64[Tensor, " n"]) -> Float[Tensor, "n D"]:
        return self.tensor[index]

    def part(self, index: Int64[Tensor, " n"] | slice) -> "Points":
        """Some of the points; a slice shares their memory."""
        return Points(self.tensor[index], None if self.labels is None else self.labels[index])

    def on(self, device: torch.device) -> "Points":
        """The same points on a device."""
        return Points(self.tensor.to(device), None if self.labels is None else self.labels.to(device))


@dataclass(frozen=True)
class Endless:
    """All the points that a density can give; the first 2^20 of a row can be read by their numbers.

    Attributes:
        draw: the density.
        dim: the points' dimension D.
    """

    draw: Draw
    dim: int
    labels: None = None
    tensor: None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim,)

    def __len__(self) -> int:
        return NUMBERED

    def read(self, index: Int64[Tensor, " n"]) -> Float[Tensor, "n D"]:
        """The points of these numbers in the row that a stream with seed 0 gives."""
        blocks, place = (index // BLOCK).unique(return_inverse=True)
        drawn = [block_of(self.draw, row_of(0), number) for number in blocks.tolist()]
        return torch.stack(drawn)[place, index % BLOCK] if drawn else torch.empty(0, self.dim)

    def fixed(self, name: str, count: int) -> Points:
        """A drawing of its own, the same in every run."""
        blocks = [block_of(self.draw, name, number) for number in range(-(-count // BLOCK))]
        return Points(torch.cat(blocks)[:count].clone())


def row_of(seed: int) -> str:
    """The name of the row that training with a seed sees."""
    return f"train/{seed}"


def fresh(draw: Draw, row: str, number: int) -> Points:
    """A block of a row, as points without labels."""
    return Points(block_of(draw, row, number))


def shuffled(points: Points, row: str, number: int) -> Points:
    """A fixed drawing in the order of an epoch of a row."""
    digest = hashlib.blake2b(f"{row}/epoch/{number}".encode(), digest_size=8).digest()
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1))
    return points.part(order)


class PointStream:
    """Points without end, in batches of any size: fresh ones, the row of (seed, block), or a fixed drawing by epochs.

    >>> line = Endless(lambda count, rng: torch.rand(count, 1, generator=rng), dim=1)
    >>> with PointStream(line, batch=3, device="cpu", seed=0) as a:
    ...     first, second = a.next(), a.next()
    >>> with PointStream(line, batch=6, device="cpu", seed=0) as b:
    ...     torch.equal(b.next().x, torch.cat([first.x, second.x]))
    True
    """

    def __init__(self, points: Split, *, batch: int, device: torch.device | str, seed: int, position: int = 0) -> None:
        assert isinstance(points, Endless | Points)
        self.batch, self.position = batch, position
        self._device, row = torch.device(device), row_of(seed)
        if isinstance(points, Endless):
            self._size, part = BLOCK, partial(fresh, points.draw, row)
        else:
            self._size, part = len(points), partial(shuffled, points, row)
        self._block = lru_cache(maxsize=2)(lambda number: part(number).on(self._device))

    def next(self) -> Batch:
        """The next batch: x float32 (B, D) in the data's own units; its numbers in the run's row beside it."""
        start, end = self.position, self.position + self.batch
        size = self._size
        numbers = range(start // size, -(-end // size))
        parts = [self._block(n).part(slice(max(start - n * size, 0), end - n * size)) for n in numbers]
        self.position = end
        x, labels = [part.tensor for part in parts], [part.labels for part in parts if part.labels is not None]
        y = torch.cat(labels) if labels else None
        index = torch.arange(start, end, device=self._device)
        return Batch(x=x[0] if len(x) == 1 else torch.cat(x), index=index, y=y)

    def close(self) -> None:
        """Forget the drawn blocks."""
        self._block.cache_clear()

    def __enter__(self) -> "PointStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def endless(
    name: str, draw: Draw, *, dim: int, held_out: int, mixture: Mixture | None = None, count: int | None = None
) -> Source:
    """A source of points: training draws anew for ever (or from a third fixed drawing, of `count` points), held-out and
    test points are two fixed drawings.

    >>> square = endless("square", lambda count, rng: torch.rand(count, 2, generator=rng), dim=2, held_out=1000)
    >>> square.describe()
    'square: endless training points in 2 dimensions, 1,000 held out, 1,000 for testing'
    """
    train = Endless(draw, dim)
    held, test = (train.fixed(split, held_out) for split in ("held_out", "test"))
    if count is not None:
        return Source(name, train.fixed("training", count), held, test, stream=PointStream, mixture=mixture)
    return Source(name, train, held, test, stream=PointStream, endless=True, mixture=mixture)
