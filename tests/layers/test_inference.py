"""Norms folded into weights: the same function, wherever the norms stand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganforge.layers import Condition, SpectralNorm, fused
from ganforge.networks import biggan, dcgan, mlp, sagan, sngan


@torch.no_grad()
def lived_in(G: nn.Module) -> nn.Module:
    """In float64, with gains, biases and running statistics as if it had been trained."""
    for part in G.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            if part.affine:
                part.weight.normal_()
                part.bias.normal_()
    return G.double().eval()


def left(G: nn.Module, *kinds: type[nn.Module]) -> int:
    return sum(isinstance(part, kinds) for part in G.modules())


@pytest.mark.parametrize(
    ("network", "settings", "norms"),
    [(dcgan, {"width": 4}, 0), (sngan, {"width": 4, "z_dim": 6}, 4), (sagan, {"width": 4, "z_dim": 6}, 4)],
    ids=["dcgan", "sngan", "sagan"],
)
def test_a_folded_generator_makes_the_same_samples(network: Any, settings: dict[str, Any], norms: int) -> None:
    G = lived_in(network.Generator(shape=(3, 32, 32), **settings))
    z = torch.randn(5, G.z_dim, dtype=torch.float64)
    fast = fused(G, z[:2])
    assert fast is not G
    assert left(G, nn.BatchNorm2d, SpectralNorm) > left(fast, nn.BatchNorm2d, SpectralNorm)
    assert left(fast, SpectralNorm) == 0
    assert left(fast, nn.BatchNorm2d) <= norms  # those that read a block's sum, not a map
    torch.testing.assert_close(fast(z), G(z), rtol=0, atol=1e-12)


def test_a_conditional_generator_is_folded_with_its_labels() -> None:
    G = lived_in(biggan.Generator(shape=(3, 32, 32), width=4, z_dim=8, condition=Condition("class", 3)))
    z, y = torch.randn(4, G.z_dim, dtype=torch.float64), torch.tensor([0, 1, 2, 1])
    fast = fused(G, z[:2], y[:2])
    assert left(G, SpectralNorm) > 0
    assert left(fast, SpectralNorm) == 0
    torch.testing.assert_close(fast(z, y), G(z, y), rtol=0, atol=1e-12)


def test_a_network_without_norms_is_itself() -> None:
    G = mlp.Generator(shape=(1, 8, 8)).eval()
    assert fused(G, torch.zeros(2, G.z_dim)) is G


def test_a_network_in_training_is_itself() -> None:
    G = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    assert fused(G, torch.zeros(4, 2)) is G


class Shared(nn.Module):
    """A map that is read beside its norm too, one that is used twice, and one that is changed on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.twice, self.changed, self.plain = (nn.Linear(3, 3) for _ in range(4))
        self.norms = nn.ModuleList(nn.BatchNorm1d(3) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.read(x)
        x = h + self.norms[0](h)
        x = self.norms[1](self.twice(self.twice(x)))
        x = self.norms[2](self.changed(x).mul_(3))
        return self.norms[3](self.plain(x))


def test_only_norms_that_alone_read_a_map_are_folded() -> None:
    G = lived_in(Shared())
    x = torch.randn(6, 3, dtype=torch.float64)
    fast = fused(G, x)
    assert [isinstance(norm, nn.Identity) for norm in fast.norms] == [False, False, False, True]
    torch.testing.assert_close(fast(x), G(x), rtol=0, atol=1e-12)


class Noisy(nn.Module):
    """Says something else each time."""

    def __init__(self) -> None:
        super().__init__()
        self.map, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.map(x)) + torch.randn_like(x)


def test_what_can_not_be_compared_stays_as_it_is() -> None:
    G = Noisy().eval()
    assert fused(G, torch.zeros(2, 3)) is G
