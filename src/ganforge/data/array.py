"""NumPy files: a .npy, or the images and labels inside a .npz; (N, H, W), (N, H, W, C) or (N, C, H, W), C up to 8."""

import math
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ganforge.data.fit import Fit, idle
from ganforge.data.images import Array, Source, fitted, parted, settled
from ganforge.data.labels import Labels, by_array
from ganforge.errors import DataError

__all__ = ["is_array", "open_array"]

SPLIT_SEED = 0  # which images are held out is the same in every run
MOST_CHANNELS = 8
CHUNK = 1024  # images looked at, or scaled, at a time
BARELY = 2  # a largest number of floats that is no grey of 255 yet
LABELLED = ("y", "label", "class", "target")  # how the name of an array of class numbers begins


class Scale(NamedTuple):
    """How an array's numbers become 0 to 255: (number + shift) * factor, rounded."""

    shift: float = 0.0
    factor: float = 1.0


def is_array(path: Path) -> bool:
    """Whether the name is that of a NumPy file."""
    return path.is_file() and path.suffix.lower() in (".npy", ".npz")


def _looks_like_images(array: np.ndarray) -> bool:
    fits = array.ndim == 3 or (array.ndim == 4 and min(array.shape[1], array.shape[3]) <= MOST_CHANNELS)
    return array.dtype.kind in "uifb" and fits and 0 not in array.shape


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        if path.suffix.lower() == ".npy":
            return {"array": np.load(path, mmap_mode="c")}  # mapped: the splits are its only copy
        with np.load(path) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        words = "it is no NumPy file, or holds Python's objects" if "pickle" in str(error).lower() else error
        raise DataError(f"'{path}' cannot be read as a NumPy file ({words}): save it again with numpy.") from None


def _scale(array: np.ndarray, where: str) -> tuple[Scale, str]:
    """What brings an array to 0 ... 255, by its type and the range of its numbers; and what is to be said of it."""
    if array.dtype in (np.uint8, np.bool_):
        return Scale(0, 1 if array.dtype == np.uint8 else 255), ""
    ends = [(part.min(), part.max()) for part in (array[at : at + CHUNK] for at in range(0, len(array), CHUNK))]
    low, high = (float(end(side)) for end, side in zip((np.min, np.max), zip(*ends, strict=True), strict=True))
    floating = array.dtype.kind == "f"
    rules = (
        (floating and low >= 0 and high <= 1, Scale(0, 255), "1 becomes 255"),
        (floating and low >= -1 and high <= 1, Scale(1, 127.5), "-1 becomes 0 and 1 becomes 255"),
        (low >= 0 and high <= 255, Scale(), "taken as they are"),
        (not floating and low >= 0 and high <= 65_535, Scale(0, 255 / 65_535), "reduced to 8 bits: 65,535 becomes 255"),
    )  # fmt: skip
    barely = floating and low >= 0 and 1 < high < BARELY
    for fits, scale, words in rules:
        if fits and not barely:  # never with NaN among them, which numpy's min and max pass on
            return scale, f"{array.dtype} numbers from {low:,g} to {high:,g}, {words}"
    if barely:
        raise DataError(
            f"'{where}' holds {array.dtype} from {low:g} to {high:g}: a little more than [0, 1], and nearly black as "
            "[0, 255]; clip or scale them."
        )
    if math.isnan(low):
        raise DataError(f"'{where}' holds NaN, which no image has: find out where they come from, or leave them out.")
    ranges = "[0, 1], [-1, 1] or [0, 255]" if floating else "[0, 255] or [0, 65535]"
    raise DataError(f"'{where}' holds {array.dtype} from {low:g} to {high:g}, and images are in {ranges}: scale them.")


def _pixels(array: np.ndarray, scale: Scale) -> UInt8[Tensor, "N C H W"]:
    """As uint8; one that is so already isn't copied."""
    if array.dtype != np.uint8:
        whole, array = array, np.empty(array.shape, np.uint8)
        for at in range(0, len(whole), CHUNK):
            part = (whole[at : at + CHUNK].astype(np.float64) + scale.shift) * scale.factor
            array[at : at + CHUNK] = np.rint(part).clip(0, 255)
    if array.ndim == 3:
        return torch.from_numpy(array)[:, None]
    tensor = torch.from_numpy(array)
    return tensor.permute(0, 3, 1, 2) if array.shape[3] <= MOST_CHANNELS else tensor


def _chosen(arrays: dict[str, np.ndarray], test: bool) -> np.ndarray | None:
    """The images among them, bytes before others; those of the test have it in their name."""
    named = [a for name, a in arrays.items() if ("test" in name.lower()) == test and _looks_like_images(a)]
    return min(named, key=lambda array: array.dtype != np.uint8, default=None)


def _labels(arrays: dict[str, np.ndarray], count: int, test: bool, where: str) -> Labels | None:
    """Labels beside the images: an array of as many numbers, or rows of them, called y, labels, classes or targets."""
    others = []
    for name, array in arrays.items():
        mine = ("test" in name.lower()) == test and name.lower().startswith(LABELLED)
        if not mine or array.dtype.kind not in "uif" or array.ndim not in (1, 2):
            continue
        if len(array) != count:
            others.append(f"{len(array):,} labels called {name!r}")
        elif array.size:
            array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind != "f" else array
            kind = np.float64 if array.dtype.kind == "f" else np.int64
            return by_array(torch.from_numpy(array.astype(kind)), f"{where}: {name}")
    if others:
        raise DataError(f"'{where}' holds {others[0]} for {count:,} images: save as many.")
    return None


def _agreed(train: Labels | None, test: Array | None, where: str) -> None:
    """Raises DataError where the labels for testing are of another kind."""
    kinds = [None if labels is None else labels.shape[1:] for labels in (train and train.numbers, test and test.labels)]
    if None not in kinds and kinds[0] != kinds[1]:
        raise DataError(f"'{where}' has labels of one kind for training and of another for testing: save them alike.")


def open_array(path: Path, fit: Fit, *, held_out: int | None) -> Source:
    """The images of a NumPy file; a tenth of them, at most 10,000, held out.

    In a .npz, images with "test" in their name are for testing, and labels are an array called y, labels, ...
    """
    arrays = _load(path)
    images = _chosen(arrays, test=False)
    if images is None:
        found = ", ".join(f"{array.dtype} {array.shape}" for array in arrays.values()) or "nothing"
        raise DataError(
            f"'{path}' holds {found}, and images are numbers of shape (N, H, W), (N, H, W, C) or (N, C, H, W), with "
            f"C up to {MOST_CHANNELS}."
        )
    count = parted(str(path), len(images), held_out, min(len(images) // 10, 10_000))
    scale, note = _scale(images, str(path))
    pixels = _pixels(images, scale)
    fit = settled(fit, tuple(pixels.shape[1:]))
    labels = _labels(arrays, len(images), test=False, where=str(path))
    array = Array(fitted(pixels, fit), labels and labels.numbers)
    test = _test(arrays, scale, fit, str(path))
    _agreed(labels, test, str(path))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SPLIT_SEED))
    kept, rest = order[:count].sort().values, order[count:].sort().values
    classes, continuous = (labels.classes, labels.continuous) if labels else (None, None)
    held = array.part(kept) if count else None
    notes = (*((note,) if note else ()), *idle(fit, tuple(pixels.shape[2:])))
    return Source(str(path), array.part(rest), held, test, classes, notes=notes, continuous=continuous)


def _test(arrays: dict[str, np.ndarray], scale: Scale, fit: Fit, where: str) -> Array | None:
    """The images for testing, scaled as those for training."""
    images = _chosen(arrays, test=True)
    if images is None:
        return None
    labels = _labels(arrays, len(images), test=True, where=where)
    return Array(fitted(_pixels(images, scale), fit), labels and labels.numbers)
