"""Pictures: samples to bytes, bytes to grids, grids to PNG files that know where they came from."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from PIL import Image, PngImagePlugin
from torch import Tensor

from ganforge.errors import DataError
from ganforge.io.disk import write_whole

__all__ = ["contact_sheet", "grid", "read_metadata", "save_png", "to_uint8"]

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
BACKGROUND = {"L": 38, "RGB": 38, "RGBA": 0}
READABLE = 64


def to_uint8(x: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Samples in [-1, 1] as the nearest of 256 levels; what lies outside is clamped, NaN becomes black.

    >>> to_uint8(torch.tensor([-1.0, 0.0, 1.0, 7.0])).tolist()
    [0, 128, 255, 255]
    """
    levels = (x.float().nan_to_num(nan=-1.0) + 1) * 127.5
    return levels.round().clamp(0, 255).to(torch.uint8)


def grid(
    images: UInt8[Tensor, "N C H W"], columns: int | None = None, padding: int = 2, scale: int | None = None
) -> Image.Image:
    """One picture of N small ones, row by row.

    Args:
        images: N >= 1 images of 1 (grey), 3 (RGB) or 4 (RGBA) channels; of 2 or more than 4, the first is shown, or
            the first three.
        columns: images in a row; near-square by default.
        padding: pixels around each image, not enlarged.
        scale: how many pixels wide a pixel is drawn; by default as many as keep an image within 64, so that digits of
            28x28 can be seen.

    >>> grid(torch.zeros(10, 1, 28, 28, dtype=torch.uint8)).size
    (234, 176)
    """
    images = images if images.shape[1] in MODES else images[:, : 1 if images.shape[1] == 2 else 3]
    N, C, H, W = images.shape
    columns = min(N, columns or math.ceil(math.sqrt(N)))
    scale = scale or max(1, READABLE // max(H, W))
    high, wide = H * scale + padding, W * scale + padding
    sheet = Image.new(MODES[C], (columns * wide + padding, math.ceil(N / columns) * high + padding), _background(C))
    for i, image in enumerate(images):
        corner = (padding + i % columns * wide, padding + i // columns * high)
        sheet.paste(_picture(image).resize((W * scale, H * scale), Image.Resampling.NEAREST), corner)
    return sheet


def contact_sheet(pictures: Sequence[Image.Image], side: int = 128, padding: int = 4) -> Image.Image:
    """Pictures of any sizes, each whole within a square of `side` pixels, row by row.

    >>> contact_sheet([Image.new("L", (28, 28)), Image.new("RGB", (512, 256))]).size
    (268, 136)
    """
    columns = max(1, math.ceil(math.sqrt(len(pictures))))
    cell = side + padding
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * cell + padding, rows * cell + padding), (38, 38, 38))
    for place, picture in enumerate(pictures):
        scale = min(side / picture.width, side / picture.height)
        small = picture.resize(
            (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))),
            Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS,
        )
        left, top = (padding + at * cell for at in (place % columns, place // columns))
        sheet.paste(small, (left + (side - small.width) // 2, top + (side - small.height) // 2))
    return sheet


def save_png(path: Path, picture: Image.Image, metadata: Mapping[str, str]) -> None:
    """A PNG file with text entries (the seed, the model, ...), whole or not at all; parents are made.

    Raises:
        CheckpointError: the disk is full or the path not writable; what was there before is untouched.
    """
    texts = PngImagePlugin.PngInfo()
    for key, value in metadata.items():
        texts.add_text(key, value)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", pnginfo=texts)
    write_whole(path, buffer.getvalue())


def read_metadata(path: Path) -> dict[str, str]:
    """The text entries of a PNG file.

    Raises:
        DataError: there is no such file, or it is no PNG.
    """
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            picture.load()
            return {key: str(value) for key, value in getattr(picture, "text", {}).items()}
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} can't be read as a PNG ({error}); name a picture that ganforge has saved.") from error


def _picture(image: UInt8[Tensor, "C H W"]) -> Image.Image:
    array = image.cpu().movedim(0, -1).contiguous().numpy()
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def _background(C: int) -> int | tuple[int, ...]:
    """Dark grey between the images, transparent where they have an alpha channel."""
    level = BACKGROUND[MODES[C]]
    return level if C == 1 else (level,) * C
