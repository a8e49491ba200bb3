"""The share of each class among generated images, and how many classes are there at all."""

import math
from typing import NamedTuple

from jaxtyping import Float, Float64
from torch import Tensor

from ganforge.errors import DataError

__all__ = ["ClassCoverage", "class_coverage", "class_shares"]


def class_shares(*, logits: Float[Tensor, "N K"]) -> Float64[Tensor, " K"]:
    """Share of each of K classes among N images, by the largest logit; they sum to 1.

    The plainest witness of a mode collapse: a class that is missing, or one that is everywhere. Raises `DataError` for
    no images at all.

    >>> import torch
    >>> class_shares(logits=torch.tensor([[3.0, 0.0], [1.0, 0.0], [0.0, 2.0], [5.0, 4.0]])).tolist()
    [0.75, 0.25]
    """
    if not len(logits):
        raise DataError("the shares of the classes need at least one image; there are none")
    return logits.argmax(1).bincount(minlength=logits.shape[1]).double() / len(logits)


class ClassCoverage(NamedTuple):
    """Of many classes: `found` counts those with an image, `divergence` is KL(generated‖uniform) in nats."""

    found: int
    divergence: float


def class_coverage(*, logits: Float[Tensor, "N K"]) -> ClassCoverage:
    """How many of K classes N images have, by the largest logit, and how unevenly.

    The two figures of Stacked MNIST (Metz et al. 2017, arXiv:1611.02163, section 3.3.1). The divergence is 0 where each
    class has the same share and log(K/n) where n classes share all; of N images drawn uniformly it is about
    (K - 1)/2N itself, so it is compared at one N. Raises `DataError` for no images at all.

    >>> import torch
    >>> found, divergence = class_coverage(logits=torch.tensor([[3.0, 0.0], [1.0, 0.0]]))
    >>> found, round(divergence, 4)  # log 2
    (1, 0.6931)
    """
    shares = class_shares(logits=logits)
    there = shares[shares > 0]
    return ClassCoverage(len(there), max(0.0, float((there * there.log()).sum()) + math.log(len(shares))))
