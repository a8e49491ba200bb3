"""NumPy files: a .npy, or the images inside a .npz, as uint8 (N, H, W) or (N, H, W, C)."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

from ganforge.data.images import Array, Source, default_size, fitted, parted
from ganforge.errors import DataError

__all__ = ["is_array", "open_array"]

SPLIT_SEED = 0  # which images are held out is the same in every run


def is_array(path: Path) -> bool:
    """Whether the name is that of a NumPy file."""
    return path.is_file() and path.suffix.lower() in (".npy", ".npz")


def _looks_like_images(array: np.ndarray) -> bool:
    return array.dtype == np.uint8 and (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3)))


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        if path.suffix.lower() == ".npy":
            return {"array": np.load(path, mmap_mode="c")}  # mapped: the splits are its only copy
        with np.load(path) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"'{path}' cannot be read as a NumPy file ({error}): save it again with numpy.") from None


def open_array(path: Path, *, size: int | None, channels: int | None, held_out: int | None) -> Source:
    """The images of a NumPy file; a tenth of them, at most 10,000, held out."""
    arrays = _load(path)
    images = next((array for array in arrays.values() if _looks_like_images(array)), None)
    if images is None:
        found = ", ".join(f"{array.dtype} {array.shape}" for array in arrays.values()) or "nothing"
        raise DataError(f"'{path}' holds {found}, and images are uint8 (N, H, W) or (N, H, W, C) with C 1 or 3.")
    count = parted(str(path), len(images), held_out, min(len(images) // 10, 10_000))
    pixels = torch.from_numpy(images[..., None] if images.ndim == 3 else images).permute(0, 3, 1, 2)
    size = size or default_size({min(images.shape[1:3])})
    array = Array(fitted(pixels, size, channels or pixels.shape[1]))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SPLIT_SEED))
    kept, rest = order[:count].sort().values, order[count:].sort().values
    return Source(str(path), array.part(rest), array.part(kept) if count else None)
