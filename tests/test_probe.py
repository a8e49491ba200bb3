"""The dear measures against closed forms and made scenes."""

import math

import pytest
import torch
from torch import nn

from conftest import TINY_SETTINGS
from ganforge.layers import Output
from ganforge.optimizers import OPTIMIZERS
from ganforge.plan import build
from ganforge.probe import Probe, data_faults, largest_singular_value, preference, ratio, silent_share, update_ratio
from ganforge.recipe import Recipe, override
from ganforge.state import TrainState


@pytest.fixture(scope="module")
def probe() -> Probe:
    """Of a ring of eight modes."""
    sections = {
        **TINY_SETTINGS,
        "data": {"source": "ring", "sigma": 0.05},
        "generator": {"name": "points", "hidden": [16]},
        "discriminator": {"name": "points", "hidden": [16]},
    }
    return Probe(build(Recipe("ring", sections)))


def test_new_reals_look_like_reals(probe: Probe) -> None:
    fresh = probe.plan.source.test.read(torch.arange(512))
    seen = probe.crowd(fresh)
    for name in ("diversity", "spacing", "modes", "nearest_train"):
        assert seen[name] == pytest.approx(1, abs=0.15), name
    assert seen["coverage"] == pytest.approx(1 - 2**-3, abs=0.05)  # Naeem et al. 2020, eq. 10, k = 3, equal numbers
    assert sum(seen["places"]) == pytest.approx(1, abs=1e-4)


def test_a_made_collapse_shows(probe: Probe) -> None:
    fresh = probe.plan.source.test.read(torch.arange(5000))
    one = fresh[(fresh - torch.tensor([1.0, 0.0])).norm(dim=1) < 0.2][:512]
    seen = probe.crowd(one)
    assert seen["modes"] == pytest.approx(1 / 8, abs=0.01)
    assert seen["diversity"] < 0.1
    assert max(seen["places"]) == 1
    assert seen["coverage"] < 0.2


def test_copies_of_training_samples_show(probe: Probe) -> None:
    assert probe.crowd(probe.trained[1000:1512])["nearest_train"] < 0.01


def test_the_spectral_norm_is_that_of_a_decomposition() -> None:
    matrix = torch.randn(40, 30, generator=torch.Generator().manual_seed(0))
    exact = torch.linalg.svdvals(matrix)[0].item()
    assert 0.9 * exact < largest_singular_value(matrix) <= exact * 1.0001


def test_the_update_ratio_is_that_of_the_step_that_was_taken() -> None:
    layer = nn.Linear(5, 3)
    optimizer = OPTIMIZERS["adam"](layer.parameters(), lr=0.01)
    assert update_ratio(optimizer, lr=0.01) is None
    for _ in range(3):
        before = torch.cat([p.detach().flatten().clone() for p in layer.parameters()])
        optimizer.zero_grad()
        layer(torch.randn(8, 5)).square().mean().backward()
        optimizer.step()
        after = torch.cat([p.detach().flatten() for p in layer.parameters()])
    assert update_ratio(optimizer, lr=0.01) == pytest.approx(((after - before).norm() / after.norm()).item(), rel=1e-3)
    assert update_ratio(OPTIMIZERS["sgd"](layer.parameters()), lr=0.01) is None


def test_silent_units_are_those_of_one_value() -> None:
    x = torch.rand(6, 4, 3, 3)
    x[:, 1], x[:, 3] = 0.0, 5.0
    assert silent_share(x) == 0.5


def test_copies_among_the_reals_leave_ratios_open() -> None:
    assert ratio(1.0, 2.0) == 0.5
    assert math.isnan(ratio(1.0, 0.0))


def test_faults_of_data() -> None:
    x = torch.rand(10, 3, 4, 4)
    assert data_faults(x, None) == {"duplicates": 0.0, "constant_channels": 0.0}
    x[5:], x[:, 2] = x[:5].clone(), 0.5
    faults = data_faults(x, torch.zeros(10, dtype=torch.int64))
    assert faults == {"duplicates": pytest.approx(0.5), "constant_channels": 1.0, "labels": 1.0}


def test_without_held_out_samples_nothing_is_compared_with_them(tiny_recipe: Recipe) -> None:
    seen = Probe(build(override(tiny_recipe, ["data.held_out=0"])))
    assert not {"nearest_train", "held_out_auc"} & seen.look(TrainState.start(seen.plan)).keys()
    kept = Probe(build(tiny_recipe))
    assert {"nearest_train", "held_out_auc"} <= kept.look(TrainState.start(kept.plan)).keys()


class Knows(nn.Module):
    """A discriminator whose logit is larger the nearer a sample is to its class; `part` of the time."""

    def __init__(self, part: float = 1.0, head: bool = False) -> None:
        super().__init__()
        self.part, self.head = part, head
        self.seen: torch.Tensor
        self.register_buffer("seen", torch.zeros(()))

    def full(self, x: torch.Tensor, y: torch.Tensor) -> Output:
        """Both kinds of opinion."""
        self.seen += 1
        rows = x[:, :1] - torch.arange(4) if self.head else x[:, :1] - y[:, None]
        near = -rows.square() * (torch.arange(len(x)) < self.part * len(x))[:, None]
        return Output([torch.zeros(len(x))], aux=near) if self.head else Output([near[:, 0]])


@pytest.mark.parametrize("head", [False, True])
def test_labels_are_preferred_as_far_as_they_are_known(head: bool) -> None:
    y = torch.arange(40) % 4
    x = y[:, None].float()
    assert preference(Knows(head=head), x, y, 4) == 1
    assert preference(Knows(0.5, head=head), x, y, 4) == 0.75  # the other half is chance
    assert preference(Knows(0.0, head=head), x, y, 4) == 0.5
    D = Knows(head=head)
    assert preference(D, x, (y + 2) % 4, 4) < 0.5
    assert D.seen == 0, "what a discriminator keeps stays as it was"


def test_a_plain_discriminator_of_labels_is_asked_too() -> None:
    class Plain(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return -(x - y[:, None]).abs()

    y = torch.arange(12) % 3
    assert preference(Plain(), y[:, None].float(), y, 3) == 1
