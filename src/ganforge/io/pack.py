"""Packing: a data set, decoded once, into one file that is mapped into memory (`data/packed.py` says how it looks)."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from ganforge.data import Source, Split
from ganforge.data.files import BEARABLE
from ganforge.data.packed import INDEX, KIND, LABELS, PIXELS, SPLITS, digest, is_pack
from ganforge.errors import DataError
from ganforge.io.disk import whole_folder

__all__ = ["write_pack"]

CHUNK = 64  # images that a thread decodes at a time

Piece = tuple[Tensor, Tensor, list[str]]


def write_pack(source: Source, path: Path, *, progress: Callable[[float], None] = lambda share: None) -> list[str]:
    """A packed set at `path`, whole or not at all; what is there already is replaced only if it is one.

    Returns:
        The reasons, a sentence each, why images were left out.

    Raises:
        DataError: if more than 1 % can't be read, or something else is at `path`.
        CheckpointError: if the disk is full or the path not writable; then there is no new file.
    """
    if path.exists() and not is_pack(path):
        raise DataError(f"{str(path)!r} is there already, and no packed set: choose another name or remove it.")
    splits = {name: part for name in SPLITS if (part := getattr(source, name)) is not None}
    labelled = source.classes is not None and all(part.labels is not None for part in splits.values())
    total, broken, counts = sum(map(len, splits.values())), list[str](), dict[str, int]()
    with whole_folder(path) as folder:
        with (folder / PIXELS).open("wb") as pixels, (folder / LABELS).open("wb") as labels:
            for name, part in splits.items():
                counts[name] = written(part, pixels, labels, broken, lambda n: progress(n / total))
                if len(broken) > BEARABLE * total:
                    raise DataError(broken[0])
        if not labelled:
            (folder / LABELS).unlink()
        index = {
            "kind": KIND,
            "source": source.name,
            "shape": list(source.shape),
            "splits": counts,
            "classes": list(source.classes or ()) if labelled else None,
            "sha256": {file.name: digest(file) for file in sorted(folder.glob("*.bin"))},
        }
        (folder / INDEX).write_text(json.dumps(index, indent=1), "utf-8")
    return broken


def written(part: Split, pixels: BinaryIO, labels: BinaryIO, broken: list[str], progress: Callable[[int], None]) -> int:
    """How many images of a split were written; the others' reasons are added to `broken`."""
    count = 0
    for whole, images, reasons in pieces(part):
        broken += reasons
        pixels.write(images.permute(0, 2, 3, 1).contiguous().numpy().tobytes())
        if part.labels is not None:
            labels.write(part.labels[whole].numpy().astype("<i8").tobytes())
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
