"""Remedies: which rate is changed, and to what."""

from typing import Any

import pytest

from ganforge.diagnosis import diagnose
from ganforge.diagnosis.remedy import balanced, calmer, gentler, sane, urgent
from ganforge.diagnosis.trace import Trace


def trace(generator: dict[str, Any], discriminator: dict[str, Any], network: str = "points") -> Trace:
    optimizers = {"generator": generator, "discriminator": discriminator}
    return Trace.of([], recipe={"optimizer": optimizers, "discriminator": {"name": network}})


@pytest.mark.parametrize(
    ("g", "d", "network", "remedy"),
    [
        (2e-5, 2e-3, "points", "optimizer.generator.lr=0.002"),  # D's is usual: the other follows
        (8e-5, 8e-3, "points", "optimizer.both.lr=0.001"),  # neither is
        (1e-3, 8e-3, "points", "optimizer.discriminator.lr=0.001"),  # then D's follows
        (2e-4, 2e-2, "points", "optimizer.both.lr=0.001"),
        (5e-4, 2e-3, "points", "optimizer.discriminator.lr=0.0005"),  # the generator's is usual enough
        (1e-5, 1e-3, "dcgan", "optimizer.generator.lr=0.001"),
        (1e-5, 2e-3, "dcgan", "optimizer.generator.lr=0.002"),  # of images ten times as large is usual enough
        (1e-5, 3e-3, "dcgan", "optimizer.generator.lr=0.003"),
        (2e-5, 1e-2, "dcgan", "optimizer.both.lr=0.0002"),
        (1e-3, 1e-3, "points", None),
        (1e-3, 1e-4, "points", None),  # it isn't D that is faster
    ],
)
def test_rates_are_made_equal_where_a_game_is_played(g: float, d: float, network: str, remedy: str | None) -> None:
    assert balanced(trace({"lr": g}, {"lr": d}, network), "discriminator") == remedy


@pytest.mark.parametrize(
    ("lr", "rate"),
    [(1e-3, "0.00025"), (4e-3, "0.001"), (8e-3, "0.001"), (1e-5, "0.001"), (0.0, "0")],
)
def test_a_last_resort_is_a_quarter_of_a_rate_or_a_usual_one(lr: float, rate: str) -> None:
    assert gentler(trace({"lr": lr}, {"lr": 1e-3}), "generator") == f"optimizer.generator.lr={rate}"


def test_where_r1_bounds_the_slope_larger_rates_are_usual() -> None:
    recipe = {"optimizer": {"generator": {"lr": 0.15}}, "discriminator": {"name": "dcgan"}}
    assert sane(Trace.of([], recipe=recipe), "generator") == "optimizer.generator.lr=0.0002"
    bounded = recipe | {"penalties": {"r1": {"gamma": 1.0}}}
    assert sane(Trace.of([], recipe=bounded), "generator") == "optimizer.both.lr=0.001"


def test_a_schedule_keeps_its_form_when_it_is_raised() -> None:
    lr = {"schedule": "cosine", "start": 1e-5, "end": 1e-6, "images": 9}
    raised = balanced(trace({"lr": lr}, {"lr": 1e-3}), "discriminator")
    assert raised == 'optimizer.generator.lr={schedule="cosine",start=0.001,end=0.0001,images=9}'


def test_a_rate_that_stands_still_takes_over_the_others_schedule_wherever_that_is() -> None:
    falling = {"schedule": "cosine", "start": 2e-3, "end": 2e-5, "images": 9}
    recipe = {"optimizer": {"generator": {"lr": falling}, "discriminator": {"lr": 2e-5}}}
    for seen in ([2e-3, 1e-3], [2e-3, 1e-3, 2e-5]):
        ticks = [{"images": n, "lr_generator": lr, "lr_discriminator": 2e-5} for n, lr in enumerate(seen)]
        remedy = balanced(Trace.of(ticks, recipe=recipe | {"discriminator": {"name": "points"}}), "generator")
        assert remedy == 'optimizer.discriminator.lr={schedule="cosine",start=0.002,end=2e-05,images=9}'


def test_a_rate_that_was_changed_to_heal_counts_as_it_is_now() -> None:
    ticks = [{"images": n, "lr_generator": 1e-3, "lr_discriminator": 8e-2 if n < 8 else 1e-3} for n in range(9)]
    recipe = {"optimizer": {p: {"lr": 1e-3} for p in ("generator", "discriminator")}}
    healed = Trace.of(ticks, recipe=recipe | {"discriminator": {"name": "points"}})
    assert balanced(healed, "discriminator") is None
    assert urgent(healed) is None


@pytest.mark.parametrize(
    ("g", "d", "remedy"),
    [
        (2e-3, 2e-5, "optimizer.discriminator.lr=0.002"),  # a hundred times apart: nothing else need be wrong
        (2e-5, 2e-3, "optimizer.generator.lr=0.002"),
        (2e-3, 1e-3, "penalties.r1.gamma=0.1"),
    ],
)
def test_what_flies_apart_has_its_rates_made_equal_first(g: float, d: float, remedy: str) -> None:
    ticks = [{"images": n, "lr_generator": g, "lr_discriminator": d, "diversity": 8.0, "modes": 0.1} for n in range(9)]
    recipe = {"optimizer": {"generator": {"lr": g}, "discriminator": {"lr": d}}, "discriminator": {"name": "points"}}
    sick = Trace.of([tick | {"known_modes": 1.0} for tick in ticks], recipe=recipe)
    (finding,) = diagnose(sick)
    assert (finding.name, finding.remedy) == ("divergence", remedy)


@pytest.mark.parametrize(
    ("optimizer", "network", "rate"),
    [
        ({"lr": 0.15}, "points", "0.001"),
        ({"lr": 0.15}, "dcgan", "0.0002"),
        ({"lr": 1e18, "name": "sgd"}, "points", "0.01"),
        ({"lr": 0.01}, "points", "0.001"),  # ten times the usual: a tenth
        ({"lr": 5e-4}, "points", "5e-05"),
    ],
)
def test_absurd_rates_become_usual_ones(optimizer: dict[str, Any], network: str, rate: str) -> None:
    assert sane(trace({"lr": 1e-3}, optimizer, network), "discriminator") == f"optimizer.discriminator.lr={rate}"


def test_a_usual_rate_of_points_comes_to_rest_at_the_end_of_the_run() -> None:
    still = {"train": {"images": 9}, "discriminator": {"name": "points"}, "optimizer": {"generator": {"lr": 0.15}}}
    remedy = 'optimizer.both.lr={schedule="cosine",start=0.001,end=0.0001,images=9}'
    assert sane(Trace.of([], recipe=still), "generator") == remedy
    for network, usual in (("mlp", "0.001"), ("dcgan", "0.0002")):
        images = still | {"discriminator": {"name": network}}
        assert sane(Trace.of([], recipe=images), "generator").endswith(f".lr={usual}")


def test_an_absurd_rate_becomes_the_others_where_that_is_about_usual() -> None:
    assert sane(trace({"lr": 2e-3}, {"lr": 1e18}), "discriminator") == "optimizer.discriminator.lr=0.002"
    assert sane(trace({"lr": 2e-2}, {"lr": 1e18}), "discriminator") == "optimizer.both.lr=0.001"
    assert sane(trace({"lr": 2e-3}, {"lr": 1e18, "name": "sgd"}), "discriminator") == "optimizer.discriminator.lr=0.01"


def test_what_is_beyond_all_use_comes_first() -> None:
    assert urgent(trace({"lr": 0.15}, {"lr": 1e-3})) == "optimizer.generator.lr=0.001"
    assert urgent(trace({"lr": 0.15}, {"lr": 0.15})) == "optimizer.both.lr=0.001"
    assert urgent(trace({"lr": 0.01}, {"lr": 1e-4})) == "optimizer.both.lr=0.001"
    assert urgent(trace({"lr": 0.004}, {"lr": 1e-4})) is None
    assert urgent(trace({"lr": 0.1, "name": "sgd"}, {"lr": 1e-3})) is None


def test_a_generator_of_a_handful_of_units_comes_before_penalties() -> None:
    for network, hidden in (("points", "[64,64]"), ("mlp", "[256,512]")):
        recipe = {"generator": {"hidden": [3]}, "discriminator": {"name": network}}
        assert urgent(Trace.of([], recipe=recipe)) == f"generator.hidden={hidden}"


def test_momentum_goes_from_whoever_has_much() -> None:
    high = {"lr": 1e-3, "beta1": 0.9}
    assert calmer(trace(high, high)) == "optimizer.both.beta1=0.0"
    assert calmer(trace({"lr": 1e-3, "beta1": 0.0}, high)) == "optimizer.discriminator.beta1=0.0"
    assert calmer(trace({"lr": 1e-3, "beta1": 0.5}, {"lr": 1e-3})) is None
