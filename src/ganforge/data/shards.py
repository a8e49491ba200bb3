"""WebDataset: samples as neighbouring files of one key (`0001.jpg`, `0001.cls`) in a tar, or in many of them.

Nothing is unpacked and no shard is held in memory: its headers are read once, and each file where it lies when it is
wanted. (A compressed shard can't be read so, and its contents are kept.)
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from ganforge.data.files import Listing, Part
from ganforge.data.folder import SUFFIXES, by_shard
from ganforge.data.labels import Labels, by_values, by_words
from ganforge.data.members import ARCHIVES, Member, members
from ganforge.errors import DataError

__all__ = ["expanded", "is_web", "listing", "shards"]

RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
LABEL = "cls"  # the extension of a class number, or of its name
RECORD = "json"  # of anything else, among it the label
KEYS = ("label", "cls", "class", "class_id")
FEW = 8  # records looked into, for whether they hold labels
MOST = 1_000_000  # shards that a pattern may name

Sample = dict[str, Member]
Word = str | float | list[Any]


def expanded(path: Path) -> list[Path]:
    """The files of a pattern like `train-{000..146}.tar`; none for any other name.

    >>> [file.name for file in expanded(Path("a-{08..10}.tar"))]
    ['a-08.tar', 'a-09.tar', 'a-10.tar']
    """
    found = RANGE.search(path.name)
    if not found:
        return []
    first, last = int(found[1]), int(found[2])
    numbers = range(first, min(last, first + MOST) + 1)
    return [
        path.with_name(f"{path.name[: found.start()]}{n:0{len(found[1])}}{path.name[found.end() :]}") for n in numbers
    ]


def shards(path: Path) -> list[Path]:
    """The archives that a pattern names, or that a folder without images of its own holds.

    Raises:
        DataError: if one of a pattern isn't there.
    """
    if path.is_dir():
        there = [member.name for member in members(path)]
        images = any(PurePosixPath(name).suffix.lower() in SUFFIXES for name in there)
        return [] if images else [path / name for name in there if name.lower().endswith(ARCHIVES)]
    files = [] if path.exists() else expanded(path)
    if lacking := [file.name for file in files if not file.is_file()]:
        raise DataError(
            f"{str(path)!r} names {len(files):,} shards, and there is no {lacking[0]} ({len(lacking):,} lack)."
        )
    return files


def key_of(member: Member) -> tuple[Path, str, str]:
    """The archive and the key of a sample, and the file's role: all behind the first dot of its name."""
    name = PurePosixPath(member.name)
    key, _, role = name.name.partition(".")
    return member.place, str(name.parent / key), role.lower()


def samples(there: Sequence[Member]) -> list[Sample]:
    """The files of every sample that has an image, by their roles."""
    found: dict[tuple[Path, str], Sample] = {}
    for member in there:
        place, key, role = key_of(member)
        found.setdefault((place, key), {})[role] = member
    return [sample for sample in found.values() if image_of(sample)]


def image_of(sample: Sample) -> Member | None:
    """The image of a sample: the first by role, a plain one ("jpg") before others ("mask.png")."""
    roles = [role for role in sample if f".{role.rpartition('.')[2]}" in SUFFIXES]
    return sample[min(roles, key=lambda role: ("." in role, role))] if roles else None


def is_web(there: Sequence[Member]) -> bool:
    """Whether the images of archives have their labels beside them, one by one."""
    found = samples([member for member in there if not member.place.is_dir()])
    beside = [sample for sample in found if LABEL in sample or RECORD in sample]
    return len(beside) > len(found) / 2 and any(LABEL in s or word_of(s) for s in beside[:FEW])


def listing(path: Path, there: Sequence[Member]) -> Listing:
    """The image of every sample, labelled by its `.cls`, or by "label" in its `.json`; splits by the shards' names.

    Raises:
        DataError: if some samples of a training shard have a label, and others none; or of another kind.
    """
    found = samples(there)
    images = [image for sample in found if (image := image_of(sample))]
    splits = by_shard(path, images) or {"train": list(range(len(images)))}
    words = [word_of(sample) for sample in found]
    if any(words[place] is None for place in splits["train"]):
        lacking = next(place for place in splits["train"] if words[place] is None)
        if any(words[place] is not None for place in splits["train"]):
            raise DataError(f"'{images[lacking]}' has no label beside it, and other samples do: add it, or remove all.")
        words = [None] * len(words)
    labels = _labels(words, images, str(path))
    whole = Part(images, None if labels is None else labels.numbers)
    secret = {split for split, places in splits.items() if any(words[place] is None for place in places)}
    parts = {split: whole.taken(torch.tensor(places)) for split, places in splits.items()}
    parts = {split: Part(part.files, None) if split in secret else part for split, part in parts.items()}
    return Listing(parts, None) if labels is None else Listing(parts, labels.classes, labels.continuous)


def _labels(words: Sequence[Word | None], images: Sequence[Member], where: str) -> Labels | None:
    """Of all samples; those that have none (in a test split that keeps its labels secret) get any."""
    known = next((word for word in words if word is not None), None)
    if known is None:
        return None
    filled = [known if word is None else word for word in words]
    if all(isinstance(word, str) for word in filled):
        return by_words(list(map(str, filled)), where)
    return by_values(filled, where, lambda place: images[place].name)


def word_of(sample: Sample) -> Word | None:
    """The label of a sample: text, or the numbers of a record."""
    try:
        if LABEL in sample:
            return sample[LABEL].read().decode("utf-8").strip() or None
        record = json.loads(sample[RECORD].read()) if RECORD in sample else {}
    except (OSError, ValueError) as error:
        file = sample.get(LABEL, sample.get(RECORD))
        raise DataError(f"'{file}' cannot be read as a label ({error}): mend or remove it.") from None
    return first_word(record) if isinstance(record, dict) else None


def first_word(record: dict[str, Any]) -> Word | None:
    """What a record says under one of the usual keys: a class number or a name as text, else a number or a vector."""
    words = [record[key] for key in KEYS if isinstance(record.get(key), int | str | float | list)]
    words = [word for word in words if not isinstance(word, bool)]
    return None if not words else str(words[0]) if isinstance(words[0], int) else words[0]
