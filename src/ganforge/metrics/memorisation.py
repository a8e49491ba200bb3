"""Does the generator copy: how near its samples lie to the images that it was trained on."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from ganforge.errors import DataError
from ganforge.metrics.neighbours import Cloud, cloud, k_nearest, mean, nearest, several

__all__ = [
    "Memorisation",
    "closeness",
    "cosine_distance",
    "memorisation",
    "memorisation_penalty",
    "nearest_several",
    "nearest_training",
]

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
    squared, index = nearest(*clouds(fake, training))
    return squared.sqrt(), index


def nearest_several(
    *, training: Float[Tensor, "N D"], fake: Float[Tensor, "M D"], count: int
) -> tuple[Float64[Tensor, "M K"], Int64[Tensor, "M K"]]:
    """Of each fake the distances to the nearest training images' features, `count` or as many as there are, nearest
    first, and those images' numbers.

    Raises `DataError` if there are no training images.
    """
    if not len(training):
        raise DataError("there are no training images to compare with")
    squared, index = several(*clouds(fake, training), count)
    return squared.sqrt(), index


def clouds(fake: Float[Tensor, "M D"], training: Float[Tensor, "N D"]) -> tuple[Cloud, Cloud]:
    """Both sets, moved to the training images' mean."""
    centre = mean(training)
    return cloud(fake, centre), cloud(training, centre)


def closeness(*, training: Float[Tensor, "N D"], fake: Float[Tensor, "M D"]) -> Float64[Tensor, " M"]:
    """Of each fake its distance to the nearest training image over that image's own to its nearest other: below 1 a
    copy, in the sense of `memorisation`; infinite where that image has a twin that the fake doesn't equal.

    Of the training images only those are asked for a neighbour of their own that are some fake's nearest one.

    Raises `DataError` with fewer than two training images.

    >>> closeness(training=torch.tensor([[0.0], [1.0], [4.0]]), fake=torch.tensor([[0.5], [4.0], [6.0]])).tolist()
    [0.5, 0.0, 0.6666666666666666]
    """
    enough(training)
    x, y = clouds(fake, training)
    squared, index = nearest(x, y)
    found, place = index.unique(return_inverse=True)
    own = several(cloud(training[found], mean(training)), y, 2)[0][:, 1]  # the first of them is the image itself
    return (squared / own[place]).nan_to_num(nan=0.0, posinf=torch.inf).sqrt()


def enough(training: Float[Tensor, "N D"]) -> None:
    """Refuses a training set in which nobody has a neighbour."""
    if len(training) < 2:
        raise DataError(f"whether a sample was copied needs two or more training images; there are {len(training)}")


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
    enough(training)
    x, y = clouds(fake, training)
    (squared, index), own = nearest(x, y), k_nearest(y, 1)
    authenticity = float((squared > own[index]).double().mean())
    return Memorisation(authenticity, cosine_distance(training=training, fake=fake))


def cosine_distance(*, training: Float[Tensor, "N D"], fake: Float[Tensor, "M D"]) -> float:
    """Mean over the fakes of the least 1 - |cos| to a training image (Bai et al. 2021, arXiv:2106.03062, section 3.2).

    Raises `DataError` if there are no training images, or no fakes.

    >>> round(cosine_distance(training=torch.eye(2), fake=torch.tensor([[-3.0, 0.0], [1.0, 1.0]])), 6)
    0.146447
    """
    if not len(training) or not len(fake):
        raise DataError(f"{len(fake)} fakes have no likeness to {len(training)} training images: give one or more")
    lengths = [x.double().norm(dim=1, keepdim=True).clamp_min(1e-300) for x in (fake, training)]
    directions = (training.double() / lengths[1]).T
    near = [(rows @ directions).abs().amax(1) for rows in (fake.double() / lengths[0]).split(ROWS)]
    return float(1 - torch.cat(near).mean())


def memorisation_penalty(*, cosine_distance: float, threshold: float) -> float:
    """The factor that makes a Fréchet distance a memorisation-informed one: 1/(distance + 1e-6) below the threshold, 1
    above (Bai et al. 2021, section 3.2; .1 in Kaggle's contest).

    >>> memorisation_penalty(cosine_distance=0.3, threshold=0.1)
    1.0
    >>> round(memorisation_penalty(cosine_distance=0.05, threshold=0.1), 3)
    20.0
    """
    return 1 / (cosine_distance + 1e-6) if cosine_distance < threshold else 1.0
