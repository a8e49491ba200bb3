"""Packing: a data set, decoded once, into one file that is mapped into memory (`data/packed.py` says how it looks)."""

from collections.abc import Callable
from pathlib import Path

from ganforge.data import Source
from ganforge.data.packed import is_pack, packed_source
from ganforge.data.packing import fill
from ganforge.data.source import identity
from ganforge.errors import DataError
from ganforge.io.disk import whole_folder

__all__ = ["write_pack"]


def write_pack(source: Source, path: Path, *, progress: Callable[[float], None] = lambda share: None) -> list[str]:
    """A packed set at `path`, whole or not at all; what is there already is replaced only if it is one of this source.

    Returns:
        The reasons, a sentence each, why images were left out.

    Raises:
        DataError: if more than 1 % can't be read, or something else is at `path`, or another source's pack.
        CheckpointError: if the disk is full or the path not writable; then there is no new file.
    """
    if path.exists() and not is_pack(path):
        raise DataError(f"{str(path)!r} is there already, and no packed set: choose another name or remove it.")
    if path.exists() and identity(former := packed_source(path)) != identity(source.name):
        raise DataError(f"{str(path)!r} holds {former!r}, packed: choose another name or remove it.")
    with whole_folder(path) as folder:
        return fill(source, folder, progress=progress)
