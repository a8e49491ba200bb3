"""Parquet as Hugging Face `datasets` writes it, and the Arrow files of its `save_to_disk`: images in a column, labels
in another."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganforge.data.files import Listing, Part
from ganforge.data.folder import PARTS, SUFFIXES
from ganforge.data.labels import by_values
from ganforge.data.members import Member, in_folder, members
from ganforge.errors import DataError

__all__ = ["is_parquet", "listing"]

MAGIC = b"PAR1"
PARQUET, ARROW = ".parquet", ".arrow"
WHOLE = b"ARROW1"  # how an Arrow file begins that is no stream
GIB = 2**30
FLOATS = r"(\w*list<\w+: )?(float|double)(>.*)?"  # a column of them, or of lists of them
LABELLED = ("label", "y", "class", "target")  # how the name of a column of floats begins that is labels
ENCODED = 4.0  # GiB of encoded images that any machine may be asked to hold


def is_parquet(path: Path) -> bool:
    """Whether this is a Parquet or Arrow file, or a folder that holds some and no image files."""
    if path.is_dir():
        suffixes = set[str]()
        for member in in_folder(path):
            suffixes.add(member.suffix)
            if not suffixes.isdisjoint(SUFFIXES):
                return False
        return not suffixes.isdisjoint({PARQUET, ARROW})
    if path.suffix.lower() == ARROW:
        return True
    with path.open("rb") as file:
        return file.read(4) == MAGIC


def split_of(file: Path) -> str:
    """The split that a file's name begins with ("train-00000-of-00002.parquet"), or that of its folder; else train."""
    words = (file.name.split("-")[0].split(".")[0].lower(), file.parent.name.lower().removeprefix("partial-"))
    return next((PARTS[word] for word in words if word in PARTS), "train")


def pyarrow() -> Any:
    """The library, with its modules for Parquet and for Arrow's own files.

    Raises:
        DataError: where it isn't installed, with the extra that brings it.
    """
    try:
        import pyarrow.ipc
        import pyarrow.parquet
    except Exception as error:  # whatever a broken installation raises
        raise DataError(f"Parquet files need pyarrow ({error}): pip install 'ganforge[parquet]'") from None
    return pyarrow


def listing(path: Path, *, memory: float) -> Listing:
    """The images of Parquet files; files named train, validation and test are the splits.

    Images are a struct with `bytes`, or binary; labels the column `label`, or the only one of whole numbers, else one
    of floats, or lists of them, that is called so. Encoded images stay in memory, at most `memory` GiB of them (or 4).

    Raises:
        DataError: for files that can't be read, hold no images, or are larger.
    """
    there = [path / member.name for member in members(path)] if path.is_dir() else [path]
    files = [file for file in there if file.suffix.lower() in (PARQUET, ARROW) or not path.is_dir()]
    weight = sum(file.stat().st_size for file in files) / GIB
    if weight > max(memory, ENCODED):
        raise DataError(
            f"{str(path)!r} holds {weight:.2f} GiB of encoded images, more than data.memory = {memory:g}: "
            f"set data.memory={weight + 1:.0f}, or export them as image files."
        )
    tables = [_table(file, pyarrow()) for file in files]
    image, label = _columns(tables[0].schema, files[0])
    rows: dict[str, tuple[list[Member], list[Any]]] = {}
    for file, table in zip(files, tables, strict=True):
        images, cells = rows.setdefault(split_of(file), ([], []))
        images += _members(file, table, image)
        cells += [] if label is None else table[label].to_pylist()
    if "train" not in rows:
        rows = {"train": rows.pop(next(iter(rows)))} | rows
    known = {split: cells for split, (_, cells) in rows.items() if label is not None and _known(cells)}
    if "train" not in known:
        return Listing({split: Part(images, None) for split, (images, _) in rows.items()}, None)
    labels = by_values([cell for cells in known.values() for cell in cells], f"{path}: {label}", "row {}".format)
    mine = dict(zip(known, labels.numbers.split([len(cells) for cells in known.values()]), strict=True))
    parts = {split: Part(images, mine.get(split)) for split, (images, _) in rows.items()}
    return Listing(parts, labels.classes and _names(tables[0].schema, label, labels.classes), labels.continuous)


def _known(cells: list[Any]) -> bool:
    """Whether these are labels: none is null or negative, as in test splits that keep theirs secret."""
    return bool(cells) and None not in cells and all(not isinstance(cell, int) or cell >= 0 for cell in cells)


def _table(file: Path, library: Any) -> Any:
    arrow = file.suffix.lower() == ARROW
    try:
        if not arrow:
            return library.parquet.read_table(file)
        mapped = library.memory_map(str(file))  # the table lies in it
        opener = library.ipc.open_file if mapped.read(len(WHOLE)) == WHOLE else library.ipc.open_stream
        mapped.seek(0)
        return opener(mapped).read_all()
    except Exception as error:  # Arrow's own errors derive from several of Python's
        kind = "Arrow" if arrow else "Parquet"
        raise DataError(f"'{file}' cannot be read as {kind} ({error}): download or write it again.") from None


def _columns(schema: Any, file: Path) -> tuple[str, str | None]:
    """The names of the columns of images and of labels."""
    kinds: dict[str, Callable[[Any], bool]] = {
        "image": lambda kind: str(kind) in ("binary", "large_binary") or str(kind).startswith("struct<bytes: "),
        "label": lambda kind: str(kind).startswith(("int", "uint")),
        "vector": lambda kind: re.fullmatch(FLOATS, str(kind)) is not None,
    }
    found = {what: [field.name for field in schema if fits(field.type)] for what, fits in kinds.items()}
    if not found["image"]:
        there = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise DataError(f"'{file}' has no column of images (a struct with bytes, or binary): it has {there}.")
    numbers = found["label"]
    vector = next((name for name in found["vector"] if name.lower().startswith(LABELLED)), None)
    label = "label" if "label" in numbers else vector or (numbers[0] if len(numbers) == 1 else None)
    return found["image"][0], label


def _members(file: Path, table: Any, image: str) -> list[Member]:
    """The rows of a file; a row's name is its number, or the path that it came from."""
    entries = table[image].to_pylist()
    cells = [entry if isinstance(entry, dict) else {"bytes": entry} for entry in entries]
    return [
        Member(file, str(cell.get("path") or f"row {row}"), content=cell["bytes"] or b"")
        for row, cell in enumerate(cells)
    ]


def _names(schema: Any, label: str | None, numbers: tuple[str, ...]) -> tuple[str, ...]:
    """The classes' names in the files' metadata, else their numbers."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(features[label]["names"])
    except (KeyError, ValueError, TypeError):
        return numbers
