"""BigGAN: wide residual networks whose latent enters every block, with a shared class embedding and attention.

Brock et al. 2019, arXiv:1809.11096, appendix B, tables 4 to 6, at 128, 256 and 512 pixels; the authors' PyTorch code at
32 and 64. *Differs:* 28 pixels are 32's networks with 7 × 7 in place of 4 × 4 and one doubling less; without labels
the chunks of the latent alone set gains and biases.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Annotated, Any

import torch
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from ganforge.errors import RecipeError
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
from ganforge.layers.residual import DownBlock, UpBlock, orthogonal_, over_places, size_of, spectral
from ganforge.layers.spectral import WARM_UP

__all__ = ["DISCRIMINATORS", "GENERATORS", "TINY", "Discriminator", "Generator"]

TINY: dict[str, Any] = {
    "generator": {"z_dim": 12, "width": 2, "attention": (16,)},
    "discriminator": {"width": 2, "attention": (16,)},
    "shape": (3, 32, 32),
}

GENERATORS: dict[int, tuple[int, tuple[int, ...]]] = {
    28: (7, (4, 4, 4)),
    32: (4, (4, 4, 4, 4)),
    64: (4, (16, 16, 8, 4, 2)),
    128: (4, (16, 16, 8, 4, 2, 1)),
    256: (4, (16, 16, 8, 8, 4, 2, 1)),
    512: (4, (16, 16, 8, 8, 4, 2, 1, 1)),
}
"""Size -> the first map's side, and channels from the first map on, in widths."""

DISCRIMINATORS: dict[int, tuple[tuple[int, ...], int]] = {
    28: ((4, 4, 4, 4), 2),
    32: ((4, 4, 4, 4), 2),
    64: ((1, 2, 4, 8, 16), 4),
    128: ((1, 2, 4, 8, 16, 16), 5),
    256: ((1, 2, 4, 8, 8, 16, 16), 6),
    512: ((1, 1, 2, 4, 8, 8, 16, 16), 7),
}
"""Size -> each block's channels in widths, and how many blocks halve."""

CHUNK = 20  # numbers of the latent for each block, as published

Width = Annotated[int, Field(description="the paper's channel multiplier ch", gt=0)]
Sides = Annotated[tuple[int, ...], Field(description="sides of the feature maps that attention looks at")]


class Generator(nn.Module):
    """z (B, z_dim) -> images (B, C, H, W) in [-1, 1].

    The latent comes in chunks: the first makes the first map, each other one joins the class embedding that sets gains
    and biases of a block's norms.

    >>> G = Generator(shape=(3, 128, 128), condition=Condition("class", 1000))
    >>> sum(weight.numel() for weight in G.parameters())
    70433988
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        z_dim: Annotated[
            int | None, Field(description="how many random numbers an image is made of; none: 20 a chunk", gt=0)
        ] = None,
        width: Width = 96,
        embedding: Annotated[int, Field(description="length of the shared class embedding", gt=0)] = 128,
        attention: Sides = (64,),
        condition: Condition | None = None,
    ) -> None:
        super().__init__()
        side, times = GENERATORS[size_of(shape, GENERATORS, "biggan")]
        channels = [n * width for n in times]
        self.z_dim, self.condition, self.side = z_dim or CHUNK * len(channels), condition, side
        self.chunk, rest = divmod(self.z_dim, len(channels))
        if rest or not self.chunk:
            raise RecipeError(
                f"generator.z_dim = {self.z_dim}: biggan splits it into {len(channels)} equal chunks at this size; "
                f"set generator.z_dim={(self.chunk + 1) * len(channels)}"
            )
        self.embedding = None if condition is None else LabelEmbedding(condition, embedding)
        norm = partial(SharedBatchNorm, width=self.chunk + (0 if condition is None else embedding), wrap=spectral)
        self.first = spectral(nn.Linear(self.chunk, channels[0] * side**2))
        self.blocks = nn.ModuleList(UpBlock(*two, norm=norm, wrap=spectral) for two in pairwise(channels))
        self.looks = looks(channels[1:], [side * 2 ** (n + 1) for n in range(len(self.blocks))], attention)
        self.last_norm = nn.BatchNorm2d(channels[-1])
        self.last = spectral(nn.Conv2d(channels[-1], shape[0], 3, padding=1))
        orthogonal_(self)
        advance_spectral_norms(self, steps=WARM_UP)

    def forward(
        self, z: Float[Tensor, "B z_dim"], y: Shaped[Tensor, "B ..."] | None = None, noise: Any = None
    ) -> Float[Tensor, "B C H W"]:
        expect_labels(self, self.condition, y)
        first, *chunks = z.split(self.chunk, 1)
        x = self.first(first).unflatten(1, (-1, self.side, self.side))  # (B, C, 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)
        e = [] if self.embedding is None else [self.embedding(y)]
        for block, look, chunk in zip(self.blocks, self.looks, chunks, strict=True):
            x = look(block(x, torch.cat([*e, chunk], 1)))  # (B, C', 2H, 2W)
        return self.last(torch.relu(self.last_norm(x))).tanh()


def looks(channels: list[int], sides: list[int], attention: tuple[int, ...]) -> nn.ModuleList:
    """What follows each block: attention where its maps have one of the sides, else nothing."""
    make: dict[bool, Callable[[int], nn.Module]] = {
        True: lambda c: SelfAttention(c, wrap=spectral),
        False: lambda c: nn.Identity(),
    }
    return nn.ModuleList(make[side in attention](c) for c, side in zip(channels, sides, strict=True))


class Discriminator(nn.Module):
    """Images (B, C, H, W) -> logits (B,).

    >>> D = Discriminator(shape=(3, 128, 128), condition=Condition("class", 1000))
    >>> sum(weight.numel() for weight in D.parameters())
    87982370
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        width: Width = 96,
        attention: Sides = (64,),
        minibatch: Minibatch = "none",
        condition: Condition | None = None,
        labels: Reader = "projection",
    ) -> None:
        super().__init__()
        times, halvings = DISCRIMINATORS[size := size_of(shape, DISCRIMINATORS, "biggan")]
        channels = [n * width for n in times]
        self.condition = condition
        self.labels = reader(labels, condition, channels[-1], spectral=True)
        before = [shape[0] + int(self.labels.extra), *channels]  # type: ignore[arg-type]
        blocks = [
            DownBlock(b, a, hidden=a, first=n == 0, halve=n < halvings, wrap=spectral)
            for n, (b, a) in enumerate(zip(before, channels, strict=False))
        ]
        sides = [size // 2 ** min(n + 1, halvings) for n in range(len(blocks))]
        after = looks(channels, sides, attention)
        self.blocks = nn.ModuleList([*(nn.Sequential(*two) for two in zip(blocks, after, strict=True)), nn.ReLU()])
        self.minibatch = MINIBATCH[minibatch]((channels[-1],))
        self.head = spectral(nn.Linear(channels[-1] + int(self.minibatch.extra), 1))  # type: ignore[arg-type]
        orthogonal_(self)
        advance_spectral_norms(self, steps=WARM_UP)

    def forward(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, " B"]:
        return self.full(x, y).logits[0]

    def full(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """Logits, and the features after every block and the last ReLU."""
        return over_places(self, x, y)
