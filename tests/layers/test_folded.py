"""Folded convolutions against a convolution and a change of size, one after the other: values, gradients, theirs."""

import copy
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from ganforge.layers import SelfAttention, SpectralNorm
from ganforge.layers.folded import (
    FoldedConv,
    conv_halved,
    conv_halved_plain,
    doubled_conv,
    doubled_conv_plain,
)
from ganforge.networks import biggan, biggan_deep, sagan, sngan, wgan_gp

PLAIN = {conv_halved: conv_halved_plain, doubled_conv: doubled_conv_plain}
Run = Callable[..., Tensor]
each = pytest.mark.parametrize("folded", PLAIN, ids=lambda f: f.__name__)


def inputs(size: tuple[int, int], *, bias: bool = True) -> list[Tensor | None]:
    rng = torch.Generator().manual_seed(2)
    x, w, b = (torch.randn(*s, generator=rng, dtype=torch.float64).requires_grad_()
               for s in ((2, 3, *size), (4, 3, 3, 3), (4,)))  # fmt: skip
    return [x, w, b if bias else None]


@each
@pytest.mark.parametrize("size", [(6, 4), (5, 7), (2, 2)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_folded_is_plain(folded: Run, size: tuple[int, int], bias: bool) -> None:
    given = inputs(size, bias=bias)
    found, expected = folded(*given), PLAIN[folded](*given)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    wanted = [t for t in given if t is not None]
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for one, other in zip(*(torch.autograd.grad(y, wanted, weights) for y in (found, expected)), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-12)


@each
def test_derivatives_of_both_orders(folded: Run) -> None:
    given = inputs((4, 2))
    assert torch.autograd.gradcheck(folded, given)
    assert torch.autograd.gradgradcheck(folded, given)


def unfolded(network: nn.Module) -> nn.Module:
    """A copy whose convolutions and changes of size come one after the other."""
    plain = copy.deepcopy(network)
    for part in folds(plain):
        part.run = PLAIN[part.run]
    return plain


def folds(network: nn.Module) -> Iterator[FoldedConv]:
    return (part for part in network.modules() if isinstance(part, FoldedConv))


@pytest.mark.parametrize("file", [sngan, wgan_gp, sagan, biggan, biggan_deep], ids=lambda f: f.__name__.split(".")[-1])
@pytest.mark.parametrize("player", ["Generator", "Discriminator"])
def test_networks_are_their_unfolded_selves(file: ModuleType, player: str) -> None:
    torch.manual_seed(0)
    network = getattr(file, player)(shape=(3, 32, 32), **file.TINY[player.lower()]).double()
    for part in network.modules():
        if isinstance(part, SelfAttention):
            nn.init.ones_(part.gamma)
    plain = unfolded(network)
    x = torch.randn(2, *((network.z_dim,) if player == "Generator" else (3, 32, 32)), dtype=torch.float64)
    found, expected = ([y := net(x), *torch.autograd.grad(y.square().sum(), list(net.parameters()))]
                       for net in (network, plain))  # fmt: skip
    scale = max(float(gradient.abs().max()) for gradient in expected[1:])  # a bias before a norm has none
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-10 * scale)
    if (file, player) == (biggan_deep, "Discriminator"):  # a ReLU stands between its convolution and its halving
        assert not list(folds(network))
    else:
        assert len(list(folds(network))) >= 2


def test_spectral_norm_and_checkpoints_see_the_small_kernel() -> None:
    torch.manual_seed(1)
    folded = SpectralNorm(FoldedConv(3, 4, conv_halved))
    torch.manual_seed(1)
    plain = SpectralNorm(nn.Conv2d(3, 4, 3, padding=1))
    state = plain.state_dict()
    assert {k: v.shape for k, v in folded.state_dict().items()} == {k: v.shape for k, v in state.items()}
    assert all(torch.equal(folded.state_dict()[k], v) for k, v in state.items())  # drawn alike
    x = torch.randn(2, 3, 6, 6)
    assert torch.allclose(folded(x), nn.functional.avg_pool2d(plain(x), 2), atol=1e-6)
