"""Residual blocks that double or halve feature maps, as the networks from WGAN-GP's to BigGAN's share them."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.errors import RecipeError
from ganforge.layers.conditions import ClassHead, called, expect_labels
from ganforge.layers.folded import FoldedConv, conv_halved, doubled, doubled_conv, halved
from ganforge.layers.output import Output, layered
from ganforge.layers.spectral import SpectralNorm

__all__ = [
    "DownBlock",
    "SharedBatchNorm",
    "UpBlock",
    "Wrap",
    "glorot_",
    "he_",
    "orthogonal_",
    "over_places",
    "plain",
    "size_of",
    "spectral",
]

Wrap = Callable[[nn.Module], nn.Module]
"""What a convolution or a linear layer is put into: nothing, or spectral norm."""


def plain(layer: nn.Module) -> nn.Module:
    """The layer as it is."""
    return layer


def spectral(layer: nn.Module) -> nn.Module:
    """The layer with spectral norm."""
    return SpectralNorm(layer)


class SharedBatchNorm(nn.Module):
    """Batch norm whose gain and bias are linear maps of a vector that all blocks share: (1 + Ae)·x̂ + Be.

    Brock et al. 2019, arXiv:1809.11096, section 3.1: e is a class embedding and a chunk of the latent.

    Args:
        width: length of e.
        wrap: what the linear maps are put into.
    """

    def __init__(self, channels: int, *, width: int, wrap: Wrap = plain) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain, self.bias = (wrap(nn.Linear(width, channels, bias=False)) for _ in range(2))

    def forward(self, x: Float[Tensor, "B C H W"], e: Float[Tensor, "B width"]) -> Float[Tensor, "B C H W"]:
        return torch.addcmul(self.bias(e)[:, :, None, None], self.norm(x), 1 + self.gain(e)[:, :, None, None])


class UpBlock(nn.Module):
    """norm, ReLU, doubling, 3×3, norm, ReLU, 3×3, beside a 1×1 shortcut: (B, C, H, W) -> (B, after, 2H, 2W).

    The shortcut's convolution comes before its doubling, with which it commutes, and costs a quarter so; the doubling
    and the first 3×3 convolution are one.

    Args:
        norm: channels -> a norm; called with x, or with x and what is given to forward as `y`.
        wrap: what convolutions are put into.
    """

    def __init__(self, before: int, after: int, *, norm: Callable[[int], nn.Module], wrap: Wrap = plain) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(before), norm(after)
        self.conv1 = wrap(FoldedConv(before, after, doubled_conv))
        self.conv2 = wrap(nn.Conv2d(after, after, 3, padding=1))
        self.shortcut = wrap(nn.Conv2d(before, after, 1))

    def forward(
        self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None
    ) -> Float[Tensor, "B D HH WW"]:
        h = self.conv1(F.relu(called(self.norm1, x, y)))  # (B, after, 2H, 2W)
        h = self.conv2(F.relu(called(self.norm2, h, y)))
        return h + doubled(self.shortcut(x))


class DownBlock(nn.Module):
    """ReLU, 3×3, ReLU, 3×3, halving, beside a shortcut: (B, C, H, W) -> (B, after, H/2, W/2), or as large.

    The shortcut is the identity where neither size nor channels change, else a 1×1 convolution after its halving, with
    which it commutes, so that it costs a quarter. The second 3×3 convolution and the halving are one.

    Args:
        hidden: channels between the two convolutions.
        first: of the network: its input is an image, which gets no ReLU.
        halve: whether maps are halved.
        wrap: what convolutions are put into.
        norm: channels -> a norm before each ReLU, or none.
    """

    def __init__(
        self,
        before: int,
        after: int,
        *,
        hidden: int,
        first: bool = False,
        halve: bool = True,
        wrap: Wrap = plain,
        norm: Callable[[int], nn.Module] = lambda channels: nn.Identity(),
    ) -> None:
        super().__init__()
        self.first, self.halve = first, halve
        self.norm1, self.norm2 = nn.Identity() if first else norm(before), norm(hidden)
        self.conv1 = wrap(nn.Conv2d(before, hidden, 3, padding=1))
        self.conv2 = wrap(FoldedConv(hidden, after, conv_halved) if halve else nn.Conv2d(hidden, after, 3, padding=1))
        self.shortcut = wrap(nn.Conv2d(before, after, 1)) if halve or before != after else nn.Identity()

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D HH WW"]:
        h = x if self.first else F.relu(self.norm1(x))
        h = self.conv2(F.relu(self.norm2(self.conv1(h))))
        return h + self.shortcut(halved(x) if self.halve else x)


def layers_of(network: nn.Module) -> Iterator[tuple[nn.Conv2d | FoldedConv | nn.Linear, bool]]:
    """Convolutions and linear layers, each with whether it is a 3×3 convolution of a block; biases are set to 0."""
    inside = {id(m) for block in network.modules() if isinstance(block, UpBlock | DownBlock) for m in block.modules()}
    for part in network.modules():
        if isinstance(part, nn.Conv2d | FoldedConv | nn.Linear):
            if part.bias is not None:
                nn.init.zeros_(part.bias)
            yield part, getattr(part, "kernel_size", None) == (3, 3) and id(part) in inside


def glorot_(network: nn.Module) -> None:
    """Draw weights by Glorot and Bengio 2010, uniform, √2 times as large in blocks' 3×3 convolutions: as SNGAN's."""
    for layer, wide in layers_of(network):
        nn.init.xavier_uniform_(layer.weight, 2.0**0.5 if wide else 1.0)


def he_(network: nn.Module) -> None:
    """Draw weights by He et al. 2015, uniform, in blocks' 3×3 convolutions, else by Glorot and Bengio: as WGAN-GP's."""
    for layer, wide in layers_of(network):
        if wide:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        else:
            nn.init.xavier_uniform_(layer.weight)


@torch.no_grad()
def orthogonal_(network: nn.Module) -> None:
    """Draw every weight matrix orthogonal, kernels as matrices (Saxe et al. 2014, arXiv:1312.6120); biases 0."""
    for part in network.modules():
        weight = getattr(part, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim > 1:
            nn.init.orthogonal_(weight)
            if getattr(part, "bias", None) is not None:
                nn.init.zeros_(part.bias)  # type: ignore[arg-type]


def size_of(shape: tuple[int, ...], sizes: dict[int, Any], name: str) -> int:
    """The side of square images that a network has a table for.

    Raises:
        RecipeError: if it has none.
    """
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] not in sizes:
        *most, last = map(str, sizes)
        raise RecipeError(
            f"{name} can't make samples of shape {shape}: it is for square images; "
            f"set data.size to {', '.join(most)} or {last}, or choose another network."
        )
    return shape[1]


def over_places(
    D: nn.Module,
    x: Float[Tensor, "B C H W"],
    y: Shaped[Tensor, "B ..."] | None,
    places: Callable[[Tensor], Tensor] = lambda h: h.sum((2, 3)),
) -> Output:
    """`D.full(x, y)` of a discriminator that is a row of blocks, features over all places (sums, if nothing else is
    said), and a head: its `labels`, `blocks`, `minibatch` and `head`."""
    expect_labels(D, D.condition, y, required=not isinstance(D.labels, ClassHead))  # type: ignore[arg-type]
    x = D.labels(x, y).contiguous(memory_format=torch.channels_last)  # type: ignore[operator]
    output = layered(x, D.blocks, lambda h: D.head(D.minibatch(places(h))))  # type: ignore[operator, arg-type]
    return D.labels.answer(output, y)  # type: ignore[operator, union-attr]
