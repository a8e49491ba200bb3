"""Any drawing as a density: where the picture is dark, points fall."""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import Field
from torch import Tensor

from ganforge.data.endless import endless
from ganforge.data.images import Source
from ganforge.data.picture import UNREADABLE
from ganforge.errors import DataError

__all__ = ["drawing"]


def drawing(
    *,
    path: Annotated[str, Field(description="an image file: its dark pixels, or its opaque ones where some aren't")],
    radius: Annotated[float, Field(description="half of the longer side; the centre is the origin", gt=0)] = 1.0,
    pixels: Annotated[int, Field(description="the longer side is reduced to so many pixels", ge=2, le=2048)] = 256,
    threshold: Annotated[
        float, Field(description="darkness, of 1, up to which a pixel counts as bare paper", ge=0, lt=1)
    ] = 0.1,
    held_out: Annotated[
        int, Field(description="points of the fixed held-out drawing, and of the test's", ge=1, le=10**6)
    ] = 10_000,
) -> Source:
    """An image as a density in the plane, upright, its sides in proportion: piecewise constant on its pixels.

    A pixel's mass is its darkness (1 for black, 0 for white); in an image with transparent pixels it is the opacity,
    whatever the colours. Raises DataError for a file that can't be read or holds nothing to draw.
    """
    mass = masses(Path(path).expanduser(), pixels, threshold)
    height, width = mass.shape
    edges = torch.from_numpy(mass.cumsum() / mass.sum())
    pixel = 2 * radius / max(height, width)
    corner = torch.tensor([-width / 2, height / 2])

    def draw(count: int, rng: torch.Generator) -> Tensor:
        chosen = torch.searchsorted(edges, torch.rand(count, generator=rng, dtype=torch.float64), right=True)
        down, right = chosen // width, chosen % width
        inside = torch.rand(count, 2, generator=rng, dtype=torch.float32)
        return torch.stack([right, -down - 1], 1).add(inside).add_(corner).mul_(pixel)

    return endless(f"drawing of {Path(path).name}", draw, dim=2, held_out=held_out)


def masses(path: Path, pixels: int, threshold: float) -> NDArray[np.float64]:
    """Darkness or opacity of each pixel, (H, W) in [0, 1].

    Raises:
        DataError: if the file can't be read, or no pixel is dark enough.
    """
    try:
        with Image.open(path) as image:
            image.draft(image.mode, (2 * pixels, 2 * pixels))
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except UNREADABLE as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else "it is no image, or broken"
        raise DataError(f"data.path = {str(path)!r} can't be drawn from: {reason}; give a picture file.") from None
    upright.thumbnail((pixels, pixels), Image.Resampling.BOX)
    opacity = np.asarray(upright.getchannel("A"), np.float64) / 255
    mass = opacity if (opacity < 0.5).any() else 1 - np.asarray(upright.convert("L"), np.float64) / 255
    mass = np.where(mass > threshold, mass, 0.0)
    if not mass.any():
        raise DataError(
            f"data.path = {str(path)!r} is blank: no pixel is darker than {threshold:g}; lower data.threshold."
        )
    return mass
