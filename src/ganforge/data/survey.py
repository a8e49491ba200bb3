"""What is in a data set, and what of it would hurt a GAN; every image is looked at once, and little of it is kept."""

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ganforge.data.cache import copies
from ganforge.data.files import BEARABLE
from ganforge.data.images import Source
from ganforge.data.members import Member
from ganforge.data.packed import check, is_pack
from ganforge.data.picture import UNREADABLE, opaque, opened, reason
from ganforge.data.points import TOYS
from ganforge.data.source import listed, open_source
from ganforge.errors import DataError

__all__ = ["Look", "Survey", "survey"]

THUMB = 16  # pixels of the grey thumbnails by which near copies are found
NEAR = 4.0  # of 255 levels, root mean square, by which the thumbnails of near copies differ at most
COMPARED = 100_000  # images, beyond which only so many are compared, spread over the set
FRAME = 2  # pixels of a border
CHUNK = 512  # thumbnails compared with all before them at a time
AHEAD = 64  # images decoded ahead of the one that is being counted


Progress = Callable[[float], None]


@dataclass(frozen=True)
class Look:
    """One image, looked at.

    Attributes:
        name: its file, or its number.
        error: why it can't be read; then nothing else is known.
        size: width and height, upright.
        mode: Pillow's name of its kind of pixels.
        digest: of its pixels; equal for exact copies, however they are encoded.
        thumb: grey, 16 × 16, as bytes.
        constant: all pixels are the same.
        bordered: its frame of 2 pixels is of one colour, what is inside isn't.
    """

    name: str
    error: str = ""
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    digest: bytes = b""
    thumb: bytes = b""
    constant: bool = False
    bordered: bool = False


@dataclass(frozen=True)
class Survey:
    """All looks at a data set.

    Attributes:
        name: what the user called it.
        splits: split -> number of images.
        classes: class -> number of training images; empty without labels.
        broken: name and reason of what can't be read.
        sizes, modes: how often each occurs.
        copies: names of images with the same pixels, group by group.
        near: pairs of names that look alike and aren't the same.
        constant, bordered: how many images are so.
    """

    name: str
    splits: dict[str, int]
    classes: dict[str, int] = field(default_factory=dict)
    broken: list[tuple[str, str]] = field(default_factory=list)
    sizes: dict[tuple[int, int], int] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    copies: list[list[str]] = field(default_factory=list)
    near: list[tuple[str, str]] = field(default_factory=list)
    constant: list[str] = field(default_factory=list)
    bordered: int = 0
    dims: int = 0
    packs: list[str] = field(default_factory=list)
    numbers: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    @property
    def readable(self) -> int:
        """How many images can be read."""
        return sum(self.modes.values())

    def record(self) -> dict[str, Any]:
        """All of it, as JSON's types."""
        sizes = [{"width": w, "height": h, "images": n} for (w, h), n in self.sizes.items()]
        broken = [{"file": name, "reason": why} for name, why in self.broken]
        plain = {k: v for k, v in vars(self).items() if k not in ("sizes", "broken")}
        return plain | {"sizes": sizes, "broken": broken, "warnings": list(self.warnings())}

    def warnings(self) -> Iterator[str]:
        """What would hurt a GAN, a sentence each, the gravest first."""
        count = self.readable
        if self.broken:
            some = "; ".join(f"{name} ({why})" for name, why in self.broken[:3])
            spared = "training leaves them out" if len(self.broken) <= BEARABLE * (count + len(self.broken)) else (
                "more than 1 %, so training won't start: repair or remove them"
            )  # fmt: skip
            yield f"{len(self.broken):,} can't be read, {spared}: {some}{' ...' if len(self.broken) > 3 else ''}"
        if len(self.classes) == 1:
            yield "all labels are equal: a conditional GAN would learn nothing from them; check the folders' depth"
        if still := [name for name, (low, _, high) in self.numbers.items() if low == high]:
            yield f"{len(still):,} of {len(self.numbers):,} label numbers never change: {', '.join(still[:5])}"
        if few := [f"{name} ({n})" for name, n in self.classes.items() if n <= 10]:
            yield f"{len(few)} classes have ten images or fewer, too few to learn one from: {', '.join(few[:5])}"
        if self.constant:
            what = "coordinates are the same in all points" if self.dims else "images are of one colour, empty perhaps"
            yield f"{len(self.constant):,} {what}: {', '.join(self.constant[:3])}"
        if doubles := sum(len(group) - 1 for group in self.copies):
            yield (
                f"{doubles:,} images are exact copies of another, which is seen that much more often: "
                f"{' = '.join(self.copies[0][:3])}"
            )
        if len(self.near) > 0.01 * count:
            yield f"{len(self.near):,} pairs look nearly the same: {' ~ '.join(self.near[0])}"
        if count and self.bordered > 0.9 * count:
            yield "nearly every image has a frame of one colour: if it is a scanner's or a letterbox, crop it"
        yield from self.of_size(count)

    def of_size(self, count: int) -> Iterator[str]:
        """What the sizes mean."""
        sides = [min(size) for size, n in self.sizes.items() for _ in range(n)]
        lost = sum(n * (1 - min(size) / max(size)) for size, n in self.sizes.items()) / max(count, 1)
        if len(self.sizes) > 1:
            small, large = min(sides), max(sides)
            yield (
                f"{len(self.sizes):,} different sizes, shorter sides from {small} to {large}: all are cropped to their "
                "central square and resized to one size; set data.size to choose it"
            )
        if lost > 0.2:
            yield f"the central square leaves out {lost:.0%} of the pixels: crop them yourself if that matters"
        if 0 < count < 1000:
            yield f"{count:,} images are few: let the discriminator see them augmented (augment.ada.target=.6)"


def survey(source: str, *, progress: Progress = lambda share: None) -> tuple[Survey, list[Image.Image]]:
    """Everything that can be counted, and up to 100 images spread over the set, for a contact sheet.

    `progress` hears of the share that each image is.

    Raises:
        DataError: for what can't be opened.
    """
    if source in TOYS:
        raise DataError(f"{source!r} makes points, and there are no images to look at; give a path, or mnist.")
    path = Path(source).expanduser()
    found = listed(path, memory=math.inf)
    if found is None:
        if is_pack(path):
            check(path)
        whole = open_source(source=source)
        if whole.unit == "points":
            return of_points(source, whole), []
        looked, sheet = counted(source, splits_of(whole), from_tensors(whole), labels_of(whole), progress)
        return replace(looked, numbers=ranges(whole.train.labels, whole.continuous)), sheet
    files = [file for part in found.parts.values() for file in part.files]
    splits = {split: len(part.files) for split, part in found.parts.items()}
    classes = class_counts(found.parts["train"].labels, found.classes)
    looked, sheet = counted(source, splits, from_files(files, path), classes, progress)
    numbers = ranges(found.parts["train"].labels, found.continuous)
    return replace(looked, packs=list(map(str, copies(path))), numbers=numbers), sheet


def of_points(name: str, source: Source) -> Survey:
    """What can be said of points: how many, which classes, and coordinates that never change."""
    points = source.train.tensor
    assert points is not None
    still = [f"coordinate {n + 1}" for n in (points == points[0]).all(0).nonzero()[:, 0].tolist()]
    return Survey(name, splits_of(source), labels_of(source), constant=still, dims=points.shape[1])


def splits_of(source: Source) -> dict[str, int]:
    """Split -> number of images."""
    parts = {"train": source.train, "held_out": source.held_out, "test": source.test}
    return {name: len(part) for name, part in parts.items() if part is not None}


def labels_of(source: Source) -> dict[str, int]:
    """Class -> number of training images."""
    return class_counts(source.train.labels, source.classes)


def class_counts(labels: Tensor | None, classes: tuple[str, ...] | None) -> dict[str, int]:
    """Class -> number of labels."""
    if labels is None or classes is None:
        return {}
    return dict(zip(classes, labels.bincount(minlength=len(classes)).tolist(), strict=True))


def ranges(labels: Tensor | None, names: tuple[str, ...] | None) -> dict[str, tuple[float, float, float]]:
    """The name of each number of continuous labels -> its smallest, mean and largest value."""
    if labels is None or names is None:
        return {}
    ends = torch.stack([labels.amin(0), labels.double().mean(0), labels.amax(0)], 1).tolist()
    return {name: (low, mean, high) for name, (low, mean, high) in zip(names, ends, strict=True)}


def from_tensors(source: Source) -> Iterator[tuple[str, Image.Image | Exception]]:
    """The images of a set that lies in memory."""
    for name in splits_of(source):
        part = getattr(source, name)
        for number, pixels in enumerate(part.tensor):
            yield f"{name} {number}", shown(pixels.permute(1, 2, 0).numpy())


def shown(array: np.ndarray) -> Image.Image:
    """An image (H, W, C); of channels that are no colours, the first, or the first three."""
    C = array.shape[2]
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if C < 3 else array if C == 4 else array[..., :3]))


def from_files(files: list[Member], path: Path) -> Iterator[tuple[str, Image.Image | Exception]]:
    """The images of files, decoded by threads a few ahead."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), AHEAD):
            chunk = files[start : start + AHEAD]
            names = [f"{m.place.name}/{m.name}" if m.place != path else m.name for m in chunk]
            yield from zip(names, pool.map(upright, chunk), strict=True)


def upright(member: Member) -> Image.Image | Exception:
    """An image, upright and decoded; or what went wrong."""
    try:
        with opened(member) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except UNREADABLE as error:
        return error


def counted(
    name: str,
    splits: dict[str, int],
    images: Iterable[tuple[str, Image.Image | Exception]],
    classes: dict[str, int],
    progress: Progress,
) -> tuple[Survey, list[Image.Image]]:
    """All looks, summed up."""
    total, looks, sheet = sum(splits.values()), list[Look](), list[Image.Image]()
    every = max(1, total // 100)
    for place, (label, image) in enumerate(images):
        looks.append(look(label, image))
        if isinstance(image, Image.Image) and place % every == 0 and len(sheet) < 100:
            sheet.append(opaque(image).convert("RGB"))
        progress(1 / total)
    whole = [one for one in looks if not one.error]
    groups: dict[bytes, list[str]] = {}
    for one in whole:
        groups.setdefault(one.digest, []).append(one.name)
    found = Survey(
        name, splits, classes,
        broken=[(one.name, one.error) for one in looks if one.error],
        sizes=dict(Counter(one.size for one in whole).most_common()),
        modes=dict(Counter(one.mode for one in whole).most_common()),
        copies=[names for names in groups.values() if len(names) > 1],
        near=alike(whole),
        constant=[one.name for one in whole if one.constant],
        bordered=sum(one.bordered for one in whole),
    )  # fmt: skip
    return found, sheet


def look(name: str, image: Image.Image | Exception) -> Look:
    """One image, in numbers."""
    if isinstance(image, Exception):
        return Look(name, error=reason(image))
    array = np.asarray(opaque(image).convert("RGB"))
    thumb = Image.fromarray(array).convert("L").resize((THUMB, THUMB), Image.Resampling.BOX)
    constant = bool((array == array[:1, :1]).all())
    digest = hashlib.sha256(repr(array.shape).encode() + array.tobytes()).digest()
    return Look(
        name, size=image.size, mode=image.mode, digest=digest,
        thumb=thumb.tobytes(), constant=constant,
        bordered=not constant and framed(array),
    )  # fmt: skip


def framed(array: np.ndarray) -> bool:
    """Whether the outermost pixels are all of one colour."""
    edges = (array[:FRAME], array[-FRAME:], array[:, :FRAME], array[:, -FRAME:])
    return all(bool((edge == array[0, 0]).all()) for edge in edges)


def alike(looks: list[Look]) -> list[tuple[str, str]]:
    """Pairs of images whose thumbnails are nearly the same and that aren't copies; each image once, with the first."""
    there = [one for one in looks if not one.constant]
    there = there[:: math.ceil(len(there) / COMPARED)] if there else []
    thumbs = torch.tensor(np.frombuffer(b"".join(one.thumb for one in there), np.uint8).astype(np.float32))
    thumbs = thumbs.view(len(there), THUMB * THUMB)
    squares, pairs = thumbs.square().sum(1), list[tuple[str, str]]()
    for start in range(0, len(there), CHUNK):
        rows = thumbs[start : start + CHUNK]
        before = thumbs[: start + len(rows)]
        distances = squares[start : start + len(rows), None] + squares[: len(before)] - 2 * rows @ before.T
        close = (distances / THUMB**2 <= NEAR**2).tril(start - 1)
        for row, column in zip(*close.nonzero(as_tuple=True), strict=True):
            one, other = there[int(column)], there[start + int(row)]
            if one.digest != other.digest and (not pairs or pairs[-1][1] != other.name):
                pairs.append((one.name, other.name))
    return pairs
