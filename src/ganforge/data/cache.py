"""Packed copies: a large set of image files is decoded once, into a packed set in the user's cache, and mapped since.

A copy is named by a hash of what was there (paths, sizes, times of change) and of the rules of decoding, and by the
settings of the source; so a set that was touched gets a new one. It is written under a hidden name and renamed, by one
process while others that want the same wait. The copies unused for longest make room for a new one.
"""

import contextlib
import dataclasses
import hashlib
import math
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import PIL

from ganforge.data.bar import bar
from ganforge.data.files import Listing, decoded
from ganforge.data.fit import Fit
from ganforge.data.images import Source
from ganforge.data.members import members
from ganforge.data.packed import INDEX, check, is_pack, open_pack
from ganforge.data.packing import fill
from ganforge.data.pairs import Paired
from ganforge.data.shards import expanded
from ganforge.data.spill import cache_base
from ganforge.errors import DataError

try:
    import fcntl
except ImportError:  # on Windows: two processes may then both decode, and one copy remains
    fcntl = None  # type: ignore[assignment]

__all__ = ["cached", "copies", "find"]

FEW = 2_000  # files, below which decoding is over before anyone notices
RULES = 2  # to be raised when the same files become other pixels or labels
GIB = 2**30
CHECKED = GIB  # bytes whose SHA-256 is taken whenever they are opened, in a second; of larger copies only the size


def home() -> Path | None:
    """Where copies lie: $XDG_CACHE_HOME/ganforge/packs, by default below ~/.cache; None where nobody is at home."""
    base = cache_base()
    return base and base / "packs"


def identity(path: Path) -> str:
    """A hash of the files of a path: names, sizes, times of change."""
    files = [f"{path}/{one.name}" for one in members(path)] if path.is_dir() else expanded(path) or [path]
    found = hashlib.blake2b(f"{RULES} {PIL.__version__} {path.resolve()}".encode(), digest_size=10)
    for file in files:
        with contextlib.suppress(OSError):  # a link to nowhere
            about = os.stat(file)
            found.update(f"\0{file}\0{about.st_size}\0{about.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def place(path: Path, fit: Fit, held_out: int | None, pairs: str | None) -> Path | None:
    """The copy of a set by these settings, there or not; what is as usual isn't in its name."""
    said = fit.of_files.changes
    own = True if fit.own and fit.size is None else None
    kept = {key: said.pop(key, None) for key in ("size", "channels")} | {"own": own, "held_out": held_out}
    kept |= {"pairs": pairs} | said
    words = "-".join(f"{key}_{value}" for key, value in kept.items() if value is not None)
    root = home()
    return root and root / "-".join(filter(None, (identity(path), words)))


def copies(path: Path) -> list[Path]:
    """All copies of a set that are there, whatever their settings."""
    root = home()
    found = root.glob(f"{identity(path)}*") if root else ()
    return sorted(copy for copy in found if is_pack(copy))


def find(path: Path, fit: Fit, *, held_out: int | None, pairs: str | None = None) -> Source | None:
    """The source, from its packed copy; None where there is no whole one."""
    there = path.exists() or expanded(path)
    copy = place(path, fit, held_out, pairs) if there and home() else None
    return None if copy is None else opened(copy, path, fit)


def opened(copy: Path, path: Path, fit: Fit) -> Source | None:
    """What a copy holds, if it is there and whole."""
    if not is_pack(copy):
        return None
    try:
        source = open_pack(copy, Fit(policy=fit.policy), held_out=None)
        if len(source.train) * math.prod(source.shape) <= CHECKED:
            check(copy)
        os.utime(copy / INDEX)
    except (DataError, OSError):  # altered, or just removed to make room
        return None
    return dataclasses.replace(source, name=str(path), fit=fit.on_files)


def cached(
    path: Path,
    listing: Listing,
    fit: Fit,
    *,
    held_out: int | None,
    pairs: str | None = None,
    memory: float,
    cache: float,
) -> Source:
    """The source of these files, packed now and read from there, if they are many and that takes at most `cache` GiB.

    Else, and where it can't be written, as `decoded`.

    Raises:
        DataError: if more than 1 % can't be read.
    """
    parts = [*listing.parts.values(), *(listing.others or {}).values()]
    total = sum(len(part.files) for part in parts)
    copy = place(path, fit, held_out, pairs) if cache and total >= FEW else None
    if copy is None:
        return decoded(str(path), listing, fit, held_out=held_out, memory=memory)
    source = decoded(str(path), listing, fit, held_out=held_out, memory=0.0)
    weight = total * math.prod(source.shape) * (2 if isinstance(source.train, Paired) else 1)
    notes: tuple[str, ...] = ()
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        if weight <= min(cache * GIB, shutil.disk_usage(copy.parent).free / 2):
            with locked(copy):
                found = opened(copy, path, fit) or packed(source, copy, path, fit)
            make_room(copy, cache * GIB)
            if found is not None:
                return found
    except OSError as error:
        notes = (f"no packed copy could be kept in {copy.parent} ({error.strerror or error}): data.cache=0 tries none",)
    if weight <= memory * GIB:
        source = decoded(str(path), listing, fit, held_out=held_out, memory=memory)
    return dataclasses.replace(source, notes=(*source.notes, *notes))


def packed(source: Source, copy: Path, path: Path, fit: Fit) -> Source | None:
    """The source, packed."""
    unfinished = copy.with_name(f".tmp-{os.getpid()}-{threading.get_ident()}-{copy.name}")
    if fcntl is not None:  # alone: what is there is what killed processes left, or isn't whole
        for leftover in (*copy.parent.glob(f".tmp-*-{copy.name}"), copy):
            shutil.rmtree(leftover, ignore_errors=True)
    unfinished.mkdir()
    try:
        with bar(f"packing {path}", 1.0) as advance:
            fill(source, unfinished, progress=advance)
        with contextlib.suppress(OSError):  # another was faster
            os.rename(unfinished, copy)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return opened(copy, path, fit)


@contextlib.contextmanager
def locked(copy: Path) -> Iterator[None]:
    """One process at a time; the lock of one that is killed opens by itself."""
    if fcntl is None:
        yield
        return
    with copy.with_name(f".lock-{copy.name}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_room(copy: Path, limit: float) -> None:
    """Removes the other copies unused for longest until all take at most so many bytes."""
    used = {}
    for pack in copy.parent.glob("[!.]*"):
        with contextlib.suppress(OSError):
            used[pack] = ((pack / INDEX).stat().st_mtime_ns, sum(file.stat().st_size for file in pack.iterdir()))
    taken = sum(size for _, size in used.values())
    for pack in sorted(used.keys() - {copy}, key=lambda pack: used[pack]):
        if taken <= limit:
            return
        taken -= used[pack][1]
        shutil.rmtree(pack, ignore_errors=True)
        pack.with_name(f".lock-{pack.name}").unlink(missing_ok=True)
