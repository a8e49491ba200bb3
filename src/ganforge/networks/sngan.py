"""SNGAN: residual networks with spectral norm in the discriminator, at 28, 32, 48, 64 and 128 pixels.

Miyato et al. 2018, arXiv:1802.05957, tables 3 to 5, and for labels Miyato and Koyama 2018, arXiv:1802.05637. *Differs:*
28 pixels are 32's networks with 7 × 7 in place of 4 × 4 and one doubling less, which neither paper has.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from ganforge.layers import (
    MINIBATCH,
    Condition,
    ConditionalBatchNorm,
    Entry,
    Minibatch,
    Output,
    Reader,
    advance_spectral_norms,
    entry,
    expect_labels,
    reader,
)
from ganforge.layers.residual import DownBlock, UpBlock, glorot_, over_places, plain, size_of, spectral
from ganforge.layers.spectral import WARM_UP

__all__ = ["DISCRIMINATORS", "GENERATORS", "TINY", "Discriminator", "Generator"]

TINY: dict[str, Any] = {"generator": {"z_dim": 8, "width": 8}, "discriminator": {"width": 8}, "shape": (3, 32, 32)}

GENERATORS: dict[int, tuple[int, int, tuple[int, ...]]] = {
    28: (7, 256, (1, 1, 1)),
    32: (4, 256, (1, 1, 1, 1)),
    48: (6, 64, (8, 4, 2, 1)),
    64: (4, 64, (16, 8, 4, 2, 1)),
    128: (4, 64, (16, 16, 8, 4, 2, 1)),
}
"""Size -> the first map's side, the published width, and channels from the first map on, in widths."""

DISCRIMINATORS: dict[int, tuple[int, tuple[int, ...], int]] = {
    28: (128, (1, 1, 1, 1), 2),
    32: (128, (1, 1, 1, 1), 2),
    48: (64, (1, 2, 4, 8, 16), 4),
    64: (64, (1, 2, 4, 8, 16), 5),
    128: (64, (1, 2, 4, 8, 16, 16), 5),
}
"""Size -> the published width, each block's channels in widths, and how many blocks halve."""

Width = Annotated[int | None, Field(description="channels of the narrowest block; none: as published", gt=0)]


class Generator(nn.Module):
    """z (B, z_dim) -> images (B, C, H, W) in [-1, 1].

    Labels enter by class norms (Miyato and Koyama), or beside the latent.

    >>> sum(weight.numel() for weight in Generator(shape=(3, 32, 32)).parameters())
    4276739
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        z_dim: Annotated[int, Field(description="how many random numbers an image is made of", gt=0)] = 128,
        width: Width = None,
        condition: Condition | None = None,
        labels: Entry = "batch_norm",
    ) -> None:
        super().__init__()
        side, published, times = GENERATORS[size_of(shape, GENERATORS, "sngan")]
        channels = [n * (width or published) for n in times]
        self.z_dim, self.condition, self.side = z_dim, condition, side
        self.labels = entry(labels, condition, z_dim)
        self.by_norm = condition if labels == "batch_norm" else None
        self.first = nn.Linear(z_dim + int(self.labels.extra), channels[0] * side**2)  # type: ignore[arg-type]
        self.blocks = nn.ModuleList(UpBlock(*two, norm=self.norm) for two in pairwise(channels))
        self.last_norm = nn.BatchNorm2d(channels[-1])
        self.last = nn.Conv2d(channels[-1], shape[0], 3, padding=1)
        glorot_(self)

    def norm(self, channels: int) -> nn.Module:
        """A block's norm, of classes where labels enter by norms."""
        return nn.BatchNorm2d(channels) if self.by_norm is None else ConditionalBatchNorm(channels, self.by_norm)

    def forward(
        self, z: Float[Tensor, "B z_dim"], y: Shaped[Tensor, "B ..."] | None = None, noise: Any = None
    ) -> Float[Tensor, "B C H W"]:
        expect_labels(self, self.condition, y)
        x = self.first(self.labels(z, y)).unflatten(1, (-1, self.side, self.side))  # (B, C, 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, None if self.by_norm is None else y)  # (B, C', 2H, 2W)
        return self.last(torch.relu(self.last_norm(x))).tanh()


class Discriminator(nn.Module):
    """Images (B, C, H, W) -> logits (B,), sums over all places of the last block's features, then a linear layer.

    >>> sum(weight.numel() for weight in Discriminator(shape=(3, 32, 32)).parameters())
    1053825
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        width: Width = None,
        norm: Annotated[
            Literal["none", "spectral"], Field(description="spectral as published, or none, for penalties alone")
        ] = "spectral",
        minibatch: Minibatch = "none",
        condition: Condition | None = None,
        labels: Reader = "projection",
    ) -> None:
        super().__init__()
        published, times, halvings = DISCRIMINATORS[size_of(shape, DISCRIMINATORS, "sngan")]
        wrap = spectral if norm == "spectral" else plain
        channels = [n * (width or published) for n in times]
        self.condition = condition
        self.labels = reader(labels, condition, channels[-1], spectral=norm == "spectral")
        before = [shape[0] + int(self.labels.extra), *channels]  # type: ignore[arg-type]
        blocks = [
            DownBlock(b, a, hidden=a if n == 0 else b, first=n == 0, halve=n < halvings, wrap=wrap)
            for n, (b, a) in enumerate(zip(before, channels, strict=False))
        ]
        self.blocks = nn.ModuleList([*blocks, nn.ReLU()])
        self.minibatch = MINIBATCH[minibatch]((channels[-1],))
        self.head = wrap(nn.Linear(channels[-1] + int(self.minibatch.extra), 1))  # type: ignore[arg-type]
        glorot_(self)
        advance_spectral_norms(self, steps=WARM_UP)

    def forward(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, " B"]:
        return self.full(x, y).logits[0]

    def full(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """Logits, and the features after every block and the last ReLU."""
        return over_places(self, x, y)
