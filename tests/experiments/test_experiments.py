"""Every experiment: its keys, and that its verdict flips when the cause is taken away."""

import re
from typing import Any

import pytest

from ganforge.errors import RecipeError
from ganforge.experiments.frame import Experiment, experiment_names, load_experiment, perform
from ganforge.experiments.frame.stage import default_jobs

EXPERIMENTS = [load_experiment(name) for name in experiment_names()]
each = pytest.mark.parametrize("experiment", EXPERIMENTS, ids=experiment_names())
FLIPS = {
    "one-gaussian": "is more than .1 away from .5",
    "two-modes-one-bump": "of the separated bump's mass|of its mass",
    "saturation": "the saturating generator's gradient is over",
    "beta1": "the band of .* over 1.2 times as wide",
    "two-time-scales": "it grows by over .25",
    "dominance": "ends above .9 and .* below .1",
    "disjoint": "JSD's slope",
    "ring": "without a remedy under half are held",
    "interpolation": "is 1/√2 to .02",
    "density-ratio": "D/.1 - D. goes with p/q",
    "critics": "the critic by construction is within",
}
"""The check that sabotage is to break, whatever else it breaks."""
SABOTAGES = [(e, name) for e in EXPERIMENTS for name in e.module.SABOTAGE]


def test_they_are_all_there() -> None:
    expected = {"one-gaussian", "two-modes-one-bump", "saturation", "beta1", "two-time-scales", "dominance", "disjoint",
                "ring", "interpolation", "density-ratio", "critics"}  # fmt: skip
    assert expected <= set(experiment_names())


@each
def test_it_says_what_it_is(experiment: Experiment) -> None:
    assert ":" in experiment.title
    assert len(experiment.module.LOOK.strip().split("\n\n")) >= 3
    assert "Try `" in experiment.module.LOOK
    assert experiment.module.SABOTAGE


@each
def test_its_lengths_and_sabotages_set_keys_that_exist(experiment: Experiment) -> None:
    defaults = experiment.settings()
    assert experiment.settings(quick=True) != defaults
    for given in (experiment.module.FULL, *experiment.module.SABOTAGE.values()):
        assert experiment.checked(given).keys() == defaults.keys()


@each
def test_a_wrong_key_is_named_with_the_nearest_one(experiment: Experiment) -> None:
    key = next(iter(experiment.keys))
    with pytest.raises(RecipeError, match=f"this experiment has no key '{key}s'; did you mean '{key}'"):
        experiment.settings([f"{key}s=1"])


@pytest.mark.parametrize(("experiment", "sabotage"), SABOTAGES, ids=[f"{e.name}: {n}" for e, n in SABOTAGES])
def test_without_its_cause_the_phenomenon_is_not_shown(experiment: Experiment, sabotage: str) -> None:
    given: dict[str, Any] = experiment.module.QUICK | experiment.module.SABOTAGE[sabotage]
    (outcome,) = perform({experiment.name: experiment.checked(given)}, seeds=[0], jobs=1)
    assert not outcome.shown, outcome.trials[0].checks
    assert any(
        re.search(FLIPS[experiment.name], words) for words, holds in outcome.trials[0].checks.items() if not holds
    )


@pytest.mark.slow
@each
def test_it_is_shown(experiment: Experiment) -> None:
    (outcome,) = perform({experiment.name: experiment.settings(quick=True)}, seeds=range(5), jobs=default_jobs())
    assert outcome.shown, outcome.verdict
