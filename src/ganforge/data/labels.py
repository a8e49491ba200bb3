"""The labels of image files: by a `dataset.json` beside them, else by the folders that they lie in.

Labels are class numbers, or continuous vectors of one length; what is written decides which.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ganforge.data.members import Member, unwrapped
from ganforge.data.split import LabelsOf
from ganforge.errors import DataError

__all__ = ["INDEX", "Labels", "by_array", "by_folder", "by_index", "by_values", "by_words", "numbered"]

MOST = 100_000  # classes
INDEX = "dataset.json"  # StyleGAN's: {"labels": [["00000/img.png", 3], ...]}


class Labels(NamedTuple):
    """Labels of N samples, and the names of the classes by their numbers, or of K continuous numbers."""

    numbers: LabelsOf
    classes: tuple[str, ...] | None = None
    continuous: tuple[str, ...] | None = None


def by_folder(names: Sequence[str]) -> Labels | None:
    """Classes by folder, if each image lies in one, below whatever folders all share, and there are two or more.

    Classes are numbered in the order of their names.
    """
    parts = unwrapped(names)
    if any(len(part) < 2 for part in parts):
        return None
    classes = sorted({part[0] for part in parts})
    if len(classes) < 2:
        return None
    number = {name: place for place, name in enumerate(classes)}  # "10" is a folder's name here, not a number
    return Labels(torch.tensor([number[part[0]] for part in parts]), tuple(classes))


def by_index(images: Sequence[Member], index: Member) -> Labels | None:
    """Labels by a `dataset.json`, whose names are relative to where it lies; None where it says that there are none.

    Raises:
        DataError: if it can't be read, lacks an image, or its labels are neither classes nor vectors of one length.
    """
    table = read(index)
    if table is None:
        return None
    names = [relative(image, index) for image in images]
    for name in names:
        if name not in table:
            raise DataError(f"'{index}' has no label for '{name}': add it, or remove {INDEX} to train without labels.")
    return by_values([table[name] for name in names], str(index), lambda place: names[place])


def relative(image: Member, index: Member) -> str:
    """The name of an image, seen from where a file of labels lies."""
    name, below = PurePosixPath(image.name), PurePosixPath(index.name).parent
    return str(name.relative_to(below) if name.is_relative_to(below) else name)


def by_values(values: Sequence[Any], where: str, name: Callable[[int], str]) -> Labels:
    """Classes where each value is a whole number from 0, or a vector of zeros and one 1; else continuous numbers, where
    each is a vector of one length (or a number, not all of them whole).

    Raises:
        DataError: for anything else; `name` says whose value that is, by its place.

    >>> by_values([[0, 1], [1, 0]], "here", str).numbers.tolist()
    [1, 0]
    >>> by_values([[0.5, 1], [1, 0]], "here", str).numbers.tolist()
    [[0.5, 1.0], [1.0, 0.0]]
    """
    numbers = [class_number(value) for value in values]
    if None not in numbers:
        classes = [number for number in numbers if number is not None]
        return Labels(torch.tensor(classes), numbered(max(classes), where))
    whole = all(isinstance(value, int) for value in values)
    rows = [value if isinstance(value, list) else [value] for value in values]
    wrong = next((n for n, row in enumerate(rows) if len(row) != len(rows[0]) or not all(map(is_finite, row))), None)
    if whole or wrong is not None or not rows[0]:
        place = numbers.index(None) if wrong is None else wrong
        raise DataError(
            f"'{where}' gives '{name(place)}' the label {values[place]!r}: it should be a class number, 0 or more, or "
            "all labels be vectors of finite numbers, of one length."
        )
    vectors = torch.tensor(rows, dtype=torch.float64).float()
    return Labels(vectors, continuous=tuple(map(str, range(vectors.shape[1]))))


def is_finite(number: Any) -> bool:
    """Whether this is a number that float32 can hold."""
    limit = torch.finfo(torch.float32).max
    return isinstance(number, int | float) and not isinstance(number, bool) and abs(number) <= limit


def by_array(array: Int64[Tensor, "N ..."] | Float[Tensor, "N ..."], where: str) -> Labels:
    """Classes of whole numbers (N,) and of rows of zeros and one 1; else the rows' numbers, (N,) being (N, 1).

    Raises:
        DataError: for numbers that are not finite, and whole ones below 0.
    """
    if array.dim() == 1 and not array.is_floating_point():
        if int(array.min()) < 0:
            raise DataError(f"'{where}' has a label {int(array.min())}, and class numbers begin at 0.")
        return Labels(array, numbered(int(array.max()), where))
    rows = array.reshape(len(array), -1)
    if array.dim() > 1 and bool(((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all()):
        return Labels(rows.argmax(1), numbered(rows.shape[1] - 1, where))
    rows = rows.float()
    if not bool(rows.isfinite().all()):
        raise DataError(f"'{where}' has a label that is no finite number: mend it.")
    return Labels(rows, continuous=tuple(map(str, range(rows.shape[1]))))


def by_words(words: Sequence[str], where: str) -> Labels:
    """Classes by what is written: the numbers themselves where all are whole and from 0, else the words in their order.

    Raises:
        DataError: if a number counts something else than classes.

    >>> by_words(["rose", "daisy", "rose"], "here").numbers.tolist(), by_words(["7", "0"], "here").numbers.tolist()
    ([1, 0, 1], [7, 0])
    """
    if all(word.isdecimal() for word in words):
        numbers = [int(word) for word in words]
        return Labels(torch.tensor(numbers), numbered(max(numbers), where))
    classes = sorted(set(words))
    number = {name: place for place, name in enumerate(classes)}
    return Labels(torch.tensor([number[word] for word in words]), tuple(classes))


def read(index: Member) -> dict[str, Any] | None:
    """Name -> label; None where the file says that there are none."""
    try:
        labels = json.loads(index.read())["labels"]
        return None if labels is None else dict(labels)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"'{index}' is no index of labels ({type(error).__name__}: {error}); it looks like "
            '{"labels": [["a.png", 0], ...]}: mend or remove it.'
        ) from None


def class_number(label: Any) -> int | None:
    """The label itself, or the place of the one in a vector of zeros; None for anything else."""
    if isinstance(label, list) and label.count(1) == 1 and label.count(0) == len(label) - 1:
        return label.index(1)
    return label if isinstance(label, int) and not isinstance(label, bool) and label >= 0 else None


def numbered(most: int, where: str) -> tuple[str, ...]:
    """The names "0", "1", ... up to the largest class number.

    Raises:
        DataError: if that is no class number but something else that is counted.
    """
    if most >= MOST:
        raise DataError(f"'{where}' has a label {most:,}, and classes are counted from 0, {MOST:,} of them at most.")
    return tuple(map(str, range(most + 1)))
