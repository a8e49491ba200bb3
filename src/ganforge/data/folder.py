"""Image files in a folder or an archive: nested as they like, any size, any mode."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import torch

from ganforge.data.files import Listing, Part
from ganforge.data.label_table import TABLES, by_table
from ganforge.data.labels import INDEX, Labels, by_folder, by_index
from ganforge.data.members import ARCHIVES, Member, unwrapped
from ganforge.data.pairs import Half, Pairing, Sides, Twin, sides
from ganforge.errors import DataError

__all__ = ["PARTS", "SUFFIXES", "by_shard", "listing"]

FEW = 0.1  # of the images: so many outside of the splits' folders are strays
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}
PARTS = {  # folders and files that are splits, not classes
    "train": "train", "training": "train", "val": "held_out", "valid": "held_out", "validation": "held_out",
    "test": "test", "testing": "test",
}  # fmt: skip


def split_of(place: PurePosixPath) -> str | None:
    """The split that a folder on the way or a word of a name says ("imagenet-train-0001.tar"); None if none does."""
    words = [part.lower() for name in place.parts for part in re.split(r"[-_.]", name)]
    return next((PARTS[word] for word in words if word in PARTS), None)


def by_shard(path: Path, images: Sequence[Member]) -> dict[str, list[int]] | None:
    """Split -> places of its images, by the names of several archives; None where they say nothing, or one doesn't."""
    root = path if path.is_dir() else path.parent
    named = {place: split_of(PurePosixPath(place.relative_to(root))) for place in {m.place for m in images}}
    if len(named) < 2 or None in named.values() or "train" not in named.values():
        return None
    return _grouped([named[image.place] for image in images])


def _grouped(splits: Sequence[str | None]) -> dict[str, list[int]]:
    """Split -> places of its images."""
    there = [split for split in ("train", "held_out", "test") if split in splits]
    return {split: [n for n, one in enumerate(splits) if one == split] for split in there}


def _by_top(images: Sequence[Member]) -> dict[str, list[int]] | None:
    """Split -> places of its images, where every image lies in a folder that is named like a split; else None."""
    tops = _tops(images)
    return None if None in tops or "train" not in tops else _grouped(tops)


def _tops(images: Sequence[Member]) -> list[str | None]:
    """Of each image the split that the folder on top is named like, or None."""
    return [PARTS.get(parts[0].lower()) if len(parts) > 1 else None for parts in unwrapped(m.name for m in images)]


def _strays(images: Sequence[Member]) -> Iterator[str]:
    """What is to be said where a few images keep folders called train and test from being splits."""
    tops = _tops(images)
    outside = [image for image, top in zip(images, tops, strict=True) if top is None]
    if "train" in tops and 0 < len(outside) <= FEW * len(images):
        yield (
            f"{named(outside)} outside of the folders called train, val or test, which are no splits therefore: all is "
            "trained on"
        )


def _labels(names: Sequence[str], by_top: bool) -> Labels | None:
    """By the folders, below the splits' where those are on top."""
    return by_folder(["/".join(parts[1:]) for parts in unwrapped(names)] if by_top else names)


def _shallowest(there: Sequence[Member], *names: str) -> Member | None:
    """The file of such a name that lies below the fewest folders."""
    named = [member for member in there if member.name.rpartition("/")[2] in names]
    return min(named, key=lambda member: member.name.count("/"), default=None)


def listing(path: Path, there: Sequence[Member], pairs: Pairing | None = None) -> Listing:
    """Every image file among the files of a folder or of archives, by split, labelled.

    Folders called train, val and test are the splits, if every image lies in one of them, and so are several archives
    with such a word in their names; labels are those of a `dataset.json` or a `labels.csv`, else the folders'. Folders
    called A and B are two domains, in pairs where their files have the same names.

    Raises:
        DataError: if there are none, or the labels are wrong.
    """
    images = [member for member in there if member.suffix in SUFFIXES]
    if not images:
        others = Counter(member.suffix for member in there).most_common(3)
        kinds = ", ".join(f"{count:,} {suffix or 'without an ending'}" for suffix, count in others) or "nothing"
        packed = any(member.name.lower().endswith(ARCHIVES) for member in there)
        remedy = " Archives in an archive aren't opened: unpack it, and give the folder." if packed else ""
        raise DataError(
            f"no images in {str(path)!r}: looked for {', '.join(sorted(SUFFIXES))} in and below it, and found {kinds}."
            f"{remedy}"
        )
    if pairs not in ("none", "side_by_side") and (found := sides(images, pairs)):
        return _two(found)
    if pairs in ("paired", "unpaired"):
        raise DataError(f"pairs = {pairs} needs folders A and B, or trainA and trainB, and {str(path)!r} has none.")
    tops = _by_top(images)
    splits = tops or by_shard(path, images) or {"train": list(range(len(images)))}
    if index := _shallowest(there, INDEX):
        labels = by_index(images, index)
    elif table := _shallowest(there, *TABLES):
        labels = by_table(images, table)
    else:
        labels = _labels([m.name for m in images], bool(tops) and len(splits) > 1)
    halved = pairs == "side_by_side"
    items = [Twin(Half(image, False), Half(image, True)) if halved else image for image in images]
    whole = Part(items, None if labels is None else labels.numbers)
    parts = {split: whole.taken(torch.tensor(places)) for split, places in splits.items()}
    names = (None, None) if labels is None else (labels.classes, labels.continuous)
    pairing: Pairing | None = "side_by_side" if halved else None
    return Listing(parts, *names, pairing=pairing, notes=tuple(_strays(images)) if len(splits) == 1 else ())


def _two(found: Sides) -> Listing:
    """Two domains, in pairs or not."""
    if not found.paired:
        parts, others = ({split: Part(list(files), None) for split, files in side.items()} for side in found[:2])
        return Listing(parts, None, pairing="unpaired", others=others)
    both = {split: zip(files, found.b[split], strict=True) for split, files in found.a.items()}
    twins = {split: [Twin(a, b) for a, b in files] for split, files in both.items()}
    if "train" not in twins:
        raise DataError(f"no two files of A and B have the same name, '{found.alone[0]}' for one: name pairs alike.")
    notes = (f"left out {named(found.alone)} without a partner of the same name",) if found.alone else ()
    return Listing({s: Part(list(t), None) for s, t in twins.items()}, None, pairing="paired", notes=notes)


def named(files: Sequence[Member]) -> str:
    """Some files, the first three by name."""
    first, more = ", ".join(f"'{file}'" for file in files[:3]), len(files) - 3
    return f"{len(files):,} file{'s' * (len(files) > 1)} ({first}{f' and {more:,} more' if more > 0 else ''})"
