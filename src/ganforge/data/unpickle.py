"""Pickles without their dangers: arrays, bytes, text, numbers, lists and dictionaries, and nothing that runs."""

import pickle
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np

from ganforge.errors import DataError

__all__ = ["unpickled"]

BROKEN = (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, MemoryError,
          UnicodeDecodeError, OverflowError)  # fmt: skip


def empty(kind: type[np.ndarray], shape: tuple[int, ...], code: bytes | str) -> np.ndarray:
    """The array that numpy makes before it fills it."""
    return kind.__new__(kind, (0,), np.dtype("b"))


def filled(data: bytes | bytearray, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    """An array of numbers, as the newest protocol writes it."""
    return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")


def encoded(text: str, encoding: str) -> bytes:
    """Bytes, as the older protocols write them."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding}")
    return text.encode("latin1")


ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): encoded,
    ("__builtin__", "bytes"): bytes,
    ("builtins", "bytes"): bytes,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): empty for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): filled for core in ("core", "_core")},
}
"""All that a pickle of arrays asks for: (module, name) -> what it gets."""


class RefusedError(Exception):
    """A pickle asked for something else."""


def allowed(module: str, name: str) -> Callable[..., Any]:
    """What stands for a name in a pickle."""
    if (module, name) not in ALLOWED:
        raise RefusedError(f"{module}.{name}")
    return ALLOWED[module, name]


# The one hook that Python offers is a method of a subclass.
Plain: Any = type("Plain", (pickle.Unpickler,), {"find_class": lambda self, module, name: allowed(module, name)})


def unpickled(data: bytes, where: str) -> Any:
    """What a pickle of plain data holds; texts of Python 2 are bytes. No code of it is ever run.

    Raises:
        DataError: if it asks for anything but arrays and plain data, or is broken.

    >>> unpickled(pickle.dumps({"labels": [1, 2]}), "here")
    {'labels': [1, 2]}
    """
    try:
        return Plain(BytesIO(data), encoding="bytes").load()
    except RefusedError as error:
        raise DataError(
            f"'{where}' asks to run {error}, and only arrays and plain data are read from a pickle: don't trust it."
        ) from None
    except BROKEN as error:
        raise DataError(f"'{where}' is a broken pickle ({error or type(error).__name__}): download it again.") from None
