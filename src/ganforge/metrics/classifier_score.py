"""The classifier score: the Inception Score's formula, for any classifier."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ganforge.errors import DataError

__all__ = ["Score", "classifier_score"]


class Score(NamedTuple):
    """Mean of the score over the splits, and its standard deviation between them."""

    value: float
    standard_deviation: float


def information(log_p: Float64[Tensor, "N K"]) -> Float64[Tensor, ""]:
    """Mean KL(p(y|x) ‖ p(y)): the mutual information of image and class, in nats."""
    log_marginal = log_p.logsumexp(0) - math.log(len(log_p))
    return (log_p.exp() * (log_p - log_marginal)).sum(1).mean()


def classifier_score(*, logits: Float[Tensor, "N K"], splits: int = 10) -> Score:
    """exp(E KL(p(y|x) ‖ p(y))) of N fakes' logits: from 1 (nothing recognised, or one class only) to K.

    High when the classifier is sure of each image and all classes are met equally often. It never looks at real images,
    so it sees neither copies nor a collapse within a class. As published: the mean over consecutive splits and the
    population standard deviation between them; the splits change the value, so a reported number names them.

    Raises `DataError` if there are fewer images than splits.

    >>> round(classifier_score(logits=1e3 * torch.eye(10).repeat(20, 1)).value, 9)
    10.0

    Salimans et al. 2016, "Improved techniques for training GANs", section 4. *Differs:* the classifier is ours, so the
    number can't be compared with an Inception Score; the logarithms come from logits, with no probability of 0.
    """
    N = len(logits)
    if not 1 <= splits <= N:
        raise DataError(
            f"a classifier score of {N} images can't be taken over {splits} splits; ask for fewer, or for more images"
        )
    log_p = logits.double().log_softmax(1)
    parts = [log_p[i * N // splits : (i + 1) * N // splits] for i in range(splits)]
    scores = torch.stack([information(part).exp() for part in parts])
    return Score(float(scores.mean()), float(scores.std(correction=0)))
