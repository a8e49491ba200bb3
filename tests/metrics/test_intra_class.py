"""Distances within classes see what the distance of all samples doesn't."""

import pytest
import torch

from ganforge.errors import DataError
from ganforge.features import RunningGaussian
from ganforge.metrics import frechet_distance, intra_class_distances


def test_confused_classes_are_seen() -> None:
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(2000) % 2
    real, fake = (torch.randn(2000, 3, generator=rng) + 6 * labels[:, None] for _ in range(2))
    right = intra_class_distances(real=real, fake=fake, real_labels=labels, fake_labels=labels)
    wrong = intra_class_distances(real=real, fake=fake, real_labels=labels, fake_labels=1 - labels)
    assert list(right) == [0, 1]
    assert max(right.values()) < 0.05
    assert min(wrong.values()) == pytest.approx(3 * 36, rel=0.05)  # the centres lie 6 apart in each of 3 coordinates


def test_each_is_the_distance_of_that_class() -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(60, 4, generator=rng), torch.randn(50, 4, generator=rng)
    real_labels, fake_labels = torch.arange(60) % 3 + 5, torch.arange(50) % 3 + 5
    found = intra_class_distances(real=real, fake=fake, real_labels=real_labels, fake_labels=fake_labels)
    sides = []
    for part in (real[real_labels == 6], fake[fake_labels == 6]):
        running = RunningGaussian(4)
        running.update(part)
        sides.append(running.result())
    assert found[6] == frechet_distance(real=sides[0], fake=sides[1])


def test_a_class_without_samples_is_named() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    with pytest.raises(DataError, match="class 1 has 0 fake samples"):
        intra_class_distances(
            real=torch.randn(4, 2), fake=torch.randn(4, 2), real_labels=labels, fake_labels=torch.zeros_like(labels)
        )
