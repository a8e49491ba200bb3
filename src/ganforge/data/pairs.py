"""Two domains, A and B: images in pairs, beside each other in one file or in two folders, or two sets without pairs.

A pair is held as one image of twice the channels, A's before B's, so that it is decoded, packed, shuffled and mirrored
as one. Two sets without pairs are two splits.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ganforge.data.members import Member, unwrapped
from ganforge.data.split import LabelsOf, Split
from ganforge.errors import DataError

__all__ = [
    "OTHER",
    "Domain",
    "Face",
    "Half",
    "Item",
    "Paired",
    "Pairing",
    "Sides",
    "Twin",
    "Unpaired",
    "faces",
    "joined",
    "pairing",
    "sides",
]

Pairing = Literal["side_by_side", "paired", "unpaired", "none"]
Domain = Literal["A", "B"]
PAIRINGS: tuple[Pairing, ...] = get_args(Pairing)
SPLITS = {"": "train", "train": "train", "val": "held_out", "valid": "held_out", "test": "test"}
FOLDER = re.compile(r"(train|val|valid|test|)_?([AB])")  # CycleGAN's trainA, testB; or A and B themselves
OTHER = "_b"  # behind the name of a split, for B's images of an unpaired one
ALIKE = 0.9  # of all names, that are to stand in both folders for them to be pairs


@dataclass(frozen=True)
class Half:
    """The left or the right half of an image file."""

    member: Member
    right: bool

    def __str__(self) -> str:
        return f"{self.member} ({'right' if self.right else 'left'} half)"


Face = Member | Half


@dataclass(frozen=True)
class Twin:
    """Two images that belong together: of A and of B."""

    a: Face
    b: Face

    def __str__(self) -> str:
        return str(self.a.member if isinstance(self.a, Half) else self.a)


Item = Member | Twin


def faces(item: Item) -> tuple[Face, ...]:
    """The image, or both."""
    return (item.a, item.b) if isinstance(item, Twin) else (item,)


def pairing(word: str) -> Pairing:
    """A way to lie in pairs, by its name.

    Raises:
        DataError: if it has none.
    """
    known = next((one for one in PAIRINGS if one == word), None)
    if known is None:
        raise DataError(f"pairs = {word!r} is none of {', '.join(PAIRINGS)}.")
    return known


class Sides(NamedTuple):
    """Image files by split, of A and of B, in pairs by their places or not; and those left without a partner."""

    a: dict[str, list[Member]]
    b: dict[str, list[Member]]
    paired: bool
    alone: list[Member]


def sides(images: Sequence[Member], asked: Pairing | None) -> Sides | None:
    """The two domains, if every image lies in a folder called A or B, or trainA, trainB, testA, ...; A and B also below
    or above folders named like splits. Else None.

    They are pairs if nine tenths of all names, without endings and "_A" and "_B", stand on both sides.
    """
    paths = unwrapped(image.name for image in images)
    places = [place for parts in paths if (place := placed(parts, endings=False))]
    if len(places) < len(images):
        return None
    if len(set(places)) < len(places):  # two that differ by their endings alone
        places = [place for parts in paths if (place := placed(parts, endings=True))]
    found: dict[str, dict[tuple[str, str], Member]] = {"A": {}, "B": {}}
    for image, (split, domain, name) in zip(images, places, strict=True):
        found[domain][split, name] = image
    both, either = found["A"].keys() & found["B"].keys(), found["A"].keys() | found["B"].keys()
    if not all(any(split == "train" for split, _ in side) for side in found.values()):
        return None
    paired = asked == "paired" or (asked is None and len(both) >= ALIKE * len(either))
    kept = [{key: image for key, image in side.items() if key in both or not paired} for side in found.values()]
    alone = [image for side in found.values() for key, image in side.items() if paired and key not in both]
    return Sides(by_split(kept[0]), by_split(kept[1]), paired, alone)


def placed(parts: tuple[str, ...], *, endings: bool) -> tuple[str, str, str] | None:
    """The split, the domain and the name that a path says, as ("trainA", "x.png"), ("A", "train", "x.png") or ("train",
    "A", "x.png") do; None if it says no domain."""
    above, split = list(parts[:-1]), ""
    if above and above[0].lower() in SPLITS:
        split = SPLITS[above.pop(0).lower()]
    known = FOLDER.fullmatch(above[0]) if above else None
    if known is None or (known[1] and split):
        return None
    split = split or (SPLITS[known[1]] if known[1] else "")
    rest = above[1:]
    if not split and rest and rest[0].lower() in SPLITS:
        split = SPLITS[rest.pop(0).lower()]
    stem = PurePosixPath(parts[-1]).stem.removesuffix(f"_{known[2]}")
    return split or "train", known[2], "/".join([*rest, parts[-1] if endings else stem])


def by_split(images: dict[tuple[str, str], Member]) -> dict[str, list[Member]]:
    """Split -> its images, in the order of their names."""
    found: dict[str, list[Member]] = {}
    for split, name in sorted(images, key=lambda key: ("train held_out test".index(key[0]), key[1])):
        found.setdefault(split, []).append(images[split, name])
    return found


def joined(read: Mapping[str, Split], how: str | None) -> dict[str, Split]:
    """Splits as they were read, those of B under names of their own, as splits of pairs or of two domains."""
    if how == "unpaired":
        return {
            name: Unpaired(split, read[f"{name}{OTHER}"]) if f"{name}{OTHER}" in read else split
            for name, split in read.items()
            if not name.endswith(OTHER)
        }
    return {name: Paired(split) if how else split for name, split in read.items()}


@dataclass(frozen=True)
class Paired:
    """A split of pairs: read as any other, it is the images of one domain.

    Attributes:
        whole: the pairs, (N, 2C, H, W), A's channels first.
        domain: which of them a batch's x is; its pair is the other.
    """

    whole: Split
    domain: Domain = "A"

    @property
    def shape(self) -> tuple[int, ...]:
        C, *sides = self.whole.shape
        return (C // 2, *sides)

    @property
    def labels(self) -> LabelsOf | None:
        return self.whole.labels

    @property
    def tensor(self) -> Tensor | None:
        return None if self.whole.tensor is None else self.both(self.whole.tensor)[0]

    def __len__(self) -> int:
        return len(self.whole)

    def read(self, index: Int64[Tensor, " n"]) -> UInt8[Tensor, "n C H W"]:
        return self.both(self.whole.read(index))[0]

    def both(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """What x is of pairs (n, 2C, H, W), and what its pair is."""
        a, b = pixels.chunk(2, 1)
        return (a, b) if self.domain == "A" else (b, a)


@dataclass(frozen=True)
class Unpaired:
    """Two splits without partners: read as any other, it is the images of one domain."""

    a: Split
    b: Split
    domain: Domain = "A"

    @property
    def x(self) -> Split:
        """The images that a batch's x are."""
        return self.a if self.domain == "A" else self.b

    @property
    def other(self) -> Split:
        """Those that its cond are, drawn independently."""
        return self.b if self.domain == "A" else self.a

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape

    @property
    def labels(self) -> LabelsOf | None:
        return self.x.labels

    @property
    def tensor(self) -> Tensor | None:
        return self.x.tensor

    def __len__(self) -> int:
        return len(self.x)

    def read(self, index: Int64[Tensor, " n"]) -> UInt8[Tensor, "n C H W"]:
        return torch.as_tensor(self.x.read(index))
