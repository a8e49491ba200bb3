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

__all__ = ["Crowd", "compare", "crowd", "evaluate", "extractor_name", "quick_distance", "reference"]

CHUNK = 500
FIRST_SEED = {"test": 0, "held_out": 2**32}  # the seeds that choose a checkpoint aren't those that it is reported on
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


def crowd(batches: Iterable[Tensor], extractor: Extractor, *, count: int, progress: Progress | None = None) -> Crowd:
    """The features of uint8 image batches; `progress` hears of the share that is done."""
    found: list[Features] = []
    done = 0
    for batch in batches:
        found.append(extractor(batch))
        done += len(batch)
        if progress:
            progress(done / count)
    return Crowd(torch.cat([f.features for f in found]).cpu(), torch.cat([f.logits for f in found]).cpu())


def chosen_images(images: Images, count: int, seed: int) -> Iterable[Tensor]:
    """`count` images of a split without repetition, or all in order if there are no more."""
    index = torch.arange(len(images))
    if count < len(images):
        index = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:count].sort().values
    return (images.read(i) for i in index.split(CHUNK))


def reference(source: Source, split: str, extractor: Extractor, count: int) -> Crowd:
    """Real images of a split, at most `count`.

    Raises:
        DataError: if the source has no such split.
    """
    images = getattr(source, split)
    if images is None:
        raise DataError(f"{source.name} has no {split} split; choose another one with --split")
    return crowd(chosen_images(images, count, seed=0), extractor, count=min(count, len(images)))


def quick_distance(sampler: Sampler, real: Crowd, extractor: Extractor, *, split: str) -> dict[str, float]:
    """The two distances that choose a checkpoint; as many fakes as there are real ones."""
    fake = generated(sampler, extractor, len(real.features), split)
    return {
        "frechet_distance": frechet_distance(real=real.statistics, fake=fake.statistics),
        "kernel_distance": kernel_distance(real=real.features, fake=fake.features).value,
    }


def generated(
    sampler: Sampler, extractor: Extractor, count: int, split: str, progress: Progress | None = None
) -> Crowd:
    """Generated images, from the seeds that belong to a split."""
    first = FIRST_SEED.get(split, 0)
    return crowd(sampler.batches(range(first, first + count)), extractor, count=count, progress=progress)


def compare(*, real: Crowd, fake: Crowd, classes: tuple[str, ...]) -> dict[str, Any]:
    """Every figure for two sets of images."""
    kernel = kernel_distance(real=real.features, fake=fake.features)
    manifold = manifold_scores(real=real.features, fake=fake.features, k=3)
    score = classifier_score(logits=fake.logits)
    return {
        "frechet_distance": frechet_distance(real=real.statistics, fake=fake.statistics),
        "kernel_distance": kernel.value,
        "kernel_distance_error": kernel.standard_error,
        "classifier_score": score.value,
        "classifier_score_deviation": score.standard_deviation,
        "precision": manifold.precision,
        "recall": manifold.recall,
        "density": manifold.density,
        "coverage": manifold.coverage,
        "shares": dict(zip(classes, class_shares(logits=fake.logits).tolist(), strict=True)),
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

    The floor is what real training images reach against the same split with the same counts: no generator that has
    learnt from them can be asked for less.

    Returns:
        A record with `images` (seen in training), `split`, `protocol` (a name that fixes features, counts and split),
        `extractor` (with the digest of its weights), `samples`, `figures`, `floor` and `seconds`.

    Raises:
        DataError: if the source has no such split.
    """
    started = time.perf_counter()
    real = reference(source, split, extractor, samples)
    count = len(real.features)
    fake = generated(sampler, extractor, count, split, progress)
    train = crowd(chosen_images(source.train, count, seed=1), extractor, count=count)
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
