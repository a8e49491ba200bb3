"""Oscillation: what the swings of a loss without a level of its own are compared with."""

from dataclasses import replace

import numpy as np
import pytest

from ganforge.diagnosis import oscillation
from ganforge.diagnosis.finding import Finding
from ganforge.diagnosis.made import RECIPE, made

SNGAN = {  # CIFAR-10 at width 64 after 300,000 images, a game that went on to become better for hours
    "loss_generator": 1.2, "band_loss_generator": 0.65, "loss_discriminator": 0.7, "band_loss_discriminator": 0.36,
    "real_logits": 2.6, "fake_logits": -1.2,
}  # fmt: skip


def found(objective: str, **changed: float) -> Finding | None:
    """What is said of a made game with such an objective."""
    trace = made(np.random.default_rng(0), 10, **(SNGAN | changed))
    return oscillation.check(replace(trace, recipe=RECIPE | {"objective": {"name": objective}}))


def test_a_hinge_generator_swings_around_a_level_that_means_nothing() -> None:
    assert found("hinge") is None
    assert found("hinge", loss_generator=0.01) is None


def test_a_hinge_game_swings_when_logits_do_as_widely_as_they_lie_apart() -> None:
    finding = found("hinge", band_loss_generator=3.0, band_loss_discriminator=2.0)
    assert finding is not None
    assert (
        "swings by 79% of the distance between real and fake logits (of 1 at least) and D's by 53%" in finding.evidence
    )


def test_a_hinge_game_whose_logits_stay_within_the_margin_does_not_swing() -> None:
    quiet = {"loss_generator": 0.01, "loss_discriminator": 2.0, "real_logits": 0.01, "fake_logits": -0.01}
    assert found("hinge", band_loss_generator=0.05, band_loss_discriminator=0.03, **quiet) is None
    assert found("hinge", band_loss_generator=0.8, band_loss_discriminator=0.6, **quiet) is not None


@pytest.mark.parametrize(("objective", "speaks"), [("non_saturating", True), ("wasserstein", False)])
def test_other_losses_are_compared_with_themselves(objective: str, speaks: bool) -> None:
    assert (found(objective) is not None) is speaks
