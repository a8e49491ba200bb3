"""What a classifier learns from generated samples: the classification accuracy score."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.crowd import Progress
from ganforge.data import Source, Split
from ganforge.errors import DataError, RecipeError
from ganforge.labels import class_names
from ganforge.latent import seeded
from ganforge.layers import Condition
from ganforge.networks import dcgan, mlp
from ganforge.sample import Sampler

__all__ = ["ClassificationAccuracy", "classification_accuracy_score", "taught_by_reals", "taught_by_samples"]

WIDTH = 16
SPLITS = ("test", "held_out", "train")
Batches = Callable[[int], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class ClassificationAccuracy:
    """Accuracies on real images of classifiers that learnt from as many samples each.

    Attributes:
        generated: of the one that saw generated samples alone.
        real: of the one that saw real training images alone: what a perfect generator reaches.
    """

    generated: float
    real: float


def classification_accuracy_score(
    sampler: Sampler,
    source: Source,
    *,
    split: str = "test",
    images: int = 60_000,
    batch: int = 64,
    seed: int = 0,
    progress: Progress | None = None,
) -> ClassificationAccuracy:
    """Top-1 accuracy on real images of a classifier that learnt from generated samples with the labels asked for.

    Ravuri and Vinyals 2019, arXiv:1905.10887; GAN-train of Shmelkov et al. 2018, arXiv:1807.09499. *Differs:* the
    classifier is small (a DCGAN's discriminator of width 16 with a class head, an mlp's where sizes don't fit; not a
    ResNet-50), so the score is to be read beside `real`, which is the same classifier on real images.

    Args:
        images: samples that each classifier sees, none twice where generated.

    Raises:
        RecipeError: for a generator without classes, a split that there isn't, and fewer images than a batch.
        DataError: if the data have other classes or another shape, or the split has no labels.
    """
    half = None if progress is None else lambda done: progress(done / 2)
    how: dict[str, Any] = {"split": split, "images": images, "batch": batch, "seed": seed, "progress": half}
    return ClassificationAccuracy(taught_by_samples(sampler, source, **how), taught_by_reals(source, **how))


def taught_by_samples(
    sampler: Sampler, source: Source, *, split: str, images: int, batch: int = 64, seed: int = 0,
    progress: Progress | None = None,
) -> float:  # fmt: skip
    """`ClassificationAccuracy.generated` alone; see `classification_accuracy_score`."""
    if sampler.labels is None or sampler.labels.condition.kind != "class":
        raise RecipeError(f"{sampler.name} can't be asked for a class, so nothing can be learnt from its labels")
    judged = checked_split(source, split, images, batch)
    if tuple(source.shape) != sampler.shape:
        raise DataError(f"{source.name} has images of {tuple(source.shape)}, and {sampler.name} makes {sampler.shape}.")
    if class_names(source) != sampler.labels.names:
        raise DataError(f"the classes of {source.name} aren't those of {sampler.name}; give the data it learnt from.")

    def generated(step: int) -> tuple[Tensor, Tensor]:
        seeds = range(step * batch, (step + 1) * batch)
        asked = sampler.labels_of(seeds)
        assert asked is not None
        return sampler.sample(seeds, batch=batch), asked

    classes = sampler.labels.condition.size
    return accuracy(learnt(generated, sampler.shape, classes, images // batch, seed, progress), judged)


def taught_by_reals(
    source: Source, *, split: str, images: int, batch: int = 64, seed: int = 0, progress: Progress | None = None
) -> float:
    """`ClassificationAccuracy.real` alone; see `classification_accuracy_score`."""
    judged, y, rng = checked_split(source, split, images, batch), source.train.labels, seeded(torch.Generator(), seed)
    assert y is not None

    def real(step: int) -> tuple[Tensor, Tensor]:
        index = torch.randint(len(source.train), (batch,), generator=rng)
        return source.train.read(index), y[index]

    classes = len(class_names(source))
    return accuracy(learnt(real, tuple(source.shape), classes, images // batch, seed, progress), judged)


def checked_split(source: Source, split: str, images: int, batch: int) -> Split:
    """The images by which the classifiers are judged.

    Raises:
        RecipeError: for a split that there isn't, and fewer images than a batch.
        DataError: if it isn't there, or has no labels.
    """
    if split not in SPLITS or images < batch:
        raise RecipeError(
            f"split = {split!r}, images = {images}: judge on one of {', '.join(SPLITS)}, after {batch} or more"
        )
    found: Split | None = getattr(source, split)
    if source.train.labels is None or found is None or found.labels is None:
        raise DataError(f"{source.name} has no labels in its {split} images, by which a classifier could be judged.")
    return found


def learnt(
    batches: Batches, shape: tuple[int, ...], classes: int, steps: int, seed: int, progress: Progress | None
) -> nn.Module:
    """A classifier after so many batches: Adam, whose rate falls from 1e-3 to 0 along half a cosine."""
    condition = Condition("class", classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            C: nn.Module = dcgan.Discriminator(shape=shape, width=WIDTH, condition=condition, labels="auxiliary")
        except RecipeError:
            C = mlp.Discriminator(shape=shape, dropout=0.0, condition=condition, labels="auxiliary")
    optimizer = torch.optim.Adam(C.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    for step in range(steps):
        x, y = batches(step)
        loss = F.cross_entropy(C.full(in_range(x)).aux, y)  # type: ignore[operator]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress:
            progress(1 / steps)
    return C.eval()


def in_range(x: Tensor) -> Tensor:
    """Images as networks take them, in [-1, 1]; points as they are."""
    return (x.float() - 127.5) / 127.5 if x.dtype == torch.uint8 else x


@torch.no_grad()
def accuracy(C: nn.Module, split: Split) -> float:
    """The share of a split's samples whose label is told right."""
    assert split.labels is not None
    right = 0
    for index in torch.arange(len(split)).split(1000):
        told = C.full(in_range(split.read(index))).aux.argmax(1)  # type: ignore[operator]
        right += int((told == split.labels[index]).sum())
    return right / len(split)
