"""Overfitting: D knows the training samples by heart."""

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import made
from ganforge.diagnosis.remedy import gentler, noisier, stabilised, urgent
from ganforge.diagnosis.trace import Trace, lasting

__all__ = ["check", "healthy", "sick"]

KNOWS = 0.7
LEAST = 3


def check(trace: Trace) -> Finding | None:
    """At the last three looks or more, a training sample has a larger logit than a held-out one with a probability of
    .7 and more; .5 is what a D has that learnt what all samples have in common.
    """
    looks = trace.probed("held_out_auc")
    auc = looks["held_out_auc"]
    start = lasting(auc > KNOWS, LEAST)
    if start is None:
        return None
    level = float(auc[start:].mean())
    return Finding(
        "overfitting discriminator",
        int(looks.images[start]),
        f"D gives a training sample a larger logit than a held-out one in {level:.0%} of the pairs, where 50% is no "
        f"difference, in {count(len(auc) - start, 'look')}",
        certainty((level - KNOWS) / 0.2, len(auc) - start, least=LEAST),
        urgent(trace) or noisier(trace) or stabilised(trace) or gentler(trace, "discriminator"),
        "D learns the training samples by heart, and the generator is taught them instead of what they have in common.",
    )


def sick(rng: np.random.Generator) -> Trace:
    """D learns by heart, look by look."""
    start = int(rng.integers(0, 40))
    return made(rng, start, held_out_auc=float(rng.uniform(0.75, 1)))


def healthy(rng: np.random.Generator) -> Trace:
    """D knows a little."""
    return made(rng, 0, held_out_auc=float(rng.uniform(0.5, 0.6)))
