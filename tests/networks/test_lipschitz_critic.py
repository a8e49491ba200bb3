"""The critic that is 1-Lipschitz by construction: never above the exact distance of the same points, and close."""

import math

import pytest
import torch
from torch import Tensor

from ganforge.errors import RecipeError
from ganforge.networks.lipschitz import Discriminator
from ganforge.theory import transport

SHAPES = [(2,), (1,), (3, 8, 8), (1, 28, 28)]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shaken(shape: tuple[int, ...]) -> Discriminator:
    """A critic with free matrices of any size, as after a long training."""
    D = Discriminator(shape=shape, hidden=(64, 64))
    with torch.no_grad():
        for parameter in D.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng(3)) * 0.7)
    return D


@each_shape
def test_no_pair_of_points_is_steeper_than_1(shape: tuple[int, ...]) -> None:
    D = shaken(shape)
    for scale in (1e-2, 1.0, 100.0):
        x = torch.randn(2000, *shape, generator=rng(0)) * scale
        other = torch.randn(2000, *shape, generator=rng(1)) * scale
        ratio = (D(x).double() - D(other).double()).abs() / (x - other).double().flatten(1).norm(dim=1)
        assert ratio.max() <= 1 + 1e-5


@each_shape
def test_gradients_are_at_most_1(shape: tuple[int, ...]) -> None:
    x = torch.randn(500, *shape, generator=rng(0), requires_grad=True)
    (gradient,) = torch.autograd.grad(shaken(shape)(x).sum(), x)
    assert gradient.flatten(1).norm(dim=1).max() <= 1 + 1e-5


def test_gradients_are_1_where_no_layer_narrows() -> None:
    D = Discriminator(shape=(64,), hidden=(64, 64))
    x = torch.randn(500, 64, generator=rng(0), requires_grad=True)
    (gradient,) = torch.autograd.grad(D(x).sum(), x)
    assert torch.allclose(gradient.norm(dim=1), torch.ones(500), atol=1e-5)


def rings(seed: int, n: int = 256) -> tuple[Tensor, Tensor]:
    """Eight blobs on the unit circle, and a smaller circle beside the centre."""
    turn = torch.randint(8, (n,), generator=rng(seed)) * math.pi / 4
    real = torch.stack((turn.cos(), turn.sin()), 1) + 0.05 * torch.randn(n, 2, generator=rng(seed + 100))
    turn = 2 * math.pi * torch.rand(n, generator=rng(seed + 200))
    radius = 0.4 + 0.1 * torch.randn(n, generator=rng(seed + 300))
    return real, torch.stack((radius * turn.cos() + 0.3, radius * turn.sin()), 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_trained_critic_comes_within_two_per_cent_of_the_exact_distance_from_below(seed: int) -> None:
    real, fake = rings(seed)
    exact = transport(real, fake).cost
    torch.manual_seed(seed)
    D = Discriminator(shape=(2,))
    optimizer = torch.optim.Adam(D.parameters(), lr=1e-2, betas=(0.9, 0.99))
    estimates = []
    for _ in range(600):
        logits = D(torch.cat((real, fake)))
        difference = logits[:256].mean() - logits[256:].mean()
        optimizer.zero_grad()
        (-difference).backward()
        optimizer.step()
        estimates.append(difference.item())
    assert max(estimates) <= exact * (1 + 1e-5)
    assert estimates[-1] >= 0.98 * exact


@pytest.mark.parametrize("group", [2, 4])
def test_groups_of_any_size(group: int) -> None:
    D = Discriminator(shape=(2,), hidden=(16, 8), group=group)
    output = D.full(torch.randn(5, 2))
    assert [feature.shape for feature in output.features] == [(5, 16), (5, 8)]
    assert output.logits[0].shape == (5,)


def test_widths_that_dont_group_are_a_recipe_error() -> None:
    with pytest.raises(RecipeError, match=r"lipschitz can't sort 9 features in groups of 2: set discriminator\.hidden"):
        Discriminator(shape=(2,), hidden=(16, 9))
