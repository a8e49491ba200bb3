"""ADA: augmentations whose probability follows how far the discriminator overfits."""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from ganforge.augment.augmentation import Augmentation
from ganforge.augment.colour import colour
from ganforge.augment.corruption import cutout, equalised, noisy
from ganforge.augment.dice import Dice
from ganforge.augment.geometry import blit, geometry
from ganforge.moment import Memory, Moment

__all__ = ["GROUPS", "ada"]

GROUPS: dict[str, Callable[[Float[Tensor, "B C H W"], Dice], Float[Tensor, "B C H W"]]] = {
    "blit": blit,
    "geometry": geometry,
    "colour": colour,
    "filter": equalised,
    "noise": noisy,
    "cutout": cutout,
}
"""Name -> transformation (x, dice) -> x, in the order in which they take place."""

Group = Literal["blit", "geometry", "colour", "filter", "noise", "cutout"]


def ada(
    *,
    groups: Annotated[
        tuple[Group, ...],
        Field(min_length=1, description="what is done: blit, geometry, colour, filter, noise, cutout"),
    ] = ("blit", "geometry", "colour"),
    p: Annotated[
        float | None,
        Field(ge=0, le=1, description="probability of each transformation; none: it follows the overfitting"),
    ] = None,
    target: Annotated[
        float,
        Field(gt=-1, lt=1, description="the mean sign of D(real) that p is steered to; higher: less augmentation"),
    ] = 0.6,
    interval: Annotated[int, Field(ge=1, description="discriminator steps between two changes of p")] = 4,
    speed: Annotated[float, Field(gt=0, description="images in which p can rise from 0 to 1")] = 500e3,
) -> Augmentation:
    """Each transformation with probability p, and p as large as the discriminator's overfitting needs it.

    A discriminator that overfits is sure of the real images: r = E[sign D(real)] nears 1. Every `interval` steps p
    moves up where r > target, else down, by the images seen since over `speed`. While p stays below some .8, what the
    discriminator sees tells all about what it doesn't, and the augmentations don't leak into the generator's images.

    Karras et al. 2020, arXiv:2006.06676, sections 2 and 3, eq. 1, appendix B. Their defaults: groups "bgc", target .6,
    interval 4, speed 500k. *Differs:* p stops at 1, beyond which nothing more can happen; the transformations' own
    differences stand beside them.

    Raises:
        RecipeError: by the plan, for points, and for an objective whose logits decide nothing (Wasserstein) without
            a fixed p.
    """
    chosen = [transform for name, transform in GROUPS.items() if name in groups]

    def apply(x: Float[Tensor, "B C H W"], moment: Moment) -> Float[Tensor, "B C H W"]:
        chance = moment.remembered("ada")["p"] if p is None else p
        dice = Dice(moment.rng, len(x), chance, torch.promote_types(x.dtype, torch.float32))
        for transform in chosen:
            x = transform(x, dice)
        return x

    def watch(logits: Float[Tensor, " B"], moment: Moment) -> None:
        kept = moment.remembered("ada")
        if moment.turn % interval == 0:
            adjust(kept, moment.images, target=target, speed=speed)
        kept["signs"] += logits.sign().nan_to_num().sum()
        kept["count"] += logits.numel()

    if p is not None:
        return Augmentation("ada", apply)
    return Augmentation("ada", apply, watch, memory)


def memory() -> Memory:
    """p; the sum of signs and their number since it was adjusted; images seen when it was."""
    zeros = {name: torch.zeros((), dtype=torch.float32) for name in ("p", "signs", "count")}
    return zeros | {"since": torch.zeros((), dtype=torch.int64)}


def adjust(kept: Memory, images: int, *, target: float, speed: float) -> None:
    """Move p by the images seen since the last time; nothing where there were none (further pieces of a batch)."""
    new = images - kept["since"]
    r = kept["signs"] / kept["count"].clamp(min=1)
    kept["p"].add_(torch.sign(r - target) * new / speed).clamp_(0, 1)
    for name in ("signs", "count"):
        kept[name] *= new == 0
    kept["since"].fill_(images)
