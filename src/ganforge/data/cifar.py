"""CIFAR-10 and CIFAR-100 in their authors' own files: pickled or binary, in a folder or still in the archive."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import torch

from ganforge.data.fit import Fit
from ganforge.data.images import Array, Source, arranged
from ganforge.data.members import Member, first_names, is_archive, members
from ganforge.data.unpickle import unpickled
from ganforge.errors import DataError

__all__ = ["is_cifar", "open_cifar"]

SIDE, PIXELS = 32, 3 * 32 * 32
FIVE = tuple(f"data_batch_{n}" for n in range(1, 6))


class Form(NamedTuple):
    """One of the four ways in which the sets are given out.

    Attributes:
        folder: what it unpacks to.
        train, test: the files of images.
        meta: the file of the classes' names.
        names: their key in a pickle; empty where each stands on a line.
        labels: the key of the labels in a pickle; empty in binary records.
        before: bytes before the pixels of a binary record, the last of which is the label.
    """

    folder: str
    train: tuple[str, ...]
    test: str
    meta: str
    names: str = ""
    labels: str = ""
    before: int = 0


FORMS = (
    Form("cifar-10-batches-py", FIVE, "test_batch", "batches.meta", "label_names", "labels"),
    Form("cifar-100-python", ("train",), "test", "meta", "fine_label_names", "fine_labels"),
    Form("cifar-10-batches-bin", tuple(f"{n}.bin" for n in FIVE), "test_batch.bin", "batches.meta.txt", before=1),
    Form("cifar-100-binary", ("train.bin",), "test.bin", "fine_label_names.txt", before=2),
)


def form_of(names: Iterable[str]) -> Form | None:
    """The form that has a file of names and some of images among these."""
    there = set(names)
    return next((form for form in FORMS if form.meta in there and there & {*form.train, form.test}), None)


def home(path: Path) -> Path:
    """The folder itself, or the one of CIFAR's in it."""
    return next((path / form.folder for form in FORMS if (path / form.folder).is_dir()), path)


def is_cifar(path: Path) -> bool:
    """Whether this is one of CIFAR's archives, the folder that it unpacks to, or one around that."""
    if path.is_dir():
        return form_of(file.name for file in home(path).iterdir() if file.is_file()) is not None
    folders = {form.folder for form in FORMS}
    return is_archive(path) and any(folders & set(PurePosixPath(name).parts) for name in first_names(path, 2))


def open_cifar(path: Path, fit: Fit, *, held_out: int | None) -> Source:
    """Its training and test images, with the (fine) labels by name; the last tenth of the training images is held out.

    Raises:
        DataError: if a file lacks, is cut short, or asks to run something.
    """
    files = {PurePosixPath(member.name).name: member for member in members(home(path) if path.is_dir() else path)}
    form = form_of(files)
    if form is None:
        raise DataError(f"{str(path)!r} is named like CIFAR and holds {', '.join(files) or 'nothing'}: get it again.")
    if lacking := [name for name in (*form.train, form.test) if name not in files]:
        raise DataError(f"{str(path)!r} lacks {', '.join(lacking)} of {form.folder}: download or unpack it again.")
    names = names_of(files[form.meta], form)
    train = joined([part_of(files[name], form, len(names)) for name in form.train])
    test = part_of(files[form.test], form, len(names))
    default = len(train) // 10
    return arranged(str(path), train, test, classes=names, held_out=held_out, default=default, fit=fit)


def names_of(file: Member, form: Form) -> tuple[str, ...]:
    """The classes, in the order of their numbers."""
    if not form.names:
        return tuple(contents(file).decode("utf-8", "replace").split())
    return tuple(text(name) for name in table(file, form.names)[form.names])


def part_of(file: Member, form: Form, classes: int) -> Array:
    """The images of a file and their labels."""
    pixels, numbers = records(file, form) if form.before else pickled(file, form)
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < classes:
        raise DataError(
            f"'{file}' has a label {numbers.max()} where {form.meta} names {classes} classes: get it again."
        )
    images = torch.from_numpy(pixels.reshape(-1, 3, SIDE, SIDE).copy())
    return Array(images.contiguous(memory_format=torch.channels_last), torch.from_numpy(numbers.astype(np.int64)))


def records(file: Member, form: Form) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and labels of a binary file."""
    data, step = contents(file), form.before + PIXELS
    if not data or len(data) % step:
        raise DataError(f"'{file}' is cut short: {len(data):,} bytes are no whole number of records of {step:,}.")
    rows = np.frombuffer(data, np.uint8).reshape(-1, step)
    return rows[:, form.before :], rows[:, form.before - 1]


def pickled(file: Member, form: Form) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and labels of a pickled file."""
    batch = table(file, "data", form.labels)
    pixels, numbers = np.asarray(batch["data"]), np.asarray(batch[form.labels])
    if pixels.dtype != np.uint8 or pixels.shape != (len(numbers), PIXELS) or numbers.dtype.kind not in "iu":
        raise DataError(
            f"'{file}' holds {pixels.dtype} {pixels.shape} with {len(numbers):,} labels, and CIFAR's images are uint8 "
            f"(N, {PIXELS}) with N class numbers: download it again."
        )
    return pixels, numbers


def table(file: Member, *keys: str) -> dict[str, Any]:
    """A pickled dictionary that has these keys."""
    found = unpickled(contents(file), str(file))
    named = {text(key): value for key, value in found.items()} if isinstance(found, dict) else {}
    if lacking := set(keys) - named.keys():
        raise DataError(f"'{file}' has no {', '.join(sorted(lacking))}, as CIFAR's files have: download it again.")
    return named


def text(word: Any) -> str:
    """A word of Python 2 or 3."""
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def contents(file: Member) -> bytes:
    """All bytes of a file."""
    try:
        return file.read()
    except OSError as error:
        raise DataError(f"cannot read '{file}' ({error}): download it again.") from None


def joined(parts: list[Array]) -> Array:
    """The images of several files, one after the other."""
    labels = [part.labels for part in parts if part.labels is not None]
    return Array(torch.cat([part.tensor for part in parts]), torch.cat(labels))
