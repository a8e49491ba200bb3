"""Convolutions from and to one pixel: the same maps, gradients and second derivatives as torch's."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from ganforge.layers import FromPixel, SpectralNorm, ToPixel, advance

CASES = [(FromPixel, nn.ConvTranspose2d, (5, 3, 1, 1)), (ToPixel, nn.Conv2d, (5, 3, 4, 4))]


def both(kind: type[nn.Module], plain: type[nn.Module], bias: bool) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    layer = kind(3, 7, 4, bias=bias).double()
    other = plain(3, 7, 4, bias=bias).double()
    other.load_state_dict(layer.state_dict())
    return layer, other


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kind", "plain", "shape"), CASES)
def test_outputs_and_gradients_are_those_of_the_convolution(
    kind: type[nn.Module], plain: type[nn.Module], shape: tuple[int, ...], layout: torch.memory_format, bias: bool
) -> None:
    layer, other = (part.to(memory_format=layout) for part in both(kind, plain, bias))
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    mine, theirs = layer(x), other(x)
    assert mine.shape == theirs.shape
    assert torch.allclose(mine, theirs, atol=1e-12)
    weights = torch.randn_like(theirs)
    for a, b in zip(
        torch.autograd.grad((mine * weights).sum(), [x, *layer.parameters()]),
        torch.autograd.grad((theirs * weights).sum(), [x, *other.parameters()]),
        strict=True,
    ):
        assert torch.allclose(a, b, atol=1e-12)


@pytest.mark.parametrize(("kind", "plain", "shape"), CASES)
def test_they_are_differentiated_twice(kind: type[nn.Module], plain: type[nn.Module], shape: tuple[int, ...]) -> None:
    layer, _ = both(kind, plain, bias=True)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)

    def output(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,)).square()

    points = (x, layer.weight, layer.bias)
    assert torch.autograd.gradcheck(output, points)
    assert torch.autograd.gradgradcheck(output, points)


@pytest.mark.parametrize(("kind", "plain", "shape"), CASES)
def test_spectral_norm_divides_them(kind: type[nn.Module], plain: type[nn.Module], shape: tuple[int, ...]) -> None:
    layer, other = both(kind, plain, bias=True)
    norm = SpectralNorm(layer.float()).double()
    other.load_state_dict(layer.state_dict())
    advance(norm, steps=200)
    rows = layer.weight.transpose(0, 1) if kind is FromPixel else layer.weight
    sigma = torch.linalg.svdvals(rows.detach().flatten(1))[0]
    with torch.no_grad():
        other.weight.div_(sigma)
        x = torch.randn(shape, dtype=torch.float64)
        assert torch.allclose(norm(x), other(x), atol=1e-9)


def test_what_the_generator_begins_with_is_in_the_layout_of_the_rest() -> None:
    make = partial(FromPixel, 3, 8, 4, bias=False)
    assert make()(torch.randn(2, 3, 1, 1)).is_contiguous(memory_format=torch.channels_last)
