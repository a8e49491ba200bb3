"""Image files in a folder or an archive: nested as they like, any size, any mode."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch

from ganforge.data.files import Listing, Part
from ganforge.data.labels import INDEX, Labels, by_folder, by_index
from ganforge.data.members import Member, members, unwrapped
from ganforge.errors import DataError

__all__ = ["PARTS", "SUFFIXES", "listing"]

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}
PARTS = {  # folders and files that are splits, not classes
    "train": "train", "training": "train", "val": "held_out", "valid": "held_out", "validation": "held_out",
    "test": "test", "testing": "test",
}  # fmt: skip


def _splits(images: Sequence[Member]) -> dict[str, list[int]]:
    """Split -> places of its images, where every image lies in a folder that is named like a split; else all train."""
    tops = [PARTS.get(parts[0].lower()) if len(parts) > 1 else None for parts in unwrapped(m.name for m in images)]
    if None in tops or "train" not in tops:
        return {"train": list(range(len(images)))}
    return {
        split: [n for n, top in enumerate(tops) if top == split]
        for split in ("train", "held_out", "test")
        if split in tops
    }


def _labels(images: Sequence[Member], splits: dict[str, list[int]], index: Member | None) -> Labels | None:
    """By the index, else by the folders below the splits'."""
    if index is not None:
        return by_index(images, index)
    names = [image.name for image in images]
    return by_folder(names if len(splits) == 1 else ["/".join(parts[1:]) for parts in unwrapped(names)])


def listing(path: Path) -> Listing:
    """Every image file below a folder or in an archive, by split, labelled.

    Folders called train, val and test are the splits, if every image lies in one of them; labels are those of a
    `dataset.json`, else the folders'.

    Raises:
        DataError: if there are none, or the labels are wrong.
    """
    there = members(path)
    images = [member for member in there if PurePosixPath(member.name).suffix.lower() in SUFFIXES]
    if not images:
        raise DataError(f"no images in {str(path)!r}: looked for {', '.join(sorted(SUFFIXES))} in it and below it.")
    index = min(
        (m for m in there if PurePosixPath(m.name).name == INDEX), key=lambda m: m.name.count("/"), default=None
    )
    splits = _splits(images)
    labels = _labels(images, splits, index)
    whole = Part(images, None if labels is None else labels.numbers)
    parts = {split: whole.taken(torch.tensor(places)) for split, places in splits.items()}
    return Listing(parts, None if labels is None else labels.classes)
