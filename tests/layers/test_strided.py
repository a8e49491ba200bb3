"""Halving and doubling convolutions: the same maps, gradients and second derivatives as torch's, whichever way."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.layers import Doubling, Halving, strided
from ganforge.layers.strided import conv_doubling, conv_halving


def plain_halving(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.conv2d(x, weight, bias, stride=2, padding=1)


def plain_doubling(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.conv_transpose2d(x, weight, bias, stride=2, padding=1)


@pytest.fixture(params=["a sample at a time", "at once"], autouse=True)
def _samples_at_a_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strided, "LARGE", 0)
    if request.param == "a sample at a time":
        monkeypatch.setattr(strided, "WINDOWS", 1)
        monkeypatch.setattr(strided, "SUMMED", 1)


CASES = [  # ours, torch's, the shapes of x and of the kernel, what comes out; as a product, as blocks, as torch does it
    *(
        pytest.param(conv_halving, plain_halving, (5, 3, 2 * h, 2 * w), (7, 3, 4, 4), 7, id=f"halving to {h}x{w}")
        for h, w in [(4, 4), (1, 1), (3, 2), (5, 4)]
    ),
    pytest.param(conv_halving, plain_halving, (5, 3, 7, 8), (7, 3, 4, 4), 7, id="halving of an odd side"),
    *(
        pytest.param(conv_doubling, plain_doubling, (5, 7, h, w), (7, made, 4, 4), made, id=f"doubling {h}x{w}, {made}")
        for h, w in [(4, 4), (1, 1), (2, 3), (5, 6)]
        for made in (3, 6)
    ),
]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("mine", "torchs", "shape", "kernel", "made"), CASES)
def test_outputs_and_gradients_are_those_of_the_convolution(
    mine: Callable[..., Tensor],
    torchs: Callable[..., Tensor],
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    made: int,
    layout: torch.memory_format,
    bias: bool,
) -> None:
    torch.manual_seed(0)
    given = [torch.randn(size, dtype=torch.float64).contiguous(memory_format=layout) for size in (shape, kernel)]
    given = [value.requires_grad_() for value in [*given, *([torch.randn(made, dtype=torch.float64)] if bias else [])]]
    a, b = mine(*given), torchs(*given)
    assert a.shape == b.shape
    assert torch.allclose(a, b, atol=1e-12)
    g = torch.randn_like(b)
    for p, q in zip(torch.autograd.grad(a, given, g), torch.autograd.grad(b, given, g), strict=True):
        assert torch.allclose(p, q, atol=1e-12)


@pytest.mark.parametrize(("mine", "torchs", "shape", "kernel", "made"), CASES)
def test_they_are_differentiated_twice(
    mine: Callable[..., Tensor],
    torchs: Callable[..., Tensor],
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    made: int,
) -> None:
    torch.manual_seed(1)
    small = [(1, 2, *shape[2:]), ((2, 2) if mine is conv_halving else (2, min(made, 3))) + (4, 4)]
    layout = torch.channels_last  # else products are left to torch
    given = [torch.randn(size, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_() for size in small]
    assert torch.autograd.gradgradcheck(lambda x, w: mine(x, w).square(), given)


@pytest.mark.parametrize("convolution", [conv_halving, conv_doubling])
def test_a_gradient_in_the_input_alone_computes_none_in_the_weights(
    convolution: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[bool] = []
    real = strided._weights
    monkeypatch.setattr(strided, "_weights", lambda *given: computed.append(True) or real(*given))
    x, weight = (torch.randn(size, 3, 4, 4).contiguous(memory_format=torch.channels_last) for size in (2, 3))
    x, weight = x.requires_grad_(), weight.requires_grad_()
    y = convolution(x, weight)
    torch.autograd.grad(y.sum(), x, retain_graph=True)
    assert not computed
    torch.autograd.grad(y.sum(), weight)
    assert computed == [True]


@pytest.mark.parametrize(
    ("layer", "shape", "torchs"),
    [
        (Halving(256, 256), (2, 256, 8, 8), None),
        (Halving(256, 256), (2, 256, 16, 16), "conv2d"),
        (Halving(256, 255), (2, 256, 8, 8), "conv2d"),
        (Doubling(256, 256), (2, 256, 4, 4), None),
        (Doubling(256, 256), (2, 256, 8, 8), "conv_transpose2d"),
        (Doubling(255, 256), (2, 255, 4, 4), "conv_transpose2d"),
        (Doubling(8, 3), (2, 8, 8, 8), "conv2d"),
    ],
)
def test_each_way_is_taken_where_it_is_the_faster_one(
    layer: nn.Module, shape: tuple[int, ...], torchs: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strided, "LARGE", 2**20)
    called: list[str] = []
    for name in ("conv2d", "conv_transpose2d"):
        real = getattr(F, name)
        monkeypatch.setattr(strided.F, name, lambda *a, _n=name, _r=real, **k: called.append(_n) or _r(*a, **k))
    layer.to(memory_format=torch.channels_last)(torch.randn(shape))  # type: ignore[call-overload]
    assert called == ([] if torchs is None else [torchs])


@pytest.mark.parametrize(("layer", "side"), [(Halving(8, 6, bias=False), 8), (Doubling(8, 6, bias=False), 4)])
def test_what_comes_out_may_be_written_into(layer: nn.Module, side: int) -> None:
    layer = layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(2, 8, side, side, requires_grad=True)
    torch.relu_(layer(x)).sum().backward()
    assert x.grad is not None


def test_a_trace_which_would_hold_the_number_of_chunks_is_of_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = (torch.randn(size, 8, 4, 4).contiguous(memory_format=torch.channels_last) for size in (2, 6))
    assert strided._as_products(x, weight, 4, 4)
    monkeypatch.setattr(torch.jit, "is_tracing", lambda: True)
    assert not strided._as_products(x, weight, 4, 4)


def test_under_a_transform_it_is_torchs_own() -> None:
    layer = Halving(3, 5).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(2, 1, 3, 8, 8)
    mapped = torch.vmap(layer)(x)
    assert torch.allclose(mapped, torch.stack([layer(part) for part in x]), atol=1e-6)
