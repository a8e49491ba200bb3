"""Rejection by a density ratio: exact where the ratio is; the ratio of a discriminator that was trained on alone."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.plan import Plan, build
from ganforge.recipe import load_recipe, override
from ganforge.rejection import Rejection, calibrated
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
