"""Convolutions with a 4×4 kernel, stride 2 and padding 1, which halve a map, and their transposes, which double one.

On a CPU two cases are done in another way, with the same numbers up to rounding:

- The smaller map has a side of 4 at most and the kernel a million weights or more, which torch's convolutions are slow
  at: here each is a product of matrices, as a fully connected layer's, between windows that are cut out and the kernel.
- An image is made, with few channels, which leaves most of a vector register empty. The four pixels of each 2×2 block
  have a 2×2 kernel each; as the outputs of one convolution they are four times as many.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Doubling", "Halving", "conv_doubling", "conv_halving"]

SMALL, LARGE = 4, 2**20  # a map's side up to which, and weights from which on, products of matrices are faster
FEW = 4  # channels
KERNEL = 4
WINDOWS, SUMMED = 128, 512  # done at a time; the same where each time adds to a gradient of the kernel's size

Bias = Float[Tensor, " D"] | None


def conv_halving(
    x: Float[Tensor, "B C HH WW"], weight: Float[Tensor, "D C 4 4"], bias: Bias = None
) -> Float[Tensor, "B D H W"]:
    """`F.conv2d(x, weight, bias, stride=2, padding=1)`."""
    fits = x.ndim == 4 and x.shape[1] == weight.shape[1] and not (x.shape[2] % 2 or x.shape[3] % 2)
    if not fits or not _as_products(x, weight, x.shape[2] // 2, x.shape[3] // 2):
        return F.conv2d(x, weight, bias, stride=2, padding=1)
    y = _product(x, weight, doubles=False)
    return y if bias is None else y + bias[:, None, None]


def conv_doubling(
    x: Float[Tensor, "B C H W"], weight: Float[Tensor, "C D 4 4"], bias: Bias = None
) -> Float[Tensor, "B D HH WW"]:
    """`F.conv_transpose2d(x, weight, bias, stride=2, padding=1)`."""
    fits = x.ndim == 4 and x.shape[1] == weight.shape[0]
    if fits and _as_products(x, weight, x.shape[2], x.shape[3]):
        y = _product(x, weight, doubles=True)
        return y if bias is None else y + bias[:, None, None]
    if fits and weight.shape[1] <= FEW and x.device.type == "cpu" and not torch._C._are_functorch_transforms_active():
        return _by_blocks(x, weight, bias)
    return F.conv_transpose2d(x, weight, bias, stride=2, padding=1)


def _as_products(x: Tensor, weight: Tensor, height: int, width: int) -> bool:
    """Whether a convolution with such a smaller map is done by products of matrices."""
    if x.device.type != "cpu" or max(height, width) > SMALL or weight.numel() < LARGE:
        return False
    if not x.dtype == weight.dtype in (torch.float32, torch.float64):  # lower ones need wider sums
        return False
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    if traced or torch.is_autocast_enabled("cpu") or torch._C._are_functorch_transforms_active():
        return False
    return any(part.is_contiguous(memory_format=torch.channels_last) for part in (x, weight))  # as comes out


def _by_blocks(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The doubling convolution, pixels of 2×2 blocks as channels; the blocks begin one pixel before the map does."""
    channels, made = weight.shape[:2]
    taps = weight.reshape(channels, made, 2, 2, 2, 2).flip(2, 4)  # (C, D, tap, row of the block, tap, column)
    kernels = taps.permute(1, 3, 5, 0, 2, 4).reshape(made * 4, channels, 2, 2)
    kernels = kernels.contiguous(memory_format=torch.channels_last)
    y = F.conv2d(x, kernels, None if bias is None else bias.repeat_interleave(4), padding=1)
    return F.pixel_shuffle(y, 2)[:, :, 1:-1, 1:-1].contiguous(memory_format=torch.channels_last)


# Products. Maps are (B, H, W, C) here, kernels (D, 16C): D channels of the smaller map, C of the larger one. A few
# samples at a time: their windows, which take four times the larger map, stay in the cache and are never kept.


def _chunks(small: Tensor, windows: int) -> Iterator[slice]:
    """Of the batch: as many samples as have so many windows, at least one."""
    size = max(windows // (small.shape[1] * small.shape[2]), 1)
    return (slice(start, start + size) for start in range(0, len(small), size))


def _cut(large: Tensor) -> Tensor:
    """The windows of 4 × 4 pixels at stride 2 of maps padded by 1: (B, 2H, 2W, C) -> (BHW, 16C)."""
    padded = F.pad(large, (0, 0, 1, 1, 1, 1)).contiguous()
    B, height, width, C = large.shape
    batch, row, column, channel = padded.stride()
    sizes = (B, height // 2, width // 2, KERNEL, KERNEL, C)
    return padded.as_strided(sizes, (batch, 2 * row, 2 * column, row, column, channel)).reshape(-1, KERNEL**2 * C)


def _paste(windows: Tensor, like: Tensor) -> Tensor:
    """Windows added up where `_cut` took them, its transpose: (BHW, 16C), a smaller map -> (B, 2H, 2W, C)."""
    B, H, W, _ = like.shape
    parts = windows.view(B, H, W, KERNEL, KERNEL, -1)
    padded = windows.new_zeros(B, 2 * H + 2, 2 * W + 2, parts.shape[-1])
    blocks = padded.view(B, H + 1, 2, W + 1, 2, -1)
    for i in (0, 1):
        for j in (0, 1):  # a window has 2 × 2 blocks of 2 × 2 pixels
            part = parts[:, :, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            blocks[:, i : i + H, :, j : j + W].add_(part.permute(0, 1, 3, 2, 4, 5))
    return padded[:, 1:-1, 1:-1]


def _matrix(weight: Tensor) -> Tensor:
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


def _empty(x: Tensor, *sizes: int) -> Tensor:
    """(B, C, H, W) in channels_last, and no view: others may write into it."""
    return torch.empty(sizes, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


@torch.autocast("cpu", enabled=False)
def _run(x: Tensor, weight: Tensor, doubles: bool) -> Tensor:
    """The halving or doubling convolution."""
    kernel, (D, C), (B, _, height, width) = _matrix(weight), weight.shape[:2], x.shape
    given = x.permute(0, 2, 3, 1)
    y = _empty(x, B, C, 2 * height, 2 * width) if doubles else _empty(x, B, D, height // 2, width // 2)
    made = y.permute(0, 2, 3, 1)
    for part in _chunks(given if doubles else made, WINDOWS):
        if doubles:
            made[part] = _paste(given[part].reshape(-1, D) @ kernel, given[part])
        else:
            made[part] = (_cut(given[part]) @ kernel.t()).view(made[part].shape)
    return y


@torch.autocast("cpu", enabled=False)
def _weights(x: Tensor, y: Tensor, doubles: bool) -> Tensor:
    """The gradient in the kernel, given a convolution's input and the gradient in its result."""
    large, small = (part.permute(0, 2, 3, 1) for part in ((y, x) if doubles else (x, y)))
    D, C = small.shape[3], large.shape[3]
    pairs = ((small[part].reshape(-1, D).t(), _cut(large[part])) for part in _chunks(small, SUMMED))
    total = torch.mm(*next(pairs)) if len(x) else x.new_zeros(D, KERNEL**2 * C)
    for pair in pairs:
        total = torch.addmm(total, *pair)
    return total.view(D, KERNEL, KERNEL, C).permute(0, 3, 1, 2)


# Each of the three, a convolution, the other one and the weights' gradient, is linear in two tensors, with the other
# two as its gradients. In a forward pass the weights' part is a Function of its own, whose result is zero, so that it
# isn't computed where a penalty asks for the gradient in x alone: a Function of both can't know.


class Bilinear(torch.autograd.Function):
    """A convolution as a function of both: (x, weight, doubles)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, doubles: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.doubles = doubles
        return _run(x, weight, doubles)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        in_x, in_weight, _ = ctx.needs_input_grad
        dx = Bilinear.apply(g, weight, not ctx.doubles) if in_x else None
        return dx, Weights.apply(x, g, ctx.doubles) if in_weight else None, None


class Weights(torch.autograd.Function):
    """The gradient in the kernel: (x, gradient in the result, doubles)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, g: Tensor, doubles: bool) -> Tensor:
        ctx.save_for_backward(x, g)
        ctx.doubles = doubles
        return _weights(x, g, doubles)

    @staticmethod
    def backward(ctx: Any, t: Tensor) -> Any:
        x, g = ctx.saved_tensors
        in_x, in_g, _ = ctx.needs_input_grad
        dx = Bilinear.apply(g, t, not ctx.doubles) if in_x else None
        return dx, Bilinear.apply(x, t, ctx.doubles) if in_g else None, None


class Along(torch.autograd.Function):
    """A convolution, given its result, as a function of x: (x, zero, (weight, result), doubles) -> result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, zero: Tensor | None, held: tuple[Tensor, Tensor], doubles: bool) -> Tensor:
        weight, y = held  # in a tuple, so that no edge leads to the weight
        ctx.save_for_backward(weight)
        ctx.doubles = doubles
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (weight,) = ctx.saved_tensors
        in_x, in_zero, *_ = ctx.needs_input_grad
        return Bilinear.apply(g, weight, not ctx.doubles) if in_x else None, g if in_zero else None, None, None


class Weighing(torch.autograd.Function):
    """Zeros, whose gradient in the weight is the convolution's: (weight, (x, result), doubles)."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, held: tuple[Tensor, Tensor], doubles: bool) -> Tensor:
        x, y = held
        ctx.save_for_backward(x)
        ctx.doubles = doubles
        return y.new_zeros(()).expand(y.shape)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return Weights.apply(x, g, ctx.doubles), None, None


def _product(x: Tensor, weight: Tensor, *, doubles: bool) -> Tensor:
    """The convolution by products of matrices."""
    y = _run(x.detach(), weight.detach(), doubles)
    if not torch.is_grad_enabled():
        return y
    zero = Weighing.apply(weight, (x, y), doubles) if weight.requires_grad else None
    return Along.apply(x, zero, (weight, y), doubles)


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
        if output_size is not None:
            return super().forward(x, output_size)
        return conv_doubling(x, self.weight, self.bias)
