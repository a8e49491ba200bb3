"""A network as it is used, not as it is trained: its norms folded into its weights."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval
from torch.overrides import TorchFunctionMode

from ganforge.layers.folded import FoldedConv
from ganforge.layers.point import FromPixel, ToPixel
from ganforge.layers.spectral import SpectralNorm
from ganforge.layers.strided import Doubling, Halving

__all__ = ["fused"]

MAPS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
        nn.Linear, FoldedConv, FromPixel, ToPixel, Doubling, Halving)  # fmt: skip
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
LARGEST_ERROR = 1e-4  # of the largest output: float32's rounding through some tens of layers, and no more


class Calls(TorchFunctionMode):
    """Counts how often each tensor is read, and keeps all of them, so that no two ever share an identity."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: dict[int, int] = {}
        self.kept: list[Any] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if any(True for _ in tensors_in([output])):  # not a question about a shape
            for tensor in tensors_in([*args, *(kwargs or {}).values()]):
                self.reads[id(tensor)] = self.reads.get(id(tensor), 0) + 1
                self.kept.append(tensor)
        return output


def tensors_in(values: Iterable[Any]) -> Iterable[Tensor]:
    """The tensors among arguments, also in lists of them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)


def pairs(G: nn.Module, inputs: Sequence[Any]) -> list[tuple[str, str]]:
    """Names of (map, batch norm) where the norm is the only reader of what the map gives, each called once."""
    made: dict[int, str] = {}
    read: dict[str, int] = {}
    times: dict[str, int] = {}
    calls = Calls()

    def note(name: str, module: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            times[name] = times.get(name, 0) + 1
            calls.kept += [*given, output]
            if isinstance(module, MAPS):
                made[id(output)] = name
            else:
                read[name] = id(given[0])

        return hook

    parts = [(n, m) for n, m in G.named_modules() if type(m) in (*MAPS, *NORMS)]
    hooks = [m.register_forward_hook(note(n, m)) for n, m in parts]
    try:
        with calls, torch.no_grad():
            G(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    found = [(made[tensor], norm) for norm, tensor in read.items() if tensor in made and calls.reads[tensor] == 1]
    return [(a, b) for a, b in found if times[a] == times[b] == 1]


def folded(layer: nn.Module, norm: Any) -> nn.Module:
    """One map that does what both did."""
    if isinstance(layer, nn.Linear):
        return fuse_linear_bn_eval(layer, norm)
    if isinstance(layer, FoldedConv):
        layer.weight, layer.bias = fuse_conv_bn_weights(
            layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        return layer
    transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
    return fuse_conv_bn_eval(layer, norm, transpose=transposed)  # type: ignore[type-var]


def divided(norm: SpectralNorm) -> nn.Module:
    """The layer inside, with the weight that forward would divide each time."""
    layer = copy.deepcopy(norm.layer)
    layer.weight = nn.Parameter(norm.weight, requires_grad=False)
    return layer


@torch.no_grad()
def fused(G: nn.Module, *inputs: Any) -> nn.Module:
    """The network in evaluation mode, its spectral norms divided out for good, and each batch norm that directly
    follows a convolution or a linear layer, and alone reads it, folded into that: the same function, fewer passes over
    memory.

    Which norms those are is watched on a call with `inputs`, not guessed from names, so that it holds for any module.
    Both networks are then compared on the inputs; if they differ by more than rounding, the plain one is given back.

    >>> G = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU()).eval()
    >>> fused(G, torch.zeros(4, 2))[1]
    Identity()
    """
    if G.training or not any(isinstance(part, (*NORMS, SpectralNorm)) for part in G.modules()):
        return G
    fast, expected = copy.deepcopy(G).requires_grad_(False), G(*inputs)
    for name, part in [(n, m) for n, m in fast.named_modules() if n and isinstance(m, SpectralNorm)]:
        fast.set_submodule(name, divided(part))
    for layer, norm in pairs(fast, inputs):
        fast.set_submodule(layer, folded(fast.get_submodule(layer), fast.get_submodule(norm)))
        fast.set_submodule(norm, nn.Identity())
    error = (fast(*inputs) - expected).abs().max()
    return fast if bool(error <= LARGEST_ERROR * expected.abs().max()) else G
