"""One image file: what a glance at it says, and its pixels as uint8, square, of one size and number of channels."""

from io import BytesIO
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ganforge.data.members import Member

__all__ = ["MODES", "UNREADABLE", "Glance", "eight_bits", "glance", "opaque", "opened", "pixels", "reason"]

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Channels -> Pillow's name: grey, grey with alpha, colour, colour with alpha."""

UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what Pillow raises on broken files
SIXTEEN = 65_535


def reason(error: Exception) -> str:
    """Why an image can't be read, in a few words."""
    if isinstance(error, Image.DecompressionBombError):
        return f"a decompression bomb, or larger than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    return "no known format" if isinstance(error, UnidentifiedImageError) else str(error).rstrip(".")


def opened(member: Member) -> Image.Image:
    """A file, opened as an image by what is in it, whatever its name says.

    Raises one of `UNREADABLE`.
    """
    data = member.read()
    if not data:
        raise ValueError("the file is empty")
    return Image.open(BytesIO(data))


def eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled so that 65,535 becomes 255, grey of float so that 1 does; others as they are.

    Raises:
        ValueError: for numbers outside of these ranges.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    array, most = np.asarray(image).astype(np.float64), 1 if image.mode == "F" else SIXTEEN
    low, high = array.min(), array.max()
    if not 0 <= low <= high <= most:
        raise ValueError(f"its pixels go from {low:g} to {high:g}, and should from 0 to {most:,}")
    return Image.fromarray((array * (255 / most)).round().astype(np.uint8))


def transparent(image: Image.Image) -> bool:
    """Whether it has an alpha channel, or something like one."""
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def opaque(image: Image.Image) -> Image.Image:
    """Without transparency, on white; 8 bits a channel."""
    image = eight_bits(image)
    if not transparent(image):
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def pixels(member: Member, shape: tuple[int, int, int]) -> UInt8[Tensor, "C H W"]:
    """One file, upright (EXIF), cropped to its central square, resized, antialiased; with 2 or 4 channels alpha stays.

    Raises one of `UNREADABLE`.
    """
    channels, size, _ = shape
    with opened(member) as image:
        image.draft(image.mode, (2 * size, 2 * size))  # large JPEGs are decoded at a fraction of their size
        upright = ImageOps.exif_transpose(image)
        upright = (eight_bits if channels in (2, 4) else opaque)(upright)
    if channels == 2:
        upright = upright.convert("RGBA")  # a palette with alpha has no other way
    upright = upright.convert(MODES[channels])
    if upright.size != (size, size):
        upright = ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS)
    array = np.asarray(upright)
    return torch.from_numpy(array.reshape(size, size, channels).copy()).permute(2, 0, 1)


class Glance(NamedTuple):
    """What is seen of a file at a glance: its shorter side, whether it is grey, of 16 bits, partly transparent."""

    side: int
    grey: bool
    deep: bool
    cut_out: bool


def glance(member: Member) -> Glance | None:
    """A glance at a file; None if it can't be read."""
    try:
        with opened(member) as image:
            deep = image.mode.startswith("I") or ";16" in repr(getattr(image, "tile", ""))
            side, grey = min(image.size), image.mode in ("1", "L", "LA") or image.mode.startswith(("I", "F"))
            low, high = image.convert("RGBA").getchannel("A").getextrema() if transparent(image) else (255, 255)
            if not grey:
                array = np.asarray(opaque(image).convert("RGB"))
                grey = bool((array == array[..., :1]).all())
            return Glance(side, grey, deep, low != high)
    except UNREADABLE:
        return None
