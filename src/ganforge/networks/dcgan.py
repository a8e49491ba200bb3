"""DCGAN: strided convolutions down, transposed ones up, batch norm in both, no hidden fully connected layer.

Radford et al. 2016, arXiv:1511.06434, in the form of PyTorch's public example, which it equals at 64 pixels.
*Differs:* generalised to other sizes; the discriminator's convolutions have biases where it has no batch norm.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.layers import (
    MINIBATCH,
    ClassHead,
    Condition,
    ConditionalBatchNorm,
    Doubling,
    Entry,
    FromPixel,
    Halving,
    Minibatch,
    Output,
    Reader,
    SpectralNorm,
    ToPixel,
    advance_spectral_norms,
    called,
    entry,
    expect_labels,
    layered,
    normal_weights_,
    reader,
)
from ganforge.layers.spectral import WARM_UP

__all__ = ["NORMS", "TINY", "Discriminator", "Generator"]

TINY: dict[str, Any] = {"generator": {"z_dim": 8, "width": 8}, "discriminator": {"width": 8}, "shape": (1, 16, 16)}

SIZES = (16, 28, 32, 64, 128, 256)
SMALLEST = 4  # the feature map where the generator begins and the discriminator ends
CHANNELS_LAST = torch.channels_last  # the convolutions' own layout on CPU and GPU: 1.1 times faster and more


def _plan(shape: tuple[int, ...], width: int) -> tuple[list[int], list[int]]:
    """Sizes of the feature maps from 4×4 up to the image, and their channels: doubled per halving, to 8·width.

    28 is halved to 14, 7 and 4.
    """
    if len(shape) != 3:
        raise RecipeError(
            f"dcgan is for images, not for points of shape {shape}: set generator=points discriminator=points."
        )
    _, height, breadth = shape
    if height != breadth or height not in SIZES:
        *most, last = map(str, SIZES)
        raise RecipeError(
            f"dcgan can't make images of {height}×{breadth} pixels: "
            f"set data.size to {', '.join(most)} or {last}, or choose another network."
        )
    rising = [height]
    while rising[0] > SMALLEST:
        rising.insert(0, (rising[0] + 1) // 2)
    return rising, [width * min(2**level, 8) for level in reversed(range(len(rising) - 1))]


def _kernel(small: int, large: int) -> int:
    """The kernel of a stride of 2 between two sizes: 4 for a doubling, 3 between 4 and 7."""
    return 4 if large == 2 * small else 3


class Generator(nn.Module):
    """z (B, z_dim) -> images (B, C, H, W) in [-1, 1], doubling the size from 4×4 upwards.

    Raises RecipeError for a size that isn't 16, 28, 32, 64, 128 or 256.

    >>> G = Generator(shape=(3, 64, 64))
    >>> sum(weight.numel() for weight in G.parameters())
    3576704
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        z_dim: Annotated[int, Field(description="how many random numbers an image is made of", gt=0)] = 100,
        width: Annotated[int, Field(description="channels of the largest feature map", gt=0)] = 64,
        condition: Condition | None = None,
        labels: Entry = "embedding",
    ) -> None:
        super().__init__()
        self.z_dim, self.condition = z_dim, condition
        self.labels = entry(labels, condition, z_dim)
        self.by_norm = condition if labels == "batch_norm" else None
        sizes, channels = _plan(shape, width)
        self.first = FromPixel(z_dim + int(self.labels.extra), channels[0], SMALLEST, bias=False)  # type: ignore[arg-type]
        self.ups = nn.ModuleList(
            nn.Sequential(_batch_norm(before, self.by_norm), nn.ReLU(inplace=True), _up(before, after, _kernel(*pair)))
            for (before, after), pair in zip(pairwise([*channels, shape[0]]), pairwise(sizes), strict=True)
        )
        normal_weights_(self)
        self.to(memory_format=CHANNELS_LAST)  # type: ignore[call-overload]

    def forward(
        self, z: Float[Tensor, "B z_dim"], y: Shaped[Tensor, "B ..."] | None = None, noise: Any = None
    ) -> Float[Tensor, "B C H W"]:
        expect_labels(self, self.condition, y)
        z = self.labels(z, y)
        x = self.first(z[:, :, None, None].contiguous(memory_format=CHANNELS_LAST))  # (B, C, 4, 4)
        for up in self.ups:
            x = called(up[0], x, None if self.by_norm is None else y)  # type: ignore[index]
            x = up[2](up[1](x))  # type: ignore[index]  # (B, C/2, 2H, 2W)
        return x.tanh_()


def _batch_norm(channels: int, condition: Condition | None) -> nn.Module:
    return nn.BatchNorm2d(channels) if condition is None else ConditionalBatchNorm(channels, condition)


def _up(before: int, after: int, kernel: int) -> nn.ConvTranspose2d:
    if kernel == 4:
        return Doubling(before, after, bias=False)
    return nn.ConvTranspose2d(before, after, kernel, stride=2, padding=1, bias=False)


def _down(before: int, after: int, kernel: int, *, bias: bool) -> nn.Conv2d:
    if kernel == 4:
        return Halving(before, after, bias=bias)
    return nn.Conv2d(before, after, kernel, stride=2, padding=1, bias=bias)


def _batch(conv: nn.Conv2d, *, inner: bool, size: int) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels)] if inner else [conv]


def _none(conv: nn.Conv2d, *, inner: bool, size: int) -> list[nn.Module]:
    return [conv]


def _spectral(conv: nn.Conv2d, *, inner: bool, size: int) -> list[nn.Module]:
    return [SpectralNorm(conv)]


def _spectral_conv(conv: nn.Conv2d, *, inner: bool, size: int) -> list[nn.Module]:
    return [SpectralNorm(conv, size=(size, size))]


NORMS: dict[str, Callable[..., list[nn.Module]]] = {
    "batch": _batch,
    "none": _none,
    "spectral": _spectral,
    "spectral_conv": _spectral_conv,
}
"""How the discriminator normalises a convolution: `norm(conv, inner=..., size=...)`, `inner` for all but the first and
last, `size` the side of its inputs."""


class Discriminator(nn.Module):
    """Images (B, C, H, W) -> logits (B,), halving the size down to 4×4, then one convolution over it.

    The norm is batch norm on all but the first and the last convolution, or none, or spectral norm on all of them: of
    the kernel as a matrix ("spectral"), or of the convolution as a map of images ("spectral_conv"), with which the
    logit's slope is at most 1. A gradient penalty needs one without batch norm, which mixes samples. *Differs:* gives
    logits, not probabilities.

    Raises RecipeError for a size that isn't 16, 28, 32, 64, 128 or 256.

    >>> D = Discriminator(shape=(3, 64, 64))
    >>> sum(weight.numel() for weight in D.parameters())
    2765568
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        width: Annotated[int, Field(description="channels of the largest feature map", gt=0)] = 64,
        norm: Annotated[
            Literal["batch", "none", "spectral", "spectral_conv"],
            Field(
                description="batch, none, spectral, or spectral_conv: each convolution's exact norm; gradient "
                "penalties need any but batch"
            ),
        ] = "batch",
        slope: Annotated[float, Field(description="slope of LeakyReLU below 0", ge=0, le=1)] = 0.2,
        minibatch: Minibatch = "none",
        condition: Condition | None = None,
        labels: Reader = "projection",
    ) -> None:
        super().__init__()
        sizes, channels = _plan(shape, width)
        self.condition = condition
        self.labels = reader(labels, condition, channels[0], spectral=norm.startswith("spectral"))
        widths = [shape[0] + int(self.labels.extra), *reversed(channels)]  # type: ignore[arg-type]
        steps = reversed([*pairwise(sizes)])
        bias = norm != "batch"
        self.downs = nn.ModuleList(
            nn.Sequential(
                *NORMS[norm](_down(*two, _kernel(*pair), bias=bias), inner=level > 0, size=pair[1]),
                nn.LeakyReLU(slope, inplace=True),
            )
            for level, (pair, two) in enumerate(zip(steps, pairwise(widths), strict=True))
        )
        self.minibatch = MINIBATCH[minibatch]((widths[-1], SMALLEST, SMALLEST))
        last = widths[-1] + int(self.minibatch.extra)  # type: ignore[arg-type]
        self.head = nn.Sequential(*NORMS[norm](ToPixel(last, 1, SMALLEST, bias=bias), inner=False, size=SMALLEST))
        normal_weights_(self)
        advance_spectral_norms(self, steps=WARM_UP)
        self.to(memory_format=CHANNELS_LAST)  # type: ignore[call-overload]

    def forward(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, " B"]:
        return self.full(x, y).logits[0]

    def full(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """Logits, and the activations after every halving."""
        expect_labels(self, self.condition, y, required=not isinstance(self.labels, ClassHead))
        x = self.labels(x, y).contiguous(memory_format=CHANNELS_LAST)
        output = layered(x, self.downs, lambda h: self.head(self.minibatch(h)))  # (B, 2C, H/2, W/2) after each
        return self.labels.answer(output, y)  # type: ignore[operator]
