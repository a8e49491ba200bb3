"""Remedies: one change of the recipe each, written as KEY=VALUE; which of them depends on what the recipe has already.

The order of a ladder is by how directly a rung meets the cause. After a rung was taken the recipe has it, so the next
finding of the same kind gets the next rung.
"""

import math
from collections.abc import Mapping
from typing import Any

from ganforge.diagnosis.trace import Trace

__all__ = [
    "APART",
    "balanced",
    "calmer",
    "faster",
    "fastest",
    "gentler",
    "larger",
    "noisier",
    "rate",
    "sane",
    "slower",
    "stabilised",
    "unsaturated",
    "urgent",
]

MOST_RATE = {"sgd": 0.2, "adam": 5e-3, "adamw": 5e-3}  # beyond which nobody trains a GAN
ABOUT = 2.5  # times the usual rate, or as many times less: about as usual
APART = 10.0  # times the other's rate, from which on nothing else need be wrong
FAR = 5.0  # times less than usual, from which on a rate gets nowhere
FEW = 8  # hidden units in a layer, with which no generator gets anywhere
DENSE = {"mlp"}  # discriminators of images without convolutions
POINTS = {"points", "pacgan", "lipschitz", "affine"}  # discriminators of points, whose units are the data's own
OTHER = {"generator": "discriminator", "discriminator": "generator"}
MIXING = {"batch"}  # norms with which a gradient penalty means nothing


def rate(trace: Trace, player: str) -> float:
    """A player's learning rate by the recipe, of a schedule the highest: what the latest tick had may be the end of a
    schedule, and what earlier ticks had may be from before the game was healed."""
    value = trace.setting(f"optimizer.{player}.lr", 2e-4)
    if not isinstance(value, Mapping):
        return float(value)
    return float(max(value["values"] if "values" in value else (value["start"], value["end"])))


def usual(trace: Trace, player: str) -> float:
    """The learning rate that a game like this one comes out well with: larger than DCGAN's for networks without
    convolutions, and where R1 bounds D's slope (Karras et al. 2020, arXiv:1912.04958: 2e-3)."""
    if trace.setting(f"optimizer.{player}.name", "adam") == "sgd":
        return 1e-2
    bounded = "r1" in trace.setting("penalties", {})
    return 1e-3 if bounded or trace.setting("discriminator.name") in POINTS | DENSE else 2e-4


def toml(value: Any) -> str:
    """A number, a list or a schedule on one line, without spaces: a word of a command line."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}={toml(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else str(value)


def slower(trace: Trace, player: str, factor: float) -> str:
    """A player's learning rate divided; a schedule keeps its form.

    >>> import numpy as np
    >>> recipe = {"optimizer": {"generator": {"lr": {"schedule": "cosine", "start": 0.01, "end": 0.001, "images": 9}}}}
    >>> slower(Trace.of([], recipe=recipe), "generator", 10.0)
    'optimizer.generator.lr={schedule="cosine",start=0.001,end=0.0001,images=9}'
    """
    return f"optimizer.{player}.lr={divided(trace, player, factor)}"


def divided(trace: Trace, player: str, factor: float) -> str:
    """The value alone."""
    value = trace.setting(f"optimizer.{player}.lr", 2e-4)
    if not isinstance(value, Mapping):
        return toml(float(value) / factor)
    scaled: dict[str, Any] = {k: float(v) / factor if k in ("start", "end") else v for k, v in value.items()}
    if "values" in scaled:
        scaled["values"] = [float(v) / factor for v in value["values"]]
    return toml(scaled)


def common(trace: Trace, player: str) -> str:
    """A usual rate in place of a player's; of both players', where the other's is far from usual too.

    Of points one that falls to a tenth over the run, in place of one that stood still: with that they come to rest.

    >>> rates = {"generator": {"lr": 0.15}, "discriminator": {"lr": 1e-5}}
    >>> common(Trace.of([], recipe={"optimizer": rates}), "generator")
    'optimizer.both.lr=0.0002'
    """
    other = OTHER[player]
    lowest, highest = usual(trace, other) / ABOUT, most(trace, other)
    both = alike(trace) and not lowest <= rate(trace, other) <= highest
    whose = "both" if both else player
    wanted, constant = usual(trace, player), not isinstance(trace.setting(f"optimizer.{player}.lr"), Mapping)
    if constant and trace.setting("discriminator.name") in POINTS and (images := trace.setting("train.images")):
        falling = {"schedule": "cosine", "start": wanted, "end": wanted / 10, "images": images}
        return f"optimizer.{whose}.lr={toml(falling)}"
    return f"optimizer.{whose}.lr={divided(trace, player, rate(trace, player) / wanted)}"


def alike(trace: Trace) -> bool:
    """Whether both players have the same optimiser, so that a rate means the same to them."""
    return len({trace.setting(f"optimizer.{player}.name", "adam") for player in OTHER}) == 1


def most(trace: Trace, player: str) -> float:
    """The highest rate that a game can be played with."""
    return MOST_RATE.get(trace.setting(f"optimizer.{player}.name", "adam"), math.inf)


def sane(trace: Trace, player: str) -> str:
    """A tenth of a player's learning rate; in place of one beyond all use the other player's, if that is about usual,
    else the usual one, for both if need be.

    >>> sane(Trace.of([], recipe={"optimizer": {"generator": {"lr": 0.15}}}), "generator")
    'optimizer.generator.lr=0.0002'
    """
    if rate(trace, player) <= most(trace, player):
        return slower(trace, player, 10.0)
    wanted, theirs = usual(trace, player), rate(trace, OTHER[player])
    if alike(trace) and wanted / ABOUT <= theirs <= ABOUT * wanted:
        return equal(trace, player, OTHER[player])
    return common(trace, player)


def urgent(trace: Trace) -> str | None:
    """What has to be mended before anything else: a Wasserstein critic whose slope nothing bounds, a learning rate
    beyond all use, or a generator of a handful of units."""
    free = trace.setting("objective.name") == "wasserstein" and trace.setting("discriminator.norm") != "spectral"
    if free and not trace.setting("penalties", {}) and trace.setting("discriminator.name") != "lipschitz":
        return stabilised(trace)
    player = fastest(trace)
    return sane(trace, player) if rate(trace, player) > most(trace, player) else larger(trace)


def fastest(trace: Trace) -> str:
    """The player whose rate is the most times as large as usual; of two, the discriminator."""
    return max(("discriminator", "generator"), key=lambda player: rate(trace, player) / usual(trace, player))


def balanced(trace: Trace, player: str, *, least: float = 1.5) -> str | None:
    """Rates brought together, where this player's is so many times the other's: whichever is further from a usual one
    becomes the other's if games are played with that; else both become usual."""
    other = OTHER[player]
    if not rate(trace, player) > least * rate(trace, other) > 0:
        return None
    odd, even = (player, other) if strange(trace, player) >= strange(trace, other) else (other, player)
    if usual(trace, even) / ABOUT <= rate(trace, even) <= most(trace, even):
        return equal(trace, odd, even)
    return common(trace, odd)


def strange(trace: Trace, player: str) -> float:
    """How many times as large as a usual rate a player's is, or how many times smaller, as a logarithm."""
    return abs(math.log(rate(trace, player) / usual(trace, player)))


def gentler(trace: Trace, player: str) -> str:
    """What is left when all else was tried: a quarter of a player's rate, or a usual one where it is far from that."""
    mine, wanted = rate(trace, player), usual(trace, player)
    if 0 < mine < wanted / FAR or mine > most(trace, player):
        return common(trace, player)
    return slower(trace, player, 4.0)


def equal(trace: Trace, player: str, other: str) -> str:
    """A player's rate made the other's, schedule and all; a schedule of its own keeps its form.

    >>> falling = {"schedule": "cosine", "start": 0.002, "end": 0.0001, "images": 9}
    >>> recipe = {"optimizer": {"generator": {"lr": falling}, "discriminator": {"lr": 2e-5}}}
    >>> equal(Trace.of([], recipe=recipe), "discriminator", "generator")
    'optimizer.discriminator.lr={schedule="cosine",start=0.002,end=0.0001,images=9}'
    """
    mine, theirs = (trace.setting(f"optimizer.{p}.lr", 2e-4) for p in (player, other))
    if isinstance(theirs, Mapping) and not isinstance(mine, Mapping):
        return f"optimizer.{player}.lr={toml(theirs)}"
    return slower(trace, player, rate(trace, player) / rate(trace, other))


def unsaturated(trace: Trace) -> str | None:
    """The loss that doesn't saturate, in place of the one that does."""
    return "objective=non_saturating" if trace.setting("objective.name") == "minimax" else None


def stabilised(trace: Trace) -> str | None:
    """What keeps D flat around the data: R1, in the data's own scale; instance noise where D mixes samples and R1
    means nothing. None where it is there already, or the critic has a penalty of its own."""
    penalties, augment = trace.setting("penalties", {}), trace.setting("augment", {})
    points = trace.setting("discriminator.name") in POINTS
    mixing = trace.setting("discriminator.norm") in MIXING or trace.setting("discriminator.minibatch", "none") != "none"
    if mixing:
        return None if "instance_noise" in augment else f"augment.instance_noise.sigma={0.05 if points else 0.1}"
    if "r1" in penalties or "gradient_penalty" in penalties:
        return None
    if trace.setting("objective.name") == "wasserstein":
        return f"penalties.gradient_penalty.weight={0.1 if points else 10.0}"  # the authors' own, for toys and images
    return f"penalties.r1.gamma={0.1 if points else 1.0}"


def calmer(trace: Trace) -> str | None:
    """No momentum for whoever has more of it than GANs are played with under Adam."""
    moved = [p for p in OTHER if float(trace.setting(f"optimizer.{p}.beta1", 0.0) or 0.0) > 0.5]
    return f"optimizer.{'both' if len(moved) > 1 else moved[0]}.beta1=0.0" if moved else None


def faster(trace: Trace) -> str | None:
    """More updates of D for each of the generator's; where both share a pass, D's rate takes their place."""
    if trace.setting("game.fakes") == "shared" or int(trace.setting("train.d_steps", 1)) >= 4:
        return None
    return f"train.d_steps={2 * int(trace.setting('train.d_steps', 1))}"


def larger(trace: Trace) -> str | None:
    """A generator with room for the data, where it has hidden layers of a handful of units."""
    hidden, points = trace.setting("generator.hidden", []), trace.setting("discriminator.name") in POINTS
    return f"generator.hidden={'[64,64]' if points else '[256,512]'}" if hidden and min(hidden) < FEW else None


def noisier(trace: Trace) -> str | None:
    """Noise on every sample that D sees: no sample is the same twice."""
    if "instance_noise" in trace.setting("augment", {}):
        return None
    return f"augment.instance_noise.sigma={0.05 if trace.setting('discriminator.name') in POINTS else 0.1}"
