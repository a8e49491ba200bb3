"""Layers whose input gradient can be differentiated again at the least cost, for penalties on a discriminator's slope.

A penalty's second pass needs four convolutions per layer: the forward pass, the input gradient, and the gradient's own
derivative in the layer above and in the weights. torch takes more: what is piecewise linear (ReLU, pooling) sends
explicit zeros, its second derivative, back through the whole forward pass, two convolutions a layer; and the weights'
part of a convolution's double backward is a convolution whose kernel is a whole gradient map. Here a kink's mask, or a
maximum's place, is a constant, whose second derivative is 0 almost everywhere, and the weights' part is an
ordinary weight gradient. The numbers are torch's up to rounding, in derivatives of every order.

Smooth activations (tanh, SiLU, softplus) have a second derivative and stay torch's own, as does all else.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

__all__ = ["OWN", "cheap_double_backward"]

ops = torch.ops.aten


def cheap_double_backward(wanted: bool = True) -> AbstractContextManager[Any]:
    """Within it every module's convolutions, ReLUs, leaky ReLUs and 2-d pools are those of this file, if `wanted`.

    For a forward pass whose gradient in its input will be differentiated again; the gradients may be taken outside.
    Nothing changes where no gradient is recorded, under `torch.func`'s transforms and inside of checkpointed parts.

    >>> layer, x = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()), torch.randn(5, 3, requires_grad=True)
    >>> with cheap_double_backward():
    ...     y = layer(x)
    >>> (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    >>> slope.square().sum().backward()
    """
    return Replacing() if wanted else nullcontext()


class Replacing(TorchFunctionMode):
    """Calls the functions of `OWN` in place of torch's."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        own = OWN.get(func)
        if own is None or _watched():
            return func(*args, **(kwargs or {}))
        return own(*args, **(kwargs or {}))


def _watched() -> bool:
    """Whether somebody counts on torch's own operations: a transform of `torch.func`, or hooks on what is saved for
    backward, by which checkpointing compares a part's first pass with its second one, outside of the context."""
    return torch._C._are_functorch_transforms_active() or bool(
        torch._C._autograd._top_saved_tensors_default_hooks(True)
    )


def _recorded(x: Tensor) -> bool:
    """Whether a gradient in x will be known."""
    return torch.is_grad_enabled() and x.requires_grad


# Convolutions. Of a gradient in x alone torch's own node leaves the weights' part out, a Function can't know: so the
# weights' part is a Function of its own, whose output is zero and which only the edge to it connects with the other.


class Geometry(NamedTuple):
    """What a convolution is besides its tensors, in the order of torch's operation."""

    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]
    transposed: bool
    output_padding: Sequence[int]
    groups: int


class Along(torch.autograd.Function):
    """The convolution, given its result, as a function of x: (x, zero, (w, result), geometry) -> result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, zero: Tensor | None, held: tuple[Tensor, Tensor], geometry: Geometry) -> Tensor:
        w, y = held  # in a tuple, so that no edge leads to w: the gradient in x is still a function of w
        ctx.save_for_backward(w, x.detach())
        ctx.geometry = geometry
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        w, x = ctx.saved_tensors
        return InputGradient.apply(g, w, x, ctx.geometry), g if ctx.needs_input_grad[1] else None, None, None


class Weighing(torch.autograd.Function):
    """Zeros of the result's shape, whose gradient in w and b is the convolution's."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, b: Tensor | None, held: tuple[Tensor, Tensor], geometry: Geometry) -> Tensor:
        x, y = held
        ctx.save_for_backward(w.detach(), x)
        ctx.geometry, ctx.bias = geometry, None if b is None else list(b.shape)
        return y.new_zeros(()).expand(y.shape)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        w, x = ctx.saved_tensors
        mask = (False, ctx.needs_input_grad[0], ctx.needs_input_grad[1])
        _, dw, db = ops.convolution_backward(g, x, w, ctx.bias, *ctx.geometry, mask)
        return dw, db, None, None


class InputGradient(torch.autograd.Function):
    """A convolution's gradient in its input, linear in the result's gradient g and in w."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, w: Tensor, x: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(g, w)
        ctx.geometry = geometry
        return ops.convolution_backward(g, x, w, None, *geometry, (True, False, False))[0]

    @staticmethod
    def backward(ctx: Any, t: Tensor) -> Any:
        g, w = ctx.saved_tensors
        in_g, in_w = ctx.needs_input_grad[:2]
        dg = ops.convolution(t, w, None, *ctx.geometry) if in_g else None
        dw = ops.convolution_backward(g, t, w, None, *ctx.geometry, (False, True, False))[1] if in_w else None
        return dg, dw, None, None


def _convolution(x: Tensor, w: Tensor, b: Tensor | None, geometry: Geometry) -> Tensor:
    """A convolution of a batch in both parts, in autocast's precision where it rules."""
    kind = x.device.type
    if torch.is_autocast_enabled(kind):
        lower = torch.get_autocast_dtype(kind)
        x, w = (t if t.dtype == torch.float64 else t.to(lower) for t in (x, w))
        b = b if b is None or b.dtype == torch.float64 else b.to(lower)
    y = torch.convolution(x.detach(), w.detach(), b if b is None else b.detach(), *geometry)
    learns = w.requires_grad or (b is not None and b.requires_grad)
    zero = Weighing.apply(w, b, (x, y), geometry) if learns else None
    return Along.apply(x, zero, (w, y), geometry)


CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
USUAL = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, "groups": 1}


def _own(plain: Callable[..., Tensor], axes: int, names: tuple[str, ...]) -> Callable[..., Tensor]:
    """One of torch's six convolutions, with its arguments."""

    def convolution(*args: Any, **kwargs: Any) -> Tensor:
        given = USUAL | dict(zip(names, args, strict=False)) | kwargs
        x = given["input"]
        if isinstance(given["padding"], str) or x.ndim != axes + 2 or not _recorded(x):
            return plain(*args, **kwargs)
        stride, padding, dilation, more = (
            (n,) * axes if isinstance(n := given[name], int) else n
            for name in ("stride", "padding", "dilation", "output_padding")
        )
        geometry = Geometry(stride, padding, dilation, names is TRANSPOSED, more, given["groups"])
        return _convolution(x, given["weight"], given["bias"], geometry)

    return convolution


# Kinks and pools

SMALL = 2**17
"""Numbers up to which a ReLU is torch's operation on gradients, x where x > 0, whose mask is given to it as a constant:
a Function's ten microseconds are saved. It keeps x, which nobody else needs, so large maps go the other way."""


class Rectified(torch.autograd.Function):
    """max(x, slope·x), slope from 0 below 1, in place or not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float, inplace: bool) -> Tensor:
        y = F.leaky_relu(x, slope, inplace) if slope else F.relu(x, inplace)
        if inplace:
            ctx.mark_dirty(x)
        ctx.slope = slope
        ctx.save_for_backward(y)  # it has x's sign, and the next layer keeps it anyway
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        y = ctx.saved_tensors[0].detach()
        in_x = ops.leaky_relu_backward(g, y, ctx.slope, True) if ctx.slope else ops.threshold_backward(g, y, 0)
        return in_x, None, None


def _relu(input: Tensor, inplace: bool = False) -> Tensor:
    if not _recorded(input):
        return F.relu(input, inplace)
    if inplace or input.numel() > SMALL:
        return Rectified.apply(input, 0.0, inplace)
    return ops.threshold_backward(input, input.detach(), 0)


def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    if negative_slope < 0 or not _recorded(input):
        return F.leaky_relu(input, negative_slope, inplace)
    if inplace or input.numel() > SMALL:
        return Rectified.apply(input, float(negative_slope), inplace)
    return ops.leaky_relu_backward(input, input.detach(), negative_slope, False)


class Averaged(torch.autograd.Function):
    """Means over windows: (x, the sizes as torch's operation has them)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *sizes: Any) -> Tensor:
        ctx.save_for_backward(x)
        ctx.sizes = sizes
        return ops.avg_pool2d(x, *sizes)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x = ctx.saved_tensors[0].detach()  # whose shape alone matters
        return ops.avg_pool2d_backward(g, x, *ctx.sizes), *(None,) * len(ctx.sizes)


class Largest(torch.autograd.Function):
    """Maxima of windows: (x, the sizes as torch's operation has them)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *sizes: Any) -> Tensor:
        y, places = ops.max_pool2d_with_indices(x, *sizes)
        ctx.save_for_backward(x, places)
        ctx.sizes = sizes
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, places = ctx.saved_tensors
        return ops.max_pool2d_with_indices_backward(g, x.detach(), *ctx.sizes, places), *(None,) * len(ctx.sizes)


def _pair(size: Any) -> Any:
    """One size for both axes, or two."""
    return (size, size) if isinstance(size, int) else size


def _avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    sizes = (_pair(kernel_size), _pair(stride or kernel_size), _pair(padding))
    settings = (ceil_mode, count_include_pad, divisor_override)
    if not _recorded(input):
        return F.avg_pool2d(input, *sizes, *settings)
    return Averaged.apply(input, *sizes, *settings)


def _max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    sizes = (_pair(kernel_size), _pair(stride or kernel_size), _pair(padding), _pair(dilation))
    if return_indices or not _recorded(input):
        return F.max_pool2d(input, *sizes, ceil_mode, return_indices)  # type: ignore[call-overload]
    return Largest.apply(input, *sizes, ceil_mode)


OWN: dict[Any, Callable[..., Any]] = {
    torch.conv1d: _own(torch.conv1d, 1, CONVOLUTION),
    torch.conv2d: _own(torch.conv2d, 2, CONVOLUTION),
    torch.conv3d: _own(torch.conv3d, 3, CONVOLUTION),
    torch.conv_transpose1d: _own(torch.conv_transpose1d, 1, TRANSPOSED),
    torch.conv_transpose2d: _own(torch.conv_transpose2d, 2, TRANSPOSED),
    torch.conv_transpose3d: _own(torch.conv_transpose3d, 3, TRANSPOSED),
    F.relu: _relu,
    torch.relu: _relu,
    Tensor.relu: _relu,
    torch.relu_: partial(_relu, inplace=True),
    Tensor.relu_: partial(_relu, inplace=True),
    F.leaky_relu: _leaky_relu,
    F.leaky_relu_: partial(_leaky_relu, inplace=True),
    F.avg_pool2d: _avg_pool2d,
    F.max_pool2d: _max_pool2d,
    torch.max_pool2d: _max_pool2d,
}
"""torch's function -> ours, with its arguments. Linear layers aren't here: torch's own take no more than they must."""
