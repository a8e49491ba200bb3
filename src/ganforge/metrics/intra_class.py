"""The Fréchet distance class by class: of generators that are told which class to make."""

from jaxtyping import Float, Int64
from torch import Tensor

from ganforge.errors import DataError
from ganforge.features import RunningGaussian
from ganforge.metrics.frechet import frechet_distance

__all__ = ["intra_class_distances"]


def intra_class_distances(
    *,
    real: Float[Tensor, "N D"],
    fake: Float[Tensor, "M D"],
    real_labels: Int64[Tensor, " N"],
    fake_labels: Int64[Tensor, " M"],
) -> dict[int, float]:
    """Fréchet distances between the reals and the fakes of each class; their mean is the intra-class FID.

    Whereas the distance of all images hardly notices that a generator confuses two classes or has collapsed within
    one, this does. It has the bias of few samples, class by class: keep to one number of fakes a class, and mind the
    number of features.

    Returns:
        class -> distance, for every class of the reals, in order.

    Raises `DataError` for a class with fewer than two samples on either side.

    Miyato and Koyama 2018, "cGANs with projection discriminator", section 5.1 ("intra FID").
    """
    found = {}
    for label in real_labels.unique().tolist():
        sides = {"real": real[real_labels == label], "fake": fake[fake_labels == label]}
        statistics = {}
        for side, part in sides.items():
            if len(part) < 2:
                raise DataError(
                    f"class {label} has {len(part)} {side} sample{'s' * (len(part) != 1)}; a distance within a class "
                    "needs two or more on both sides"
                )
            running = RunningGaussian(part.shape[1])
            running.update(part)
            statistics[side] = running.result()
        found[int(label)] = frechet_distance(**statistics)
    return found
