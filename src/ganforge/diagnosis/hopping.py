"""Mode hopping: the generator sits on a few modes at a time, and on others at the next look."""

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import made
from ganforge.diagnosis.remedy import balanced, calmer, gentler, stabilised, urgent
from ganforge.diagnosis.trace import Trace, lasting, travel

__all__ = ["check", "healthy", "sick"]

MOVED = {True: 0.4, False: 0.6}  # of all fakes, from one look to the next; where modes are known, and between places
FEW = 0.8
LEAST, WINDOW = 2, 4
YOUNG = {True: 0.25, False: 0.35}  # of the planned images: until then every generator moves about


def check(trace: Trace) -> Finding | None:
    """Between one look and the next two fifths of the fixed latents' samples and more change their place, in the mean
    of the last four looks, while they fill under .8 of the places that reals fill; not in a game's first quarter.
    Where modes aren't known, three fifths and a third: a stroke that becomes bolder is nearer to other real samples.
    """
    looks = trace.probed("modes")
    known = bool((looks["known_modes"] > 0).any())
    moved, least = smooth(travel(looks), WINDOW), MOVED[known]
    start = lasting((moved > least) & (smooth(looks["modes"], WINDOW) < FEW), LEAST)
    if start is None or looks.passed[-1] < YOUNG[known]:
        return None
    share, filled = float(moved[start:].mean()), float(looks["modes"][start:].mean())
    return Finding(
        "mode hopping",
        int(looks.images[start]),
        f"{share:.0%} of the fakes change their place between two looks, and they fill {filled:.0%} of the places that "
        f"real samples fill, in {count(len(moved) - start, 'look')}",
        certainty((share - least) / (1 - least), len(moved) - start, least=LEAST),
        urgent(trace) or balanced(trace, "generator") or calmer(trace) or stabilised(trace)
        or gentler(trace, "generator"),
        "The discriminator learns where the fakes are, and the generator flees to the next place, without rest.",
    )  # fmt: skip


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """The mean of each value and those just before it; NaN until there are enough."""
    if len(values) < window:
        return np.full(len(values), np.nan)
    means = np.convolve(values, np.full(window, 1 / window), mode="valid")
    return np.concatenate([np.full(window - 1, np.nan), means])


def sick(rng: np.random.Generator) -> Trace:
    """All fakes at one place, another one at every look."""
    start = int(rng.integers(0, 36))
    order = (np.arange(50) + rng.integers(0, 8)) * int(rng.choice([1, 3, 5])) % 8
    return made(rng, start, places=np.eye(8)[order], modes=0.125, accuracy=0.8)


def healthy(rng: np.random.Generator) -> Trace:
    """Places change a little, and much only while the generator is young."""
    trace = made(rng, 50)
    trace.places[:3] = np.eye(8)[rng.permutation(8)[:3]]
    trace["modes"][:3] = 0.2
    return trace
