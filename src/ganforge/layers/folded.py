"""A 3×3 convolution and the halving behind it, or the doubling before it, as one convolution with a 4×4 kernel.

Both pairs are linear and see 4 × 4 pixels, so that each is one convolution (stride 2, or transposed) whose kernel is a
sum of shifted copies of the small one: 4/9 of the arithmetic, and no large map in between. Weights stay the 3×3 ones;
the 4×4 kernel is computed in each pass and gradients go through it.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.layers.strided import conv_doubling, conv_halving

__all__ = [
    "FoldedConv",
    "conv_halved",
    "conv_halved_plain",
    "doubled",
    "doubled_conv",
    "doubled_conv_plain",
    "halved",
]

Kernel = Float[Tensor, "D C 3 3"]


def doubled(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C HH WW"]:
    """Every pixel four times: (B, C, 2H, 2W)."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def halved(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C HH WW"]:
    """Means of 2 × 2 pixels: (B, C, H/2, W/2)."""
    return F.avg_pool2d(x, 2)


def conv_halved_plain(
    x: Float[Tensor, "B C H W"], weight: Kernel, bias: Float[Tensor, " D"] | None = None
) -> Float[Tensor, "B D HH WW"]:
    """What `conv_halved` is: convolution, then halving."""
    return halved(F.conv2d(x, weight, bias, padding=1))


def conv_halved(
    x: Float[Tensor, "B C H W"], weight: Kernel, bias: Float[Tensor, " D"] | None = None
) -> Float[Tensor, "B D HH WW"]:
    """A 3×3 convolution, padded by 1, then means of 2 × 2 pixels: (B, C, H, W) -> (B, D, H/2, W/2).

    One convolution of stride 2, padded by 1, with K[i, j] = ¼·Σ w[i - a, j - b] over a, b in {0, 1} (w is 0 outside).
    """
    return conv_halving(x, F.avg_pool2d(weight, 2, stride=1, padding=1), bias)


def doubled_conv_plain(
    x: Float[Tensor, "B C H W"], weight: Kernel, bias: Float[Tensor, " D"] | None = None
) -> Float[Tensor, "B D HH WW"]:
    """What `doubled_conv` is: doubling, then convolution."""
    return F.conv2d(doubled(x), weight, bias, padding=1)


def doubled_conv(
    x: Float[Tensor, "B C H W"], weight: Kernel, bias: Float[Tensor, " D"] | None = None
) -> Float[Tensor, "B D HH WW"]:
    """Every pixel four times, then a 3×3 convolution, padded by 1: (B, C, H, W) -> (B, D, 2H, 2W).

    One transposed convolution of stride 2, padded by 1, with K[i, j] = Σ w[3 - i - a, 3 - j - b] over a, b in {0, 1}.
    """
    turned = weight.transpose(0, 1).contiguous(memory_format=torch.channels_last).flip(2, 3)  # (C, D, 3, 3)
    kernel = F.avg_pool2d(turned, 2, stride=1, padding=1, divisor_override=1)  # sums: (C, D, 4, 4)
    return conv_doubling(x, kernel, bias)


class FoldedConv(nn.Module):
    """`nn.Conv2d(before, after, 3, padding=1)` with the change of size beside it: the same weights, by the same names.

    They are drawn as that layer draws them, so spectral norm, checkpoints and seeds see the small kernel.

    Args:
        run: `conv_halved` or `doubled_conv`.

    >>> FoldedConv(3, 5, conv_halved)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 5, 4, 4])
    """

    kernel_size = (3, 3)

    def __init__(self, before: int, after: int, run: Callable[..., Tensor]) -> None:
        super().__init__()
        conv = nn.Conv2d(before, after, 3, padding=1)
        self.run, self.weight, self.bias = run, conv.weight, conv.bias

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D HH WW"]:
        return self.run(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """What `print(network)` shows."""
        after, before = self.weight.shape[:2]
        return f"{before}, {after}, {self.run.__name__}"
