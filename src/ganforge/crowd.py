"""Sets of samples as features: real images, generated ones, and images that lie there.

What a network says of real images is the dear part of judging and always the same, so it can be kept: under a hash of
the very bytes that were judged, the extractor and its weights. Whoever changes an image, the split or the network gets
another key.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, Num, Shaped
from torch import Tensor

from ganforge.data import Source, Split
from ganforge.data.joint import together
from ganforge.errors import DataError
from ganforge.features import Extractor, Features, GaussianStatistics, RunningGaussian, from_all
from ganforge.features.inception import full_precision
from ganforge.io.cache import keep, kept
from ganforge.labels import class_names
from ganforge.latent import truncated
from ganforge.metrics import PathLength, path_length
from ganforge.sample import Sampler

__all__ = [
    "ALL",
    "SPLITS",
    "Album",
    "Crowd",
    "Maker",
    "Progress",
    "crowd",
    "floor",
    "gathered",
    "generated",
    "pictured",
    "real_images",
    "reference",
    "walked",
]

CHUNK = 500
SPLITS = ("test", "held_out", "train")
ALL = "all"  # train and held_out together: what published protocols take for the training images
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
        images: the samples themselves, (M, C, H, W), uint8; None where no figure needs them.
        labels: the class of each sample, (M,); None where no figure needs it, or nobody knows.
        path: the path length of the generator that made them; None where no figure needs it, or there is no generator.
        taught: how often a classifier is right that learnt from their like (`ganforge.gan_train`); None as `path`.
    """

    features: Float[Tensor, "N D"]
    logits: Float[Tensor, "N K"]
    known: GaussianStatistics | None = None
    digest: str = ""
    cached: bool = False
    images: Num[Tensor, "M ..."] | None = None
    labels: Int64[Tensor, " L"] | None = None
    path: PathLength | None = None
    taught: float | None = None

    @property
    def count(self) -> int:
        """How many samples."""
        return self.known.count if self.known else len(self.features)

    @property
    def dims(self) -> int:
        """How many features a sample has."""
        return len(self.known.mean) if self.known else self.features.shape[1]

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
        classes: the names of the classes that its samples are known to be of; () where they aren't.
        most: how many samples there are; None for as many as one likes.
    """

    name: str
    images: int

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def most(self) -> int | None: ...
    def batches(self, seeds: Sequence[int], /) -> Iterator[Tensor]:
        """The samples of these numbers, in this order, images as uint8, a batch at a time."""
        ...

    def labels_of(self, seeds: Sequence[int], /) -> Shaped[Tensor, "N ..."] | None:
        """The labels of these samples; None where there are none."""
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
        self.whole = together(source.train, source.held_out)
        self.order = torch.randperm(self.most, generator=torch.Generator().manual_seed(1))
        self.classes = class_names(source)

    @property
    def most(self) -> int:
        """As many as there are."""
        return len(self.whole)

    def batches(self, seeds: Sequence[int]) -> Iterator[Tensor]:
        """The images of these numbers, in this order, a chunk at a time."""
        return chunks(self.whole, self.order[list(seeds)])

    def labels_of(self, seeds: Sequence[int]) -> Shaped[Tensor, "N ..."] | None:
        """The labels of the images of these numbers; None where there are none."""
        labels = self.whole.labels
        return None if labels is None else labels[self.order[list(seeds)]]


def crowd(
    batches: Iterable[Tensor],
    extractor: Extractor,
    *,
    count: int,
    images: bool = False,
    labels: Shaped[Tensor, "N ..."] | None = None,
    progress: Progress | None = None,
) -> Crowd:
    """The features of one batch or more, images as uint8; `progress` hears of the share that each batch is.

    Args:
        images: keep the samples themselves too.
        labels: of all of them; those that are no classes are left out.
    """
    found: list[Features] = []
    kept_images: list[Tensor] = []
    for batch in batches:
        found.append(extractor(batch))
        if images:
            kept_images.append(batch.cpu())
        if progress:
            progress(len(batch) / count)
    samples = torch.cat(kept_images) if kept_images else None
    features, logits = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    return Crowd(features, logits, images=samples, labels=classes_in(labels))


def classes_in(labels: Shaped[Tensor, "N ..."] | None) -> Int64[Tensor, " N"] | None:
    """Labels, if they are classes."""
    return None if labels is None or labels.is_floating_point() else labels


def generated(
    maker: Maker, extractor: Extractor, count: int, first: int = 0, *, labelled: bool = False, **options: Any
) -> Crowd:
    """Generated samples from the seeds first, first + 1, ..., with their classes where these are asked for; the other
    options are those of `crowd`."""
    seeds = range(first, first + count)
    labels = maker.labels_of(seeds) if labelled else None
    return crowd(maker.batches(seeds), extractor, count=count, labels=labels, **options)


def walked(sampler: Sampler, extractor: Extractor, pairs: int, progress: Progress | None = None) -> PathLength | None:
    """The path length of a generator in an extractor's features, between so many pairs of latents, each at one label.

    Images reach the extractor as they leave the generator, unrounded, and nothing is computed in TF32: steps of 1e-4
    would drown in either. None for fewer than two pairs.
    """
    if pairs < 2:
        return None

    def generate(z: Tensor, *y: Tensor) -> Tensor:
        return sampler.generate(truncated(z, sampler.truncation), *y)

    how: dict[str, Any] = {"y": sampler.labels_of(range(pairs)), "progress": progress}
    with full_precision():
        return path_length(
            generate=generate, features=lambda x: extractor(x).features, z_dim=sampler.z_dim, samples=pairs, **how
        )


def gathered(mine: Crowd) -> Crowd:
    """The samples of all processes of `torch.distributed`, in the order of their ranks, on each of them.

    So each may judge its share: of N seeds, processes that take contiguous shares of them in order have together what
    one has of all. Without any processes it is the crowd itself.
    """
    parts = from_all((mine.features, mine.logits, mine.images, mine.labels))
    features, logits, *others = zip(*parts, strict=True)
    images, labels = (torch.cat(one) if all(x is not None for x in one) else None for one in others)
    return Crowd(torch.cat(features), torch.cat(logits), images=images, labels=labels, path=mine.path)


def shuffled(images: Split, seed: int) -> Tensor:
    """The numbers of all images of a split in an order that the seed fixes."""
    return torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))


def chunks(images: Split, index: Tensor) -> Iterator[Tensor]:
    """The samples of these numbers, some at a time."""
    return (images.read(part) for part in index.split(CHUNK))


def small(images: Split, index: Tensor) -> bool:
    """Whether so many samples may be held at once."""
    return len(index) * math.prod(images.shape) * (1 if len(images.shape) == 3 else 4) <= HELD


def hashed(images: Split, index: Tensor, progress: Progress | None) -> tuple[str, list[Tensor] | None]:
    """SHA-256 of the samples' bytes, in order; and the samples themselves, where they may be held."""
    total, held = hashlib.sha256(f"{images.shape}".encode()), small(images, index)
    found = []
    for chunk in chunks(images, index):
        total.update(chunk.contiguous().numpy().tobytes())
        found += [chunk] if held else []
        if progress:
            progress(len(chunk) / len(index))
    return total.hexdigest(), found if held else None


def pictured(
    images: Split,
    index: Tensor,
    extractor: Extractor,
    *,
    split: str = "",
    cache: Path | None = None,
    whole: bool = True,
    images_too: bool = False,
    progress: Progress | None = None,
) -> Crowd:
    """The features of the images of those numbers, in the order of the numbers; from the cache, where they are there.

    Args:
        split: what they are called; part of the key.
        cache: the folder where features are kept; None computes them.
        whole: the features themselves are needed; else the statistics do.
        images_too: the images themselves are needed.
    """
    index = index.sort().values
    labels = None if images.labels is None else images.labels[index]
    kept_here = cache if extractor.digest != "none" else None
    if not len(index) or not (kept_here or small(images, index)):
        most = max(len(index), 1)
        whole_of_it: dict[str, Any] = {"images": images_too, "labels": labels, "progress": progress}
        return crowd(chunks(images, index), extractor, count=most, **whole_of_it)
    from_files = 0.5 if images.tensor is None else 0.0  # reading is work where files are decoded

    def heard(share: float) -> Progress | None:
        return None if progress is None else lambda done: progress(done * share)

    digest, held = hashed(images, index, heard(from_files))
    place = kept_here / f"{key(digest, len(index), extractor, split)}.safetensors" if kept_here else None
    if place and (known := remembered(place, whole=whole, digest=digest[:12])):
        if progress:
            progress(1.0 - from_files)
        samples = torch.cat(held or [*chunks(images, index)]) if images_too else None
        return replace(known, images=samples, labels=classes_in(labels))
    batches, rest = held or chunks(images, index), heard(1.0 - from_files)
    found = crowd(batches, extractor, count=len(index), images=images_too, labels=labels, progress=rest)
    if place:
        remember(place, found)
    return replace(found, digest=digest[:12])


def key(digest: str, count: int, extractor: Extractor, split: str) -> str:
    """The name that what is said of samples of this digest is kept under."""
    said = {
        "format": FORMAT,
        "samples": digest,
        "count": count,
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


def real_images(source: Source, split: str) -> Split:
    """The real images of a split, or all but those for testing.

    Raises:
        DataError: if the source has no such split.
    """
    if split == ALL:
        return together(source.train, source.held_out)
    images: Split | None = getattr(source, split) if split in SPLITS else None
    if images is None:
        there = ", ".join(s for s in SPLITS if getattr(source, s) is not None)
        raise DataError(f"{source.name} has no split {split!r}; it has: {there}, and {ALL} but those for testing")
    return images


def reference(source: Source, split: str, extractor: Extractor, count: int, **options: Any) -> Crowd:
    """Real images of a split, at most `count`, none twice; the options are those of `pictured`.

    Raises:
        DataError: if the source has no such split.
    """
    images = real_images(source, split)
    return pictured(images, shuffled(images, seed=0)[:count], extractor, split=split, **options)


def floor(source: Source, split: str, extractor: Extractor, count: int, **options: Any) -> Crowd:
    """Real training images to stand where fakes do, at most `count`; never those of the reference itself.

    The options are those of `pictured`.
    """
    same = split in ("train", ALL)
    images = real_images(source, split if same else "train")
    taken = count if same else 0
    index = shuffled(images, seed=0 if same else 1)[taken : taken + count]
    return mixed(pictured(images, index, extractor, split="floor", **options))


def mixed(crowd: Crowd) -> Crowd:
    """The same samples in an order that a seed fixes: folders lie class by class, and some figures split fakes."""
    order = torch.randperm(len(crowd.features), generator=torch.Generator().manual_seed(2))
    if not len(order):
        return crowd
    parts = {name: getattr(crowd, name) for name in ("features", "logits", "images", "labels")}
    moved: dict[str, Any] = {name: None if part is None else part[order] for name, part in parts.items()}
    return replace(crowd, known=crowd.statistics, **moved)  # to the bit those of the order that they are kept in
