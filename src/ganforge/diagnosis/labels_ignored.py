"""Labels ignored: the generator is asked for classes and makes what it likes, or nobody could tell it what they are."""

from dataclasses import replace
from typing import Any

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import RECIPE, made
from ganforge.diagnosis.remedy import gentler, urgent
from ganforge.diagnosis.trace import Trace, lasting

__all__ = ["check", "healthy", "sick"]

CHANCE, HEARD = 0.5, 0.7  # of D's preference for a sample's own label
OBEYED = 0.5  # of the way from chance to what real samples reach
BEGINNING = 0.4  # of the run, in which labels are still being learnt
LEAST = 3
DROPPED = 0.5  # share of labels left out, from which on too few are seen
TAUGHT = 0.2  # weight of a class head's lesson, under which it is no match for the other term


def check(trace: Trace) -> Finding | None:
    """After two fifths of the run: at no look did D prefer held-out samples with their own label to the same with
    another in 70 % of the cases, where 50 % is chance (later on, when fakes are good, it needn't any more); or at the
    last three looks or more fakes lie next to training samples of the class that was asked for hardly more often than
    by chance, while held-out samples do.
    """
    looks = trace.probed("own_label")
    own, fakes = looks["own_label"], looks["asked_label"]
    late = looks.passed > BEGINNING
    start = lasting(late, LEAST)
    if start is None:
        return None
    best = float(own.max())
    if best < HEARD:
        began, ticks, excess, remedy = 0, len(own) - start, (HEARD - best) / (HEARD - CHANCE), heard(trace)
        evidence = (
            f"D never preferred held-out samples with their own label to the same with another in over {best:.0%} "
        )
        evidence += "of the cases, where 50% is chance"
        meaning = (
            "D doesn't know which label belongs to a sample, so nothing teaches the generator; where the remedy names "
            "a source, it stands for your mended labels."
        )
    else:
        start = lasting((fakes < OBEYED) & late, LEAST)
        if start is None:
            return None
        level, began = float(fakes[start:].mean()), lasting(fakes < OBEYED, 1) or 0
        ticks, excess, remedy = len(fakes) - start, (OBEYED - level) / OBEYED, obeyed(trace)
        evidence = (
            f"fakes are of the class that was asked for {max(level, 0.0):.0%} as often above chance as real samples "
        )
        evidence += f"are of theirs, by the nearest training sample, in {count(ticks, 'look')}"
        meaning = "D knows which label belongs to a sample, and the generator doesn't listen."
    return Finding(
        "labels ignored",
        int(looks.images[began]),
        evidence,
        certainty(excess, ticks, least=LEAST),
        urgent(trace) or remedy,
        meaning,
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
    return gentler(trace, "discriminator")


def fewer_dropped(trace: Trace) -> str | None:
    """Labels for most samples, where most have none."""
    return "game.label_dropout=0.1" if float(trace.setting("game.label_dropout", 0.0)) > DROPPED else None


def conditional(trace: Trace, **sections: dict[str, Any]) -> Trace:
    """The trace as one of a game with labels and a class head."""
    game = {"game": {**RECIPE["game"], "labels": "data"}, "terms": {"auxiliary_classifier": {"weight": 1.0}}}
    return replace(trace, recipe=RECIPE | game | sections)


def sick(rng: np.random.Generator) -> Trace:
    """Either D is deaf, or the generator."""
    if rng.random() < 0.5:
        return conditional(made(rng, 0, own_label=rng.uniform(0.4, 0.6, 50), asked_label=0.05))
    weak = {"auxiliary_classifier": {"weight": 0.001}}
    heard_soon = made(rng, 0, own_label=0.9, asked_label=float(rng.uniform(-0.1, 0.3)))
    return conditional(heard_soon, terms=weak)


def healthy(rng: np.random.Generator) -> Trace:
    """Both learn the labels, D first; in the end it no longer has to."""
    learnt = np.minimum(np.linspace(0.1, 4.0, 50), 0.9) + 0.05 * rng.standard_normal(50)
    return conditional(made(rng, 0, own_label=np.linspace(0.95, 0.55, 50), asked_label=learnt))
