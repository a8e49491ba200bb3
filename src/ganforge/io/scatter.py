"""Pictures of points: fakes over real ones, in a frame that the real ones fix."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

__all__ = ["scatter"]

SIDE = 512  # pixels of the picture
SHARP = 2  # it is drawn so many times larger, then reduced
MARGIN = 0.2  # of the real points' range, on every side
BINS = 96
PAPER, LINE, INK = (255, 255, 255), (232, 234, 238), (120, 126, 138)
REAL, FAKE = (148, 155, 168), (214, 69, 28)
OPACITY = {REAL: 0.35, FAKE: 0.55}
RADIUS = {REAL: 1.5, FAKE: 2.0}  # of a dot, in pixels
TALL = 0.7  # of the picture, that the highest real bar takes

Frame = tuple[NDArray[Any], float]
"""The lower left corner, and the length of a side."""


def scatter(points: Float[Tensor, "N D"], behind: Float[Tensor, "M D"] | None = None) -> Image.Image:
    """One picture of N points, over M real ones in grey.

    In the plane a dot each, with equal scales; of more dimensions the first two. On the line two histograms, as high
    as the shares. The frame is that of the real points (of the points themselves, where there are none) and a margin;
    what lies outside, or isn't finite, is drawn on the rim. So pictures of one run have one frame.

    >>> import torch
    >>> scatter(torch.randn(100, 2)).size
    (512, 512)
    """
    fakes = np.nan_to_num(points[:, :2].double().cpu().numpy(), nan=1e30, posinf=1e30, neginf=-1e30)
    reals = fakes[:0] if behind is None else behind[:, :2].double().cpu().numpy()
    frame = frame_of(reals if len(reals) else fakes)
    canvas = np.full((SIDE * SHARP, SIDE * SHARP, 3), PAPER, np.float64)
    rule(canvas, frame, dims=fakes.shape[1])
    paint = bars if fakes.shape[1] == 1 else dots
    highest = paint(canvas, reals, frame, REAL, None)
    paint(canvas, fakes, frame, FAKE, highest)
    picture = Image.fromarray(canvas.round().astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BOX)
    return labelled(picture, frame, dims=fakes.shape[1])


def frame_of(points: NDArray[Any]) -> Frame:
    """A square around points, with a margin."""
    if not len(points):
        return np.full(2, -1.0), 2.0
    low, high = points.min(0), points.max(0)
    side = float((high - low).max()) * (1 + 2 * MARGIN) or 2.0
    return (low + high - side) / 2, side


def places(points: NDArray[Any], frame: Frame) -> NDArray[Any]:
    """Where points lie in the frame, 0 to 1 from the left and from below; those outside on its rim."""
    corner, side = frame
    return ((points - corner) / side).clip(0.004, 0.996)


def over(canvas: NDArray[Any], alpha: NDArray[Any], colour: tuple[int, int, int]) -> None:
    """Paint a colour where alpha, (H, W), says so."""
    canvas += alpha[..., None] * (np.array(colour) - canvas)


def dots(
    canvas: NDArray[Any],
    points: NDArray[Any],
    frame: Frame,
    colour: tuple[int, int, int],
    highest: float | None,
) -> float:
    """Discs that let shine through what lies below; n of them on one place hide it to (1 - opacity)^n."""
    reach = int(RADIUS[colour] * SHARP) + 1
    offset = np.indices((2 * reach + 1, 2 * reach + 1)).reshape(2, -1).T - reach
    offset = offset[(offset**2).sum(1) <= (RADIUS[colour] * SHARP) ** 2]
    centre = (places(points, frame)[:, ::-1] * len(canvas)).astype(int)
    centre[:, 0] = len(canvas) - 1 - centre[:, 0]
    pixel = (centre[:, None] + offset).reshape(-1, 2).clip(0, len(canvas) - 1)
    count = np.bincount(pixel[:, 0] * len(canvas) + pixel[:, 1], minlength=len(canvas) ** 2).reshape(canvas.shape[:2])
    over(canvas, 1 - (1 - OPACITY[colour]) ** count, colour)
    return 0.0


def bars(
    canvas: NDArray[Any],
    points: NDArray[Any],
    frame: Frame,
    colour: tuple[int, int, int],
    highest: float | None,
) -> float:
    """A histogram of shares; `highest` is the share of the highest real bar, and comes back."""
    count, _ = np.histogram(places(points, frame), BINS, (0, 1))
    share = count / max(len(points), 1)
    highest = highest or float(share.max()) or 1.0
    tall = np.repeat(share / highest * TALL, -(-len(canvas) // BINS))[: len(canvas)]
    above = (1 - np.arange(len(canvas)) / len(canvas))[:, None]
    over(canvas, (above <= tall) * OPACITY[colour], colour)
    return highest


def ticks(start: float, side: float) -> list[float]:
    """Round numbers in the range, three to six of them."""
    step = 10.0 ** np.floor(np.log10(side / 2))
    step = next(step * m for m in (1, 0.5, 0.25) if side / (step * m) >= 3)
    step = step if side / step <= 6 else step * 2 if side / step <= 12 else step * 5
    return [float(k * step) for k in range(int(np.ceil(start / step)), int(np.floor((start + side) / step)) + 1)]


def rule(canvas: NDArray[Any], frame: Frame, *, dims: int) -> None:
    """Faint lines at round numbers."""
    corner, side = frame
    for axis in range(dims):
        for tick in ticks(corner[axis], side):
            place = int((tick - corner[axis]) / side * len(canvas))
            lines = canvas[:, place : place + SHARP] if axis == 0 else canvas[len(canvas) - SHARP - place :][:SHARP]
            lines[...] = LINE


def labelled(picture: Image.Image, frame: Frame, *, dims: int) -> Image.Image:
    """The round numbers, written at the lower and the left rim."""
    corner, side = frame
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default()
    for axis in range(dims):
        for tick in ticks(corner[axis], side):
            place = (tick - corner[axis]) / side * SIDE
            if 24 < place < SIDE - 24:
                at = (place, SIDE - 14) if axis == 0 else (4, SIDE - place - 6)
                pen.text(at, f"{tick:g}", fill=INK, font=font)
    return picture
