"""The labels of image files: by a `dataset.json` beside them, else by the folders that they lie in."""

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from ganforge.data.members import Member, unwrapped
from ganforge.errors import DataError

__all__ = ["INDEX", "Labels", "by_folder", "by_index", "by_words", "numbered"]

MOST = 100_000  # classes
INDEX = "dataset.json"  # StyleGAN's: {"labels": [["00000/img.png", 3], ...]}


class Labels(NamedTuple):
    """Class numbers of N images, and the classes' names in that order."""

    numbers: Int64[Tensor, " N"]
    classes: tuple[str, ...]


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
    """Classes by a `dataset.json`, whose names are relative to where it lies; None where it says that there are none.

    Raises:
        DataError: if it can't be read, lacks an image, or has labels other than class numbers.
    """
    table = read(index)
    if table is None:
        return None
    below = PurePosixPath(index.name).parent
    numbers = []
    for image in images:
        name = PurePosixPath(image.name)
        name = name.relative_to(below) if name.is_relative_to(below) else name
        if str(name) not in table:
            raise DataError(f"'{index}' has no label for '{name}': add it, or remove {INDEX} to train without labels.")
        numbers.append(class_number(table[str(name)], str(name), index))
    return Labels(torch.tensor(numbers), numbered(max(numbers), str(index)))


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


def class_number(label: Any, name: str, index: Member) -> int:
    """The label itself, or the place of the one in a vector of zeros."""
    if isinstance(label, list) and sorted(label) == [0] * (len(label) - 1) + [1]:
        return label.index(1)
    if isinstance(label, int) and not isinstance(label, bool) and label >= 0:
        return label
    raise DataError(f"'{index}' gives '{name}' the label {label!r}: it should be a class number, 0 or more.")


def numbered(most: int, where: str) -> tuple[str, ...]:
    """The names "0", "1", ... up to the largest class number.

    Raises:
        DataError: if that is no class number but something else that is counted.
    """
    if most >= MOST:
        raise DataError(f"'{where}' has a label {most:,}, and classes are counted from 0, {MOST:,} of them at most.")
    return tuple(map(str, range(most + 1)))
