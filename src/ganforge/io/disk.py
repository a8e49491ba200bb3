"""Whole or not at all: files and folders that a kill, a crash or a full disk can't leave half written.

Everything is written beside its place under a hidden name, flushed to the disk and renamed. Replacing a folder takes
two renames; between them the former one waits as `.old-NAME`, where `place` finds it. Leftovers of killed writes are
hidden names that `sweep` puts back or removes.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ganforge.errors import CheckpointError

__all__ = ["place", "remove", "replaced", "spoken", "sweep", "sync", "whole_folder", "write_synced", "write_whole"]

UNFINISHED = ".tmp-"
ASIDE = ".old-"
FULL = {errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def spoken(path: Path) -> Iterator[None]:
    """Errors of the system while `path` is written, as one sentence.

    Raises:
        CheckpointError: the disk is full, the path is not writable, a parent is a file, ...
    """
    try:
        yield
    except OSError as error:
        remedy = "choose a place that you may write to"
        reason = f"{path} can't be written ({error.strerror or error})"
        if error.errno in FULL:
            reason, remedy = f"no space left on the disk of {path}", "free some and go on"
        raise CheckpointError(f"{reason}; what was there before is untouched: {remedy}.") from error


def sync(path: Path) -> None:
    """Makes a file's bytes, or the names in a folder, survive a power cut; where a system can't, nothing happens."""
    with contextlib.suppress(PermissionError):  # Windows opens no folder
        descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_synced(path: Path, data: bytes) -> None:
    """A new file whose bytes have reached the disk when this returns; not atomic by itself."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, data: bytes) -> None:
    """The file `path` with these bytes, or as it was before; parents are made.

    Raises:
        CheckpointError: as `spoken`.
    """
    with replaced(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A hidden file to write, which becomes `path` when the block ends well; parents are made.

    Raises:
        CheckpointError: as `spoken`.
    """
    temporary = _unfinished(path)
    with spoken(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            sync(temporary)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder to fill, which becomes `folder` (in the stead of the former one) when the block ends well.

    Raises:
        CheckpointError: as `spoken`; the former folder is in its place then.
    """
    temporary = _unfinished(folder)
    with spoken(folder):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            sync(temporary)
            _exchange(temporary, folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync(folder.parent)
        shutil.rmtree(_aside(folder), ignore_errors=True)


def place(folder: Path) -> Path:
    """Where the folder is to be read: its own name, or the former one's while a replacement was cut off."""
    return _aside(folder) if not folder.exists() and _aside(folder).exists() else folder


def remove(folder: Path) -> None:
    """Takes a folder away so that no one ever sees half of it."""
    with spoken(folder):
        temporary = _unfinished(folder)
        shutil.rmtree(_aside(folder), ignore_errors=True)
        if folder.exists():
            shutil.rmtree(temporary, ignore_errors=True)
            os.rename(folder, temporary)
        shutil.rmtree(temporary, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Ends what killed writes left in a folder: unfinished entries go, a former folder without successor comes back."""
    for entry in sorted(parent.glob(f"{ASIDE}*")):
        home = entry.with_name(entry.name.removeprefix(ASIDE))
        if not home.exists():
            os.rename(entry, home)
        shutil.rmtree(entry, ignore_errors=True)
    for entry in parent.glob(f"{UNFINISHED}*"):
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _exchange(new: Path, folder: Path) -> None:
    """Renames; should the second rename fail, the first is undone."""
    aside = _aside(folder)
    if folder.exists():
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(folder, aside)
    try:
        os.rename(new, folder)
    except BaseException:
        if aside.exists():
            os.rename(aside, folder)
        raise


def _unfinished(path: Path) -> Path:
    """The hidden name beside `path`, one for each process."""
    return path.with_name(f"{UNFINISHED}{os.getpid()}-{path.name}")


def _aside(path: Path) -> Path:
    """The hidden name under which a former folder waits."""
    return path.with_name(f"{ASIDE}{path.name}")
