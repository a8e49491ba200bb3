"""DiffAugment: simple transformations, each of them always, and that is enough for little data."""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganforge.augment.augmentation import Augmentation
from ganforge.augment.dice import Dice
from ganforge.augment.geometry import picked
from ganforge.moment import Moment

__all__ = ["POLICIES", "diff_augment"]

Images = Float[Tensor, "B C H W"]
SHIFT, HOLE = 1 / 8, 1 / 2  # of the image's side


def about(mean: Float[Tensor, "B ..."], x: Images, factor: Float[Tensor, " B"]) -> Images:
    """The distance from a mean, times a factor of each sample."""
    return torch.lerp(mean, x, factor.to(x.dtype)[:, None, None, None])


def colour(x: Images, dice: Dice) -> Images:
    """Brightness: + U(-.5, .5); saturation: distance from the pixel's mean · U(0, 2); contrast: from the image's mean ·
    U(.5, 1.5)."""
    x = x + dice.uniform(-0.5, 0.5).to(x.dtype)[:, None, None, None]
    x = about(x.mean(1, keepdim=True), x, dice.uniform(0.0, 2.0))
    return about(x.mean((1, 2, 3), keepdim=True), x, dice.uniform(0.5, 1.5))


def whole(share: float, size: int) -> int:
    """A share of a side in whole pixels, a half rounded up."""
    return int(size * share + 0.5)


def translation(x: Images, dice: Dice) -> Images:
    """A shift by whole pixels, up to 1/8 of the side each way, all as likely; 0 comes in."""
    H, W = x.shape[-2:]
    down, across = (whole(SHIFT, n) for n in (H, W))
    padded = F.pad(x, (across, across, down, down))
    rows, columns = (started(dice, n, most) for n, most in ((H, down), (W, across)))
    return picked(padded, *torch.broadcast_tensors(rows[:, :, None], columns[:, None, :]))


def started(dice: Dice, size: int, most: int) -> Int[Tensor, "B {size}"]:
    """`size` places in a row, from a start of 0 to 2·most."""
    start = dice.integer(0, 2 * most).long()
    return start[:, None] + torch.arange(size, device=start.device)


def cutout(x: Images, dice: Dice) -> Images:
    """A square of half the side set to 0, its centre anywhere in the image, so that it may hang over the edge."""
    rows, columns = (hidden(dice, n) for n in x.shape[-2:])
    return x.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0.0)


def hidden(dice: Dice, size: int) -> Bool[Tensor, "B {size}"]:
    """Which places along an axis a hole covers."""
    hole = whole(HOLE, size)
    start = dice.integer(0, size - hole % 2)[:, None] - hole // 2
    place = torch.arange(size, device=start.device)
    return (place >= start) & (place < start + hole)


POLICIES: dict[str, Callable[[Images, Dice], Images]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
}
"""Name -> transformation (x, dice) -> x, in the order in which they take place."""


def diff_augment(
    *,
    policy: Annotated[
        tuple[Literal["colour", "translation", "cutout"], ...],
        Field(min_length=1, description="what is done to every image: colour, translation, cutout"),
    ] = ("colour", "translation", "cutout"),
) -> Augmentation:
    """Every image, real or fake, in both players' turns: colours changed, shifted, a quarter of it cut out.

    For few images, which a discriminator would learn by heart. Zhao et al. 2020, arXiv:2006.10738, section 3; strengths
    as in their code. *Differs:* the order is colour, translation, cutout, however the policy lists them.
    """
    chosen = [transform for name, transform in POLICIES.items() if name in policy]

    def apply(x: Images, moment: Moment) -> Images:
        dice = Dice(moment.rng, len(x), 1.0, torch.promote_types(x.dtype, torch.float32))
        for transform in chosen:
            x = transform(x, dice)
        return x

    return Augmentation("diff_augment", apply)
