"""What can only be read from its beginning, unpacked once to a file without a name, and read from there by offset.

The file lies in the user's cache and is gone as soon as nobody holds what was unpacked, or the process ends.
"""

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Extent", "Spill", "cache_base", "shared"]

GIB = 2**30
MOST = 64 * GIB  # bytes of all that is held at a time; and half of the disk that was free
PIECE = 2**20  # bytes copied at a time

Stamp = tuple[str, int, int]


def cache_base() -> Path | None:
    """$XDG_CACHE_HOME/ganforge, by default ~/.cache/ganforge; None where nobody is at home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganforge"
    except RuntimeError:
        return None


class Extent(NamedTuple):
    """Where the bytes of a file of that name lie."""

    name: str
    offset: int
    size: int


class Spill:
    """A nameless file that the files of archives are unpacked to."""

    def __init__(self) -> None:
        self.folder = writable()
        self.file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - closed with the last who holds it
        self.size, self.lock = 0, threading.Lock()
        self.known: dict[Stamp, list[Extent]] = {}
        weakref.finalize(self, self.file.close)

    def add(self, name: str, source: Any, size: int) -> Extent:
        """Appends a file of that size, read from one that is open.

        Raises:
            RuntimeError: if there would be too much of it.
            EOFError: if it ends before.
        """
        with self.lock:
            room = min(MOST, (self.size + shutil.disk_usage(self.folder).free) // 2) - self.size
            if size > room:
                raise RuntimeError(
                    f"it unpacks to more than {MOST >> 30} GiB, or half of the free disk in {self.folder}"
                )
            start = self.file.seek(self.size)
            shutil.copyfileobj(source, self.file, PIECE)
            if self.file.tell() != start + size:
                raise EOFError("unexpected end of data")
            self.file.flush()
            self.size += size
        return Extent(name, start, size)

    def read(self, extent: Extent) -> bytes:
        """The bytes of a file; threads and forked processes may read side by side."""
        if hasattr(os, "pread"):  # moves nobody's place in the file
            return os.pread(self.file.fileno(), extent.size, extent.offset)
        with self.lock:
            self.file.seek(extent.offset)
            return self.file.read(extent.size)

    def files(self, archive: Path, unpacked: Iterator[Extent]) -> list[Extent]:
        """The files of an archive, which is unpacked if it hasn't been since it was changed last."""
        about = archive.stat()
        stamp = str(archive.resolve()), about.st_size, about.st_mtime_ns
        if stamp not in self.known:
            self.known[stamp] = list(unpacked)
        return self.known[stamp]


def writable() -> Path:
    """The cache's folder, or that of temporary files where it can't be written."""
    base = cache_base()
    try:
        if base is not None:
            base.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=base):
                return base
    except OSError:
        pass
    return Path(tempfile.gettempdir())


CURRENT: weakref.WeakValueDictionary[str, Spill] = weakref.WeakValueDictionary()
GUARD = threading.Lock()


def shared() -> Spill:
    """The file of this process, made anew where nobody holds it any more: one, however many archives there are."""
    with GUARD:
        spill = CURRENT.get("")
        if spill is None:
            CURRENT[""] = spill = Spill()
        return spill
