"""The share of each class among generated images."""

from jaxtyping import Float, Float64
from torch import Tensor

from ganforge.errors import DataError

__all__ = ["class_shares"]


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
