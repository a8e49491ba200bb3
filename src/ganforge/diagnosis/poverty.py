"""How poor a set of fakes is: what mode collapse and generator dominance both look at."""

import numpy as np

from ganforge.diagnosis.trace import Array, Trace, lasting

__all__ = ["FAR", "depth", "poor", "since"]

YOUNG, GROWN = 0.1, 0.3  # shares of the planned images: no judgement before the first, a stricter one after the second
FEW, TOO_FEW = 0.6, 0.8  # of the places that reals fill, where the places are the data's own modes
FEW_PICTURES = 0.25  # the same where they are only some of the reals; a good generator of digits has .4 to .6
FAR = 4.0  # times the distance between two reals, from which on fakes aren't few kinds of samples but scattered
SAME, SAME_PICTURES = 0.25, 0.4  # of the distance between two reals


def poor(looks: Trace) -> Array:
    """Looks at which the fakes are too few kinds of samples, for points and for images, (T,) of bools.

    Every generator begins with a heap in the middle, so nothing is said of the first tenth of a game, and of games
    whose modes aren't known of the first three tenths.
    """
    return scanty(looks) & (looks.passed > np.where(looks["known_modes"] == 1.0, YOUNG, GROWN))


def scanty(looks: Trace) -> Array:
    """The same, however young the game is."""
    known = looks["known_modes"] == 1.0
    modes, diversity = looks["modes"], looks["diversity"]
    few = np.where(known, modes < np.where(looks.passed > GROWN, TOO_FEW, FEW), modes < FEW_PICTURES)
    return few | (diversity < np.where(known, SAME, SAME_PICTURES))


def since(looks: Trace) -> int:
    """Images seen at the first of the poor looks that reach to the end, those of a young game among them."""
    start = lasting(scanty(looks), 1)
    return int(looks.images[-1 if start is None else start])


def depth(looks: Trace, start: int) -> float:
    """How far beyond the thresholds, 0 to 1, in the mean of the looks from `start` on."""
    modes, diversity = float(looks["modes"][start:].mean()), float(looks["diversity"][start:].mean())
    return max(1 - modes / TOO_FEW if looks["known_modes"][-1] == 1.0 else 0.0, 1 - diversity / SAME_PICTURES, 0.0)
