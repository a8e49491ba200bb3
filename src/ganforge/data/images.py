"""Images as uint8, one split or all of them, and their fitting to a size and a number of channels."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from ganforge.data.mixture import Mixture
from ganforge.data.pairs import Paired, Unpaired
from ganforge.data.split import LabelsOf, Split, Stream
from ganforge.data.stream import ImageStream
from ganforge.errors import DataError

__all__ = ["Array", "Source", "arranged", "default_size", "fitted", "parted"]

LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow's own grey
CHUNK = 2048  # images resized at a time
LARGEST_DEFAULT = 64


@dataclass(frozen=True)
class Array:
    """Images that lie in memory (or in a mapped file)."""

    tensor: UInt8[Tensor, "N C H W"]
    labels: LabelsOf | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        _, channels, height, width = self.tensor.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.tensor)

    def read(self, index: Int64[Tensor, " n"]) -> UInt8[Tensor, "n C H W"]:
        return self.tensor[index]

    def part(self, index: Int64[Tensor, " n"] | slice) -> "Array":
        """Some of the images; a slice shares their memory."""
        return Array(self.tensor[index], None if self.labels is None else self.labels[index])


@dataclass(frozen=True)
class Source:
    """A data set, split.

    Attributes:
        name: what the user called it.
        train: samples to learn from.
        held_out: samples kept out of training, for choosing checkpoints; or None.
        test: samples for the final figures; or None.
        classes: the names of the labels' numbers; or None.
        continuous: the names of the K numbers of continuous labels; or None. Never both.
        stream: what makes a stream of `train`; takes `batch`, `device`, `seed`, `position`, and keys of [data].
        endless: training samples are drawn anew for ever, and no sample is seen twice.
        mixture: the density itself, where it is a mixture of Gaussians; or None.
        extractor: the feature extractor that knows these classes; None where their shape chooses one.
        notes: what a user should hear of it before training, a sentence each.
    """

    name: str
    train: Split
    held_out: Split | None = None
    test: Split | None = None
    classes: tuple[str, ...] | None = None
    stream: Callable[..., Stream] = ImageStream
    endless: bool = False
    mixture: Mixture | None = None
    extractor: str | None = None
    notes: tuple[str, ...] = ()
    continuous: tuple[str, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of images, (D,) of points."""
        return self.train.shape

    @property
    def unit(self) -> str:
        """What its samples are called: "images" or "points"."""
        return "points" if len(self.shape) == 1 else "images"

    def describe(self) -> str:
        """One line for people: how many samples of which shape, in which splits."""
        splits = [f"{len(self.held_out):,} held out"] if self.held_out else []
        splits += [f"{len(self.test):,} for testing"] if self.test else []
        splits += [f"{len(self.classes)} classes"] if self.classes else []
        splits += ["each with its pair"] if isinstance(self.train, Paired) else []
        splits += [f"{len(self.train.other):,} of the other domain"] if isinstance(self.train, Unpaired) else []
        splits += [f"labels of {len(self.continuous)} numbers"] if self.continuous else []
        count = "endless" if self.endless else f"{len(self.train):,}"
        return ", ".join([f"{self.name}: {count} training {in_words(self.shape)}", *splits])


def in_words(shape: tuple[int, ...]) -> str:
    """What samples of a shape are called."""
    if len(shape) == 1:
        return f"points in {shape[0]} dimension{'s' * (shape[0] > 1)}"
    return f"images of {'×'.join(map(str, shape))}"


def _power_of_two(side: int) -> bool:
    return side & (side - 1) == 0


def default_size(sides: set[int]) -> int:
    """The size to train at, from the shorter sides that were seen: their own, or a power of two that all contain."""
    smallest = min(sides)
    if len(sides) == 1 and (smallest == 28 or _power_of_two(smallest)):
        return smallest
    return min(1 << (smallest.bit_length() - 1), LARGEST_DEFAULT)


def parted(name: str, total: int, held_out: int | None, default: int, *, what: str = "image") -> int:
    """How many images to keep out of training; DataError if that leaves fewer than two to learn from."""
    count = default if held_out is None else held_out
    if total < 2:
        raise DataError(
            f"{name!r} holds {total} {what}{'s' * (total != 1)}: a generator needs at least 2 to learn from, better "
            "thousands."
        )
    if total - count < 2:
        raise DataError(
            f"held_out = {count} leaves {max(total - count, 0)} of {total} {what}s in {name!r}: set it lower."
        )
    return count


def _recoloured(images: Tensor, channels: int) -> Tensor:
    """Of four channels, the last is taken for alpha and laid on white; of three, one becomes their luma."""
    if images.shape[1] == 4 and channels < 4:
        alpha = images[:, 3:] / 255
        images = images[:, :3] * alpha + 255 * (1 - alpha)
    if images.shape[1] == 3 and channels == 1:
        images = (images * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return images


def _fitted_chunk(images: UInt8[Tensor, "n C H W"], size: int, channels: int) -> UInt8[Tensor, "n c size size"]:
    side = min(images.shape[-2:])
    top, left = ((length - side) // 2 for length in images.shape[-2:])
    square = _recoloured(images[..., top : top + side, left : left + side].float(), channels)
    if side != size:
        square = F.interpolate(square, (size, size), mode="bicubic", antialias=True)
    square = square.round_().clamp_(0, 255).to(torch.uint8)
    if square.shape[1] == channels:
        return square
    solid = [torch.full_like(square[:, :1], 255)] if channels == 4 else []
    return torch.cat([square.expand(-1, 3, -1, -1), *solid], 1)


def fitted(images: UInt8[Tensor, "N C H W"], size: int, channels: int) -> UInt8[Tensor, "N c size size"]:
    """Centre-cropped to a square, resized with antialiasing, turned grey, RGB or RGBA; as it is where it fits already.

    Raises:
        DataError: for channels that no rule makes from what is there.
    """
    C = images.shape[1]
    if tuple(images.shape[1:]) == (channels, size, size):
        return images
    if channels != C and not {C, channels} <= {1, 3, 4}:
        raise DataError(f"images of {C} channel{'s' * (C > 1)} can't be turned into {channels}: give ones that fit.")
    return torch.cat([_fitted_chunk(chunk, size, channels) for chunk in images.split(CHUNK)])


def arranged(
    name: str,
    train: Array,
    test: Array | None,
    *,
    classes: tuple[str, ...] | None,
    held_out: int | None,
    default: int,
    size: int | None,
    channels: int | None,
) -> Source:
    """A set that comes with its own test images, fitted; the last `held_out` of the others (or `default`) are held out.

    Raises:
        DataError: if that leaves fewer than two to learn from.
    """
    count = parted(name, len(train), held_out, default)
    C, *sides = train.shape
    size = size or default_size({min(sides)})
    fit = [part and Array(fitted(part.tensor, size, channels or C), part.labels) for part in (train, test)]
    assert fit[0] is not None
    rest = fit[0].part(slice(0, len(train) - count))
    return Source(name, rest, fit[0].part(slice(len(train) - count, None)) if count else None, fit[1], classes)
