"""Not finite: gradients that are infinite or no number, so that updates had to be left out."""

from dataclasses import replace

import numpy as np

from ganforge.diagnosis.finding import Finding
from ganforge.diagnosis.made import made
from ganforge.diagnosis.remedy import rate, sane
from ganforge.diagnosis.trace import Trace

__all__ = ["check", "healthy", "sick"]


def check(trace: Trace) -> Finding | None:
    """Any update that was left out, ever: one may be bad luck, three and more are not. Names the tensor that went bad
    first, where that is known. A game that stopped for it says so too.
    """
    skipped = np.nan_to_num(trace["skipped"])
    hit = np.flatnonzero(skipped > 0)
    if not len(hit):
        return None
    total = int(skipped.sum())
    where = f", and the first that was not finite is {trace.bad}" if trace.bad else ""
    return Finding(
        "not finite",
        int(trace.images[hit[0]]),
        f"{total} update{'s' if total > 1 else ''} left out for a gradient that was not finite{where}",
        0.99 if total >= 3 else 0.4 + 0.2 * total,
        sane(trace, culprit(trace)),
        "Weights are those from before; what was left out is not made up for.",
    )


def culprit(trace: Trace) -> str:
    """The player whose rate is to blame: one that is ten times as fast, else the one whose tensor went bad."""
    slow, fast = sorted(("generator", "discriminator"), key=lambda player: rate(trace, player))
    if rate(trace, fast) > 10 * rate(trace, slow):
        return fast
    return next((player for player in (slow, fast) if player in trace.bad), fast)


def sick(rng: np.random.Generator) -> Trace:
    """A few updates are left out somewhere."""
    start = int(rng.integers(2, 45))
    values = np.zeros(50)
    values[start] = rng.integers(1, 9)
    return replace(made(rng, start, skipped=values), bad="the output of discriminator.head")


def healthy(rng: np.random.Generator) -> Trace:
    """Nothing is left out, whatever the losses do."""
    return made(rng, 10, loss_generator=float(rng.uniform(1, 3)))
