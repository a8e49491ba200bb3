"""Vanishing gradient: D knows the fakes, and the loss lets nothing of it through to the generator."""

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import RECIPE, made
from ganforge.diagnosis.remedy import balanced, calmer, gentler, stabilised, unsaturated, urgent
from ganforge.diagnosis.trace import Trace, lasting

__all__ = ["check", "healthy", "sick"]

FLAT = 0.05  # slope of the generator's loss in the logit; 1 is full
FADED = 0.02  # of the largest gradient that the generator had
RIGHT = 0.9
LEAST = 3


def check(trace: Trace) -> Finding | None:
    """While D is right about 90 % and more, the generator's loss has a slope under .05 in the logits of the fakes, or
    the gradient of its weights is under 2 % of the largest it had; at the last three looks or more.

    A gradient that fades while D is blind is no illness: the game has come to rest.
    """
    looks = trace.probed("slope", "accuracy", "gradient_norm_generator")
    if not len(looks.images):
        return None
    slope, norm = looks["slope"], looks["gradient_norm_generator"]
    largest = np.maximum.accumulate(norm)
    start = lasting((looks["accuracy"] > RIGHT) & ((slope < FLAT) | (norm < FADED * largest)), LEAST)
    if start is None:
        return None
    passed, left = float(slope[start:].mean()), float(norm[start:].mean())
    return Finding(
        "vanishing generator gradient",
        int(looks.images[start]),
        f"the generator's loss has a mean slope of {passed:.2g} in the fakes' logits (1 is full) and its gradient "
        f"a norm of {left:.2g}, of {float(largest[-1]):.2g} at most before, while D is right about "
        f"{float(looks['accuracy'][start:].mean()):.0%}, in {count(len(slope) - start, 'look')}",
        certainty((FLAT - passed) / FLAT, len(slope) - start, least=LEAST),
        urgent(trace)
        or unsaturated(trace)
        or balanced(trace, "discriminator")
        or calmer(trace)
        or stabilised(trace)
        or gentler(trace, "discriminator"),
        "The generator has stopped, and not because it is good: it is told nothing.",
    )


def sick(rng: np.random.Generator) -> Trace:
    """The saturating loss before a sure D."""
    start, slope = int(rng.integers(0, 40)), float(rng.uniform(1e-4, 0.03))
    trace = made(rng, start, slope=slope, gradient_norm_generator=slope / 10, accuracy=0.98, d_fake=slope, d_real=0.97)
    return Trace(**vars(trace) | {"recipe": RECIPE | {"objective": {"name": "minimax"}}})


def healthy(rng: np.random.Generator) -> Trace:
    """The gradient fades since the game comes to rest: D is blind."""
    return made(rng, 20, gradient_norm_generator=float(rng.uniform(1e-4, 1e-3)), accuracy=0.52)
