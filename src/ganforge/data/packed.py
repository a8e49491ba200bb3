"""Packed sets: all pixels of a data set in one file that is mapped into memory; what `ganforge data --pack` writes.

A pack is a folder: `pixels.bin`, uint8, (N, H, W, C), the splits one after the other; `labels.bin` where there are
labels, class numbers as int64, (N,), or continuous ones as float32, (N, K) (-1 or NaN in a split that has none); and
`pack.json`, which says the shape and how images were brought to it, the splits' sizes, the names of classes or of
continuous labels' numbers, a SHA-256 of each file, and what is to be noted of the set.
"""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ganforge.data.fit import FILTERS, POLICIES, Fit
from ganforge.data.images import Array, Source, fitted
from ganforge.data.pairs import OTHER, joined
from ganforge.data.split import LabelsOf
from ganforge.errors import DataError

__all__ = ["INDEX", "KIND", "LABELS", "PIXELS", "SPLITS", "check", "digest", "is_pack", "open_pack", "packed_source"]

INDEX, PIXELS, LABELS = "pack.json", "pixels.bin", "labels.bin"
SPLITS = ("train", "held_out", "test")
ALL = (*SPLITS, *(f"{split}{OTHER}" for split in SPLITS))  # of unpaired sets B's after A's
KINDS = ("classes", "continuous")  # of labels: the index holds their names
KIND = "ganforge.pack"
LEAD = "these images were packed with"  # how what is said of their fit begins
READ = 1 << 24  # bytes hashed at a time


def is_pack(path: Path) -> bool:
    """Whether a folder is a packed set."""
    return (path / INDEX).is_file() and (path / PIXELS).is_file()


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ):
            found.update(block)
    return found.hexdigest()


def read_index(path: Path) -> dict[str, Any]:
    """What a pack says about itself.

    Raises:
        DataError: if it is cut short or of another kind.
    """
    try:
        index: dict[str, Any] = json.loads((path / INDEX).read_text("utf-8"))
        whole = index["kind"] == KIND and len(index["shape"]) == 3 and set(index["splits"]) <= set(ALL)
        whole = whole and index.get("fit", Fit.policy) in POLICIES and index.get("filter", Fit.filter) in FILTERS
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise DataError(f"'{path / INDEX}' is no index of a packed set: pack it again with ganforge data --pack.")
    return index


def packed_source(path: Path) -> str:
    """What the source of a pack was called; "" if it doesn't say so.

    Raises:
        DataError: if it is cut short or of another kind.
    """
    return str(read_index(path).get("source", ""))


def check(path: Path) -> None:
    """Reads every byte of a pack.

    Raises:
        DataError: if one isn't as it was packed.
    """
    for name, wanted in read_index(path)["sha256"].items():
        if not (path / name).is_file() or digest(path / name) != wanted:
            raise DataError(f"'{path / name}' is altered (its SHA-256 is another): pack the set again.")


def mapped(file: Path, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """A file's numbers, read from the disk as they are needed; a change of them stays in memory.

    Raises:
        DataError: if the file has another size.
    """
    wanted, there = math.prod(shape) * np.dtype(dtype).itemsize, file.stat().st_size if file.is_file() else 0
    if wanted != there:
        raise DataError(f"'{file}' has {there:,} bytes where {wanted:,} were packed: pack the set again.")
    return np.memmap(file, dtype, "c", shape=shape)


def made(index: dict[str, Any]) -> Fit:
    """How the images of a pack were brought to their shape; packs of former versions say nothing, and are as usual."""
    return Fit(policy=index.get("fit", Fit.policy), filter=index.get("filter", Fit.filter))


def fit_of(path: Path, index: dict[str, Any], asked: Fit) -> Fit:
    """How a pack's images are brought to what is asked: as they were before.

    Raises:
        DataError: if that is to be another way than the usual one and its own.
    """
    known = made(index)
    for key, name in (("fit", "policy"), ("filter", "filter")):
        value, own = getattr(asked, name), getattr(known, name)
        if value not in (own, getattr(Fit, name)):
            raise DataError(
                f"{str(path)!r} was packed with data.{key} = {own}, not {value}: leave data.{key} out, or pack the set "
                f"again with --set {key}={value}."
            )
    return replace(known, size=asked.size, channels=asked.channels)


def open_pack(path: Path, fit: Fit, *, held_out: int | None) -> Source:
    """The source that was packed, with its splits.

    Raises:
        DataError: if it was altered, or another number of images should be held out, or it was made another way.
    """
    index = read_index(path)
    usual, fit = fit.policy == Fit.policy, fit_of(path, index, fit)
    C, H, W = index["shape"]
    counts = {split: int(index["splits"].get(split, 0)) for split in ALL}
    if held_out not in (None, counts["held_out"]):
        raise DataError(
            f"{str(path)!r} was packed with {counts['held_out']:,} images held out, not {held_out:,}: leave out "
            "data.held_out, or pack it again."
        )
    total = sum(counts.values())
    pixels = torch.from_numpy(mapped(path / PIXELS, "u1", (total, H, W, C))).permute(0, 3, 1, 2)
    classes, continuous = (None if index.get(kind) is None else tuple(map(str, index[kind])) for kind in KINDS)
    labels = labels_in(path, total, classes=classes, continuous=continuous)
    parts = split_up(pixels, labels, counts)
    pairing = index.get("pairing")
    each = 1 + (pairing == "paired")  # images held as one
    size, channels = fit.size or H, fit.channels or C // each
    if (size, channels) != (H, C // each):
        parts = {k: refitted(part, replace(fit, size=size, channels=channels), each) for k, part in parts.items()}
    notes = [note for note in map(str, index.get("notes", ())) if not note.startswith(LEAD)]
    if usual and fit.policy != Fit.policy:
        notes.append(f"{LEAD} data.fit = {fit.policy}, and that isn't changed by opening them")
    read = joined(parts, pairing)
    splits = (read["train"], read.get("held_out"), read.get("test"))
    return Source(str(path), *splits, classes, notes=tuple(notes), continuous=continuous, fit=fit)


def refitted(part: Array, fit: Fit, each: int) -> Array:
    """At another size, with other channels; of a pair, both."""
    return Array(torch.cat([fitted(one, fit) for one in part.tensor.chunk(each, 1)], 1), part.labels)


def labels_in(
    path: Path, total: int, *, classes: tuple[str, ...] | None, continuous: tuple[str, ...] | None
) -> LabelsOf | None:
    """The labels of all splits, mapped; None where there are none."""
    if classes is not None:
        return torch.from_numpy(mapped(path / LABELS, "<i8", (total,)))
    return None if continuous is None else torch.from_numpy(mapped(path / LABELS, "<f4", (total, len(continuous))))


def split_up(pixels: UInt8[Tensor, "N C H W"], labels: LabelsOf | None, counts: dict[str, int]) -> dict[str, Array]:
    """The splits that have images."""
    parts, start = {}, 0
    for split, count in counts.items():
        place = slice(start, start + count)
        if count:
            mine = None if labels is None or not is_label(labels[start]) else labels[place]
            parts[split] = Array(pixels[place], mine)
        start += count
    return parts


def is_label(label: Tensor) -> bool:
    """Whether this isn't what stands for a label that isn't there."""
    return not bool(label.isnan().any() if label.is_floating_point() else label < 0)
