"""Images as uint8, one split or all of them, and their fitting to a size and a number of channels."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ganforge.data.fit import Fit, framed, idle, squared
from ganforge.data.mixture import Mixture
from ganforge.data.pairs import Paired, Unpaired
from ganforge.data.split import LabelsOf, Split, Stream
from ganforge.data.stream import ImageStream
from ganforge.errors import DataError

__all__ = ["Array", "Source", "arranged", "default_size", "fitted", "parted", "settled"]

LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow's own grey
PICTURES = (1, 3, 4)  # channels that Pillow takes for one picture
CHUNK = 2048  # images resized at a time
LARGEST_DEFAULT, LARGEST_OWN = 64, 256


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
        fit: how its images were brought to their shape; None where nobody knows.
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
    fit: Fit | None = None

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


def default_size(sides: set[int], *, own: bool = False) -> int:
    """The size to train at (or, by their `own`, to judge at), from the shorter sides that were seen: theirs, or a power
    of two that all contain.

    >>> default_size({300}), default_size({300}, own=True), default_size({300, 700}, own=True)
    (64, 300, 256)
    """
    smallest = min(sides)
    if len(sides) == 1 and (own or smallest == 28 or _power_of_two(smallest)):
        return smallest
    return min(1 << (smallest.bit_length() - 1), LARGEST_OWN if own else LARGEST_DEFAULT)


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


def _levels(images: Tensor, channels: int) -> UInt8[Tensor, "n c H W"]:
    """Rounded; grey is spread over three channels, and what has no alpha is opaque."""
    images = images.round_().clamp_(0, 255).to(torch.uint8)
    if images.shape[1] == channels:
        return images
    solid = [torch.full_like(images[:, :1], 255)] if channels == 4 else []
    return torch.cat([images.expand(-1, 3, -1, -1), *solid], 1)


def _fitted_chunk(images: UInt8[Tensor, "n C H W"], size: int, channels: int, fit: Fit) -> Tensor:
    H, W = images.shape[-2:]
    if fit.filter != "auto":
        return _by_pillow(_levels(_recoloured(images.float(), channels), channels), size, fit)
    frame = framed(fit.policy, W, H, size)
    (w, h), (left, top) = frame.sides, frame.corner
    part = _recoloured(images[(..., *frame.window)].float(), channels)
    if part.shape[-2:] != (h, w):
        part = F.interpolate(part, (h, w), mode="bicubic", antialias=True)
    return F.pad(_levels(part, channels), (left, size - w - left, top, size - h - top))


def _by_pillow(images: UInt8[Tensor, "n c H W"], size: int, fit: Fit) -> UInt8[Tensor, "n c size size"]:
    """Each image as Pillow resizes its file: channels each for itself, colours with alpha weighed by it."""
    C = images.shape[1]
    whole = images if C in PICTURES else images.flatten(0, 1)[:, None]
    arrays = [array.squeeze(2) if array.shape[2] == 1 else array for array in whole.permute(0, 2, 3, 1).numpy()]
    squares = [np.asarray(squared(Image.fromarray(np.ascontiguousarray(a)), size, fit)) for a in arrays]
    found = torch.from_numpy(np.stack(squares)).view(len(whole), size, size, -1).permute(0, 3, 1, 2)
    return found.reshape(len(images), C, size, size)


def settled(fit: Fit, shape: tuple[int, ...]) -> Fit:
    """The size and the channels that images of this shape (C, H, W) get where none are asked for."""
    C, *sides = shape
    return replace(fit, size=fit.size or default_size({min(sides)}, own=fit.own), channels=fit.channels or C)


def fitted(images: UInt8[Tensor, "N C H W"], fit: Fit) -> UInt8[Tensor, "N c size size"]:
    """Squares by the policy and filter of `fit`, grey, RGB or RGBA; images as they are where they fit already.

    Raises:
        DataError: for channels that no rule makes from what is there.
    """
    C, H, W = images.shape[1:]
    size, channels = fit.size or default_size({min(H, W)}, own=fit.own), fit.channels or C
    if (channels, size, size) == (C, H, W):
        return images
    if channels != C and not {C, channels} <= {1, 3, 4}:
        raise DataError(f"images of {C} channel{'s' * (C > 1)} can't be turned into {channels}: give ones that fit.")
    return torch.cat([_fitted_chunk(chunk, size, channels, fit) for chunk in images.split(CHUNK)])


def arranged(
    name: str,
    train: Array,
    test: Array | None,
    *,
    classes: tuple[str, ...] | None,
    held_out: int | None,
    default: int,
    fit: Fit,
) -> Source:
    """A set that comes with its own test images, fitted; the last `held_out` of the others (or `default`) are held out.

    Raises:
        DataError: if that leaves fewer than two to learn from.
    """
    count = parted(name, len(train), held_out, default)
    fit = settled(fit, train.shape)
    fits = [part and Array(fitted(part.tensor, fit), part.labels) for part in (train, test)]
    assert fits[0] is not None
    rest, kept = fits[0].part(slice(0, len(train) - count)), fits[0].part(slice(len(train) - count, None))
    notes = tuple(idle(fit, train.shape[1:]))
    return Source(name, rest, kept if count else None, fits[1], classes, notes=notes)
