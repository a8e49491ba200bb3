"""Spectral norm: right, differentiable, and moving only when told."""

import copy

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


def test_the_estimate_keeps_its_precision_under_autocast() -> None:
    norm = SpectralNorm(nn.Linear(64, 64))
    exact = norm.sigma()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(norm.sigma(), exact)
        u = norm.u.clone()
        advance(norm)
    advanced = norm.u.clone()
    norm.u.copy_(u)
    advance(norm)
    assert torch.equal(norm.u, advanced)
