"""A folder of image files: nested as it likes, any size, any mode."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ganforge.data.images import Array, Source, default_size, parted
from ganforge.data.split import Split
from ganforge.errors import DataError

__all__ = ["SUFFIXES", "Files", "open_folder"]

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
SAMPLE = 64  # files looked at to choose a size and grey or colour
SPLIT_SEED = 0  # which images are held out is the same in every run
PATIENCE = 1.0  # seconds before a progress bar appears
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what Pillow raises on broken files


Item = TypeVar("Item")


@dataclass(frozen=True)
class Files:
    """Image files that are decoded whenever they are read, because together they don't fit into memory."""

    paths: tuple[Path, ...]
    shape: tuple[int, int, int]
    labels: None = None
    tensor: None = None

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: Int64[Tensor, " n"]) -> UInt8[Tensor, "n C H W"]:
        """Decode these files; DataError names the first that is broken."""
        pixels = torch.empty((len(index), *self.shape), dtype=torch.uint8, memory_format=torch.channels_last)
        for place, number in enumerate(index.tolist()):
            try:
                pixels[place] = _pixels(self.paths[number], self.shape)
            except UNREADABLE as error:
                raise _broken([(self.paths[number], error)]) from None
        return pixels


def _paths(folder: Path) -> list[Path]:
    """Every image file below a folder, in an order that no file system changes; hidden ones are left out."""
    found: list[Path] = []
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        names = (name for name in files if not name.startswith("."))
        found += [Path(root, name) for name in names if Path(name).suffix.lower() in SUFFIXES]
    return sorted(found)


def _broken(failures: list[tuple[Path, Exception]]) -> DataError:
    path, error = failures[0]
    more = len(failures) - 1
    others = f", nor {more} other file{'s' if more > 1 else ''}" if more else ""
    reason = "no known format" if isinstance(error, UnidentifiedImageError) else str(error).rstrip(".")
    return DataError(f"'{path}' cannot be read as an image ({reason}){others}: repair or remove what is broken.")


def _opaque(image: Image.Image) -> Image.Image:
    """Without transparency, on white; 16-bit grey scaled to 8."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) / 257).clip(0, 255).round().astype(np.uint8))
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _pixels(path: Path, shape: tuple[int, int, int]) -> UInt8[Tensor, "C H W"]:
    """One file, upright (EXIF), centre-cropped to a square, resized with antialiasing, grey or RGB."""
    channels, size, _ = shape
    with Image.open(path) as image:
        image.draft(image.mode, (2 * size, 2 * size))  # large JPEGs are decoded at a fraction of their size
        upright = _opaque(ImageOps.exif_transpose(image)).convert("L" if channels == 1 else "RGB")
    if upright.size != (size, size):
        upright = ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS)
    array = np.asarray(upright)
    return torch.from_numpy(array.reshape(size, size, channels).copy()).permute(2, 0, 1)


def _look(path: Path) -> tuple[int, bool] | None:
    """A file's shorter side and whether it is grey; None if it can't be read."""
    try:
        with Image.open(path) as image:
            if image.mode in ("1", "L", "LA", "I;16", "I"):
                return min(image.size), True
            array = np.asarray(_opaque(image).convert("RGB"))
    except UNREADABLE:
        return None
    return min(array.shape[:2]), bool((array == array[..., :1]).all())


def _shape(paths: list[Path], size: int | None, channels: int | None) -> tuple[int, int, int]:
    """What is given, else what a sample of the files suggests."""
    looks = [look for path in paths[:: max(len(paths) // SAMPLE, 1)] if (look := _look(path))]
    looks = looks or [(1, False)]  # nothing readable: decoding will say what is broken
    size = size or default_size({side for side, _ in looks})
    return channels or (1 if all(grey for _, grey in looks) else 3), size, size


def _shown(items: Iterable[Item], total: int) -> Iterator[Item]:
    """The items, with a progress bar on stderr if they take long and somebody is watching."""
    from rich.console import Console
    from rich.progress import Progress

    start = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("decoding images", total=total, visible=False)
        for item in items:
            bar.update(task, advance=1, visible=time.monotonic() - start > PATIENCE)
            yield item


def _decoded(rest: list[Path], kept: list[Path], shape: tuple[int, int, int]) -> tuple[Split, Split]:
    """Both splits in one tensor, decoded by threads; DataError tells of every broken file."""
    paths = rest + kept
    pixels = torch.empty((len(paths), *shape), dtype=torch.uint8, memory_format=torch.channels_last)

    def decode(place: int) -> tuple[Path, Exception] | None:
        try:
            pixels[place] = _pixels(paths[place], shape)
        except UNREADABLE as error:
            return paths[place], error
        return None

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        failures = [failure for failure in _shown(pool.map(decode, range(len(paths))), len(paths)) if failure]
    finally:
        pool.shutdown(cancel_futures=True)
    if failures:
        raise _broken(failures)
    return Array(pixels[: len(rest)]), Array(pixels[len(rest) :])


def open_folder(path: Path, *, size: int | None, channels: int | None, held_out: int | None, memory: float) -> Source:
    """Every image below a folder; a tenth, at most 10,000, held out; in memory if it takes at most `memory` GiB."""
    paths = _paths(path)
    if not paths:
        raise DataError(f"no images in {str(path)!r}: looked for {', '.join(sorted(SUFFIXES))} in it and below it.")
    count = parted(str(path), len(paths), held_out, min(len(paths) // 10, 10_000))
    shape = _shape(paths, size, channels)
    fits = len(paths) * np.prod(shape) <= memory * 2**30
    order = torch.randperm(len(paths), generator=torch.Generator().manual_seed(SPLIT_SEED))
    rest, kept = ([paths[place] for place in sorted(part.tolist())] for part in (order[count:], order[:count]))
    train, held = _decoded(rest, kept, shape) if fits else (Files(tuple(rest), shape), Files(tuple(kept), shape))
    return Source(str(path), train, held if count else None)
