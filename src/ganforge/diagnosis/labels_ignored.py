"""Labels ignored: the generator is asked for classes and makes what it likes, or nobody could tell it what they are."""

from dataclasses import replace
from typing import Any

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import RECIPE, made
from ganforge.diagnosis.remedy import slower, urgent
from ganforge.diagnosis.trace import Trace, lasting

__all__ = ["check", "healthy", "sick"]

CHANCE, HEARD = 0.5, 0.65
BEGINNING = 0.2  # of the run, in which labels are still being learnt
LEAST = 3
DROPPED = 0.5  # share of labels left out, from which on too few are seen
TAUGHT = 0.2  # weight of a class head's lesson, under which it is no match for the other term


def check(trace: Trace) -> Finding | None:
    """At the last three looks or more, after a fifth of the run: D prefers a sample with its own label to the same
    sample with another label in under 65 % of the cases, where 50 % is chance; of held-out samples, so that D doesn't
    hear the labels, or only of fakes, so that the generator doesn't.
    """
    looks = trace.probed("asked_label")
    fakes, own = looks["asked_label"], looks["own_label"]
    start = lasting((np.fmin(fakes, own) < HEARD) & (looks.passed > BEGINNING), LEAST)
    if start is None:
        return None
    ticks = len(fakes) - start
    deaf = float(own[start:].mean()) < HEARD
    level = float((own if deaf else fakes)[start:].mean())
    whose = "a held-out sample" if deaf else "a fake"
    return Finding(
        "labels ignored",
        int(looks.images[start]),
        f"D prefers {whose} with its own label to the same with another one in {level:.0%} of the cases, where 50% is "
        f"chance, in {count(ticks, 'look')}",
        certainty((HEARD - level) / (HEARD - CHANCE), ticks, least=LEAST),
        urgent(trace) or (heard(trace) if deaf else obeyed(trace)),
        "D doesn't know which label belongs to a sample, so nothing teaches the generator; where the remedy names a "
        "source, it stands for your mended labels."
        if deaf
        else "D knows which label belongs to a sample, and the generator doesn't listen.",
    )


def heard(trace: Trace) -> str:
    """What lets D learn the labels; where it could, the labels themselves are to blame."""
    if few := fewer_dropped(trace):
        return few
    if float(trace.setting("penalties.auxiliary_classifier.real", 1.0)) < TAUGHT:
        return "penalties.auxiliary_classifier.real=1.0"
    if trace.setting("discriminator.labels") == "concatenation":
        return "discriminator.labels=projection"
    return "data.source=with_right_labels"


def obeyed(trace: Trace) -> str:
    """What makes the generator learn the labels."""
    if few := fewer_dropped(trace):
        return few
    if float(trace.setting("terms.auxiliary_classifier.weight", 1.0)) < TAUGHT:
        return "terms.auxiliary_classifier.weight=1.0"
    return slower(trace, "discriminator", 4.0)


def fewer_dropped(trace: Trace) -> str | None:
    """Labels for most samples, where most have none."""
    return "game.label_dropout=0.1" if float(trace.setting("game.label_dropout", 0.0)) > DROPPED else None


def conditional(trace: Trace, **sections: dict[str, Any]) -> Trace:
    """The trace as one of a game with labels and a class head."""
    game = {"game": {**RECIPE["game"], "labels": "data"}, "terms": {"auxiliary_classifier": {"weight": 1.0}}}
    return replace(trace, recipe=RECIPE | game | sections)


def sick(rng: np.random.Generator) -> Trace:
    """Either D is deaf, or the generator."""
    start, level = int(rng.integers(12, 40)), float(rng.uniform(0.4, 0.6))
    if rng.random() < 0.5:
        return conditional(made(rng, start, own_label=level, asked_label=level))
    weak = {"auxiliary_classifier": {"weight": 0.001}}
    return conditional(made(rng, start, own_label=0.9, asked_label=level), terms=weak)


def healthy(rng: np.random.Generator) -> Trace:
    """Both learn the labels, D first."""
    learnt = np.minimum(np.linspace(0.5, 3.0, 50), 1) * 0.4 + 0.5
    return conditional(made(rng, 0, own_label=learnt, asked_label=np.clip(learnt + 0.03 * rng.random(50), 0, 1)))
