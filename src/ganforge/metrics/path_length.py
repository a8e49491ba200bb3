"""How smoothly images change along a walk through latent space: perceptual path length."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

from ganforge.errors import DataError
from ganforge.latent import slerp

__all__ = ["PathLength", "path_length"]

BATCH = 64
OUTLIERS = 0.01  # of the samples, cut off at either end, as published


class PathLength(NamedTuple):
    """Mean over the samples that are left when a hundredth is cut off at either end, and its standard error."""

    value: float
    standard_error: float


@torch.no_grad()
def path_length(
    *,
    generate: Callable[..., Float[Tensor, "B ..."]],
    features: Callable[[Float[Tensor, "B ..."]], Float[Tensor, "B D"]],
    z_dim: int,
    samples: int = 10_000,
    epsilon: float = 1e-4,
    seed: int = 0,
    y: Shaped[Tensor, "N ..."] | None = None,
    progress: Callable[[float], None] | None = None,
) -> PathLength:
    """E[|f(G(slerp(z, z'; t + ε))) - f(G(slerp(z, z'; t)))|² / ε²]: the mean squared speed of the features on the way
    from one random latent to another.

    Small where neighbours in latent space look alike; a generator that jumps between modes has a large one. The number
    depends on the features, whose name belongs to it: the published ones are LPIPS's of VGG16.

    Args:
        generate: latents, and their labels where there are some -> images.
        features: images -> features, of images as the generator makes them: bytes in between would round the step
            away.
        z_dim: length of a latent.
        samples: pairs of latents.
        epsilon: step; with float32 features, smaller ones are rounding.
        seed: of the latents and of the places t, which are uniform in [0, 1].
        y: a label for each pair of latents, which stays the same on the way.
        progress: hears of the share that each batch is.

    Raises `DataError` for fewer than two samples.

    Karras, Laine and Aila 2019, "A style-based generator architecture", section 4.1, equation 2.
    *Differs:* `slerp` here interpolates the norms too, where theirs walks on the unit sphere before a network that
    normalises its input.
    """
    if samples < 2:
        raise DataError(f"a path length takes two or more samples; {samples} asked for")
    rng = torch.Generator().manual_seed(seed)
    found: list[Float64[Tensor, " b"]] = []
    for part in torch.arange(samples).split(BATCH):
        size, labels = len(part), () if y is None else (y[part],)
        start, end = torch.randn(2, size, z_dim, generator=rng)
        t = torch.rand(size, generator=rng, dtype=torch.float64)
        here, there = (
            features(generate(slerp(start.double(), end.double(), place).float(), *labels)).double()
            for place in (t, t + epsilon)
        )
        found.append((there - here).square().sum(1).cpu() / epsilon**2)
        if progress:
            progress(size / samples)
    lengths = torch.cat(found)
    low, high = lengths.quantile(torch.tensor([OUTLIERS, 1 - OUTLIERS], dtype=torch.float64))
    kept = lengths[(lengths >= low) & (lengths <= high)]
    return PathLength(float(kept.mean()), float(kept.std() / len(kept) ** 0.5))
