"""SAGAN: residual networks with self attention and spectral norm in both players, at 28, 32, 64 and 128 pixels.

Zhang et al. 2019, arXiv:1805.08318, section 4, and the authors' code: at 128 pixels attention looks at 32 × 32 maps in
both. *Differs:* the paper has 128 pixels alone; the smaller ones are SNGAN's networks with attention at 14 × 14 or
16 × 16 maps (generator; 32 × 32 of 64), and at a quarter of the image (discriminator).
"""

from itertools import pairwise
from typing import Annotated, Any

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
    SelfAttention,
    advance_spectral_norms,
    entry,
    expect_labels,
    reader,
)
from ganforge.layers.residual import DownBlock, UpBlock, glorot_, over_places, size_of, spectral
from ganforge.layers.spectral import WARM_UP

__all__ = ["DISCRIMINATORS", "GENERATORS", "TINY", "Discriminator", "Generator"]

TINY: dict[str, Any] = {"generator": {"z_dim": 8, "width": 8}, "discriminator": {"width": 8}, "shape": (3, 32, 32)}

GENERATORS: dict[int, tuple[int, int, tuple[int, ...], int]] = {
    28: (7, 256, (1, 1, 1), 0),
    32: (4, 256, (1, 1, 1, 1), 1),
    64: (4, 64, (16, 8, 4, 2, 1), 2),
    128: (4, 64, (16, 16, 8, 4, 2, 1), 2),
}
"""Size -> the first map's side, the width, channels from the first map on, in widths, the block before attention."""

DISCRIMINATORS: dict[int, tuple[int, tuple[int, ...], int, int]] = {
    28: (128, (1, 1, 1, 1), 2, 1),
    32: (128, (1, 1, 1, 1), 2, 1),
    64: (64, (1, 2, 4, 8, 16), 5, 1),
    128: (64, (1, 2, 4, 8, 16, 16), 5, 1),
}
"""Size -> the width, each block's channels in widths, how many blocks halve, and the block before attention."""

Width = Annotated[int | None, Field(description="channels of the narrowest block; none: as published", gt=0)]


class Generator(nn.Module):
    """z (B, z_dim) -> images (B, C, H, W) in [-1, 1]."""

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
        side, published, times, attention = GENERATORS[size_of(shape, GENERATORS, "sagan")]
        channels = [n * (width or published) for n in times]
        self.z_dim, self.condition, self.side, self.attention = z_dim, condition, side, attention
        self.labels = entry(labels, condition, z_dim)
        self.by_norm = condition if labels == "batch_norm" else None
        self.first = spectral(nn.Linear(z_dim + int(self.labels.extra), channels[0] * side**2))  # type: ignore[arg-type]
        self.blocks = nn.ModuleList(UpBlock(*two, norm=self.norm, wrap=spectral) for two in pairwise(channels))
        self.look = SelfAttention(channels[attention + 1], wrap=spectral)
        self.last_norm = nn.BatchNorm2d(channels[-1])
        self.last = spectral(nn.Conv2d(channels[-1], shape[0], 3, padding=1))
        glorot_(self)
        advance_spectral_norms(self, steps=WARM_UP)

    def norm(self, channels: int) -> nn.Module:
        """A block's norm, of classes where labels enter by norms."""
        return nn.BatchNorm2d(channels) if self.by_norm is None else ConditionalBatchNorm(channels, self.by_norm)

    def forward(
        self, z: Float[Tensor, "B z_dim"], y: Shaped[Tensor, "B ..."] | None = None, noise: Any = None
    ) -> Float[Tensor, "B C H W"]:
        expect_labels(self, self.condition, y)
        x = self.first(self.labels(z, y)).unflatten(1, (-1, self.side, self.side))  # (B, C, 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)
        for n, block in enumerate(self.blocks):
            x = block(x, None if self.by_norm is None else y)  # (B, C', 2H, 2W)
            x = self.look(x) if n == self.attention else x
        return self.last(torch.relu(self.last_norm(x))).tanh()


class Discriminator(nn.Module):
    """Images (B, C, H, W) -> logits (B,)."""

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        width: Width = None,
        minibatch: Minibatch = "none",
        condition: Condition | None = None,
        labels: Reader = "projection",
    ) -> None:
        super().__init__()
        published, times, halvings, attention = DISCRIMINATORS[size_of(shape, DISCRIMINATORS, "sagan")]
        channels = [n * (width or published) for n in times]
        self.condition = condition
        self.labels = reader(labels, condition, channels[-1], spectral=True)
        before = [shape[0] + int(self.labels.extra), *channels]  # type: ignore[arg-type]
        blocks: list[nn.Module] = [
            DownBlock(b, a, hidden=a, first=n == 0, halve=n < halvings, wrap=spectral)
            for n, (b, a) in enumerate(zip(before, channels, strict=False))
        ]
        blocks.insert(attention + 1, SelfAttention(channels[attention], wrap=spectral))
        self.blocks = nn.ModuleList([*blocks, nn.ReLU()])
        self.minibatch = MINIBATCH[minibatch]((channels[-1],))
        self.head = spectral(nn.Linear(channels[-1] + int(self.minibatch.extra), 1))  # type: ignore[arg-type]
        glorot_(self)
        advance_spectral_norms(self, steps=WARM_UP)

    def forward(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, " B"]:
        return self.full(x, y).logits[0]

    def full(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """Logits, and the features after every block, the attention and the last ReLU."""
        return over_places(self, x, y)
