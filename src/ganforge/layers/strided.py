"""Convolutions with a 4×4 kernel, stride 2 and padding 1, which halve a map, and their transposes, which double one.

On a CPU three cases are done in another way, with the same numbers up to rounding:

- The smaller map has a side of 4 at most. Then kernels are large and maps small, which torch's convolutions are slow
  at: here each is a product of matrices, as a fully connected layer's, between windows that are cut out and kernels.
- An image is made, with few channels, which leaves most of a vector register empty. The four pixels of each 2×2 block
  have a 2×2 kernel each; as the outputs of one convolution they are four times as many.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Doubling", "Halving", "conv_doubling", "conv_halving"]

SMALL = 4  # a map's side up to which products of matrices are faster
FEW = 4  # channels
KERNEL = 4

Bias = Float[Tensor, " D"] | None


def conv_halving(
    x: Float[Tensor, "B C HH WW"], weight: Float[Tensor, "D C 4 4"], bias: Bias = None
) -> Float[Tensor, "B D H W"]:
    """`F.conv2d(x, weight, bias, stride=2, padding=1)`."""
    sides = x.shape[2] // 2, x.shape[3] // 2
    if not _as_product(x, sides) or x.shape[2] % 2 or x.shape[3] % 2:
        return F.conv2d(x, weight, bias, stride=2, padding=1)
    kernel = weight.permute(0, 2, 3, 1).reshape(len(weight), -1)  # (D, 16C)
    y = F.linear(Cut.apply(x.permute(0, 2, 3, 1)), kernel, bias)  # (BHW, D)
    return y.view(len(x), *sides, len(weight)).permute(0, 3, 1, 2)


def conv_doubling(
    x: Float[Tensor, "B C H W"], weight: Float[Tensor, "C D 4 4"], bias: Bias = None
) -> Float[Tensor, "B D HH WW"]:
    """`F.conv_transpose2d(x, weight, bias, stride=2, padding=1)`."""
    channels, made = weight.shape[:2]
    if _as_product(x, x.shape[2:]):
        kernel = weight.permute(0, 2, 3, 1).reshape(channels, -1)  # (C, 16D)
        windows = x.permute(0, 2, 3, 1).reshape(-1, channels) @ kernel  # (BHW, 16D)
        y = Paste.apply(windows, (len(x), *x.shape[2:], made)).permute(0, 3, 1, 2)
        return y if bias is None else y + bias[:, None, None]
    if made <= FEW and x.device.type == "cpu":
        blocks = F.conv2d(x, _of_blocks(weight), None if bias is None else bias.repeat_interleave(4), padding=1)
        return F.pixel_shuffle(blocks, 2)[:, :, 1:-1, 1:-1]
    return F.conv_transpose2d(x, weight, bias, stride=2, padding=1)


def _as_product(x: Tensor, sides: Any) -> bool:
    return x.device.type == "cpu" and max(sides) <= SMALL and not torch._C._are_functorch_transforms_active()


def _of_blocks(weight: Float[Tensor, "C D 4 4"]) -> Float[Tensor, "blocks C 2 2"]:
    """The kernels of the pixels of 2×2 blocks, blocks that begin one pixel before the map does."""
    channels, made = weight.shape[:2]
    taps = weight.view(channels, made, 2, 2, 2, 2).flip(2, 4)  # (C, D, tap, row of the block, tap, column)
    return (
        taps.permute(1, 3, 5, 0, 2, 4).reshape(made * 4, channels, 2, 2).contiguous(memory_format=torch.channels_last)
    )


class Cut(torch.autograd.Function):
    """The windows of 4 × 4 pixels at stride 2 of images padded by 1: (B, 2H, 2W, C) -> (BHW, 16C). Linear."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        B, height, width, C = x.shape
        ctx.shape = B, height // 2, width // 2, C
        padded = F.pad(x, (0, 0, 1, 1, 1, 1)).contiguous()
        batch, row, column, channel = padded.stride()
        sizes = (B, height // 2, width // 2, KERNEL, KERNEL, C)
        windows = padded.as_strided(sizes, (batch, 2 * row, 2 * column, row, column, channel))
        return windows.reshape(-1, KERNEL * KERNEL * C)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return Paste.apply(g, ctx.shape)


class Paste(torch.autograd.Function):
    """Windows added up where they were cut out, the transpose of `Cut`: (BHW, 16C), (B, H, W, C) -> (B, 2H, 2W, C)."""

    @staticmethod
    def forward(ctx: Any, windows: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
        B, H, W, C = shape
        parts = windows.reshape(B, H, W, KERNEL, KERNEL, C)
        padded = windows.new_zeros(B, 2 * H + 2, 2 * W + 2, C)
        blocks = padded.view(B, H + 1, 2, W + 1, 2, C)
        for i in (0, 1):
            for j in (0, 1):  # a window has 2 × 2 blocks of 2 × 2 pixels
                part = parts[:, :, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                blocks[:, i : i + H, :, j : j + W].add_(part.permute(0, 1, 3, 2, 4, 5))
        return padded[:, 1:-1, 1:-1]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return Cut.apply(g), None


class Halving(nn.Conv2d):
    """(B, C, 2H, 2W) -> (B, D, H, W): a convolution with a 4×4 kernel, whose parameters it has.

    >>> layer, x = Halving(3, 5), torch.randn(2, 3, 8, 8)
    >>> torch.allclose(layer(x), nn.Conv2d.forward(layer, x), atol=1e-6)
    True
    """

    def __init__(self, before: int, after: int, *, bias: bool = True) -> None:
        super().__init__(before, after, KERNEL, stride=2, padding=1, bias=bias)

    def forward(self, x: Float[Tensor, "B C HH WW"]) -> Float[Tensor, "B D H W"]:
        return conv_halving(x, self.weight, self.bias)


class Doubling(nn.ConvTranspose2d):
    """(B, C, H, W) -> (B, D, 2H, 2W): a transposed convolution with a 4×4 kernel, whose parameters it has.

    >>> layer, x = Doubling(3, 5), torch.randn(2, 3, 4, 4)
    >>> torch.allclose(layer(x), nn.ConvTranspose2d.forward(layer, x), atol=1e-6)
    True
    """

    def __init__(self, before: int, after: int, *, bias: bool = True) -> None:
        super().__init__(before, after, KERNEL, stride=2, padding=1, bias=bias)

    def forward(self, x: Float[Tensor, "B C H W"], output_size: list[int] | None = None) -> Float[Tensor, "B D HH WW"]:
        return conv_doubling(x, self.weight, self.bias)
