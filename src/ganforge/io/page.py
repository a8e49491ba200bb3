"""Pages that need nothing beside themselves: one style sheet, pictures inside the text."""

import base64
import io
from pathlib import Path

from PIL import Image

__all__ = ["address", "template"]

HERE = Path(__file__).parent
MOST_BYTES = 400_000  # of one picture; larger ones are embedded smaller, as JPEG
MOST_PIXELS = 1_024


def template(name: str, folder: Path = HERE) -> str:
    """A page of a folder with the common head and style in it, its other `__WORDS__` still to be replaced.

    `__HEAD__` is how every page begins, `__LOOK__` its colours and letters, `__STYLE__` what is made of a run.
    """
    text = (folder / name).read_text("utf-8")
    for word, file in (("__HEAD__", "head.html"), ("__LOOK__", "look.css"), ("__STYLE__", "page.css")):
        text = text.replace(word, (HERE / file).read_text("utf-8"))
    return text


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
