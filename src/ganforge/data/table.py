"""Points from a table of numbers: a .csv or .tsv, a row a point, a column a coordinate; one column may name classes."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.data.endless import Points, PointStream
from ganforge.data.fit import Fit
from ganforge.data.images import Source, parted
from ganforge.data.labels import Labels, by_words
from ganforge.errors import DataError

__all__ = ["Rows", "column", "is_number", "is_table", "open_table", "parsed", "titled"]

SPLIT_SEED = 0  # which points are held out is the same in every run
SUFFIXES = (".csv", ".tsv")
LARGEST = float(np.finfo(np.float32).max)
LABELS = ("label", "class")  # what a column of classes is called
SEPARATORS = "\t;"  # rather than a comma, where there are any


class Rows(NamedTuple):
    """The cells of a table, the line of each row, and the columns' names (None without a header)."""

    cells: list[list[str]]
    lines: list[int]
    names: list[str] | None = None


def is_table(path: Path) -> bool:
    """Whether the name is that of a table."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def open_table(path: Path, fit: Fit, *, held_out: int | None) -> Source:
    """The points of a table; a tenth of them, at most 10,000, held out.

    A first row that isn't all numbers names the columns. One called label or class holds the classes, as numbers from
    0 or as words; every other one is a coordinate.

    Raises:
        DataError: for a cell that is no finite number, with its line; for rows of different lengths.
    """
    for key, value in fit.changes.items():
        raise DataError(f"{str(path)!r} holds points, and {key} = {value} is said of images: leave out data.{key}.")
    rows = parsed(text_of(path), str(path))
    rows = rows if not rows.cells or all(map(is_number, rows.cells[0])) else titled(rows)
    width = len(rows.cells[0]) if rows.cells else 0
    names = rows.names or [f"column {n}" for n in range(1, width + 1)]
    label = next((n for n, name in enumerate(names) if name.lower() in LABELS), None) if rows.names else None
    columns = [n for n in range(width) if n != label]
    count = parted(str(path), len(rows.cells), held_out, min(len(rows.cells) // 10, 10_000), what="point")
    if not columns:
        raise DataError(f"{str(path)!r} has labels and no column of numbers: a point needs a coordinate at least.")
    coordinates = torch.stack([column(rows, n, names[n], str(path)) for n in columns], 1)
    numbers, classes, _ = (None, None, None) if label is None else labels(rows, label, path)
    points = Points(coordinates, numbers)
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(SPLIT_SEED))
    held = points.part(order[:count].sort().values) if count else None
    return Source(str(path), points.part(order[count:].sort().values), held, None, classes, stream=PointStream)


def text_of(path: Path) -> str:
    """What is written in a file."""
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' cannot be read as text ({error}): save it again as UTF-8.") from None


def parsed(text: str, where: str) -> Rows:
    """All rows that aren't empty, of one length.

    Raises:
        DataError: for broken rows, and for some of another length.
    """
    *_, sample = text.split("\n", 2)[:2]  # a name in the first one may have a comma
    reader = csv.reader(io.StringIO(text), delimiter=next((mark for mark in SEPARATORS if mark in sample), ","))
    cells, lines = list[list[str]](), list[int]()
    try:
        for row in reader:
            if row:
                cells.append([cell.strip() for cell in row])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"'{where}', line {reader.line_num}, is broken ({error}): mend it.") from None
    for row, line in zip(cells, lines, strict=True):
        if len(row) != len(cells[0]):
            raise DataError(f"'{where}', line {line}, has {len(row)} cells, the first one {len(cells[0])}: mend it.")
    return Rows(cells, lines)


def titled(rows: Rows) -> Rows:
    """With the first row for the columns' names."""
    return Rows(rows.cells[1:], rows.lines[1:], rows.cells[0])


def is_number(cell: str) -> bool:
    """Whether a cell holds a number, finite or not."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def column(rows: Rows, place: int, name: str, where: str) -> Float[Tensor, " N"]:
    """The numbers of a column."""
    cells = [row[place] for row in rows.cells]
    try:
        with np.errstate(over="ignore"):
            numbers = np.array(cells, np.float64).astype(np.float32)
        if np.isfinite(numbers).all():
            return torch.from_numpy(numbers)
    except ValueError:
        pass
    worst = next(n for n, cell in enumerate(cells) if not is_number(cell) or not abs(float(cell)) < LARGEST)
    hint = " (a column of classes is called label or class)" if not is_number(cells[worst]) else ""
    cell = f"'{where}', line {rows.lines[worst]}"
    raise DataError(f"{cell}, has {cells[worst]!r} in {name}, which is no finite number{hint}: mend it.")


def labels(rows: Rows, place: int, path: Path) -> Labels:
    """Class numbers and names of a column."""
    cells = [row[place] for row in rows.cells]
    if "" in cells:
        raise DataError(f"'{path}', line {rows.lines[cells.index('')]}, has no label: give one, or remove the column.")
    return by_words(cells, str(path))
