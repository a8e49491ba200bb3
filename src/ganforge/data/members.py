"""The files of a folder or of an archive, by their names, each read whole when it is wanted.

Only a compressed tar, which can't be read but from its beginning, is unpacked: to a file that goes with the process.
"""

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath

from ganforge.data.spill import Extent, Spill, shared
from ganforge.errors import DataError

__all__ = ["ARCHIVES", "Member", "first_names", "in_folder", "is_archive", "members", "unwrapped"]

BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
BLOCK = 512  # bytes of a tar's header; of zeros, its end
OPENED = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
LARGEST = 2**30  # bytes of one file in an archive: beyond it is no image but a bomb


@dataclass(frozen=True)
class Member:
    """A file below a folder, or in an archive.

    Attributes:
        place: the folder or the archive.
        name: its path there, with slashes.
        offset: where its bytes begin in a tar archive that isn't compressed.
        size: how many they are.
        content: they themselves, where they came with the name.
        spill: the file that they were unpacked to, at the offset.
    """

    place: Path
    name: str
    offset: int | None = None
    size: int = 0
    content: bytes | None = None
    spill: Spill | None = None

    def __str__(self) -> str:
        return str(self.place / self.name)

    @property
    def suffix(self) -> str:
        """How its name ends, in small letters: ".png"."""
        return os.path.splitext(self.name)[1].lower()

    def read(self) -> bytes:
        """All of its bytes; OSError if that fails, whatever the reason."""
        try:
            if self.content is not None:
                return self.content
            if self.spill is not None:
                return self.spill.read(Extent(self.name, self.offset or 0, self.size))
            if self.offset is not None:
                with self.place.open("rb") as file:
                    file.seek(self.offset)
                    return file.read(self.size)
            try:
                return contents(f"{self.place}/{self.name}")
            except (NotADirectoryError, FileNotFoundError):
                if self.place.is_dir():
                    raise
            archive = opened(self.place)
            if archive.getinfo(self.name).file_size > LARGEST:
                raise RuntimeError("it unpacks to more than 1 GiB")
            return archive.read(self.name)
        except BROKEN as error:
            words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise OSError(words or type(error).__name__) from None


def contents(path: str) -> bytes:
    """The bytes of an ordinary file; OSError for a pipe, a socket or a device, on which others wait for ever."""
    with open(os.open(path, OPENED), "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("no ordinary file but a pipe, a socket or a device")
        return file.read()


def opened(archive: Path) -> zipfile.ZipFile:
    """A zip archive, opened once; threads may read from it side by side."""
    return opened_by(archive, os.getpid())


@lru_cache(maxsize=8)
def opened_by(archive: Path, process: int) -> zipfile.ZipFile:
    """The same for one process: a forked one would share the place in the file with its parent."""
    return zipfile.ZipFile(archive)


def is_archive(path: Path) -> bool:
    """Whether this is a zip or tar file, by its first bytes and, for the compressed kinds of tar, by its name."""
    if not path.is_file():
        return False
    return zipfile.is_zipfile(path) or path.name.lower().endswith(ARCHIVES)


def first_names(path: Path, count: int) -> list[str]:
    """The names that an archive begins with, folders among them; fewer where it can't be read."""
    found = list[str]()
    try:
        if zipfile.is_zipfile(path):
            return opened(path).namelist()[:count]
        with tarfile.open(path, "r:*") as archive:
            found.extend(clean(entry.name) for entry in islice(archive, count))
    except BROKEN:
        pass  # what is broken is said when it is read
    return found


def members(path: Path) -> list[Member]:
    """Every file of a folder (below it too) or of an archive, in an order that no file system changes; hidden ones, and
    what macOS adds to archives, are left out.

    Raises:
        DataError: for an archive that can't be read, or whose names climb out of it.
    """
    if path.is_dir():
        return sorted(in_folder(path), key=lambda member: member.name)
    try:
        found = list(in_zip(path) if zipfile.is_zipfile(path) else in_tar(path))
    except BROKEN as error:
        words = "it is cut short, or no archive" if "\n" in str(error) else str(error)  # tarfile tells each attempt
        raise DataError(f"'{path}' cannot be read as an archive ({words}): download or pack it again.") from None
    for member in found:
        if member.name.startswith("/") or ".." in member.name.split("/"):
            raise DataError(f"'{path}' holds a file {member.name!r}, which climbs out of the archive: pack it again.")
    return sorted((m for m in found if not hidden(m.name)), key=lambda member: member.name)


def hidden(name: str) -> bool:
    """Whether a name, or a folder on its way, begins with a dot; or is macOS' own."""
    if "/." not in f"/{name}" and "__MACOSX" not in name:
        return False
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def in_folder(path: Path) -> Iterator[Member]:
    """Files below a folder. A link that leads back to a folder above is not followed twice."""
    seen = {identity(path)}
    for root, folders, files in os.walk(path, followlinks=True):
        folders[:] = [name for name in sorted(folders) if not hidden(name) and identity(Path(root, name)) not in seen]
        seen |= {identity(Path(root, name)) for name in folders}
        below = Path(root).relative_to(path).as_posix()
        above = "" if below == "." else f"{below}/"
        yield from (Member(path, above + name) for name in files if name[0] != ".")


def identity(folder: Path) -> tuple[int, int]:
    """What two names of one folder have in common."""
    try:
        found = folder.stat()
    except OSError:  # a link to nowhere
        return -1, -1
    return found.st_dev, found.st_ino


def in_zip(path: Path) -> Iterator[Member]:
    """Files of a zip archive."""
    return (Member(path, entry.filename) for entry in opened(path).infolist() if not entry.is_dir())


def in_tar(path: Path) -> Iterator[Member]:
    """Files of a tar archive; where it is compressed, unpacked."""
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115, closed below
    except tarfile.ReadError:
        yield from in_compressed_tar(path)
        return
    with archive:
        entries = [entry for entry in archive if entry.isfile()]
        end = archive.offset
    with path.open("rb") as file:  # tarfile takes a cut or broken header for the end
        file.seek(end)
        if file.read(BLOCK) != bytes(BLOCK):
            raise tarfile.ReadError("unexpected end of data")
    yield from (Member(path, clean(e.name), e.offset_data, e.size) for e in entries)


def in_compressed_tar(path: Path) -> Iterator[Member]:
    """Files of a tar that can only be read from its beginning, unpacked; RuntimeError if they are too large."""
    spill = shared()
    for name, offset, size in spill.files(path, spilt(path, spill)):
        yield Member(path, name, offset, size, spill=spill)


def spilt(path: Path, spill: Spill) -> Iterator[Extent]:
    """The files of a compressed tar, one after the other, as they are unpacked."""
    with tarfile.open(path, "r:*") as archive:
        for entry in archive:
            if entry.size > LARGEST:
                raise RuntimeError("it unpacks to more than 1 GiB in one file")
            content = archive.extractfile(entry) if entry.isfile() else None
            if content is not None:
                yield spill.add(clean(entry.name), content, entry.size)


def clean(name: str) -> str:
    """Without the "./" that tar puts before names."""
    return name.removeprefix("./")


def unwrapped(names: Iterable[str]) -> list[tuple[str, ...]]:
    """The parts of every name, without the folders that all of them lie in."""
    parts = [tuple(part for part in name.split("/") if part not in ("", ".")) for name in names]
    first, last = min(parts, default=()), max(parts, default=())  # whatever stands between begins as both do
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first[:-1], last[:-1], strict=False)))
    return [part[common:] for part in parts]
