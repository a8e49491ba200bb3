"""Quasi-random latents: each normal, all together even, and nothing learns of its neighbour in a pack."""

import pytest
import scipy.stats
import torch
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.games.latents import independent, quasi_random
from ganforge.moment import Moment


class Wide(nn.Module):
    """No more than a latent's length."""

    def __init__(self, z_dim: int) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.weight = nn.Parameter(torch.zeros(1))


def drawn(count: int, z_dim: int, times: int, games: int = 1) -> Tensor:
    moment = Moment(torch.Generator().manual_seed(0), games=games)
    return torch.stack([quasi_random(Wide(z_dim), count, moment) for _ in range(times)])


@pytest.mark.parametrize("z_dim", [1, 2, 64])
def test_each_is_exactly_normal(z_dim: int) -> None:
    """The place in the batch and the batch don't matter: one fixed row over many batches is a normal sample."""
    rows = drawn(50, z_dim, times=2000)[:, 7]
    assert scipy.stats.kstest(rows[:, 0].numpy(), "norm").pvalue > 0.01
    assert scipy.stats.kstest(rows[:, -1].numpy(), "norm").pvalue > 0.01
    assert rows.isfinite().all()


def test_batch_statistics_hardly_vary() -> None:
    even = drawn(100, 2, times=300)
    moment = Moment(torch.Generator().manual_seed(0))
    uneven = torch.stack([independent(Wide(2), 100, moment) for _ in range(300)])
    assert uneven.mean(1).std() == pytest.approx(0.1, rel=0.1)
    assert even.mean(1).std() < 0.25 * uneven.mean(1).std()
    assert even.var(1).std() < 0.5 * uneven.var(1).std()
    right = (even[..., 0] > 0).double().mean(1)
    assert (right - 0.5).abs().max() <= 0.02  # of 100 points, two may lie on the wrong side


def test_the_order_is_random() -> None:
    """Packs are neighbours in a batch: in Sobol's own order they would lie opposite each other."""
    z = drawn(64, 2, times=400)
    assert abs(float((z[:, ::2] * z[:, 1::2]).mean())) < 0.05


def test_games_side_by_side_have_batches_of_their_own() -> None:
    z = drawn(96, 2, times=50, games=3).unflatten(1, (3, 32))
    assert z.mean(2).std() < 0.06  # .18 for independent ones
    assert not torch.equal(z[:, 0].sort(1).values, z[:, 1].sort(1).values)


def test_there_is_an_end_of_dimensions() -> None:
    with pytest.raises(RecipeError, match="knows 21201 dimensions, and z_dim is 30000"):
        quasi_random(Wide(30_000), 4, Moment(torch.Generator()))
