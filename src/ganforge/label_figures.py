"""Whether a conditional generator makes what it is asked for: accuracy by a classifier, recall within each class, and
which classes codes without a name have become."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ganforge.crowd import Crowd, real_images, shuffled
from ganforge.data import Source
from ganforge.features import Extractor
from ganforge.labels import Labels, class_names
from ganforge.metrics import manifold_scores

__all__ = ["class_purity", "class_recalls", "label_accuracy", "label_figures", "real_labels", "sentences"]

NEIGHBOURS = 3


def label_accuracy(logits: Tensor, asked: Tensor) -> float:
    """The share of samples, (N, classes) logits, that a classifier reads as what was asked for, (N,).

    GAN-test of Shmelkov et al. 2018, arXiv:1807.09499: a classifier of real images on generated ones.

    >>> label_accuracy(torch.eye(4), torch.tensor([0, 1, 2, 0]))
    0.75
    """
    return float((logits.argmax(1) == asked.to(logits.device)).float().mean())


def class_recalls(*, real: Tensor, fake: Tensor, y_real: Tensor, y_fake: Tensor, classes: int) -> list[float | None]:
    """Recall (Kynkäänniemi et al. 2019, arXiv:1904.06991, k = 3) within each class: of features (N, D) with their
    labels, those of one class against each other; None where a class has too few samples on either side."""
    found: list[float | None] = []
    for label in range(classes):
        x, z = real[y_real == label], fake[y_fake == label]
        enough = min(len(x), len(z)) > NEIGHBOURS
        found.append(float(manifold_scores(real=x, fake=z, k=NEIGHBOURS).recall) if enough else None)
    return found


def class_purity(logits: Tensor, codes: Tensor) -> tuple[float, int]:
    """How far codes that nobody named are classes: the share of samples, (N, classes) logits, that a classifier reads
    as the class which their code, (N,), has most of; and how many classes are some code's.

    Purity of a clustering, Manning et al. 2008, Introduction to Information Retrieval, eq. 16.1.

    >>> class_purity(torch.eye(3)[[0, 0, 1, 1]], torch.tensor([0, 0, 0, 1]))
    (0.75, 2)
    """
    read, codes = logits.argmax(1), codes.to(logits.device)
    counts = torch.zeros(int(codes.max()) + 1, logits.shape[1], device=logits.device)
    counts.index_put_((codes, read), torch.ones(len(read), device=logits.device), accumulate=True)
    seen = counts[counts.sum(1) > 0]
    return float(seen.max(1).values.sum() / len(read)), len(seen.argmax(1).unique())


def real_labels(source: Source, split: str, count: int) -> Tensor | None:
    """The labels of the real images that `crowd.reference` takes, in its order; None where there are no classes."""
    images = real_images(source, split)
    if images.labels is None or images.labels.is_floating_point():
        return None
    return images.labels[shuffled(images, seed=0)[:count].sort().values]


def label_figures(
    labels: Labels | None, source: Source, extractor: Extractor, *, split: str, real: Crowd, fake: Crowd
) -> dict[str, Any]:
    """What is known of a conditional generator whose samples of the seeds 0, 1, ... stand in `fake`, each of its own
    label: nothing, where there are no classes.

    Returns:
        `label_accuracy` where the extractor knows these very classes, by name; `class_recall` by class name, and
        `least_class_recall`, where the features of both sides are there. Of codes that nobody named, where the
        extractor has classes: `class_purity`, `classes_found` and how many `classes` there are.
    """
    if labels is None or labels.condition.kind != "class":
        return {}
    asked = labels.of_seeds(range(len(fake.features)))
    found: dict[str, Any] = {}
    if labels.nobodys:
        if extractor.classes:
            found["class_purity"], found["classes_found"] = class_purity(fake.logits, asked)
            found["classes"] = len(extractor.classes)
        return found
    if tuple(extractor.classes) == labels.names:
        found["label_accuracy"] = label_accuracy(fake.logits, asked)
    y = real_labels(source, split, real.count) if class_names(source) == labels.names else None
    if y is not None and len(real.features) == len(y):
        sides = {"real": real.features, "fake": fake.features, "y_real": y, "y_fake": asked}
        recalls = dict(zip(labels.names, class_recalls(**sides, classes=len(labels.names)), strict=True))
        known = [value for value in recalls.values() if value is not None]
        found |= {"class_recall": recalls, "least_class_recall": min(known) if known else None}
    return found


def sentences(figures: dict[str, Any]) -> Sequence[str]:
    """The figures in words, a line each.

    >>> sentences({"label_accuracy": 0.975})
    ['asked for a class, it makes that class in 97.5 % of samples (by the classifier)']
    """
    lines = []
    if "class_purity" in figures:
        share = f"{figures['class_purity']:.1%}".replace("%", " %")
        lines.append(f"a code is one class in {share} of samples (by the classifier); "
                     f"{figures['classes_found']} of {figures['classes']} classes are some code's")  # fmt: skip
    if "label_accuracy" in figures:
        share = figures["label_accuracy"]
        lines.append(f"asked for a class, it makes that class in {share:.1%} of samples (by the classifier)"
                     .replace("%", " %"))  # fmt: skip
    if figures.get("least_class_recall") is not None:
        each = {name: value for name, value in figures["class_recall"].items() if value is not None}
        words = "  ".join(f"{name} {value:.2f}" for name, value in list(each.items())[:20])
        lines.append(f"recall within each class: {words}{'  ...' if len(each) > 20 else ''}")
    return lines
