"""Changes of colour, all of them together one affine map of a pixel's channels."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ganforge.augment.dice import Dice

__all__ = ["colour"]

BRIGHTNESS, CONTRAST, HUE, SATURATION = 0.2, 0.5, torch.pi, 1.0  # units of [-1, 1], octaves, radians, octaves


def colour_matrix(dice: Dice, channels: int) -> tuple[Float[Tensor, "B C C"], Float[Tensor, " B"], Bool[Tensor, " B"]]:
    """A pixel's linear map A, its brightness b (a pixel x becomes A·(x + b)), and whether any of it takes place.

    With v the unit vector of grey, A = c·(ε·vvᵀ + s·R·(I - vvᵀ)): contrast c, luma flip ε, saturation s and the turn R
    by the hue about v. Contrast, flip, turn and saturation commute.
    """
    b = dice.maybe(dice.normal(BRIGHTNESS), neutral=0.0)
    c = dice.maybe(dice.lognormal(CONTRAST), neutral=1.0)
    flip = dice.maybe(1 - 2 * dice.integer(0, 1), neutral=1.0)
    hue = dice.maybe(dice.uniform(-HUE, HUE), neutral=0.0) if channels == 3 else torch.zeros_like(b)
    s = dice.maybe(dice.lognormal(SATURATION), neutral=1.0) if channels > 1 else torch.ones_like(b)
    identity = torch.eye(channels, dtype=b.dtype, device=b.device)
    luma = torch.full_like(identity, 1 / channels)  # vvᵀ
    turned = torch.zeros_like(identity)  # v × x, for three channels
    if channels == 3:
        turned = (identity.roll(1, 0) - identity.roll(-1, 0)) / 3**0.5
    c, flip, s, cosine, sine = (n[:, None, None] for n in (c, flip, s, hue.cos(), hue.sin()))
    A = c * (flip * luma + s * (cosine * (identity - luma) + sine * turned))
    changed = (b != 0) | ((c != 1) | (flip != 1) | (s != 1) | (sine != 0))[:, 0, 0]
    return A, b, changed


def colour(x: Float[Tensor, "B C H W"], dice: Dice) -> Float[Tensor, "B C H W"]:
    """Brightness, contrast, luma flip, hue and saturation, in this order.

    Karras et al. 2020, arXiv:2006.06676, appendix B, *color transformations*: b ~ N(0, .2²), c ~ 2^N(0, .5²),
    i ~ U{0, 1}, θ ~ U(-π, π), s ~ 2^N(0, 1²). With one channel that is what happens to grey in RGB: hue and saturation
    do nothing. *Differs:* other numbers of channels are allowed; grey is then (1, ..., 1), and the hue stays.
    """
    A, b, changed = colour_matrix(dice, x.shape[1])
    mapped = A.to(x.dtype) @ (x + b.to(x.dtype)[:, None, None, None]).flatten(2)
    return torch.where(changed[:, None, None, None], mapped.unflatten(2, x.shape[2:]), x)
