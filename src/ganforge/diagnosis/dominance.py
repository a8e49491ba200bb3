"""Discriminator dominance: D is right about everything, so it has nothing left to teach."""

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import made
from ganforge.diagnosis.remedy import balanced, calmer, gentler, stabilised, unsaturated, urgent
from ganforge.diagnosis.trace import Trace, lasting

__all__ = ["check", "healthy", "sick"]

HIGH, LOW = 0.9, 0.1
RIGHT = 0.97
LEAST = 5
YOUNG = 0.15  # of the planned images: until then D may lead


def check(trace: Trace) -> Finding | None:
    """D(real) above .9, D(G(z)) below .1 and D right about 97 % of the samples, for the last five ticks or more;
    not in the first 15 % of a game, where D often leads.

    Only for objectives whose logits mean a probability: a Wasserstein critic is meant to tell the two apart.
    """
    belief, doubt, accuracy = trace["d_real"], trace["d_fake"], trace["accuracy"]
    linked = ~np.isclose(belief, trace["real_logits"])  # without a link D(real) is the bare logit
    start = lasting(linked & (belief > HIGH) & (doubt < LOW) & (accuracy > RIGHT), LEAST)
    if start is None or trace.passed[-1] < YOUNG:
        return None
    real, fake, right = (float(signal[start:].mean()) for signal in (belief, doubt, accuracy))
    sure = certainty((real - HIGH - fake + LOW) / 0.2, len(belief) - start, least=LEAST)
    return Finding(
        "discriminator dominance",
        int(trace.images[start]),
        f"D(real) = {real:.3f}, D(G(z)) = {fake:.3f} and D is right about {right:.1%} for {count(len(belief) - start)}",
        sure,
        urgent(trace)
        or balanced(trace, "discriminator")
        or unsaturated(trace)
        or calmer(trace)
        or stabilised(trace)
        or gentler(trace, "discriminator"),
        "A discriminator that is always right tells the generator nothing that it could use.",
    )


def sick(rng: np.random.Generator) -> Trace:
    """D becomes sure and stays so."""
    start = int(rng.integers(2, 30))
    return made(rng, start, d_real=rng.uniform(0.95, 1), d_fake=rng.uniform(0, 0.05), accuracy=0.99)


def healthy(rng: np.random.Generator) -> Trace:
    """D is sure in the beginning and loses its lead."""
    trace = made(rng, 40)
    first = int(rng.integers(1, 8))
    trace["d_real"][:first], trace["d_fake"][:first], trace["accuracy"][:first] = 0.97, 0.03, 0.99
    return trace
