"""WGAN-GP's residual networks for CIFAR-10, at 28 and 32 pixels.

Gulrajani et al. 2017, arXiv:1704.00028, section 5.3, as the authors' `gan_cifar_resnet.py` has them: 128 channels
throughout, no norm in the critic, means over places. *Differs:* labels may also enter by class norms and projection,
where the authors have a class head; 28 pixels are 32's networks with 7 × 7 in place of 4 × 4.
"""

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
    entry,
    expect_labels,
    reader,
)
from ganforge.layers.residual import DownBlock, UpBlock, he_, over_places, size_of

__all__ = ["TINY", "Discriminator", "Generator"]

TINY: dict[str, Any] = {"generator": {"z_dim": 8, "width": 8}, "discriminator": {"width": 8}, "shape": (3, 32, 32)}

SIDES = {28: 7, 32: 4}  # size -> the first map's side
BLOCKS = 4
HALVINGS = 2

Width = Annotated[int, Field(description="channels of every block", gt=0)]


class Generator(nn.Module):
    """z (B, z_dim) -> images (B, C, H, W) in [-1, 1].

    >>> sum(weight.numel() for weight in Generator(shape=(3, 32, 32)).parameters())
    1204483
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        z_dim: Annotated[int, Field(description="how many random numbers an image is made of", gt=0)] = 128,
        width: Width = 128,
        condition: Condition | None = None,
        labels: Entry = "batch_norm",
    ) -> None:
        super().__init__()
        size = size_of(shape, SIDES, "wgan_gp")
        self.z_dim, self.condition, self.side = z_dim, condition, SIDES[size]
        self.labels = entry(labels, condition, z_dim)
        self.by_norm = condition if labels == "batch_norm" else None
        self.first = nn.Linear(z_dim + int(self.labels.extra), width * self.side**2)  # type: ignore[arg-type]
        doublings = (size // self.side).bit_length() - 1
        self.blocks = nn.ModuleList(UpBlock(width, width, norm=self.norm) for _ in range(doublings))
        self.last_norm = nn.BatchNorm2d(width)
        self.last = nn.Conv2d(width, shape[0], 3, padding=1)
        he_(self)

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
            x = block(x, None if self.by_norm is None else y)  # (B, C, 2H, 2W)
        return self.last(torch.relu(self.last_norm(x))).tanh()


class Discriminator(nn.Module):
    """The critic: images (B, C, H, W) -> logits (B,), of means over all places. Made for a gradient penalty.

    >>> sum(weight.numel() for weight in Discriminator(shape=(3, 32, 32)).parameters())
    1053825
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        width: Width = 128,
        minibatch: Minibatch = "none",
        condition: Condition | None = None,
        labels: Reader = "projection",
    ) -> None:
        super().__init__()
        size_of(shape, SIDES, "wgan_gp")
        self.condition = condition
        self.labels = reader(labels, condition, width)
        before = [shape[0] + int(self.labels.extra), *[width] * BLOCKS]  # type: ignore[arg-type]
        blocks = [DownBlock(before[n], width, hidden=width, first=n == 0, halve=n < HALVINGS) for n in range(BLOCKS)]
        self.blocks = nn.ModuleList([*blocks, nn.ReLU()])
        self.minibatch = MINIBATCH[minibatch]((width,))
        self.head = nn.Linear(width + int(self.minibatch.extra), 1)  # type: ignore[arg-type]
        he_(self)

    def forward(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, " B"]:
        return self.full(x, y).logits[0]

    def full(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """Logits, and the features after every block and the last ReLU."""
        return over_places(self, x, y, lambda h: h.mean((2, 3)))
