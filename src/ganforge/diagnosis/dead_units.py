"""Dead units: hidden units that say the same to every sample."""

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import made
from ganforge.diagnosis.remedy import gentler, urgent
from ganforge.diagnosis.trace import Trace, lasting

__all__ = ["check", "healthy", "sick"]

MANY = 0.55
LEAST = 3


def check(trace: Trace) -> Finding | None:
    """At the last three looks or more, over 55 % of a player's hidden units are the same number for every sample."""
    looks = trace.probed("dead_generator", "dead_discriminator")
    shares = {player: looks[f"dead_{player}"] for player in ("generator", "discriminator")}
    starts = {player: lasting(share > MANY, LEAST) for player, share in shares.items()}
    found = [(player, start) for player, start in starts.items() if start is not None]
    if not found:
        return None
    player, start = found[0]
    level = float(shares[player][start:].mean())
    return Finding(
        "dead units",
        int(looks.images[start]),
        f"{level:.0%} of the {player}'s hidden units say the same to every sample, in "
        f"{count(len(looks.images) - start, 'look')}",
        certainty((level - MANY) / 0.3, len(looks.images) - start, least=LEAST),
        urgent(trace) or revived(trace, player),
        "No gradient passes through a dead unit, so it stays dead, and the network is smaller than it looks.",
    )


def revived(trace: Trace, player: str) -> str:
    """An activation that has a slope everywhere, where the network has that choice; else smaller steps."""
    if trace.setting(f"{player}.activation") == "relu":
        return f"{player}.activation=leaky_relu"
    return gentler(trace, player)


def sick(rng: np.random.Generator) -> Trace:
    """A large step has pushed most units below zero."""
    player = str(rng.choice(["generator", "discriminator"]))
    return made(rng, int(rng.integers(0, 40)), **{f"dead_{player}": float(rng.uniform(0.65, 0.95))})


def healthy(rng: np.random.Generator) -> Trace:
    """A fifth is dead, as with many networks with ReLU."""
    return made(rng, 0, dead_generator=float(rng.uniform(0, 0.35)))
