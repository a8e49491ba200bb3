"""Packing: every image of a source, decoded once by all cores, into the files of a packed set."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from ganforge.data.files import BEARABLE
from ganforge.data.images import Source
from ganforge.data.packed import INDEX, KIND, LABELS, PIXELS, SPLITS
from ganforge.data.pairs import OTHER, Paired, Unpaired
from ganforge.data.split import Split
from ganforge.errors import DataError

__all__ = ["fill"]

CHUNK = 64  # images that a thread decodes at a time

Piece = tuple[Tensor, Tensor, list[str]]


class Sink:
    """A file, and the SHA-256 of what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> None:
        """To the file and to its sum."""
        self.file.write(data)
        self.sha256.update(data)

    def sync(self) -> None:
        """Makes its bytes survive a power cut."""
        self.file.flush()
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
    total, broken, counts = sum(map(len, splits.values())), list[str](), dict[str, int]()
    with (folder / PIXELS).open("wb") as pixels, (folder / LABELS).open("wb") as labels:
        sinks = {PIXELS: Sink(pixels), LABELS: Sink(labels)}
        for name, part in splits.items():
            counts[name] = written(part, sinks, broken, none, lambda n: progress(n / total))
            if len(broken) > BEARABLE * total:
                raise DataError(broken[0])
        for sink in sinks.values():
            sink.sync()
    if not labelled:
        sinks.pop(LABELS)
        (folder / LABELS).unlink()
    index = {
        "kind": KIND,
        "source": source.name,
        "shape": list(splits["train"].shape),
        "pairing": pairing,
        "splits": counts,
        "classes": list(source.classes) if labelled and source.classes else None,
        "continuous": list(source.continuous) if labelled and source.continuous else None,
        "sha256": {name: sink.sha256.hexdigest() for name, sink in sorted(sinks.items())},
        "notes": [*source.notes, *noted(broken)],
    }
    (folder / INDEX).write_text(json.dumps(index, indent=1), "utf-8")
    return broken


def stored(source: Source) -> tuple[dict[str, Split], str | None]:
    """Split -> what is written of it, A's before B's; and whether that is pairs, or two domains."""
    splits = {name: part for name in SPLITS if (part := getattr(source, name)) is not None}
    if isinstance(source.train, Paired):
        return {name: part.whole for name, part in splits.items() if isinstance(part, Paired)}, "paired"
    if not isinstance(source.train, Unpaired):
        return splits, None
    others = {f"{name}{OTHER}": part.b for name, part in splits.items() if isinstance(part, Unpaired)}
    return {n: part.a if isinstance(part, Unpaired) else part for n, part in splits.items()} | others, "unpaired"


def noted(broken: list[str]) -> Iterator[str]:
    """What is to be said of images that were left out."""
    if broken:
        yield f"left out {len(broken)} file{'s' * (len(broken) > 1)}, the first of them because {broken[0].rstrip('.')}"


def written(
    part: Split, sinks: dict[str, Sink], broken: list[str], none: Tensor, progress: Callable[[int], None]
) -> int:
    """How many images of a split were written; the others' reasons are added to `broken`. `none` stands for the label
    of an image that has none."""
    count = 0
    for whole, images, reasons in pieces(part):
        broken += reasons
        sinks[PIXELS].write(images.permute(0, 2, 3, 1).contiguous().numpy().tobytes())
        labels = none.expand(len(whole), *none.shape) if part.labels is None else part.labels[whole]
        sinks[LABELS].write(labels.numpy().astype("<f4" if labels.is_floating_point() else "<i8").tobytes())
        count += len(whole)
        progress(len(whole) + len(reasons))
    return count


def pieces(part: Split) -> Iterator[Piece]:
    """All images, some at a time, decoded by threads that are never far ahead."""
    chunks, threads = torch.arange(len(part)).split(CHUNK), os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(chunks), 2 * threads):
            yield from pool.map(lambda chunk: piece(part, chunk), chunks[start : start + 2 * threads])


def piece(part: Split, chunk: Tensor) -> Piece:
    """The images of these numbers that can be read, with their numbers; and why the others can't."""
    try:
        return chunk, part.read(chunk), []
    except DataError:
        found = [one(part, number) for number in chunk]
    whole = [(number, image) for number, image, reason in found if not reason]
    numbers = torch.stack([number for number, _ in whole]) if whole else chunk[:0]
    images = [image for _, image in whole]
    pixels = torch.cat(images) if images else torch.empty(0, *part.shape, dtype=torch.uint8)
    return numbers, pixels, [reason for _, _, reason in found if reason]


def one(part: Split, number: Tensor) -> tuple[Tensor, Tensor, str]:
    """An image, or why it can't be read."""
    try:
        return number, part.read(number[None]), ""
    except DataError as error:
        return number, number, str(error)
