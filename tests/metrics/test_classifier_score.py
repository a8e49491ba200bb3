"""The Inception Score's formula against its published form in probabilities, and the shares of classes."""

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from ganforge.errors import DataError
from ganforge.metrics import class_coverage, class_shares, classifier_score


def as_published(logits: Tensor, splits: int) -> tuple[float, float]:
    """Line by line what the original program computes, from probabilities."""
    preds, scores = logits.double().softmax(1).numpy(), []
    for i in range(splits):
        part = preds[(i * len(preds) // splits) : ((i + 1) * len(preds) // splits)]
        kl = part * (np.log(part) - np.log(np.expand_dims(np.mean(part, 0), 0)))
        scores.append(np.exp(np.mean(np.sum(kl, 1))))
    return float(np.mean(scores)), float(np.std(scores))


@pytest.mark.parametrize(("N", "splits"), [(500, 10), (503, 10), (64, 1), (7, 7)])
def test_agrees_with_the_published_program(N: int, splits: int) -> None:
    logits = 3 * torch.randn(N, 10, generator=torch.Generator().manual_seed(N))
    assert classifier_score(logits=logits, splits=splits) == pytest.approx(as_published(logits, splits), rel=1e-12)


def test_its_bounds_are_one_and_the_number_of_classes() -> None:
    each = 1e4 * torch.eye(7).repeat(30, 1)
    assert classifier_score(logits=each, splits=3).value == pytest.approx(7)
    assert classifier_score(logits=torch.zeros(50, 7)).value == pytest.approx(1)
    assert classifier_score(logits=each[:1].repeat(50, 1)) == pytest.approx((1, 0))


def test_certainty_beyond_floats_is_no_nan() -> None:
    assert classifier_score(logits=torch.tensor([[1e30, -1e30], [-1e30, 1e30]]), splits=1).value == pytest.approx(2)


@pytest.mark.parametrize("splits", [0, 6])
def test_more_splits_than_images(splits: int) -> None:
    with pytest.raises(DataError, match=f"over {splits} splits"):
        classifier_score(logits=torch.zeros(5, 3), splits=splits)


def test_shares_count_every_class() -> None:
    logits = torch.eye(4)[[0, 0, 0, 1, 3, 3, 3, 3]]
    assert class_shares(logits=logits).tolist() == [3 / 8, 1 / 8, 0, 1 / 2]
    with pytest.raises(DataError, match="at least one image"):
        class_shares(logits=torch.zeros(0, 4))


def test_coverage_of_many_classes_against_scipy() -> None:
    counts = np.array([5, 0, 3, 1, 0, 1])
    logits = torch.eye(6)[np.repeat(np.arange(6), counts)]
    found, divergence = class_coverage(logits=logits)
    assert found == 4
    assert divergence == pytest.approx(scipy.stats.entropy(counts / 10, np.full(6, 1 / 6)), abs=1e-12)
    with pytest.raises(DataError):
        class_coverage(logits=torch.zeros(0, 4))
