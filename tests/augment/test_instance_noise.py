"""Instance noise: normal, of the scheduled strength, on images and points."""

import pytest
import torch
from scipy import stats

from ganforge.augment import instance_noise
from ganforge.moment import Moment
from ganforge.recipe import load_recipe, override
from ganforge.schedules import Schedule
from ganforge.train import train


def moment(images: int = 0) -> Moment:
    return Moment(torch.Generator().manual_seed(1), images)


@pytest.mark.parametrize("shape", [(4000, 2), (10, 3, 16, 16)])
@pytest.mark.parametrize("sigma", [0.1, 2.0])
def test_noise_is_normal_and_as_strong_as_told(shape: tuple[int, ...], sigma: float) -> None:
    x = torch.randn(shape)
    noise = (instance_noise(sigma=sigma).apply(x, moment()) - x).flatten()
    assert stats.kstest(noise.numpy(), stats.norm(scale=sigma).cdf).pvalue > 1e-4


def test_a_schedule_ends_it_bit_for_bit() -> None:
    fading = instance_noise(sigma=Schedule.parsed({"schedule": "linear", "start": 1.0, "end": 0.0, "images": 100}))
    x = torch.zeros(5, 2)
    assert torch.equal(fading.apply(x, moment(100)), x)
    assert torch.allclose(fading.apply(x, moment(25)), 0.75 * fading.apply(x, moment(0)))


def test_the_gradient_passes_as_it_came() -> None:
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    instance_noise().apply(x, moment()).square().sum().backward()
    assert torch.allclose(x.grad, 2 * instance_noise().apply(x.detach(), moment()))


def test_points_are_played_with_it() -> None:
    settings = ["augment.instance_noise.sigma=.2", "train.images=2000", "train.tick=1000", "train.device=cpu"]
    assert [tick.figures["skipped"] for tick in train(override(load_recipe("points_ring_8"), settings))] == [0, 0]
