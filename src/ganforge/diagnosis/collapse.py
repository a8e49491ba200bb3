"""Mode collapse: the generator makes few kinds of samples, or one."""

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import made
from ganforge.diagnosis.poverty import FAR, depth, poor, since
from ganforge.diagnosis.remedy import balanced, calmer, gentler, larger, stabilised, urgent
from ganforge.diagnosis.trace import Trace, lasting, travel

__all__ = ["check", "healthy", "sick"]

LEAST = 3
MOVING = 0.5
WIDE = 1.5  # times as far apart as reals
FEW_KINDS = "The generator satisfies the discriminator with a few kinds of samples and leaves the rest of the data out."
SCATTERED = "The generator's samples lie apart from the data, and most of what the data has isn't among them."


def check(trace: Trace) -> Finding | None:
    """For the last three looks or more the fakes fill too few of the places that reals fill (e^entropy; under .8 of
    known modes once the game is grown), or lie too close together; and it isn't that they wander from place to place,
    which is mode hopping, or fly apart, which is divergence.
    """
    looks = trace.probed("modes", "diversity")
    modes, diversity = looks["modes"], looks["diversity"]
    start = lasting(poor(looks), LEAST)
    if start is None or float(np.mean(travel(looks)[start:])) > MOVING:
        return None
    filled, spread = float(modes[start:].mean()), float(diversity[start:].mean())
    if spread > FAR:
        return None
    return Finding(
        "mode collapse",
        since(looks),
        f"fakes fill {filled:.0%} of the places that real samples fill and lie {spread:.2f} times as far apart, in "
        f"{count(len(modes) - start, 'look')}",
        certainty(depth(looks, start), len(modes) - start, least=LEAST),
        urgent(trace) or larger(trace) or balanced(trace, "generator") or balanced(trace, "discriminator")
        or calmer(trace) or stabilised(trace) or gentler(trace, "generator"),
        SCATTERED if spread > WIDE else FEW_KINDS,
    )  # fmt: skip


def sick(rng: np.random.Generator) -> Trace:
    """The fakes gather at one or two of eight places and stay there."""
    start, held = int(rng.integers(0, 40)), int(rng.integers(1, 3))
    places = np.tile(np.eye(8)[:held].sum(0) / held, (50, 1))
    values = {"modes": held / 8 + 0.02, "diversity": float(rng.uniform(0, 0.8)), "accuracy": 0.9, "d_fake": 0.2}
    return made(rng, start, places=places, **values)


def healthy(rng: np.random.Generator) -> Trace:
    """Modes are held unequally, and the game begins with a heap in the middle."""
    trace = made(rng, 5, modes=float(rng.uniform(0.88, 0.98)), diversity=float(rng.uniform(0.7, 1.2)))
    trace["modes"][:3], trace["diversity"][:3] = 0.3, 0.1
    return trace
