"""Judging: samples -> features -> statistics -> numbers, always with their protocol and real data's own floor."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.data import Images, Source
from ganforge.errors import DataError
from ganforge.features import Extractor, Features, RunningGaussian, extractor_for
from ganforge.metrics import class_shares, classifier_score, frechet_distance, kernel_distance, manifold_scores
from ganforge.sample import Sampler

__all__ = [
    "Crowd",
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
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Crowd:
    """The features of a set of images, real or generated."""

    features: Float[Tensor, "N D"]
    logits: Float[Tensor, "N K"]

    @property
    def statistics(self) -> Any:
        """Mean and covariance."""
        running = RunningGaussian(self.features.shape[1])
        for chunk in self.features.split(10_000):
            running.update(chunk)
        return running.result()


def extractor_name(source: Source, chosen: str | None) -> str:
    """The extractor that judges a source: the chosen one, else by the number of channels."""
    return chosen or extractor_for(source.shape)


def reporting_split(source: Source) -> str:
    """The real images that final figures are taken against: test, else held-out, else training images."""
    return next(split for split in SPLITS if getattr(source, split) is not None)


def choosing_split(source: Source) -> str:
    """The real images that choose a checkpoint: held-out training images, else training images; never the test's."""
    return "train" if source.held_out is None else "held_out"


def crowd(batches: Iterable[Tensor], extractor: Extractor, *, count: int, progress: Progress | None = None) -> Crowd:
    """The features of uint8 image batches; `progress` hears of the share that each batch is."""
    found: list[Features] = [Features(torch.empty(0, extractor.dim), torch.empty(0, len(extractor.classes)))]
    for batch in batches:
        found.append(extractor(batch))
        if progress:
            progress(len(batch) / count)
    return Crowd(torch.cat([f.features for f in found]).cpu(), torch.cat([f.logits for f in found]).cpu())


def shuffled(images: Images, seed: int) -> Tensor:
    """The numbers of all images of a split in an order that the seed fixes."""
    return torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))


def pictured(images: Images, index: Tensor, extractor: Extractor) -> Crowd:
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


def quick_distance(sampler: Sampler, real: Crowd, extractor: Extractor) -> dict[str, float | None]:
    """The two distances that choose a checkpoint; as many fakes as there are real ones."""
    fake = generated(sampler, extractor, len(real.features), CHOOSING_SEED)
    return distances(real=real, fake=fake) | kernel(real=real, fake=fake)


def generated(
    sampler: Sampler, extractor: Extractor, count: int, first: int, progress: Progress | None = None
) -> Crowd:
    """Generated images from the seeds first, first + 1, ..."""
    return crowd(sampler.batches(range(first, first + count)), extractor, count=count, progress=progress)


def distances(*, real: Crowd, fake: Crowd) -> dict[str, float | None]:
    """The Fréchet distance."""
    return figures(("frechet_distance",), lambda: (frechet_distance(real=real.statistics, fake=fake.statistics),))


def kernel(*, real: Crowd, fake: Crowd) -> dict[str, float | None]:
    """The kernel distance, with its standard error."""
    names = ("kernel_distance", "kernel_distance_error")
    return figures(names, lambda: kernel_distance(real=real.features, fake=fake.features))


def figures(names: tuple[str, ...], taken: Callable[[], Iterable[float]]) -> dict[str, float | None]:
    """Figures by name; None where there are too few images for them."""
    try:
        return dict(zip(names, taken(), strict=True))
    except DataError:
        return dict.fromkeys(names)


def compare(*, real: Crowd, fake: Crowd, classes: tuple[str, ...]) -> dict[str, Any]:
    """Every figure for two sets of images; None where there are too few images for one."""
    manifold = ("precision", "recall", "density", "coverage")
    score = ("classifier_score", "classifier_score_deviation")
    return {
        **distances(real=real, fake=fake),
        **kernel(real=real, fake=fake),
        **figures(score, lambda: classifier_score(logits=fake.logits)),
        **figures(manifold, lambda: manifold_scores(real=real.features, fake=fake.features, k=3)),
        "shares": figures(classes, lambda: class_shares(logits=fake.logits).tolist()),
    }


def evaluate(
    sampler: Sampler,
    source: Source,
    extractor: Extractor,
    *,
    split: str = "test",
    samples: int = 10_000,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The full judgement of a generator against a split of real images.

    The floor is what real training images reach against the same real images (as many of them, if there are as many):
    no generator that has learnt from them can be asked for less.

    Returns:
        A record with `images` (seen in training), `split`, `protocol` (a name that fixes features, counts and split),
        `extractor` (with the digest of its weights), `samples`, `figures`, `floor` and `seconds`.

    Raises:
        DataError: if the source has no such split.
    """
    started = time.perf_counter()
    real = reference(source, split, extractor, samples)
    count = len(real.features)
    fake = generated(sampler, extractor, count, 0, progress)
    train = floor(source, split, extractor, count)
    return {
        "images": sampler.images,
        "split": split,
        "protocol": protocol(extractor, count, split),
        "extractor": {"name": extractor.name, "weights": extractor.digest},
        "samples": count,
        "figures": compare(real=real, fake=fake, classes=extractor.classes),
        "floor": compare(real=real, fake=train, classes=extractor.classes),
        "floor_samples": len(train.features),
        "seconds": round(time.perf_counter() - started, 2),
    }


def protocol(extractor: Extractor, count: int, split: str) -> str:
    """The name under which figures can be compared: the same name, the same protocol."""
    size = f"{count // 1000}k" if count % 1000 == 0 else str(count)
    return f"{extractor.name}_{size}_{split}"
