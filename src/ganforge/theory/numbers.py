"""What users hand to theory: numbers in any of the usual wrappings, and nothing else."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from ganforge.errors import TheoryError

__all__ = ["Numbers", "numbers", "require"]

Numbers = Tensor | np.ndarray | Sequence[float | int]


def numbers(values: Any) -> Shaped[Tensor, "..."]:
    """Real numbers as a tensor: tensors and arrays in their own precision, Python's numbers in float64.

    Raises TheoryError for what holds no real numbers (words, None, complex ones) or rows of different lengths.

    >>> numbers([1, 2]).tolist()
    [1, 2]
    """
    try:
        given = values if isinstance(values, Tensor) else torch.from_numpy(np.asarray(values))
    except (TypeError, ValueError):
        raise TheoryError(f"{values!r:.80} isn't a number, nor numbers in rows of one length: give those.") from None
    if given.is_complex():
        raise TheoryError(f"{values!r:.80} holds complex numbers: give real ones.")
    return given


def require(kind: type, value: Any, what: str) -> None:
    """Raise TheoryError if `value` isn't of the protocol or class `kind`; `what` says what should stand there."""
    if not isinstance(value, kind):
        raise TheoryError(f"{value!r:.80} can't stand here: give {what}.")
