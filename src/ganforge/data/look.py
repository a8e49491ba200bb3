"""One image of a data set, looked at: what is in it, in numbers small enough to keep for every one."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from ganforge.data.pairs import Half, Item, Twin, faces
from ganforge.data.picture import opaque, reason, upright

__all__ = ["Look", "Sight", "alike", "beside", "look", "looked", "shown", "sight", "small"]

THUMB = 16  # pixels of the grey thumbnails by which near copies are found
NEAR = 4.0  # of 255 levels, root mean square, by which the thumbnails of near copies differ at most
COMPARED = 100_000  # images, beyond which only so many are compared, spread over the set
FRAME = 2  # pixels of a border
CHUNK = 512  # thumbnails compared with all before them at a time
CELL = 128  # pixels of a picture on a contact sheet, at most

Picture = Image.Image | Exception


@dataclass(frozen=True)
class Look:
    """One image, looked at.

    Attributes:
        name: its file, or its number.
        error: why it can't be read; then nothing else is known.
        size: width and height, upright.
        mode: Pillow's name of its kind of pixels.
        digest: of its pixels; equal for exact copies, however they are encoded.
        thumb: grey, 16 × 16, as bytes.
        constant: all pixels are the same.
        bordered: its frame of 2 pixels is of one colour, what is inside isn't.
    """

    name: str
    error: str = ""
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    digest: bytes = b""
    thumb: bytes = b""
    constant: bool = False
    bordered: bool = False


Sight = tuple[list[Look], Image.Image | None]
"""What was seen of an item, and its picture for a contact sheet, where one is wanted."""


def looked(name: str, item: Item, wanted: bool) -> Sight:
    """A file, or both of a pair, looked at."""
    images = [upright(face) for face in faces(item)]
    if isinstance(item, Twin) and isinstance(item.a, Half):
        names = [f"{name} ({side})" for side in ("left", "right")]
        if isinstance(images[0], Exception):
            return [look(name, images[0])], None
    else:
        names = [name] if len(images) == 1 else [f"{name} (A)", f"{name} (B)"]
    return sight(list(zip(names, images, strict=True)), wanted)


def sight(images: list[tuple[str, Picture]], wanted: bool) -> Sight:
    """Images by their names, looked at; on the sheet beside each other."""
    looks = [look(name, image) for name, image in images]
    whole = [image for _, image in images if isinstance(image, Image.Image)]
    return looks, beside([small(image) for image in whole]) if wanted and len(whole) == len(looks) else None


def beside(pictures: list[Image.Image]) -> Image.Image:
    """Pictures in a row, as high as the highest."""
    row = Image.new("RGB", (sum(picture.width for picture in pictures), max(picture.height for picture in pictures)))
    left = 0
    for picture in pictures:
        row.paste(picture, (left, 0))
        left += picture.width
    return row


def look(name: str, image: Picture) -> Look:
    """One image, in numbers."""
    if isinstance(image, Exception):
        return Look(name, error=reason(image))
    array = np.asarray(opaque(image).convert("RGB"))
    thumb = Image.fromarray(array).convert("L").resize((THUMB, THUMB), Image.Resampling.BOX)
    constant = bool((array == array[:1, :1]).all())
    digest = hashlib.sha256(repr(array.shape).encode() + array.tobytes()).digest()
    return Look(
        name, size=image.size, mode=image.mode, digest=digest,
        thumb=thumb.tobytes(), constant=constant,
        bordered=not constant and framed(array),
    )  # fmt: skip


def small(image: Image.Image) -> Image.Image:
    """An image for a contact sheet, on white, no larger than a cell of it."""
    picture = opaque(image).convert("RGB")
    scale = CELL / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def framed(array: np.ndarray) -> bool:
    """Whether the outermost pixels are all of one colour."""
    edges = (array[:FRAME], array[-FRAME:], array[:, :FRAME], array[:, -FRAME:])
    return all(bool((edge == array[0, 0]).all()) for edge in edges)


def shown(array: np.ndarray) -> Image.Image:
    """An image (H, W, C); of channels that are no colours, the first, or the first three."""
    C = array.shape[2]
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if C < 3 else array if C == 4 else array[..., :3]))


def alike(looks: list[Look]) -> list[tuple[str, str]]:
    """Pairs of images whose thumbnails are nearly the same and that aren't copies; each image once, with the first."""
    there = [one for one in looks if not one.constant]
    there = there[:: math.ceil(len(there) / COMPARED)] if there else []
    thumbs = torch.tensor(np.frombuffer(b"".join(one.thumb for one in there), np.uint8).astype(np.float32))
    thumbs = thumbs.view(len(there), THUMB * THUMB)
    squares, pairs = thumbs.square().sum(1), list[tuple[str, str]]()
    for start in range(0, len(there), CHUNK):
        rows = thumbs[start : start + CHUNK]
        before = thumbs[: start + len(rows)]
        distances = squares[start : start + len(rows), None] + squares[: len(before)] - 2 * rows @ before.T
        close = (distances / THUMB**2 <= NEAR**2).tril(start - 1)
        for row, column in zip(*close.nonzero(as_tuple=True), strict=True):
            one, other = there[int(column)], there[start + int(row)]
            if one.digest != other.digest and (not pairs or pairs[-1][1] != other.name):
                pairs.append((one.name, other.name))
    return pairs
