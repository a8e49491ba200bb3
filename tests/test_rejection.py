"""Rejection by a density ratio: exact where the ratio is; the ratio of a discriminator that was trained on alone."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.plan import Plan, build
from ganforge.recipe import load_recipe, override
from ganforge.rejection import Rejection, calibrated, flattest, least_error, otsu, parted, steepness
from ganforge.sample import latents

WIDE = 1.5  # the generator's standard deviation; the data's is 1


class Wide(nn.Module):
    """N(0, 1.5²) in place of the data's N(0, 1)."""

    z_dim = 1

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(WIDE))

    def forward(self, z: Tensor) -> Tensor:
        return self.scale * z


class LogRatio(nn.Module):
    """log N(x; 0, 1)/N(x; 0, 1.5²)."""

    def forward(self, x: Tensor) -> Tensor:
        return math.log(WIDE) - x[:, 0] ** 2 / 2 * (1 - 1 / WIDE**2)


def plan_of(*settings: str) -> Plan:
    recipe = override(load_recipe("points_ring_8"), ["data=one_gaussian", "generator.z_dim=1", *settings])
    return build(recipe)


def test_under_the_exact_ratio_what_is_kept_is_the_data() -> None:
    seeds = range(6000)
    x = WIDE * latents(seeds, 1)
    kept = Rejection(LogRatio(), math.log(WIDE)).keeps(x, seeds)  # the largest ratio: nothing is cut off
    assert abs(kept.float().mean().item() - 1 / WIDE) < 4 * (0.25 / 6000) ** 0.5  # one over the cap
    assert stats.kstest(x[kept, 0].numpy(), "norm").pvalue > 0.01
    assert stats.kstest(x[:, 0].numpy(), "norm").pvalue < 1e-6
    again = Rejection(LogRatio(), math.log(WIDE)).keeps(x[100:200], range(100, 200))
    assert torch.equal(again, kept[100:200])


def test_a_discriminator_that_is_trained_on_alone_finds_the_ratio() -> None:
    plan = plan_of("data.mean=0", "data.sigma=1", "discriminator.hidden=[32, 32]", "train.batch=256")
    D = plan.networks()["discriminator"]
    before = {name: value.clone() for name, value in D.state_dict().items()}
    sift = calibrated(plan, Wide(), D, steps=600, lr=1e-3)  # D is new and small
    assert all(torch.equal(value, before[name]) for name, value in D.state_dict().items())
    x = torch.linspace(-2.5, 2.5, 51)[:, None]
    assert (sift.D(x) - LogRatio()(x)).abs().mean() < 0.1
    fakes = WIDE * latents(range(20_000), 1)
    assert sift.cap == pytest.approx(LogRatio()(fakes).quantile(0.9).item(), abs=0.1)
    kept = sift.keeps(fakes[:4000], range(4000))
    assert fakes[:4000][kept].std() == pytest.approx(1, abs=0.1)


def test_packs_are_refused() -> None:
    plan = plan_of("game.pack=2")
    with pytest.raises(RecipeError, match="judges packs of them"):
        calibrated(plan, Wide(), plan.networks()["discriminator"], steps=1)


class Crossing(nn.Module):
    """Two flat banks and a steep bridge over the gap between them: z/10 + tanh(20z), and flat as can be beyond 2."""

    z_dim = 1

    def forward(self, z: Tensor) -> Tensor:
        return z.clamp(-2, 2) / 10 + (20 * z).tanh()


class Twisted(nn.Module):
    """z (B, 3) -> (B, 2, 2), times a factor for each label."""

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        a, b, c = z.unbind(1)
        return torch.stack([a * b, b.sin(), c.exp(), a + c], 1).unflatten(1, (2, 2)) * (1 + y[:, None, None])


def test_steepness_is_the_norm_of_the_jacobian() -> None:
    z = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.arange(50) % 4
    a, b, c = z.unbind(1)
    square = b**2 + a**2 + b.cos() ** 2 + (2 * c).exp() + 2
    torch.testing.assert_close(steepness(Twisted(), z, y), (1 + y) * square.sqrt())


def test_what_is_made_on_the_bridge_between_two_banks_is_left_out() -> None:
    G, z = Crossing(), latents(range(5000), 1)
    flat = flattest(plan_of(), G)
    x, kept = G(z)[:, 0], flat.keeps(z)
    on_the_way = x.abs() < 0.9
    assert on_the_way.any()
    assert not (kept & on_the_way).any()
    assert kept[x.abs() > 1.05].all()
    assert kept.float().mean() > 0.9
    assert torch.equal(flat.keeps(z[100:200]), kept[100:200])


def test_a_share_is_kept_where_one_is_given() -> None:
    kept = flattest(plan_of(), Crossing(), share=0.7).keeps(latents(range(5000), 1))
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.03)
    with pytest.raises(RecipeError, match=r"a share of 1\.5 of the samples can't be kept"):
        flattest(plan_of(), Crossing(), share=1.5)


def test_otsus_limit_is_where_the_variance_within_the_parts_is_least() -> None:
    rng = torch.Generator().manual_seed(0)
    values = torch.cat([torch.randn(300, generator=rng), 5 + 2 * torch.randn(60, generator=rng)]).sort().values
    within = [values[:k].var(correction=0) * k + values[k:].var(correction=0) * (360 - k) for k in range(1, 360)]
    assert otsu(values) == 1 + int(torch.stack(within).argmin())


def test_the_limit_of_least_error_is_where_two_normal_distributions_are_likeliest() -> None:
    rng = torch.Generator().manual_seed(0)
    values = torch.cat([torch.randn(9500, generator=rng), 3.5 + 0.3 * torch.randn(500, generator=rng)]).sort().values
    ordered, N = values.double().numpy(), len(values)

    def likelihood(k: int) -> float:
        parts = ordered[:k], ordered[k:]
        return sum((np.log(len(x) / N) + stats.norm.logpdf(x, x.mean(), x.std())).sum() for x in parts)

    count = least_error(values)
    assert count == max(range(9000, 9950), key=likelihood)
    share, at = 500 / N, np.linspace(0, 3.5, 3501)  # between the two it lies where their weighted densities are equal
    one, other = stats.norm.logpdf(at) + np.log(1 - share), stats.norm.logpdf(at, 3.5, 0.3) + np.log(share)
    assert values[count - 1].item() == pytest.approx(at[np.abs(one - other).argmin()], abs=0.3)
    assert otsu(values) < 0.8 * N  # which divides the larger part here
    assert parted(values) == values[count - 1]


def test_values_of_one_kind_are_not_parted_by_least_error() -> None:
    values = torch.randn(5000, generator=torch.Generator().manual_seed(0)).sort().values
    assert least_error(values) == 5000
    assert least_error(torch.ones(500)) == 500
