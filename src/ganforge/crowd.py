"""Sets of samples as features: real images, generated ones, and images that lie there.

What a network says of real images is the dear part of judging and always the same, so it can be kept: under a hash of
the very bytes that were judged, the extractor and its weights. Whoever changes an image, the split or the network gets
another key.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.data import Source, Split
from ganforge.errors import DataError
from ganforge.features import Extractor, Features, GaussianStatistics, RunningGaussian
from ganforge.io.cache import keep, kept

__all__ = ["SPLITS", "Album", "Crowd", "Maker", "Progress", "crowd", "floor", "generated", "pictured", "reference"]

CHUNK = 500
SPLITS = ("test", "held_out", "train")
FORMAT = 1  # of what is kept
HELD = 512 * 2**20  # bytes of samples that are held between their hash and the network; more are read twice
SMALL = 256 * 2**20  # bytes of features that are kept; of more only mean and covariance
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Crowd:
    """The features of a set of samples, real or generated.

    Attributes:
        features: (N, D); empty where only the statistics were kept.
        logits: (N, K).
        known: the statistics, where they were kept.
        digest: 12 hex digits of the real samples' SHA-256; "" where taking it would have cost a second reading.
        cached: read from the cache and not computed.
    """

    features: Float[Tensor, "N D"]
    logits: Float[Tensor, "N K"]
    known: GaussianStatistics | None = None
    digest: str = ""
    cached: bool = False

    @property
    def count(self) -> int:
        """How many samples."""
        return self.known.count if self.known else len(self.features)

    @cached_property
    def statistics(self) -> GaussianStatistics:
        """Mean and covariance."""
        if self.known:
            return self.known
        running = RunningGaussian(self.features.shape[1])
        for chunk in self.features.split(10_000):
            running.update(chunk)
        return running.result()

    def drawn(self, index: Tensor) -> "Crowd":
        """The samples of these numbers, which may come several times."""
        return Crowd(self.features[index], self.logits[index])


@runtime_checkable
class Maker(Protocol):
    """What is judged: a `Sampler`, or an `Album` of images that lie there.

    Attributes:
        name: what it is called.
        images: images seen in training; 0 where nobody was trained.
        most: how many samples there are; None for as many as one likes.
    """

    name: str
    images: int

    @property
    def most(self) -> int | None: ...
    def batches(self, seeds: Sequence[int], /) -> Iterator[Tensor]:
        """The samples of these numbers, in this order, images as uint8, a batch at a time."""
        ...


class Album:
    """Images that lie there, judged as if a generator had made them: all of a source but its test images.

    The numbers are places in a fixed shuffled order.

    >>> from ganforge.data import open_source
    >>> album = Album(open_source())
    >>> album.most, next(album.batches(range(3))).shape
    (60000, torch.Size([3, 1, 28, 28]))
    """

    images = 0

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.parts = [part for part in (source.train, source.held_out) if part is not None]
        self.order = torch.randperm(self.most, generator=torch.Generator().manual_seed(1))

    @property
    def most(self) -> int:
        """As many as there are."""
        return sum(map(len, self.parts))

    def batches(self, seeds: Sequence[int]) -> Iterator[Tensor]:
        """The images of these numbers, in this order, a chunk at a time."""
        for chunk in self.order[list(seeds)].split(CHUNK):
            first, found, places = 0, [], []
            for part in self.parts:
                inside = (chunk >= first) & (chunk < first + len(part))
                found.append(part.read(chunk[inside] - first))
                places.append(inside.nonzero().flatten())
                first += len(part)
            yield torch.cat(found)[torch.cat(places).argsort()]


def crowd(batches: Iterable[Tensor], extractor: Extractor, *, count: int, progress: Progress | None = None) -> Crowd:
    """The features of one batch or more, images as uint8; `progress` hears of the share that each batch is."""
    found: list[Features] = []
    for batch in batches:
        found.append(extractor(batch))
        if progress:
            progress(len(batch) / count)
    return Crowd(torch.cat([f.features for f in found]).cpu(), torch.cat([f.logits for f in found]).cpu())


def generated(
    maker: Maker, extractor: Extractor, count: int, first: int = 0, progress: Progress | None = None
) -> Crowd:
    """Generated samples from the seeds first, first + 1, ..."""
    return crowd(maker.batches(range(first, first + count)), extractor, count=count, progress=progress)


def shuffled(images: Split, seed: int) -> Tensor:
    """The numbers of all images of a split in an order that the seed fixes."""
    return torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Drawing:
    """Real samples of these numbers, a chunk at a time, as often as one likes."""

    images: Split
    index: Tensor

    @cached_property
    def held(self) -> list[Tensor] | None:
        """All chunks, where they fit into memory."""
        size = len(self.index) * math.prod(self.images.shape) * (1 if len(self.images.shape) == 3 else 4)
        return list(self.read()) if size <= HELD else None

    def read(self) -> Iterator[Tensor]:
        """The chunks, from where they lie."""
        return (self.images.read(i) for i in self.index.split(CHUNK))

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.read() if self.held is None else self.held)

    @cached_property
    def sha256(self) -> str:
        """Hash of the samples' bytes, in order."""
        total = hashlib.sha256(f"{self.images.shape}".encode())
        for chunk in self:
            total.update(chunk.contiguous().numpy().tobytes())
        return total.hexdigest()


def pictured(
    images: Split,
    index: Tensor,
    extractor: Extractor,
    *,
    split: str = "",
    cache: Path | None = None,
    whole: bool = True,
    progress: Progress | None = None,
) -> Crowd:
    """The features of the images of those numbers, in the order of the numbers; from the cache, where they are there.

    Args:
        split: what they are called; part of the key.
        cache: the folder where features are kept; None computes them.
        whole: the features themselves are needed; else the statistics do.
    """
    drawing = Drawing(images, index.sort().values)
    place = cache / f"{key(drawing, extractor, split)}.safetensors" if cache and extractor.digest != "none" else None
    if place and (found := remembered(place, whole=whole, digest=drawing.sha256[:12])):
        if progress:
            progress(1.0)
        return found
    fresh = crowd(drawing, extractor, count=max(len(index), 1), progress=progress)
    found = Crowd(fresh.features, fresh.logits, digest=drawing.sha256[:12] if place or drawing.held is not None else "")
    if place:
        remember(place, found)
    return found


def key(drawing: Drawing, extractor: Extractor, split: str) -> str:
    """The name that what is said of these samples is kept under."""
    said = {
        "format": FORMAT,
        "samples": drawing.sha256,
        "count": len(drawing.index),
        "split": split,
        "extractor": extractor.name,
        "weights": extractor.digest,
        "resize": getattr(extractor, "resize", None),
    }
    return f"{extractor.name}-{hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]}"


def remember(place: Path, crowd: Crowd) -> None:
    """Keep what is known of real samples."""
    found = crowd.statistics
    named = {"count": torch.tensor(found.count), "mean": found.mean, "covariance": found.covariance}
    each = {"features": crowd.features, "logits": crowd.logits}
    keep(place, named | (each if sum(t.nbytes for t in each.values()) <= SMALL else {}))


def remembered(place: Path, *, whole: bool, digest: str) -> Crowd | None:
    """What was kept, if all of what is needed is there."""
    named = kept(place)
    if named is None or not {"count", "mean", "covariance"} <= named.keys() or (whole and "features" not in named):
        return None
    statistics = GaussianStatistics(int(named["count"]), named["mean"], named["covariance"])
    none = torch.empty(0, len(statistics.mean))
    features, logits = named.get("features", none), named.get("logits", none[:, :0])
    return Crowd(features, logits, statistics, digest, cached=True)


def reference(
    source: Source,
    split: str,
    extractor: Extractor,
    count: int,
    *,
    cache: Path | None = None,
    whole: bool = True,
    progress: Progress | None = None,
) -> Crowd:
    """Real images of a split, at most `count`, none twice.

    Raises:
        DataError: if the source has no such split.
    """
    images = getattr(source, split) if split in SPLITS else None
    if images is None:
        there = ", ".join(s for s in SPLITS if getattr(source, s) is not None)
        raise DataError(f"{source.name} has no split {split!r}; it has: {there}")
    index = shuffled(images, seed=0)[:count]
    return pictured(images, index, extractor, split=split, cache=cache, whole=whole, progress=progress)


def floor(
    source: Source,
    split: str,
    extractor: Extractor,
    count: int,
    *,
    cache: Path | None = None,
    whole: bool = True,
    progress: Progress | None = None,
) -> Crowd:
    """Real training images to stand where fakes do, at most `count`; never those of the reference itself."""
    taken = count if split == "train" else 0
    index = shuffled(source.train, seed=0 if taken else 1)[taken : taken + count]
    return pictured(source.train, index, extractor, split="floor", cache=cache, whole=whole, progress=progress)
