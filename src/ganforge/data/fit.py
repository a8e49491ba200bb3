"""How images of any size become squares of one: what is cut off, stretched or padded, and by which filter."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

from PIL import Image

__all__ = ["FILTERS", "IDLE", "POLICIES", "USUAL", "Filter", "Fit", "Frame", "Policy", "framed", "idle", "squared"]

Policy = Literal["crop", "stretch", "pad"]
Filter = Literal["auto", "lanczos", "bicubic", "bilinear", "box", "nearest"]

POLICIES: tuple[Policy, ...] = get_args(Policy)
FILTERS: tuple[Filter, ...] = get_args(Filter)
RESAMPLING: dict[Filter, Image.Resampling] = {
    name: Image.Resampling[name.upper()] for name in FILTERS if name != "auto"
}
KEYS = {"size": "size", "channels": "channels", "fit": "policy", "filter": "filter"}  # of [data] -> of a `Fit`
IDLE = "changes nothing"  # in what is said of such settings
FILES: Filter = "lanczos"  # what "auto" is for image files


@dataclass(frozen=True)
class Fit:
    """The shape that images are brought to, and how.

    Attributes:
        size: height and width; None: chosen by looking.
        channels: None: chosen by looking.
        policy: `crop`: the central square; `stretch`: all of it, its aspect lost; `pad`: all of it, and bars of black
            (transparent where there is alpha).
        filter: Pillow's, antialiased but for `nearest`. `auto` is Lanczos for image files, and for arrays a bicubic one
            in float32.
        own: a size chosen by looking is the images' own where all have it, else a power of two up to 256: as they are
            judged, and not as they are learnt.
    """

    size: int | None = None
    channels: int | None = None
    policy: Policy = "crop"
    filter: Filter = "auto"
    own: bool = False

    @property
    def of_files(self) -> "Fit":
        """The same for image files, by one name."""
        return replace(self, filter="auto") if self.filter == FILES else self

    @property
    def on_files(self) -> "Fit":
        """The same for image files, with the filter that is meant."""
        return replace(self, filter=FILES) if self.filter == "auto" else self

    @property
    def changes(self) -> dict[str, Any]:
        """What isn't left as it is by default, by the keys of a recipe's [data]."""
        return {key: value for key, name in KEYS.items() if (value := getattr(self, name)) != getattr(Fit, name)}


USUAL = Fit()


class Frame(NamedTuple):
    """Where an image comes to lie in its square.

    Attributes:
        box: what is taken of it: left, top, right, bottom, in its pixels, halves of them too.
        sides: the width and height that this becomes.
        corner: where in the square its left upper corner lies.
    """

    box: tuple[float, float, float, float]
    sides: tuple[int, int]
    corner: tuple[int, int] = (0, 0)

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns that are taken, in whole pixels."""
        left, top, right, bottom = self.box
        rows, columns = int(bottom - top), int(right - left)
        return slice(int(top), int(top) + rows), slice(int(left), int(left) + columns)


def cropped(width: int, height: int, size: int) -> Frame:
    """The central square.

    >>> cropped(90, 40, 32)
    Frame(box=(25.0, 0.0, 65.0, 40.0), sides=(32, 32), corner=(0, 0))
    """
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return Frame((left, top, left + side, top + side), (size, size))


def stretched(width: int, height: int, size: int) -> Frame:
    """All of it, each side for itself.

    >>> stretched(90, 40, 32)
    Frame(box=(0, 0, 90, 40), sides=(32, 32), corner=(0, 0))
    """
    return Frame((0, 0, width, height), (size, size))


def padded(width: int, height: int, size: int) -> Frame:
    """All of it, the longer side fills the square.

    >>> padded(90, 45, 32)
    Frame(box=(0, 0, 90, 45), sides=(32, 16), corner=(0, 8))
    """
    longer = max(width, height)
    w, h = (max(1, round(side / longer * size)) for side in (width, height))
    return Frame((0, 0, width, height), (w, h), (round((size - w) / 2), round((size - h) / 2)))


FRAMES: dict[Policy, Callable[[int, int, int], Frame]] = {"crop": cropped, "stretch": stretched, "pad": padded}


def framed(policy: Policy, width: int, height: int, size: int) -> Frame:
    """Where an image of that size comes to lie in a square of side `size`."""
    return FRAMES[policy](width, height, size)


def squared(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    """An image as a square of that size; what isn't covered is 0 in every channel, alpha too."""
    frame = framed(fit.policy, *image.size, size)
    method = RESAMPLING[FILES if fit.filter == "auto" else fit.filter]
    picture = image.resize(frame.sides, method, box=frame.box)
    if frame.sides == (size, size):
        return picture
    square = Image.new(image.mode, (size, size))
    square.paste(picture, frame.corner)
    return square


def idle(fit: Fit, sides: tuple[int, ...]) -> Iterator[str]:
    """What is to be said of settings that change nothing, as all images have these sides already."""
    if fit.policy != Fit.policy and len(set(sides)) == 1:
        yield f"data.fit = {fit.policy} {IDLE}: the images are square"
    if fit.filter != Fit.filter and set(sides) == {fit.size}:
        yield f"data.filter = {fit.filter} {IDLE}: the images are of {fit.size}×{fit.size} already"
