"""Generator dominance: D can't tell fakes from reals, though they are quite different."""

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import made
from ganforge.diagnosis.poverty import depth, poor, since
from ganforge.diagnosis.remedy import balanced, calmer, faster, gentler, urgent
from ganforge.diagnosis.trace import Trace, lasting

__all__ = ["check", "healthy", "sick"]

BLIND = 0.66
LEAST = 3


def check(trace: Trace) -> Finding | None:
    """D is right about less than 66 % of the samples while the fakes fill too few of the places that reals fill, or lie
    too close together, for the last three looks or more. At equilibrium D is blind too; then the fakes are good.
    """
    looks = trace.probed("modes", "diversity", "accuracy")
    right, modes = looks["accuracy"], looks["modes"]
    start = lasting((right < BLIND) & poor(looks), LEAST)
    if start is None:
        return None
    accuracy, filled = float(right[start:].mean()), float(modes[start:].mean())
    return Finding(
        "generator dominance",
        since(looks),
        f"D is right about only {accuracy:.0%}, while fakes fill {filled:.0%} of the places that real samples fill, in "
        f"{count(len(right) - start, 'look')}",
        certainty((BLIND - accuracy) / 0.3 + depth(looks, start) / 2, len(right) - start, least=LEAST),
        urgent(trace) or balanced(trace, "generator") or calmer(trace) or faster(trace) or gentler(trace, "generator"),
        "The generator moves faster than the discriminator can follow, so nothing holds it at the data.",
    )


def sick(rng: np.random.Generator) -> Trace:
    """The fakes are somewhere else each time, and D has no idea."""
    start = int(rng.integers(0, 40))
    places = np.eye(8)[rng.integers(0, 8, 50)]
    values = {"modes": float(rng.uniform(0.1, 0.5)), "accuracy": float(rng.uniform(0.4, 0.6))}
    return made(rng, start, places=places, d_fake=0.5, d_real=0.5, real_logits=0.01, fake_logits=0.01, **values)


def healthy(rng: np.random.Generator) -> Trace:
    """Equilibrium: D is as blind, and the fakes are everywhere."""
    return made(rng, 10, accuracy=float(rng.uniform(0.45, 0.55)), modes=float(rng.uniform(0.88, 1.02)))
