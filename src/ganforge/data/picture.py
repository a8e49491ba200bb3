"""One image file: what a glance at it says, and its pixels as uint8, square, of one size and number of channels."""

import os
from io import BytesIO
from threading import Lock
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from ganforge.data.fit import Fit, squared
from ganforge.data.members import Member
from ganforge.data.pairs import Face, Half, Item, Twin, faces

__all__ = ["MODES", "UNREADABLE", "Glance", "eight_bits", "glance", "opaque", "opened", "pixels", "reason", "upright"]

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Channels -> Pillow's name: grey, grey with alpha, colour, colour with alpha."""

UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what Pillow raises on broken files
SIXTEEN = 65_535
OPENING = Lock()  # around the moment in which Pillow's own limit is lifted
if hasattr(os, "register_at_fork"):  # nor is a process forked in that moment: it would keep the limit lifted
    os.register_at_fork(before=OPENING.acquire, after_in_parent=OPENING.release, after_in_child=OPENING.release)


def reason(error: Exception) -> str:
    """Why an image can't be read, in a few words."""
    if isinstance(error, Image.DecompressionBombError):
        return f"a decompression bomb, or larger than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    return "no known format" if isinstance(error, UnidentifiedImageError) else str(error).rstrip(".")


def opened(member: Member) -> Image.Image:
    """A file, opened as an image by what is in it, whatever its name says; up to twice Pillow's limit of pixels.

    Raises one of `UNREADABLE`.
    """
    data = member.read()
    if not data:
        raise ValueError("the file is empty")
    with OPENING:  # Pillow would warn between once and twice the limit, and warnings can't be stopped in a thread alone
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(BytesIO(data))
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    if limit is not None and image.width * image.height > 2 * limit:
        raise Image.DecompressionBombError
    return image


def half(image: Image.Image, face: Face) -> Image.Image:
    """The part of a whole image that is meant."""
    if isinstance(face, Member):
        return image
    middle = image.width // 2
    left = image.width - middle if face.right else 0
    return image.crop((left, 0, left + middle, image.height))


def upright(face: Face) -> Image.Image | Exception:
    """An image, upright (EXIF) and decoded; or what went wrong."""
    try:
        with opened(face.member if isinstance(face, Half) else face) as image:
            image.load()
            return half(ImageOps.exif_transpose(image), face)
    except UNREADABLE as error:
        return error


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


def pixels(item: Item, shape: tuple[int, int, int], fit: Fit) -> UInt8[np.ndarray, "H W C"]:
    """One file, upright (EXIF), made a square by the policy and filter of `fit`; with 2 or 4 channels alpha stays. Of a
    pair, both halves of the channels.

    Raises one of `UNREADABLE`.
    """
    channels, size, _ = shape
    if not isinstance(item, Twin):
        return square(ready(item, channels, fit, (2 * size, 2 * size)), channels, size, fit)
    channels //= 2
    if isinstance(item.a, Half) and isinstance(item.b, Half):  # of one file, decoded once
        whole = ready(item.a.member, channels, fit, (4 * size, 2 * size))
        images = [half(whole, face) for face in (item.a, item.b)]
        return np.concatenate([square(image, channels, size, fit) for image in images], 2)
    both = [pixels(face, (channels, size, size), fit) for face in faces(item) if isinstance(face, Member)]
    return np.concatenate(both, 2)


def ready(member: Member, channels: int, fit: Fit, least: tuple[int, int]) -> Image.Image:
    """An image file, upright, with these channels of 8 bits; no smaller than this where it isn't already."""
    with opened(member) as image:
        if fit.filter != "nearest" and image.width >= 2 * least[0] and image.height >= 2 * least[1]:
            image.draft(image.mode, least)  # large JPEGs are decoded at a fraction of their size
        ImageOps.exif_transpose(image, in_place=True)
    eight = (eight_bits if channels in (2, 4) else opaque)(image)
    if channels == 2:
        eight = eight.convert("RGBA")  # a palette with alpha has no other way
    return eight if eight.mode == MODES[channels] else eight.convert(MODES[channels])


def square(image: Image.Image, channels: int, size: int, fit: Fit) -> UInt8[np.ndarray, "size size C"]:
    """It as a square of this size."""
    if image.size != (size, size):
        image = squared(image, size, fit)
    return np.asarray(image).reshape(size, size, channels)


class Glance(NamedTuple):
    """What is seen of a file at a glance: its size, whether it is grey, of 16 bits, partly transparent."""

    size: tuple[int, int]
    grey: bool
    deep: bool
    cut_out: bool

    @property
    def side(self) -> int:
        """The shorter side."""
        return min(self.size)


def glance(face: Face) -> Glance | None:
    """A glance at a file; None if it can't be read."""
    try:
        with opened(face.member if isinstance(face, Half) else face) as image:
            middle = image.width // 2 if isinstance(face, Half) else image.width
            deep = image.mode.startswith("I") or ";16" in repr(getattr(image, "tile", ""))
            grey = image.mode in ("1", "L", "LA") or image.mode.startswith(("I", "F"))
            clear = transparent(image) and image.convert("RGBA").getchannel("A").getextrema() != (255, 255)
            if not grey:
                array = np.asarray(opaque(image).convert("RGB"))
                grey = bool((array == array[..., :1]).all())
            return Glance((middle, image.height), grey, deep, clear)
    except UNREADABLE:
        return None
