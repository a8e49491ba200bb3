"""Image files, decoded: all at once where they fit into memory, else whenever they are read."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ganforge.data.bar import bar
from ganforge.data.fit import USUAL, Fit
from ganforge.data.images import Array, Source, default_size, parted
from ganforge.data.pairs import OTHER, Half, Item, Pairing, Twin, faces, joined
from ganforge.data.picture import MODES, UNREADABLE, Glance, glance, reason
from ganforge.data.picture import pixels as pixels_of
from ganforge.data.split import LabelsOf, Split
from ganforge.errors import DataError

__all__ = ["BEARABLE", "Failure", "Files", "Listing", "Part", "broken", "decoded"]

SAMPLE = 64  # files glanced at to choose a size and grey or colour
SPLIT_SEED = 0  # which images are held out is the same in every run
BEARABLE = 0.01  # of the files may be broken: they are left out, and named
NAMED = 3  # of them, by name

Thing = TypeVar("Thing")
Failure = tuple[Item, Exception]


@dataclass(frozen=True)
class Files:
    """Image files that are decoded whenever they are read, because together they don't fit into memory."""

    members: tuple[Item, ...]
    shape: tuple[int, int, int]
    labels: LabelsOf | None = None
    fit: Fit = USUAL
    tensor: None = None

    def __len__(self) -> int:
        return len(self.members)

    def read(self, index: Int64[Tensor, " n"]) -> UInt8[Tensor, "n C H W"]:
        """Decode these files; DataError names the first that is broken."""
        pixels, failures = self.decoded(index.tolist())
        if failures:
            raise broken([next(iter(failures.values()))])
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def decoded(self, numbers: Sequence[int]) -> tuple[UInt8[np.ndarray, "n H W C"], dict[int, Failure]]:
        """The files of these numbers that can be read, and of the others number -> why they can't. Nothing of torch is
        used, whose threads no forked process has."""
        channels, height, width = self.shape
        pixels, failures = np.empty((len(numbers), height, width, channels), np.uint8), dict[int, Failure]()
        for place, number in enumerate(numbers):
            try:
                pixels[place - len(failures)] = pixels_of(self.members[number], self.shape, self.fit)
            except UNREADABLE as error:
                failures[number] = self.members[number], error
        return pixels[: len(numbers) - len(failures)], failures


def broken(failures: list[Failure]) -> DataError:
    """The first of these files and why it can't be read, and how many others there are."""
    member, error = failures[0]
    more = len(failures) - 1
    others = f", nor {more} other file{'s' if more > 1 else ''}" if more else ""
    return DataError(f"'{member}' cannot be read as an image ({reason(error)}){others}: repair or remove it.")


def _left_out(failures: list[Failure]) -> str:
    """What is said of broken files that are few enough to go on without."""
    named = "; ".join(f"'{member}' ({reason(error)})" for member, error in failures[:NAMED])
    more = f"; and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
    return f"left out {len(failures)} file{'s' if len(failures) > 1 else ''} that can't be read: {named}{more}"


def _shape(looks: Sequence[Glance], fit: Fit) -> tuple[int, int, int]:
    """What is given, else what a sample of the files suggests."""
    if fit.channels is not None and fit.channels not in MODES:
        raise DataError(f"channels = {fit.channels}, and image files have 1 to 4 (grey, with alpha, RGB, with alpha).")
    size = fit.size or default_size({look.side for look in looks}, own=fit.own)
    return fit.channels or (1 if all(look.grey for look in looks) else 3), size, size


def _remarks(looks: Sequence[Glance], channels: int, fit: Fit) -> Iterator[str]:
    """What is lost on the way to 8 bits, to these channels and, where that isn't asked for, to a square."""
    if fit.own and fit.policy == "crop" and any(look.size[0] != look.size[1] for look in looks):
        yield "not all images are square, and what lies beside their central squares isn't judged"
    if any(look.deep for look in looks):
        yield "images of 16 bits are reduced to 8: 65,535 becomes 255"
    if channels in (1, 3) and all(look.cut_out for look in looks):
        yield f"the images are partly transparent and laid on white: data.channels={channels + 1} keeps their alpha"


def _shown(items: Iterable[Thing], total: int) -> Iterator[Thing]:
    """The items, with a progress bar."""
    with bar("decoding images", float(total)) as advance:
        for item in items:
            advance(1.0)
            yield item


@dataclass(frozen=True)
class Part:
    """The files of one split."""

    files: Sequence[Item]
    labels: LabelsOf | None

    def taken(self, places: Int64[Tensor, " n"]) -> "Part":
        """Some of them."""
        labels = None if self.labels is None else self.labels[places]
        return Part([self.files[place] for place in places.tolist()], labels)


class Listing(NamedTuple):
    """The files of each split ("train", and "held_out", "test" where there are any), and what they are.

    Attributes:
        parts: split -> its files; of unpaired sets, those of domain A.
        classes: the names of their classes; or None.
        continuous: the names of their continuous labels' numbers; or None.
        pairing: how two domains lie beside each other; None where there is one.
        others: of unpaired sets, split -> the files of domain B.
        notes: what a user should hear of them.
    """

    parts: dict[str, Part]
    classes: tuple[str, ...] | None
    continuous: tuple[str, ...] | None = None
    pairing: Pairing | None = None
    others: dict[str, Part] | None = None
    notes: tuple[str, ...] = ()


def _decoded(part: Part, shape: tuple[int, int, int], fit: Fit) -> tuple[Array, list[Failure]]:
    """All readable files in one tensor, decoded by threads; and those that can't be read."""
    channels, height, width = shape
    array = np.empty((len(part.files), height, width, channels), np.uint8)

    def decode(place: int) -> Exception | None:
        try:
            array[place] = pixels_of(part.files[place], shape, fit)
        except UNREADABLE as error:
            return error
        return None

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        errors = list(_shown(pool.map(decode, range(len(part.files))), len(part.files)))
    finally:
        pool.shutdown(cancel_futures=True)
    pixels = torch.from_numpy(array).permute(0, 3, 1, 2)
    failures = [(part.files[place], error) for place, error in enumerate(errors) if error]
    if not failures:
        return Array(pixels, part.labels), []
    whole = torch.tensor([error is None for error in errors]).nonzero()[:, 0]
    return Array(pixels[whole], None if part.labels is None else part.labels[whole]), failures


def decoded(name: str, listing: Listing, fit: Fit, *, held_out: int | None, memory: float) -> Source:
    """The source of these files by split, in memory if all images take at most `memory` GiB.

    Where no part is held out already, a tenth of the training files is, at most 10,000. Up to 1 % of broken files are
    left out, and named in the source's notes.

    Raises:
        DataError: if more can't be read.
    """
    parts = _parted(name, listing.parts, held_out)
    if listing.others is not None:
        parts = parts | {f"{split}{OTHER}": part for split, part in _parted(name, listing.others, held_out).items()}
    everything = [file for part in parts.values() for file in part.files]
    looks = _looks(everything)
    channels, size, _ = _shape(looks, fit)
    shape = (2 * channels if isinstance(everything[0], Twin) else channels, size, size)
    fits = len(everything) * np.prod(shape) <= memory * 2**30
    read, notes = _read(parts, shape, fit) if fits else _listed(parts, shape, fit)
    read = joined(read, listing.pairing)
    notes = (*listing.notes, *notes, *_remarks(looks, channels, fit))
    splits = (read["train"], read.get("held_out"), read.get("test"))
    return Source(name, *splits, listing.classes, notes=notes, continuous=listing.continuous, fit=fit.on_files)


def _looks(everything: Sequence[Item]) -> list[Glance]:
    """A glance at some of the files.

    Raises:
        DataError: if images are halved that don't look like two.
    """
    sample = [faces(item)[n % len(faces(item))] for n, item in enumerate(everything[:: len(everything) // SAMPLE or 1])]
    looks = [(face, look) for face in sample if (look := glance(face))]
    for face, look in looks:
        if isinstance(face, Half) and 2 * look.size[0] <= look.size[1]:
            size = f"{2 * look.size[0]}×{look.size[1]}"
            raise DataError(
                f"pairs = side_by_side halves each image, and '{face.member}' is {size}, not wider than high: leave it "
                "out."
            )
    return [look for _, look in looks] or [Glance((1, 1), False, False, False)]  # decoding will say what is broken


def _parted(name: str, parts: dict[str, Part], held_out: int | None) -> dict[str, Part]:
    """With a part held out, where none is."""
    return parts if "held_out" in parts else parts | _held_out(name, parts["train"], held_out)


def _held_out(name: str, part: Part, held_out: int | None) -> dict[str, Part]:
    """The training files without those held out, and these."""
    total = len(part.files)
    count = parted(name, total, held_out, min(total // 10, 10_000))
    order = torch.randperm(total, generator=torch.Generator().manual_seed(SPLIT_SEED))
    kept = {"held_out": part.taken(order[:count].sort().values)} if count else {}
    return {"train": part.taken(order[count:].sort().values), **kept}


Read = tuple[dict[str, Split], tuple[str, ...]]


def _read(parts: dict[str, Part], shape: tuple[int, int, int], fit: Fit) -> Read:
    """Every split decoded, and what there is to say.

    Raises:
        DataError: if more than 1 % of the files can't be read.
    """
    read, failures = {}, list[Failure]()
    for split, part in parts.items():
        read[split], failed = _decoded(part, shape, fit)
        failures += failed
    if len(failures) > BEARABLE * sum(len(part.files) for part in parts.values()):
        raise broken(failures)
    return dict(read), (_left_out(failures),) if failures else ()


def _listed(parts: dict[str, Part], shape: tuple[int, int, int], fit: Fit) -> Read:
    """Every split as files to decode whenever they are read."""
    return {split: Files(tuple(part.files), shape, part.labels, fit) for split, part in parts.items()}, ()
