"""Memorisation: the generator gives back training samples."""

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import made
from ganforge.diagnosis.remedy import gentler, noisier, stabilised, urgent
from ganforge.diagnosis.trace import Trace, lasting

__all__ = ["check", "healthy", "sick"]

CLOSE = 0.5
APART = 0.5
LEAST = 3


def check(trace: Trace) -> Finding | None:
    """At the last three looks or more, fakes lie half as far from their nearest training sample as held-out samples do,
    in the median; and they differ from each other, since a heap of blurred means is near to everything.
    """
    looks = trace.probed("nearest_train", "diversity", "spacing")
    near = looks["nearest_train"]
    start = lasting((near < CLOSE) & (looks["diversity"] > APART) & (looks["spacing"] > CLOSE), LEAST)
    if start is None:
        return None
    level = float(near[start:].mean())
    return Finding(
        "memorisation",
        int(looks.images[start]),
        f"fakes lie {level:.2f} times as far from their nearest training sample as held-out samples do, in "
        f"{count(len(near) - start, 'look')}",
        certainty((CLOSE - level) / 0.4, len(near) - start, least=LEAST),
        urgent(trace) or noisier(trace) or stabilised(trace) or gentler(trace, "generator"),
        "The generator gives training samples back instead of new ones.",
    )


def sick(rng: np.random.Generator) -> Trace:
    """Fakes move onto the training samples."""
    return made(rng, int(rng.integers(10, 40)), nearest_train=float(rng.uniform(0, 0.4)))


def healthy(rng: np.random.Generator) -> Trace:
    """Fakes lie as near as new samples do, or a little nearer."""
    return made(rng, 10, nearest_train=float(rng.uniform(0.7, 1.3)))
