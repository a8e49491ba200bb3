"""What can be measured on an image without a network: light, size, and of grey strokes their width and their slant."""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Num
from torch import Tensor

from ganforge.features.images import in_unit_range, on_white, recoloured

__all__ = ["ATTRIBUTES", "UNITS", "attributes", "brightness", "contrast", "size", "slant", "stroke_width"]

Images = Float[Tensor, "B H W"]
EMPTY = 1e-6  # of ink, in pixels: an image with less has neither size nor slant nor strokes


def brightness(light: Images) -> Float[Tensor, " B"]:
    """The mean, 0 black, 1 white."""
    return light.mean((1, 2))


def contrast(light: Images) -> Float[Tensor, " B"]:
    """The standard deviation over the pixels, at most .5."""
    return light.std((1, 2), correction=0)


def ink(light: Images) -> Images:
    """How much each pixel differs from the background, which is the median of the image's border."""
    border = torch.cat([light[:, 0], light[:, -1], light[:, 1:-1, 0], light[:, 1:-1, -1]], 1)
    return (light - border.median(1).values[:, None, None]).abs()


def moments(mass: Images) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Total mass and its central second moments over x², xy and y², in pixels, y upwards."""
    H, W = mass.shape[1:]
    y, x = torch.meshgrid(-torch.arange(H).to(mass), torch.arange(W).to(mass), indexing="ij")
    total = mass.sum((1, 2))
    share = mass / total.clamp_min(EMPTY)[:, None, None]
    x = x - (share * x).sum((1, 2), keepdim=True)
    y = y - (share * y).sum((1, 2), keepdim=True)
    return total, (share * x * x).sum((1, 2)), (share * x * y).sum((1, 2)), (share * y * y).sum((1, 2))


def size(light: Images) -> Float[Tensor, " B"]:
    """How far the ink lies from its centre, root mean square, in pixels."""
    _, xx, _, yy = moments(ink(light))
    return (xx + yy).sqrt()


def slant(light: Images) -> Float[Tensor, " B"]:
    """The angle in degrees that the ink leans to the right: arctan of μ₁₁/μ₀₂, the shear that makes it upright."""
    _, _, xy, yy = moments(ink(light))
    return torch.atan2(xy, yy.clamp_min(EMPTY)) * (180 / math.pi)


def stroke_width(light: Images) -> Float[Tensor, " B"]:
    """The mean width of strokes in pixels: twice their area over their perimeter.

    A stroke of width w and length L has the area w·L and the perimeter 2·(w + L), so this is w where L is large, and
    less for a blob. The perimeter of grey ink is its total variation: each level's outline,
    weighted; here of the gradient in the middle of every four pixels.
    """
    drawn = torch.nn.functional.pad(ink(light), (1, 1, 1, 1))
    down, right = drawn.diff(dim=1), drawn.diff(dim=2)
    down = (down[:, :, :-1] + down[:, :, 1:]) / 2
    right = (right[:, :-1] + right[:, 1:]) / 2
    return 2 * drawn.sum((1, 2)) / (down.square() + right.square()).sqrt().sum((1, 2)).clamp_min(EMPTY)


ATTRIBUTES: dict[str, Callable[[Images], Float[Tensor, " B"]]] = {
    "brightness": brightness,
    "contrast": contrast,
    "size": size,
    "slant": slant,
    "stroke_width": stroke_width,
}
UNITS = {"brightness": "", "contrast": "", "size": "px", "slant": "°", "stroke_width": "px"}
STROKES = {"slant", "stroke_width"}


def attributes(images: Num[Tensor, "B C H W"]) -> Mapping[str, Float[Tensor, " B"]]:
    """Each attribute of each image, bytes or floats in [-1, 1]; what is said of strokes of grey images alone.

    >>> sorted(attributes(torch.zeros(2, 3, 8, 8)))
    ['brightness', 'contrast', 'size']
    """
    x = on_white(in_unit_range(images))
    light = (recoloured(x, 1) if x.shape[1] in (1, 3) else x.mean(1, keepdim=True))[:, 0] / 2 + 0.5
    return {name: f(light) for name, f in ATTRIBUTES.items() if images.shape[1] == 1 or name not in STROKES}
