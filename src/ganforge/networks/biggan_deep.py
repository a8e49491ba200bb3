"""BigGAN-deep: four times as deep as BigGAN, with bottlenecks, and the whole latent in every norm.

Brock et al. 2019, arXiv:1809.11096, appendix B, tables 7 to 9, at 128, 256 and 512 pixels. *Differs:* 32 and 64 pixels
have BigGAN's channels with these blocks; without labels the latent alone sets gains and biases.
"""

from functools import partial
from itertools import pairwise
from typing import Annotated, Any

import torch
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.layers import (
    MINIBATCH,
    Condition,
    LabelEmbedding,
    Minibatch,
    Output,
    Reader,
    SelfAttention,
    SharedBatchNorm,
    advance_spectral_norms,
    expect_labels,
    reader,
)
from ganforge.layers.folded import FoldedConv, doubled, doubled_conv, halved
from ganforge.layers.residual import orthogonal_, over_places, size_of, spectral
from ganforge.layers.spectral import WARM_UP
from ganforge.networks.biggan import GENERATORS

__all__ = ["TINY", "Discriminator", "Generator"]

TINY: dict[str, Any] = {
    "generator": {"z_dim": 8, "width": 4, "embedding": 8, "attention": (16,)},
    "discriminator": {"width": 4, "attention": (16,)},
    "shape": (3, 32, 32),
}

DISCRIMINATORS: dict[int, tuple[int, ...]] = {
    28: (4, 4, 4),
    32: (4, 4, 4, 4),
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
    512: (1, 1, 2, 4, 8, 8, 16, 16),
}
"""Size -> channels from the first convolution on, in widths; each further one halves the maps."""

NARROWER = 4  # channels of a block over those of its bottleneck

Width = Annotated[int, Field(description="the paper's channel multiplier ch", gt=0)]
Sides = Annotated[tuple[int, ...], Field(description="sides of the feature maps that attention looks at")]


class Up(nn.Module):
    """norm, ReLU and 1×1, doubling, 3×3, 3×3, 1×1; the shortcut drops channels: (B, C, H, W) -> (B, D, H', W')."""

    def __init__(self, before: int, after: int, *, width: int, double: bool) -> None:
        super().__init__()
        narrow = max(1, before // NARROWER)
        self.after, self.doubles = after, double
        self.norms = nn.ModuleList(
            SharedBatchNorm(c, width=width, wrap=spectral) for c in (before, narrow, narrow, narrow)
        )
        self.convs = bottleneck(before, narrow, after, double=double)

    def forward(self, x: Float[Tensor, "B C H W"], e: Float[Tensor, "B width"]) -> Float[Tensor, "B D HH WW"]:
        h = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = conv(F.relu(norm(h, e)))
        x = x[:, : self.after]
        return h + (doubled(x) if self.doubles else x)


class Down(nn.Module):
    """ReLU and 1×1, 3×3, 3×3, halving, 1×1; the shortcut adds channels: (B, C, H, W) -> (B, D, H', W')."""

    def __init__(self, before: int, after: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        self.convs = bottleneck(before, max(1, after // NARROWER), after)
        self.more = spectral(nn.Conv2d(before, after - before, 1)) if after > before else None

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D HH WW"]:
        h = x
        for n, conv in enumerate(self.convs):
            h = F.relu(h)
            h = conv(halved(h) if self.halve and n == NARROWER - 1 else h)
        x = halved(x) if self.halve else x
        return h + (x if self.more is None else torch.cat([x, self.more(x)], 1))


def bottleneck(before: int, narrow: int, after: int, *, double: bool = False) -> nn.ModuleList:
    """1×1, 3×3 (of doubled maps, if told), 3×3 and 1×1 convolutions."""
    plain = partial(nn.Conv2d, narrow, narrow, 3, padding=1)
    first = partial(FoldedConv, narrow, narrow, doubled_conv) if double else plain
    makes = (partial(nn.Conv2d, before, narrow, 1), first, plain, partial(nn.Conv2d, narrow, after, 1))
    return nn.ModuleList(spectral(make()) for make in makes)


class Generator(nn.Module):
    """z (B, z_dim) -> images (B, C, H, W) in [-1, 1].

    >>> G = Generator(shape=(3, 128, 128), condition=Condition("class", 1000))
    >>> sum(weight.numel() for weight in G.parameters())
    50244484
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        z_dim: Annotated[int, Field(description="how many random numbers an image is made of", gt=0)] = 128,
        width: Width = 128,
        embedding: Annotated[int, Field(description="length of the shared class embedding", gt=0)] = 128,
        attention: Sides = (64,),
        condition: Condition | None = None,
    ) -> None:
        super().__init__()
        side, times = GENERATORS[size_of(shape, GENERATORS, "biggan_deep")]
        channels = [n * width for n in times]
        self.z_dim, self.condition, self.side = z_dim, condition, side
        self.embedding = None if condition is None else LabelEmbedding(condition, embedding)
        e = z_dim + (0 if condition is None else embedding)
        self.first = spectral(nn.Linear(e, channels[0] * side**2))
        make, stages = partial(Up, width=e), list[nn.Module]()
        for n, (before, after) in enumerate(pairwise(channels)):
            stages += [make(before, before, double=False), make(before, after, double=True)]
            stages += [SelfAttention(after, wrap=spectral)] if side * 2 ** (n + 1) in attention else []
        self.blocks = nn.ModuleList(stages)
        self.last_norm = nn.BatchNorm2d(channels[-1])
        self.last = spectral(nn.Conv2d(channels[-1], shape[0], 3, padding=1))
        orthogonal_(self)
        advance_spectral_norms(self, steps=WARM_UP)

    def forward(
        self, z: Float[Tensor, "B z_dim"], y: Shaped[Tensor, "B ..."] | None = None, noise: Any = None
    ) -> Float[Tensor, "B C H W"]:
        expect_labels(self, self.condition, y)
        e = z if self.embedding is None else torch.cat([z, self.embedding(y)], 1)
        x = self.first(e).unflatten(1, (-1, self.side, self.side))  # (B, C, 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, e)
        return self.last(torch.relu(self.last_norm(x))).tanh()


class Discriminator(nn.Module):
    """Images (B, C, H, W) -> logits (B,).

    >>> D = Discriminator(shape=(3, 128, 128), condition=Condition("class", 1000))
    >>> sum(weight.numel() for weight in D.parameters())
    34590210
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        width: Width = 128,
        attention: Sides = (64,),
        minibatch: Minibatch = "none",
        condition: Condition | None = None,
        labels: Reader = "projection",
    ) -> None:
        super().__init__()
        size = size_of(shape, DISCRIMINATORS, "biggan_deep")
        channels = [n * width for n in DISCRIMINATORS[size]]
        self.condition = condition
        self.labels = reader(labels, condition, channels[-1], spectral=True)
        before = shape[0] + int(self.labels.extra)  # type: ignore[arg-type]
        stages: list[nn.Module] = [spectral(nn.Conv2d(before, channels[0], 3, padding=1))]
        for n, (before, after) in enumerate(pairwise(channels)):
            stages += [Down(before, after, halve=True), Down(after, after, halve=False)]
            stages += [SelfAttention(after, wrap=spectral)] if size // 2 ** (n + 1) in attention else []
        self.blocks = nn.ModuleList([*stages, nn.ReLU()])
        self.minibatch = MINIBATCH[minibatch]((channels[-1],))
        self.head = spectral(nn.Linear(channels[-1] + int(self.minibatch.extra), 1))  # type: ignore[arg-type]
        orthogonal_(self)
        advance_spectral_norms(self, steps=WARM_UP)

    def forward(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, " B"]:
        return self.full(x, y).logits[0]

    def full(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """Logits, and the features after every layer from the first convolution to the last ReLU."""
        return over_places(self, x, y)
