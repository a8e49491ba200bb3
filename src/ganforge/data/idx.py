"""IDX files, the format of MNIST and its relatives, plain or gzipped; and the MNIST that comes with the package."""

import gzip
import importlib.resources
import math
import zlib
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ganforge.data.fit import Fit
from ganforge.data.images import Array, Source, arranged
from ganforge.data.stacked import open_stacked
from ganforge.errors import DataError

__all__ = ["is_idx", "open_idx", "open_mnist", "open_stacked_mnist", "read_idx"]


def _head(path: Traversable) -> bytes:
    """The first four bytes, unzipped; nothing if that fails."""
    try:
        with path.open("rb") as raw:
            if raw.read(2) != b"\x1f\x8b":
                raw.seek(0)
                return raw.read(4)
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) as unzipped:
                return unzipped.read(4)
    except (OSError, EOFError, zlib.error):
        return b""


def _rank(path: Traversable) -> int:
    """How many dimensions an IDX file of bytes has; 0 for any other file."""
    head = _head(path)
    return head[3] if len(head) == 4 and head[:3] == b"\0\0\x08" else 0


def is_idx(path: Path) -> bool:
    """Whether this is an IDX file of images, or a folder that holds one."""
    if path.is_dir():
        return any(_rank(file) >= 3 for file in path.iterdir() if _named_like_idx(file))
    return _rank(path) >= 1


def _named_like_idx(file: Path) -> bool:
    return (file.suffix == ".gz" or "idx" in file.name or "ubyte" in file.name) and file.is_file()


def read_idx(path: Traversable) -> UInt8[Tensor, "..."]:
    """The array in an IDX file of bytes; DataError if it is cut short or something else."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read '{path}' ({error}): replace the file.") from None
    rank = data[3] if data[:3] == b"\0\0\x08" and len(data) > 3 else 0
    if rank < 1:
        raise DataError(f"'{path}' is no IDX file of bytes: it should begin with 00 00 08.")
    sizes = np.frombuffer(data, ">u4", count=rank, offset=4).tolist() if len(data) >= 4 + 4 * rank else [-1]
    if len(data) - 4 - 4 * rank != math.prod(sizes):
        raise DataError(f"'{path}' is cut short or too long: its {len(data):,} bytes don't match its header.")
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(sizes).copy())


def _array(images: Traversable, labels: Traversable | None) -> Array:
    """A pair of files, decoded."""
    pixels = read_idx(images)
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and not 1 <= pixels.shape[3] <= 8):
        raise DataError(f"'{images}' holds an array of shape {tuple(pixels.shape)}, and images are (N, H, W).")
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    numbers = None if labels is None else read_idx(labels).long()
    if numbers is not None and len(numbers) != len(pixels):
        raise DataError(f"'{labels}' has {len(numbers)} labels, and '{images}' {len(pixels)} images.")
    return Array(pixels, numbers)


def _split(name: str, train: Array, test: Array | None, fit: Fit, held_out: int | None) -> Source:
    """The last images are held out: a sixth, at most 10,000."""
    classes = None if train.labels is None else tuple(map(str, range(int(train.labels.max()) + 1)))
    most = min(len(train) // 6, 10_000)
    return arranged(name, train, test, classes=classes, held_out=held_out, default=most, fit=fit)


@lru_cache(maxsize=2)
def _mnist(split: str) -> Array:
    folder = importlib.resources.files("ganforge") / "assets" / "mnist"
    return _array(folder / f"{split}-images-idx3-ubyte.gz", folder / f"{split}-labels-idx1-ubyte.gz")


def open_mnist(fit: Fit, *, held_out: int | None) -> Source:
    """The 70,000 handwritten digits in the package: 50,000 to train, 10,000 held out, 10,000 to test; no network."""
    return _split("mnist", _mnist("train"), _mnist("t10k"), fit, held_out)


def open_stacked_mnist(fit: Fit, *, held_out: int | None) -> Source:
    """128,000 images of three of those digits each, 26,000 held out, 26,000 of the test digits."""
    return open_stacked(_mnist("train"), _mnist("t10k"), fit, held_out=held_out)


def _is_test(file: Path) -> bool:
    return file.name.startswith(("t10k", "test"))


def _pair(files: list[Path], test: bool) -> tuple[Path | None, Path | None]:
    """The image file and the label file of one split."""
    mine = [file for file in files if _is_test(file) == test]
    images = next((file for file in mine if _rank(file) >= 3), None)
    return images, next((file for file in mine if _rank(file) == 1), None)


def open_idx(path: Path, fit: Fit, *, held_out: int | None) -> Source:
    """IDX files by the names of MNIST's, in a folder; or one file of images, without labels."""
    if path.is_file():
        return _split(str(path), _array(path, None), None, fit, held_out)
    files = sorted(file for file in path.iterdir() if _named_like_idx(file))
    images, labels = _pair(files, test=False)
    if images is None:
        raise DataError(
            f"{str(path)!r} holds IDX files, but none of training images: expected train-images-idx3-ubyte."
        )
    test_images, test_labels = _pair(files, test=True)
    test = _array(test_images, test_labels) if test_images else None
    return _split(str(path), _array(images, labels), test, fit, held_out)
