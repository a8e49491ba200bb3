"""What spoils an image: its frequencies weighted anew, noise, a hole."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.augment.dice import Dice
from ganforge.augment.wavelets import BANDS, band_matrices

__all__ = ["cutout", "equalised", "noisy"]

Images = Float[Tensor, "B C H W"]
OCTAVES, SIGMA, HOLE = 1.0, 0.1, 0.5  # of a band's gain, units of [-1, 1], share of the image's side


def gains(dice: Dice) -> Float[Tensor, "B 4"]:
    """How much each band is amplified: band after band by 2^N(0, 1²), all of them scaled to keep the expected power.

    Of a natural image's power, which falls as 1/f, the lowest band has about 10/13 and the others 1/13 each.
    """
    total = torch.ones(dice.count, len(BANDS), dtype=dice.dtype, device=dice.rng.device)
    for band in range(len(BANDS)):
        happens, strength = dice.happens(), dice.lognormal(OCTAVES)
        gain = torch.ones_like(total)
        gain[:, band] = strength
        power = (gain.square().sum(1, keepdim=True) + 9 * gain[:, :1].square()) / 13
        gain = gain / power.sqrt()
        total = torch.where(happens[:, None], total * gain, total)
    return total


def equalised(x: Images, dice: Dice) -> Images:
    """Four bands of frequencies, each amplified or damped.

    Karras et al. 2020, arXiv:2006.06676, appendix B, *image-space filtering*; the filter is separable, the same along
    both axes, and the image reflected at its edges.
    """
    gain = gains(dice)
    across, down = (
        torch.einsum("bk,kij->bij", gain.to(x.dtype), band_matrices(n, x.dtype, x.device))[:, None]
        for n in (x.shape[3], x.shape[2])
    )
    changed = (gain != 1).any(1)[:, None, None, None]
    return torch.where(changed, down @ x @ across.mT, x)


def noisy(x: Images, dice: Dice) -> Images:
    """x + σ·ε, σ ~ |N(0, .1²)| for each image, ε standard normal for each pixel and channel.

    Karras et al. 2020, arXiv:2006.06676, appendix B, *image-space corruptions*.
    """
    sigma = dice.maybe(dice.normal(SIGMA).abs(), neutral=0.0).to(x.dtype)
    noise = torch.randn(x.shape, generator=dice.rng, device=x.device, dtype=x.dtype)
    return x + sigma[:, None, None, None] * noise


def cutout(x: Images, dice: Dice) -> Images:
    """A rectangle of half the image's height and width, its centre uniform over the image, set to 0.

    Karras et al. 2020, arXiv:2006.06676, appendix B, *image-space corruptions*.
    """
    happens, inside = dice.happens(), []
    for size in (x.shape[3], x.shape[2]):
        middle = (torch.arange(size, dtype=dice.dtype, device=x.device) + 0.5) / size
        inside.append((middle - dice.uniform(0.0, 1.0)[:, None]).abs() < HOLE / 2)
    hole = inside[1][:, None, :, None] & inside[0][:, None, None, :] & happens[:, None, None, None]
    return x.masked_fill(hole, 0.0)
