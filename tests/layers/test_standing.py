"""Standing statistics of batch norm: those that evaluation itself has."""

import pytest
import torch
from torch import nn

from ganforge.layers.standing import restate_norms


def network() -> nn.Sequential:
    torch.manual_seed(0)
    convolutions = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(32, 16), nn.BatchNorm1d(16), nn.ReLU())


@torch.no_grad()
def restated(x: torch.Tensor, *, batch: int) -> nn.Sequential:
    G = network()
    restate_norms(G, lambda: [G(some) for some in x.split(batch)] and None)
    return G


@pytest.mark.parametrize("batch", [4, 64, 512])
def test_every_norm_has_the_moments_of_what_arrives_at_it_in_evaluation(batch: int) -> None:
    x = torch.randn(512, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    G, norms = restated(x, batch=batch), 0
    assert not any(part.training for part in G.modules())
    with torch.no_grad():
        for part in G:
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                seen, norms = x.transpose(0, 1).flatten(1), norms + 1
                assert torch.allclose(part.running_mean, seen.mean(1), atol=1e-5)
                assert torch.allclose(part.running_var, seen.var(1, correction=0), rtol=1e-4)
            x = part(x)
    assert norms == 3


@torch.no_grad()
def test_an_average_of_the_batches_own_statistics_is_biased_behind_another_norm() -> None:
    x = torch.randn(512, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    G = network()
    restate_norms(G, lambda: [G(some) for some in x.split(4)] and None, rounds=0)
    off = (G[8].running_var - restated(x, batch=4)[8].running_var).abs() / G[8].running_var
    assert off.mean() > 0.01


def test_a_network_without_norms_is_not_called() -> None:
    G = nn.Sequential(nn.Linear(2, 2)).train()
    restate_norms(G, lambda: pytest.fail("called"))
    assert not G.training
