"""A `labels.csv` beside images: a column of file names, and one or more of labels."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import torch

from ganforge.data.labels import Labels, by_words, relative
from ganforge.data.members import Member
from ganforge.data.table import Rows, column, is_number, parsed, titled
from ganforge.errors import DataError

__all__ = ["TABLES", "by_table"]

TABLES = ("labels.csv", "labels.tsv")


def by_table(images: Sequence[Member], table: Member) -> Labels:
    """The labels of images by a table, whose names are relative to where it lies, or bare ones where no two are alike.

    The column of names is the one that names most images. A single other column of whole numbers from 0, or of words,
    is classes; numbers else, and several columns, are continuous labels, called as the header calls them.

    Raises:
        DataError: if it can't be read, names no image, lacks one, or has a cell that is no finite number.
    """
    rows = parsed(text_of(table), str(table))
    names = [relative(image, table) for image in images]
    place = column_of_names(rows, names, table)
    rows = rows if PurePosixPath(rows.cells[0][place]).suffix else titled(rows)
    line = {row[place]: n for n, row in enumerate(rows.cells)}
    if not any(name in line for name in names):
        names = [PurePosixPath(name).name for name in names]
    for name in names:
        if name not in line:
            raise DataError(f"'{table}' has no row for '{name}': add it, or rename the table to train without labels.")
    chosen = [line[name] for name in names]
    rows = Rows([rows.cells[n] for n in chosen], [rows.lines[n] for n in chosen], rows.names)
    others = [n for n in range(len(rows.cells[0])) if n != place]
    if not others:
        raise DataError(f"'{table}' has no column besides the files' names: add one of labels, or remove the table.")
    if len(others) == 1 and (labels := classes(rows, others[0], table)) is not None:
        return labels
    titles = [rows.names[n] if rows.names else str(k) for k, n in enumerate(others)]
    numbers = [column(rows, n, title, str(table)) for n, title in zip(others, titles, strict=True)]
    return Labels(torch.stack(numbers, 1), continuous=tuple(titles))


def text_of(table: Member) -> str:
    """What is written in it."""
    try:
        return table.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"'{table}' cannot be read as text ({error}): save it again as UTF-8.") from None


def column_of_names(rows: Rows, names: Sequence[str], table: Member) -> int:
    """The column that names most images, by their paths or by what is behind their folders.

    Raises:
        DataError: if none names any, or bare names are those of several images.
    """
    bare = [PurePosixPath(name).name for name in names]
    for known in (set(names), set(bare)):
        hits = [sum(row[n] in known for row in rows.cells) for n in range(len(rows.cells[0]) if rows.cells else 0)]
        if not any(hits):
            continue
        if known != set(names) and len(known) < len(bare):
            double = next(name for n, name in enumerate(bare) if name in bare[:n])
            raise DataError(f"'{table}' names files without their folders, and several are called '{double}'.")
        return hits.index(max(hits))
    raise DataError(f"'{table}' names none of the {len(names):,} images beside it: it needs a column of their names.")


def classes(rows: Rows, place: int, table: Member) -> Labels | None:
    """The classes in a column; None where it holds numbers that aren't all whole and from 0."""
    cells = [row[place] for row in rows.cells]
    if "" in cells:
        raise DataError(f"'{table}', line {rows.lines[cells.index('')]}, has no label: give one, or remove the column.")
    if all(map(is_number, cells)) and not all(cell.isdecimal() for cell in cells):
        return None
    return by_words(cells, str(table))
