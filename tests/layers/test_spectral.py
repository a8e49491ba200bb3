"""Spectral norm: right, differentiable, and moving only when told."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganforge.layers import SpectralNorm, advance, advance_spectral_norms

LAYERS = {
    "linear": lambda: nn.Linear(12, 7),
    "conv": lambda: nn.Conv2d(3, 8, 4, stride=2, padding=1),
    "transposed": lambda: nn.ConvTranspose2d(3, 8, 4, stride=2, padding=1),
}
each_layer = pytest.mark.parametrize("kind", LAYERS)


def normed(kind: str) -> SpectralNorm:
    return SpectralNorm(LAYERS[kind]()).double()


def matrix(norm: SpectralNorm, weight: Tensor) -> Tensor:
    return (weight.transpose(0, 1) if isinstance(norm.layer, nn.ConvTranspose2d) else weight).flatten(1)


def sample(kind: str) -> Tensor:
    return torch.randn(4, 12, dtype=torch.float64) if kind == "linear" else torch.randn(4, 3, 8, 8, dtype=torch.float64)


@each_layer
def test_the_estimate_converges_to_the_largest_singular_value(kind: str) -> None:
    norm = normed(kind)
    largest = torch.linalg.svdvals(matrix(norm, norm.layer.weight))[0]
    assert norm.sigma().item() == pytest.approx(largest.item(), rel=0.1)
    advance(norm, steps=500)
    assert norm.sigma().item() == pytest.approx(largest.item(), rel=1e-9)
    assert torch.linalg.svdvals(matrix(norm, norm.weight))[0].item() == pytest.approx(1, rel=1e-9)


@each_layer
def test_forward_divides_the_weight_and_nothing_else(kind: str) -> None:
    norm, x = normed(kind), sample(kind)
    plain = copy.deepcopy(norm.layer)
    with torch.no_grad():
        plain.weight /= norm.sigma()
    assert torch.allclose(norm(x), plain(x))


@each_layer
def test_only_advance_moves_the_vectors(kind: str) -> None:
    norm = normed(kind).train()
    before = norm.u.clone(), norm.v.clone()
    first, second = norm(sample(kind)), norm(sample(kind))
    (first.sum() + second.sum()).backward()
    assert torch.equal(norm.u, before[0])
    assert torch.equal(norm.v, before[1])
    advance(norm)
    assert not torch.equal(norm.u, before[0])


def test_sigma_is_differentiable_in_the_weight() -> None:
    norm = normed("linear")
    (gradient,) = torch.autograd.grad(norm.sigma(), norm.layer.weight)
    assert torch.allclose(gradient, torch.outer(norm.u, norm.v))


def test_vectors_are_saved() -> None:
    one, other = nn.Sequential(normed("conv")), nn.Sequential(normed("conv"))
    assert {"0.u", "0.v"} <= set(one.state_dict())
    other.load_state_dict(one.state_dict())
    x = sample("conv")
    assert torch.equal(one(x), other(x))
    for module in (one, other):
        advance_spectral_norms(module)
    assert torch.equal(one(x), other(x))


def test_every_norm_inside_advances() -> None:
    module = nn.Sequential(normed("conv"), nn.ReLU(), nn.Sequential(normed("conv")))
    before = [part.u.clone() for part in module.modules() if isinstance(part, SpectralNorm)]
    advance_spectral_norms(module)
    after = [part.u for part in module.modules() if isinstance(part, SpectralNorm)]
    assert len(after) == 2
    assert not any(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("build", [lambda: SpectralNorm(nn.Linear(64, 64)), lambda: exact("stride 2").float()])
def test_the_estimate_keeps_its_precision_under_autocast(build: Callable[[], SpectralNorm]) -> None:
    norm = build()
    exact = norm.sigma()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(norm.sigma(), exact)
        u = norm.u.clone()
        advance(norm)
    advanced = norm.u.clone()
    norm.u.copy_(u)
    advance(norm)
    assert torch.equal(norm.u, advanced)


CONVOLUTIONS = {
    "stride 2": (lambda: nn.Conv2d(2, 3, 4, stride=2, padding=1), (8, 8)),
    "odd side": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), (7, 6)),
    "unreached rim": (lambda: nn.Conv2d(2, 3, 3, stride=3), (8, 10)),
    "dilated groups": (lambda: nn.Conv2d(4, 6, 3, padding=2, dilation=2, groups=2), (6, 5)),
    "one window": (lambda: nn.Conv2d(2, 1, 4), (4, 4)),
}
each_convolution = pytest.mark.parametrize("kind", CONVOLUTIONS)


def exact(kind: str) -> SpectralNorm:
    build, size = CONVOLUTIONS[kind]
    return SpectralNorm(build(), size=size).double()


def dense(norm: SpectralNorm, weight: Tensor) -> Tensor:
    """The convolution as a matrix: what it makes of each unit image, without its bias."""
    conv, (height, width) = norm.layer, norm.size
    units = torch.eye(conv.in_channels * height * width, dtype=weight.dtype)
    images = units.view(-1, conv.in_channels, height, width)
    maps = nn.functional.conv2d(images, weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)
    return maps.flatten(1).T.detach()


@each_convolution
def test_with_a_size_the_estimate_is_the_norm_of_the_convolution_itself(kind: str) -> None:
    norm = exact(kind)
    largest = torch.linalg.svdvals(dense(norm, norm.layer.weight))[0].item()
    assert norm.sigma().item() == pytest.approx(largest, rel=0.1)
    advance(norm, steps=1000)
    assert norm.sigma().item() == pytest.approx(largest, rel=1e-9)
    assert torch.linalg.svdvals(dense(norm, norm.weight))[0].item() == pytest.approx(1, rel=1e-9)


@each_convolution
def test_the_way_back_is_the_adjoint(kind: str) -> None:
    """<Wv, u> = <v, Wᵀu>."""
    norm = exact(kind)
    u, v = torch.randn_like(norm.u), torch.randn_like(norm.v)
    assert torch.allclose((norm._image(v) * u).sum(), (v * norm._preimage(u)).sum())


@pytest.mark.parametrize(("kind", "windows"), [("stride 2", 4), ("odd side", 4), ("unreached rim", 1)])
def test_the_kernels_norm_is_below_the_convolutions_by_at_most_the_windows_that_share_a_pixel(
    kind: str, windows: int
) -> None:
    norm = exact(kind)
    advance(norm, steps=1000)
    kernel = torch.linalg.svdvals(norm.layer.weight.flatten(1))[0]
    assert kernel * (1 - 1e-9) <= norm.sigma() <= windows**0.5 * kernel * (1 + 1e-9)


def test_the_kernels_norm_does_not_bound_a_convolution_of_ones() -> None:
    """All weights 1, side 4, stride 2: a constant image is stretched to twice the kernel's norm, rim aside."""
    kernel, map_ = (SpectralNorm(LAYERS["conv"](), size=size).double() for size in (None, (64, 64)))
    for norm in (kernel, map_):
        norm.layer.weight.data.fill_(1.0)
        advance(norm, steps=500)
    assert kernel.sigma().item() == pytest.approx((3 * 8 * 16) ** 0.5, rel=1e-6)
    assert 1.9 < map_.sigma().item() / kernel.sigma().item() < 2


@each_convolution
def test_the_exact_norm_is_differentiable_in_the_weight(kind: str) -> None:
    norm = exact(kind)
    advance(norm, steps=1000)
    weight = norm.layer.weight
    (gradient,) = torch.autograd.grad(norm.sigma(), weight)
    for place in ((0, 0, 0, 0), (-1, -1, 1, 2)):
        values = []
        for step in (1e-6, -1e-6):
            changed = weight.detach().clone()
            changed[place] += step
            values.append(torch.linalg.svdvals(dense(norm, changed))[0])
        assert float(gradient[place]) == pytest.approx(float((values[0] - values[1]) / 2e-6), rel=1e-4, abs=1e-7)


def test_a_size_is_refused_where_it_means_nothing() -> None:
    for layer in (nn.Linear(3, 2), nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), nn.ConvTranspose2d(1, 1, 3)):
        with pytest.raises(ValueError, match="size is for a Conv2d"):
            SpectralNorm(layer, size=(4, 4))


@pytest.mark.parametrize("size", [None, (8, 8)])
def test_a_layer_may_advance_several_steps_at_a_time(size: tuple[int, int] | None) -> None:
    torch.manual_seed(3)
    once = SpectralNorm(LAYERS["conv"](), size=size).double()
    thrice = copy.deepcopy(once)
    thrice.steps = 3
    advance_spectral_norms(thrice)
    for _ in range(3):
        assert not torch.equal(once.u, thrice.u)
        advance_spectral_norms(once)
    assert torch.equal(once.u, thrice.u)
    assert SpectralNorm(nn.Linear(3, 2), steps=2).steps == 2
