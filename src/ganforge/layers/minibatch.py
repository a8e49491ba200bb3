"""Layers through which a discriminator sees how alike the samples of a batch are, so that it notices a collapse.

Each takes hidden activations (B, F) or (B, C, H, W) and appends what it found as further features (or constant maps).
"""

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

__all__ = ["MINIBATCH", "Minibatch", "MinibatchDiscrimination", "MinibatchStdDev", "NoMinibatch"]

Minibatch = Annotated[
    Literal["none", "stddev", "discrimination"],
    Field(description="what the last layer sees of the rest of the batch: none, stddev, discrimination"),
]
EPS = 1e-8  # under the root of a variance


def append(x: Float[Tensor, "B C ..."], found: Float[Tensor, "B K"]) -> Float[Tensor, "B C+K ..."]:
    """Numbers of each sample as further features, spread out over the map where there is one."""
    maps = found.reshape(*found.shape, *(1,) * (x.ndim - 2)).expand(*found.shape, *x.shape[2:])
    return torch.cat([x, maps], dim=1)


class NoMinibatch(nn.Module):
    """Nothing: each sample on its own."""

    extra = 0

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        return x


class MinibatchStdDev(nn.Module):
    """Appends one feature: the standard deviation over a group of samples, averaged over features.

    Karras et al. 2018, arXiv:1710.10196, section 3; groups as in StyleGAN's code. A group has at most `group` samples:
    the largest number that divides the batch.

    >>> layer = MinibatchStdDev((3,))
    >>> layer(torch.ones(8, 3))[0].tolist()  # all alike: √ε in the last place
    [1.0, 1.0, 1.0, 9.999999747378752e-05]
    """

    extra = 1
    mixes_samples = True

    def __init__(self, shape: tuple[int, ...], *, group: int = 4) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        size = next(n for n in range(min(self.group, len(x)), 0, -1) if len(x) % n == 0)
        groups = x.reshape(size, len(x) // size, -1)  # (G, B/G, features): members lie B/G apart
        spread = (groups.var(0, unbiased=False) + EPS).sqrt().mean(1)  # (B/G,)
        return append(x, spread.repeat(size)[:, None])


class MinibatchDiscrimination(nn.Module):
    """Appends K features: how near a sample lies to the others of its batch, as K learned projections see it.

    With M = f·T, f the flat activations, feature k is the mean over the other samples j of
    exp(-‖M_ik - M_jk‖₁), between 0 and 1.

    Salimans et al. 2016, arXiv:1606.03498, section 3.2. *Differs:* the mean over the others, where the paper has the
    sum over all, so that the scale doesn't depend on the batch; T begins at N(0, 1/F), so that M begins near unit size.
    """

    mixes_samples = True

    def __init__(self, shape: tuple[int, ...], *, kernels: int = 16, dim: int = 5) -> None:
        super().__init__()
        self.extra, self.dim = kernels, dim
        features = math.prod(shape)
        self.T = nn.Parameter(torch.randn(features, kernels * dim) / features**0.5)

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        M = (x.flatten(1) @ self.T).unflatten(1, (self.extra, self.dim))  # (B, K, dim)
        near = torch.exp(-(M[:, None] - M[None]).abs().sum(-1))  # (B, B, K); 1 on the diagonal
        return append(x, (near.sum(1) - 1) / max(len(x) - 1, 1))


MINIBATCH: dict[str, Callable[[tuple[int, ...]], nn.Module]] = {
    "none": NoMinibatch,
    "stddev": MinibatchStdDev,
    "discrimination": MinibatchDiscrimination,
}
"""Name -> layer for activations of a shape; its `extra` is how many features it appends."""
