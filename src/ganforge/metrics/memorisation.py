"""Does the generator copy: how near its samples lie to the images that it was trained on."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from ganforge.errors import DataError
from ganforge.metrics.neighbours import cloud, k_nearest, nearest

__all__ = ["Memorisation", "memorisation", "memorisation_penalty", "nearest_training"]

ROWS = 1024  # of the similarity matrix at once


class Memorisation(NamedTuple):
    """What was copied.

    Attributes:
        authenticity: share of fakes that are no copies; 0 where all are.
        cosine_distance: mean over the fakes of 1 - the largest |cosine| with a training image's features; small for
            copies.
    """

    authenticity: float
    cosine_distance: float


def nearest_training(
    *, training: Float[Tensor, "N D"], fake: Float[Tensor, "M D"]
) -> tuple[Float64[Tensor, " M"], Int64[Tensor, " M"]]:
    """Of each fake the distance to the nearest training image's features, and that image's number.

    Raises `DataError` if there are no training images.
    """
    if not len(training):
        raise DataError("there are no training images to compare with")
    centre = training.sum(0, dtype=torch.float64) / len(training)
    squared, index = nearest(cloud(fake, centre), cloud(training, centre))
    return squared.sqrt(), index


def memorisation(*, training: Float[Tensor, "N D"], fake: Float[Tensor, "M D"]) -> Memorisation:
    """How much of what is generated was only remembered, in a space of features.

    A fake is *authentic* if it lies farther from its nearest training image than that image lies from its own nearest
    other training image (Alaa et al. 2022, arXiv:2102.08921, section 3.2); a copy lies nearer. Fresh draws from the
    true distribution are authentic in fewer than half of the cases (a third on a line, since a fresh draw falls into a
    wide gap more often than into a narrow one), so compare with what held-out images reach, not with 1.

    The cosine distance is that of the memorisation-informed FID (Bai et al. 2021, arXiv:2106.03062, section 3.2): the
    mean over fakes of the least 1 - |cos|.

    Raises `DataError` with fewer than two training images.
    """
    if len(training) < 2:
        raise DataError(f"whether a sample was copied needs two or more training images; there are {len(training)}")
    distance, index = nearest_training(training=training, fake=fake)
    own = k_nearest(cloud(training, training.sum(0, dtype=torch.float64) / len(training)), 1).sqrt()
    lengths = [x.double().norm(dim=1, keepdim=True).clamp_min(1e-300) for x in (fake, training)]
    directions = (training.double() / lengths[1]).T
    near = [(rows @ directions).abs().amax(1) for rows in (fake.double() / lengths[0]).split(ROWS)]
    return Memorisation(float((distance > own[index]).double().mean()), float(1 - torch.cat(near).mean()))


def memorisation_penalty(*, cosine_distance: float, threshold: float) -> float:
    """The factor that makes a Fréchet distance a memorisation-informed one: 1/(distance + 1e-6) below the threshold, 1
    above (Bai et al. 2021, equation 6; .1 in Kaggle's contest).

    >>> memorisation_penalty(cosine_distance=0.3, threshold=0.1)
    1.0
    >>> round(memorisation_penalty(cosine_distance=0.05, threshold=0.1), 3)
    20.0
    """
    return 1 / (cosine_distance + 1e-6) if cosine_distance < threshold else 1.0
