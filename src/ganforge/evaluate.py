"""Judging: samples -> features -> statistics -> numbers, always with their protocol and real data's own floor."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.data import Mixture, Source, Split
from ganforge.errors import DataError, RecipeError
from ganforge.features import Extractor, Features, PointFeatures, RunningGaussian, extractor_for
from ganforge.metrics import (
    class_coverage,
    class_shares,
    classifier_score,
    frechet_distance,
    kernel_distance,
    manifold_scores,
    mode_coverage,
    sliced_distance,
)
from ganforge.sample import Sampler

__all__ = [
    "Album",
    "Crowd",
    "Maker",
    "choosing_metric",
    "choosing_split",
    "compare",
    "crowd",
    "evaluate",
    "extractor_name",
    "protocol",
    "quick_distance",
    "reference",
    "reporting_split",
]

CHUNK = 500
CHOOSING_SEED = 2**32  # the seeds that choose a checkpoint aren't those that it is reported on, which start at 0
SPLITS = ("test", "held_out", "train")
MANY = 100  # classes that nobody reads one by one
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Crowd:
    """The features of a set of samples, real or generated."""

    features: Float[Tensor, "N D"]
    logits: Float[Tensor, "N K"]

    @property
    def statistics(self) -> Any:
        """Mean and covariance."""
        running = RunningGaussian(self.features.shape[1])
        for chunk in self.features.split(10_000):
            running.update(chunk)
        return running.result()


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
    def batches(self, seeds: range) -> Iterator[Tensor]:
        """The samples of these numbers, images as uint8, a batch at a time."""
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

    def batches(self, seeds: range) -> Iterator[Tensor]:
        """The images of these numbers, a chunk at a time; within a chunk by the part that they lie in."""
        for chunk in self.order[seeds.start : seeds.stop].split(CHUNK):
            first = 0
            for part in self.parts:
                yield part.read(chunk[(chunk >= first) & (chunk < first + len(part))] - first)
                first += len(part)


def extractor_name(source: Source, chosen: str | None) -> str:
    """The extractor that judges a source: the chosen one, else by the samples' shape.

    Raises:
        RecipeError: for a classifier of images before points, or the other way round.
    """
    fitting = source.extractor or extractor_for(source.shape)
    if chosen is not None and (chosen == PointFeatures.name) != (fitting == PointFeatures.name):
        raise RecipeError(f"judge.extractor = {chosen!r} can't judge {source.name}; set judge.extractor={fitting}")
    return chosen or fitting


def reporting_split(source: Source) -> str:
    """The real images that final figures are taken against: test, else held-out, else training images."""
    return next(split for split in SPLITS if getattr(source, split) is not None)


def choosing_split(source: Source) -> str:
    """The real images that choose a checkpoint: held-out training images, else training images; never the test's."""
    return "train" if source.held_out is None else "held_out"


def choosing_metric(source: Source, chosen: str | None) -> str:
    """The figure that chooses a checkpoint: the chosen one, else by what is known of the data."""
    if chosen is not None:
        return chosen
    if extractor_for(source.shape) != PointFeatures.name:
        return "frechet_distance"
    return "sliced_distance" if source.mixture is None else "mode_distance"


def crowd(batches: Iterable[Tensor], extractor: Extractor, *, count: int, progress: Progress | None = None) -> Crowd:
    """The features of one batch or more, images as uint8; `progress` hears of the share that each batch is."""
    found: list[Features] = []
    for batch in batches:
        found.append(extractor(batch))
        if progress:
            progress(len(batch) / count)
    return Crowd(torch.cat([f.features for f in found]).cpu(), torch.cat([f.logits for f in found]).cpu())


def shuffled(images: Split, seed: int) -> Tensor:
    """The numbers of all images of a split in an order that the seed fixes."""
    return torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))


def pictured(images: Split, index: Tensor, extractor: Extractor) -> Crowd:
    """The features of the images of those numbers."""
    chunks = index.sort().values.split(CHUNK)
    return crowd((images.read(i) for i in chunks), extractor, count=max(len(index), 1))


def reference(source: Source, split: str, extractor: Extractor, count: int) -> Crowd:
    """Real images of a split, at most `count`, none twice.

    Raises:
        DataError: if the source has no such split.
    """
    images = getattr(source, split) if split in SPLITS else None
    if images is None:
        there = ", ".join(s for s in SPLITS if getattr(source, s) is not None)
        raise DataError(f"{source.name} has no split {split!r}; it has: {there}")
    return pictured(images, shuffled(images, seed=0)[:count], extractor)


def floor(source: Source, split: str, extractor: Extractor, count: int) -> Crowd:
    """Real training images to stand where fakes do, at most `count`; never those of the reference itself."""
    taken = count if split == "train" else 0
    order = shuffled(source.train, seed=0 if taken else 1)
    return pictured(source.train, order[taken : taken + count], extractor)


def quick_distance(
    sampler: Sampler, real: Crowd, extractor: Extractor, *, mixture: Mixture | None = None
) -> dict[str, float | None]:
    """The figures that choose a checkpoint; as many fakes as there are real ones."""
    fake = generated(sampler, extractor, len(real.features), CHOOSING_SEED)
    own = in_own_units(extractor, real=real, fake=fake, mixture=mixture)
    many = coverage(fake, extractor.classes)
    return own | many | distances(real=real, fake=fake) | kernel(real=real, fake=fake)


def generated(sampler: Maker, extractor: Extractor, count: int, first: int, progress: Progress | None = None) -> Crowd:
    """Generated samples from the seeds first, first + 1, ..."""
    return crowd(sampler.batches(range(first, first + count)), extractor, count=count, progress=progress)


def distances(*, real: Crowd, fake: Crowd) -> dict[str, float | None]:
    """The Fréchet distance."""
    return figures(("frechet_distance",), lambda: (frechet_distance(real=real.statistics, fake=fake.statistics),))


def kernel(*, real: Crowd, fake: Crowd) -> dict[str, float | None]:
    """The kernel distance, with its standard error."""
    names = ("kernel_distance", "kernel_distance_error")
    return figures(names, lambda: kernel_distance(real=real.features, fake=fake.features))


def coverage(fake: Crowd, classes: tuple[str, ...]) -> dict[str, float | None]:
    """How many classes are there, and how unevenly, where they are too many to be listed each."""
    names = ("classes_found", "class_divergence")
    return figures(names, lambda: map(float, class_coverage(logits=fake.logits))) if len(classes) > MANY else {}


def shares(fake: Crowd, classes: tuple[str, ...]) -> dict[str, float | None]:
    """The share of each class, where there are few enough to be read one by one."""
    return figures(classes, lambda: class_shares(logits=fake.logits).tolist()) if 0 < len(classes) <= MANY else {}


def in_own_units(extractor: Extractor, *, real: Crowd, fake: Crowd, mixture: Mixture | None) -> dict[str, float | None]:
    """Figures of points alone: the sliced Wasserstein distance; and of a mixture the modes found, the share of
    samples at one, and how far the modes' shares are from their weights."""
    if not isinstance(extractor, PointFeatures):
        return {}
    found = figures(("sliced_distance",), lambda: (sliced_distance(real=real.features, fake=fake.features),))
    if mixture is None:
        return found
    modes = mode_coverage(samples=fake.features, modes=mixture.means, sigma=mixture.sigmas, weights=mixture.weights)
    return {
        "modes_found": float(modes.found),
        "mode_quality": modes.quality,
        "mode_distance": modes.distance,
        **found,
    }


def figures(names: tuple[str, ...], taken: Callable[[], Iterable[float]]) -> dict[str, float | None]:
    """Figures by name; None where there are too few images for them."""
    try:
        return dict(zip(names, taken(), strict=True))
    except DataError:
        return dict.fromkeys(names)


def compare(*, real: Crowd, fake: Crowd, classes: tuple[str, ...]) -> dict[str, Any]:
    """Every figure for two sets of samples; None where there are too few samples for one.

    The classifier's score and its shares are there if the extractor has classes; in place of the shares of many
    classes, how many were found and their divergence from equal shares.
    """
    manifold = ("precision", "recall", "density", "coverage")
    score = ("classifier_score", "classifier_score_deviation")
    return {
        **distances(real=real, fake=fake),
        **kernel(real=real, fake=fake),
        **(figures(score, lambda: classifier_score(logits=fake.logits)) if classes else {}),
        **figures(manifold, lambda: manifold_scores(real=real.features, fake=fake.features, k=3)),
        **coverage(fake, classes),
        "shares": shares(fake, classes),
    }


def evaluate(
    sampler: Maker,
    source: Source,
    extractor: Extractor,
    *,
    split: str = "test",
    samples: int = 10_000,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The full judgement of a generator, or of an album, against a split of real images; as many of each.

    The floor is what real training images reach against the same real images (as many of them, if there are as many):
    no generator that has learnt from them can be asked for less.

    Returns:
        A record with `images` (seen in training), `split`, `protocol` (a name that fixes features, counts and split),
        `extractor` (with the digest of its weights), `samples`, `figures`, `floor` and `seconds`.

    Raises:
        DataError: if the source has no such split.
    """
    started = time.perf_counter()
    real = reference(source, split, extractor, min(samples, sampler.most or samples))
    count = len(real.features)
    fake = generated(sampler, extractor, count, 0, progress)
    train = floor(source, split, extractor, count)

    def judged(crowd: Crowd) -> dict[str, Any]:
        own = in_own_units(extractor, real=real, fake=crowd, mixture=source.mixture)
        return own | compare(real=real, fake=crowd, classes=extractor.classes)

    return {
        "images": sampler.images,
        "split": split,
        "protocol": protocol(extractor, count, split),
        "extractor": {"name": extractor.name, "weights": extractor.digest},
        "samples": count,
        "figures": judged(fake),
        "floor": judged(train),
        "floor_samples": len(train.features),
        "seconds": round(time.perf_counter() - started, 2),
    }


def protocol(extractor: Extractor, count: int, split: str) -> str:
    """The name under which figures can be compared: the same name, the same protocol."""
    size = f"{count // 1000}k" if count % 1000 == 0 else str(count)
    return f"{extractor.name}_{size}_{split}"
