"""Which networks mix samples, where weights begin, and what labels meet."""

import pytest
import torch
from torch import nn

from ganforge.errors import RecipeError
from ganforge.layers import mixes_samples, normal_weights_, refuse_labels


class Odd(nn.Module):
    mixes_samples = True


@pytest.mark.parametrize(
    ("module", "mixes"),
    [
        (nn.BatchNorm1d(2), True),
        (nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm2d(2))), True),
        (nn.SyncBatchNorm(2), True),
        (nn.Sequential(Odd()), True),
        (nn.Sequential(nn.LayerNorm(2), nn.InstanceNorm2d(2), nn.GroupNorm(1, 2)), False),
    ],
    ids=str,
)
def test_mixing(module: nn.Module, mixes: bool) -> None:
    assert mixes_samples(module) is mixes


def test_weights_begin_as_dcgans() -> None:
    module = nn.Sequential(nn.Conv2d(8, 64, 4), nn.BatchNorm2d(5000), nn.ConvTranspose2d(8, 64, 4), nn.Linear(100, 100))
    normal_weights_(module, std=0.05)
    for place, mean in ((0, 0), (1, 1), (2, 0), (3, 0)):
        assert float(module[place].weight.detach().mean()) == pytest.approx(mean, abs=0.005)
        assert float(module[place].weight.detach().std()) == pytest.approx(0.05, rel=0.05)
        assert not module[place].bias.any()


def test_weights_may_come_from_a_generator() -> None:
    one, other = nn.Conv2d(1, 2, 3, bias=False), nn.Conv2d(1, 2, 3, bias=False)
    normal_weights_(one, rng=torch.Generator().manual_seed(2))
    normal_weights_(other, rng=torch.Generator().manual_seed(2))
    assert torch.equal(one.weight, other.weight)


def test_labels_are_refused_with_the_remedy() -> None:
    refuse_labels(Odd(), None)
    with pytest.raises(RecipeError, match=r"Odd can't use labels: train it without labels"):
        refuse_labels(Odd(), torch.zeros(1))
