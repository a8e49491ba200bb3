"""Packing: every image of a source, decoded once by all cores, into the files of a packed set."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor

from ganforge.data.files import BEARABLE, Files, broken
from ganforge.data.fit import USUAL
from ganforge.data.images import Source
from ganforge.data.packed import INDEX, KIND, LABELS, PIXELS, SPLITS
from ganforge.data.pairs import OTHER, Paired, Unpaired
from ganforge.data.split import Split
from ganforge.data.workers import in_order
from ganforge.errors import DataError

__all__ = ["fill"]

NAMED = 3  # broken files, by their reasons
CHUNK, BYTES = 64, 1 << 20  # images that are decoded at a time, and what they may take

Piece = tuple[Tensor, list[str]]


class Sink:
    """A file without a buffer, its size, and the SHA-256 of what was written to it."""

    def __init__(self, file: FileIO) -> None:
        self.file, self.size, self.sha256, self.lock = file, 0, hashlib.sha256(), Lock()

    def write(self, data: bytes) -> None:
        """To the end of the file, and to its sum."""
        self.place(data, self.size)
        self.sha256.update(data)
        self.size += len(data)

    def place(self, data: bytes | memoryview, offset: int) -> None:
        """Somewhere into the file, where other threads and processes may write at the same time."""
        rest = memoryview(data)
        while rest:
            count = self.put(rest, offset)
            rest, offset = rest[count:], offset + count

    def put(self, data: memoryview, offset: int) -> int:
        """How much of it was written."""
        if hasattr(os, "pwrite"):
            return os.pwrite(self.file.fileno(), data, offset)
        with self.lock:
            self.file.seek(offset)
            return self.file.write(data)

    def adopt(self, offset: int, size: int) -> None:
        """What was placed beyond the end, moved there."""
        with self.lock:
            self.file.seek(offset)
            data = self.file.read(size)
        if offset == self.size:
            self.sha256.update(data)
            self.size += size
        else:
            self.write(data)

    def sync(self) -> None:
        """Makes its bytes survive a power cut."""
        os.fsync(self.file.fileno())


def fill(source: Source, folder: Path, *, progress: Callable[[float], None] = lambda share: None) -> list[str]:
    """Writes a source as a packed set into an empty folder.

    Returns:
        The reasons, a sentence each, why images were left out.

    Raises:
        DataError: if more than 1 % can't be read.
        OSError: if the disk is full.
    """
    splits, pairing = stored(source)
    labelled = any(part.labels is not None for part in splits.values()) and (source.classes or source.continuous)
    none = torch.tensor(-1) if source.continuous is None else torch.full((len(source.continuous),), torch.nan)
    total, lost, counts = sum(map(len, splits.values())), list[str](), dict[str, int]()
    with open(folder / PIXELS, "w+b", buffering=0) as pixels, open(folder / LABELS, "w+b", buffering=0) as labels:
        sinks = {PIXELS: Sink(pixels), LABELS: Sink(labels)}
        for name, part in splits.items():
            counts[name] = written(part, sinks, lost, none, lambda n: progress(n / total))
            if len(lost) > BEARABLE * total:
                raise DataError(too_many(lost))
        for sink in sinks.values():
            sink.sync()
    if not labelled:
        sinks.pop(LABELS)
        (folder / LABELS).unlink()
    fit = source.fit or USUAL
    index = {
        "kind": KIND,
        "source": source.name,
        "shape": list(splits["train"].shape),
        "fit": fit.policy,
        "filter": fit.filter,
        "pairing": pairing,
        "splits": counts,
        "classes": list(source.classes) if labelled and source.classes else None,
        "continuous": list(source.continuous) if labelled and source.continuous else None,
        "sha256": {name: sink.sha256.hexdigest() for name, sink in sorted(sinks.items())},
        "notes": [*source.notes, *noted(lost)],
    }
    (folder / INDEX).write_text(json.dumps(index, indent=1), "utf-8")
    return lost


def stored(source: Source) -> tuple[dict[str, Split], str | None]:
    """Split -> what is written of it, A's before B's; and whether that is pairs, or two domains."""
    splits = {name: part for name in SPLITS if (part := getattr(source, name)) is not None}
    if isinstance(source.train, Paired):
        return {name: part.whole for name, part in splits.items() if isinstance(part, Paired)}, "paired"
    if not isinstance(source.train, Unpaired):
        return splits, None
    others = {f"{name}{OTHER}": part.b for name, part in splits.items() if isinstance(part, Unpaired)}
    return {n: part.a if isinstance(part, Unpaired) else part for n, part in splits.items()} | others, "unpaired"


def too_many(lost: list[str]) -> str:
    """What is said of so many broken files that the rest isn't packed."""
    if len(lost) == 1:
        return lost[0]
    first = " ".join(lost[:NAMED])
    return f"{len(lost):,} files can't be read, and more than 1 % is too many to go on without: {first}"


def noted(lost: list[str]) -> Iterator[str]:
    """What is to be said of images that were left out."""
    if lost:
        yield f"left out {len(lost)} file{'s' * (len(lost) > 1)}, the first of them because {lost[0].rstrip('.')}"


def written(part: Split, sinks: dict[str, Sink], lost: list[str], none: Tensor, progress: Callable[[int], None]) -> int:
    """How many images of a split were written; the others' reasons are added to `lost`. `none` stands for the label
    of an image that has none."""
    count = 0
    for whole, reasons in pieces(part, sinks[PIXELS]):
        lost += reasons
        labels = none.expand(len(whole), *none.shape) if part.labels is None else part.labels[whole]
        sinks[LABELS].write(labels.numpy().astype("<f4" if labels.is_floating_point() else "<i8").tobytes())
        count += len(whole)
        progress(len(whole) + len(reasons))
    return count


def pieces(part: Split, sink: Sink) -> Iterator[Piece]:
    """The numbers of the images that could be read, some at a time; by then they are in the file. Files are decoded by
    all cores, each of which writes to where the images would lie if none of them were broken."""
    each = math.prod(part.shape)
    chunks = torch.arange(len(part)).split(max(1, min(CHUNK, BYTES // each)))
    if not isinstance(part, Files):
        for chunk in chunks:
            sink.write(part.read(chunk).permute(0, 2, 3, 1).contiguous().numpy().tobytes())
            yield chunk, []
        return
    numbers, start = [chunk.tolist() for chunk in chunks], sink.size

    def decode(job: int) -> list[tuple[int, str]]:
        pixels, failures = part.decoded(numbers[job])
        sink.place(pixels.reshape(-1).data, start + numbers[job][0] * each)
        return [(number, str(broken([failure]))) for number, failure in failures.items()]

    for chunk, found in zip(chunks, in_order(decode, len(chunks)), strict=True):
        failed = [number for number, _ in found]
        sink.adopt(start + int(chunk[0]) * each, (len(chunk) - len(failed)) * each)
        yield chunk[~torch.isin(chunk, torch.tensor(failed, dtype=torch.int64))], [reason for _, reason in found]
    sink.file.truncate(sink.size)
