"""What is in a data set, and what of it would hurt a GAN; every image is looked at once, and little of it is kept."""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganforge.data.cache import copies
from ganforge.data.files import BEARABLE, Part
from ganforge.data.images import Source
from ganforge.data.look import Look, Sight, alike, looked, shown, sight
from ganforge.data.packed import SPLITS, check, is_pack
from ganforge.data.packing import stored
from ganforge.data.pairs import OTHER, Half, Item, Pairing, Twin
from ganforge.data.points import TOYS
from ganforge.data.source import listed, open_source, place_of
from ganforge.errors import DataError

__all__ = ["Survey", "survey"]

AHEAD = 64  # images looked at ahead of the one that is being counted
NAMED = 10  # broken files, by name and reason
SHEET = 100  # pictures on a contact sheet
KINDS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # channels -> what Pillow calls them

Progress = Callable[[float], None]


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
        dims: of points, their dimension.
        packs: packed copies of the set.
        numbers: name of each number of continuous labels -> its smallest, mean and largest value.
        huge: names of images with more pixels than Pillow's limit, at most twice as many.
        pairing: "paired", "side_by_side" or "unpaired"; empty for one domain. Splits count pairs then, or A's images.
        others: split -> number of B's images, of unpaired sets.
        notes: what is to be said of the files that were left out.
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
    huge: list[str] = field(default_factory=list)
    pairing: str = ""
    others: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def readable(self) -> int:
        """How many images can be read."""
        return sum(self.modes.values())

    @property
    def items(self) -> int:
        """How many images there are, or pairs; of unpaired sets, on both sides."""
        return sum(self.splits.values()) + sum(self.others.values())

    @property
    def stride(self) -> int:
        """Every how many-th of them is on the contact sheet."""
        return max(1, self.items // SHEET)

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
            some = "; ".join(f"{name} ({why})" for name, why in self.broken[:NAMED])
            spared = "training leaves them out" if len(self.broken) <= BEARABLE * (count + len(self.broken)) else (
                "more than 1 %, so training won't start: repair or remove them"
            )  # fmt: skip
            yield f"{len(self.broken):,} can't be read, {spared}: {some}{' ...' if len(self.broken) > NAMED else ''}"
        yield from self.notes
        if self.huge:
            least = 3e-9 * (Image.MAX_IMAGE_PIXELS or 0)
            yield (
                f"{len(self.huge):,} are so large that each takes {least:.1f} GB or more to decode, on every core at "
                f"once: {', '.join(self.huge[:3])}; shrink them if memory is short"
            )
        if len(self.classes) == 1:
            yield "all labels are equal: a conditional GAN would learn nothing from them; check the folders' depth"
        if still := [name for name, (low, _, high) in self.numbers.items() if low == high]:
            yield f"{len(still):,} of {len(self.numbers):,} label numbers never change: {', '.join(still[:5])}"
        if few := [f"{name} ({n})" for name, n in self.classes.items() if n <= 10]:
            what = numbered(len(few), "class has", "classes have")
            yield f"{what} ten images or fewer, too few to learn one from: {', '.join(few[:5])}"
        if self.constant:
            what = "coordinates are the same in all points" if self.dims else "images are of one colour, empty perhaps"
            yield f"{len(self.constant):,} {what}: {', '.join(self.constant[:3])}"
        if doubles := sum(len(group) - 1 for group in self.copies):
            yield (
                f"{numbered(doubles, 'image is an exact copy', 'images are exact copies')} of another, which is seen "
                f"that much more often: {' = '.join(self.copies[0][:3])}"
            )
        if len(self.near) > 0.01 * count:
            what = numbered(len(self.near), "pair looks", "pairs look")
            yield f"{what} nearly the same: {' ~ '.join(self.near[0])}"
        if count and self.bordered > 0.9 * count:
            yield "nearly every image has a frame of one colour: if it is a scanner's or a letterbox, crop it"
        yield from self.of_size(count)

    def of_size(self, count: int) -> Iterator[str]:
        """What the sizes mean."""
        twice = sum(n for (width, height), n in self.sizes.items() if width == 2 * height)
        if not self.pairing and count and twice > 0.9 * count:
            yield "nearly every image is twice as wide as high: if each is a pair, data.pairs=side_by_side halves it"
        sides = [min(size) for size, n in self.sizes.items() for _ in range(n)]
        lost = sum(n * (1 - min(size) / max(size)) for size, n in self.sizes.items()) / max(count, 1)
        if len(self.sizes) > 1:
            small, large = min(sides), max(sides)
            yield (
                f"{len(self.sizes):,} different sizes, shorter sides from {small} to {large}: all are cropped to their "
                "central square and resized to one size; data.size sets it, and data.fit=pad keeps images whole"
            )
        if lost > 0.2:
            yield (
                f"the central square leaves out {lost:.0%} of the pixels: data.fit=pad keeps them all between black "
                "bars, data.fit=stretch distorts them; or crop them yourself"
            )
        whole = sum(self.splits.values())
        if 0 < whole < 1000:
            what = "images" if self.pairing in ("", "unpaired") else "pairs"
            yield f"{whole:,} {what} are few: let the discriminator see them augmented (augment.ada.target=.6)"


def numbered(count: int, one: str, many: str) -> str:
    """A count of things, and what is said of one or of many.

    >>> numbered(1, "is", "are"), numbered(2000, "is", "are")
    ('1 is', '2,000 are')
    """
    return f"{count:,} {one if count == 1 else many}"


def survey(
    source: str, *, pairs: Pairing | None = None, progress: Progress = lambda share: None
) -> tuple[Survey, list[Image.Image]]:
    """Everything that can be counted, and up to 100 images spread over the set, small, for a contact sheet; of pairs,
    both beside each other.

    `progress` hears of the share that each image, or pair, is.

    Raises:
        DataError: for what can't be opened.
    """
    if source in TOYS:
        raise DataError(f"{source!r} makes points, and there are no images to look at; give a path, or mnist.")
    path = place_of(source)
    found = listed(path, memory=math.inf, pairs=pairs)
    if found is None:
        if is_pack(path):
            check(path)
        whole = open_source(source=source, pairs=pairs)
        if whole.unit == "points":
            return of_points(source, whole), []
        first = of_source(source, whole)
        return counted(first, from_tensors(whole, first.stride), progress)
    files = [file for parts in (found.parts, found.others or {}) for part in parts.values() for file in part.files]
    train = found.parts["train"].labels
    first = Survey(
        source,
        sizes_of(found.parts),
        class_counts(train, found.classes),
        numbers=ranges(train, found.continuous),
        packs=list(map(str, copies(path))),
        pairing=found.pairing or "",
        others=sizes_of(found.others or {}),
        notes=list(found.notes),
    )
    return counted(first, from_files(files, path, first.stride), progress)


def sizes_of(parts: Mapping[str, Part]) -> dict[str, int]:
    """Split -> number of items, those to train with first."""
    return {split: len(parts[split].files) for split in SPLITS if split in parts}


def of_source(name: str, source: Source) -> Survey:
    """What is known of a source before its images are looked at."""
    splits, pairing = stored(source)
    counts = {split: len(part) for split, part in splits.items()}
    return Survey(
        name,
        {split: n for split, n in counts.items() if not split.endswith(OTHER)},
        labels_of(source),
        numbers=ranges(source.train.labels, source.continuous),
        pairing=pairing or "",
        others={split.removesuffix(OTHER): n for split, n in counts.items() if split.endswith(OTHER)},
    )


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


def from_tensors(source: Source, every: int) -> Iterator[Sight]:
    """The images of a set that lies in memory; those of a pair together."""
    splits, pairing = stored(source)
    place = count()
    for name, part in splits.items():
        assert part.tensor is not None
        for number, pixels in enumerate(part.tensor):
            images = [shown(one.permute(1, 2, 0).numpy()) for one in pixels.chunk(1 + (pairing == "paired"))]
            names = [f"{name} {number}{end}" for end in (("",) if len(images) == 1 else (" (A)", " (B)"))]
            looks, picture = sight(list(zip(names, images, strict=True)), next(place) % every == 0)
            C = len(pixels) // len(images)
            yield [replace(one, mode=KINDS.get(C, f"{C} channels")) for one in looks], picture


def from_files(files: list[Item], path: Path, every: int) -> Iterator[Sight]:
    """The images of files, decoded and looked at by threads, a few ahead."""
    names = [name_of(item, path) for item in files]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), AHEAD):
            places = range(start, min(start + AHEAD, len(files)))
            yield from pool.map(lambda n: looked(names[n], files[n], n % every == 0), places)


def name_of(item: Item, path: Path) -> str:
    """The name of a file, or of the first of a pair, below a path."""
    face = item.a if isinstance(item, Twin) else item
    member = face.member if isinstance(face, Half) else face
    return f"{member.place.name}/{member.name}" if member.place != path else member.name


def counted(found: Survey, sights: Iterable[Sight], progress: Progress) -> tuple[Survey, list[Image.Image]]:
    """All looks, summed up."""
    total, looks, sheet = found.items, list[Look](), list[Image.Image]()
    for seen, picture in sights:
        looks += seen
        if picture is not None and len(sheet) < SHEET:
            sheet.append(picture)
        progress(1 / total)
    whole = [one for one in looks if not one.error]
    if looks and not whole:
        first = f"{looks[0].name} ({looks[0].error})"
        raise DataError(f"none of the {len(looks):,} files in {found.name!r} can be read as an image; {first} is one.")
    groups: dict[bytes, list[str]] = {}
    for one in whole:
        groups.setdefault(one.digest, []).append(one.name)
    limit = Image.MAX_IMAGE_PIXELS or math.inf
    return replace(
        found,
        broken=[(one.name, one.error) for one in looks if one.error],
        sizes=dict(Counter(one.size for one in whole).most_common()),
        modes=dict(Counter(one.mode for one in whole).most_common()),
        copies=[names for names in groups.values() if len(names) > 1],
        near=alike(whole),
        constant=[one.name for one in whole if one.constant],
        bordered=sum(one.bordered for one in whole),
        huge=[one.name for one in whole if math.prod(one.size) > limit],
    ), sheet
