"""Instance noise: both densities blurred, so that their supports meet."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from ganforge.augment.augmentation import Augmentation
from ganforge.moment import Moment
from ganforge.schedules import Number, at

__all__ = ["instance_noise"]


def instance_noise(
    *,
    sigma: Annotated[
        Number, Field(ge=0, description="standard deviation in the samples' own units; let a schedule end it at 0")
    ] = 0.1,
) -> Augmentation:
    """x + σ·ε, ε standard normal: real and fake densities, blurred, overlap, and the discriminator's slope leads home.

    Sønderby et al. 2017, arXiv:1610.04490, section 3; Arjovsky and Bottou 2017, arXiv:1701.04862, section 3.
    """

    def apply(x: Float[Tensor, "B ..."], moment: Moment) -> Float[Tensor, "B ..."]:
        noise = torch.randn(x.shape, generator=moment.rng, device=x.device, dtype=x.dtype)
        return torch.add(x, noise, alpha=at(sigma, moment.images))

    return Augmentation("instance_noise", apply, images_only=False)
