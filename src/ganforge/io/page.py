"""Pages that need nothing beside themselves: one style sheet, pictures inside the text."""

import base64
import io
from pathlib import Path

from PIL import Image

__all__ = ["address", "template"]

MOST_BYTES = 400_000  # of one picture; larger ones are embedded smaller, as JPEG
MOST_PIXELS = 1_024


def template(name: str) -> str:
    """A page of this folder with the common style in it, its other `__WORDS__` still to be replaced."""
    style = Path(__file__).with_name("page.css").read_text("utf-8")
    return Path(__file__).with_name(name).read_text("utf-8").replace("__STYLE__", style)


def address(picture: Image.Image, data: bytes | None = None) -> str:
    """A picture as a data address: as the PNG file that it is or becomes; a large one smaller, as JPEG.

    >>> address(Image.new("L", (2, 2)))[:22]
    'data:image/png;base64,'
    """
    data, kind = data or encoded(picture, "PNG"), "png"
    if len(data) > MOST_BYTES:
        small = picture.convert("RGB")
        small.thumbnail((MOST_PIXELS, MOST_PIXELS), Image.Resampling.LANCZOS)
        data, kind = encoded(small, "JPEG", quality=85), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def encoded(picture: Image.Image, form: str, **options: int) -> bytes:
    """The bytes of a file."""
    buffer = io.BytesIO()
    picture.save(buffer, format=form, **options)
    return buffer.getvalue()
