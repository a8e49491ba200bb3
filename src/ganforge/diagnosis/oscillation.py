"""Oscillation: the players chase each other in circles too wide for either to learn."""

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import made
from ganforge.diagnosis.remedy import calmer, gentler, stabilised, urgent
from ganforge.diagnosis.trace import Array, Trace, lasting

__all__ = ["check", "healthy", "sick"]

WIDE = 0.5  # of the loss itself
LEAST = 5
MARGIN = 1.0  # of a hinge
LEVELS = {False: "its mean", True: "the distance between real and fake logits (of 1 at least)"}


def check(trace: Trace) -> Finding | None:
    """Within each of the last five ticks or more the generator's loss swings by over half of its own mean (a standard
    deviation), and D's by a quarter. Losses of GANs swing by design, but by a few per cent to a fifth.

    A hinge loss's generator pays minus the fakes' logit, which may lie anywhere, so its swings are compared with how
    far D holds reals and fakes apart, or with the margin where it hardly does: logits that stay near 0 are those of a
    game that hasn't begun or is over. Not for a Wasserstein critic, where that distance is what is being learnt.
    """
    critic = trace.setting("objective.name") == "wasserstein"
    swings = [trace[f"band_loss_{p}"] / level(trace, p).clip(1e-9) for p in ("generator", "discriminator")]
    start = None if critic else lasting((swings[0] > WIDE) & (swings[1] > WIDE / 2), LEAST)
    if start is None:
        return None
    mine, theirs = (float(np.median(swing[start:])) for swing in swings)
    return Finding(
        "oscillation",
        int(trace.images[start]),
        f"within a tick the generator's loss swings by {mine:.0%} of {LEVELS[hinged(trace)]} and D's by {theirs:.0%}, "
        f"for {count(len(swings[0]) - start)}",
        certainty((mine - WIDE) / WIDE, len(swings[0]) - start, least=LEAST),
        urgent(trace) or calmer(trace) or stabilised(trace) or gentler(trace, "discriminator"),
        "The players answer each other's last move and not each other's game; momentum and large rates feed it.",
    )


def hinged(trace: Trace) -> bool:
    """Whether the game is one of hinges."""
    return bool(trace.setting("objective.name") == "hinge")


def level(trace: Trace, player: str) -> Array:
    """What a player's swings are compared with, (T,)."""
    if hinged(trace):
        return np.abs(trace["real_logits"] - trace["fake_logits"]).clip(MARGIN)
    return np.abs(trace[f"loss_{player}"])


def sick(rng: np.random.Generator) -> Trace:
    """Both losses swing as wide as they are high."""
    start, wide = int(rng.integers(0, 40)), float(rng.uniform(0.7, 2))
    return made(rng, start, band_loss_generator=wide, loss_generator=1.0, band_loss_discriminator=wide)


def healthy(rng: np.random.Generator) -> Trace:
    """Losses swing by a quarter, and wildly in the beginning."""
    trace = made(
        rng, 3, band_loss_generator=0.25, loss_generator=1.0, band_loss_discriminator=float(rng.uniform(0.1, 0.3))
    )
    trace["band_loss_generator"][:3] = 2.0
    return trace
