"""Traces that were made up: the healthy one that every finding has to be silent on, with whatever is put into it."""

from typing import Any

import numpy as np

from ganforge.diagnosis.trace import Array, Trace

__all__ = ["RECIPE", "made"]

TICKS, EVERY = 50, 20_000
RECIPE: dict[str, Any] = {
    "data": {"source": "ring"},
    "generator": {"name": "points", "hidden": [128, 128], "activation": "relu"},
    "discriminator": {"name": "points", "hidden": [128, 128], "norm": "none", "minibatch": "none"},
    "game": {"name": "noise", "fakes": "fresh"},
    "objective": {"name": "non_saturating"},
    "penalties": {"r1": {"gamma": 0.02}},
    "optimizer": {
        "generator": {"name": "adam", "lr": 1e-3, "beta1": 0.0},
        "discriminator": {"name": "adam", "lr": 1e-3, "beta1": 0.0},
    },
    "train": {"images": TICKS * EVERY, "batch": 256, "d_steps": 1, "tick": EVERY},
}


def made(rng: np.random.Generator, start: int, **changed: float | Array) -> Trace:
    """Fifty ticks of a game that goes well and, from tick `start` on, with these signals in place of its own."""
    signals = usual(rng)
    places = shares(rng)
    if "places" in changed:
        places[start:] = np.asarray(changed.pop("places"))[start:]
    for name, value in changed.items():
        signals.setdefault(name, np.full(TICKS, np.nan))[start:] = (
            value if np.isscalar(value) else np.asarray(value)[start:]
        )
    return Trace(np.arange(1, TICKS + 1) * EVERY, signals, places, recipe=RECIPE)


def usual(rng: np.random.Generator) -> dict[str, Array]:
    """The signals of a game that comes to rest: like those of the recipe points_ring_8, noise and all."""

    def around(level: float | Array, noise: float) -> Array:
        return level * (1 + noise * rng.standard_normal(TICKS))

    t = np.arange(TICKS) / TICKS
    lead = 0.25 * np.exp(-8 * t) + 0.02  # of D, which fades
    learnt = 1 - 0.9 * np.exp(-12 * t)  # by the generator
    margin = around(4 * lead, 0.1)
    return {
        "d_real": around(0.5 + lead / 2, 0.01),
        "d_fake": around(0.5 - lead / 2, 0.01),
        "real_logits": margin / 2,
        "fake_logits": -margin / 2,
        "accuracy": around(0.52 + lead, 0.01),
        "loss_discriminator": around(1.386 - lead, 0.01),
        "loss_generator": around(0.693 + lead, 0.02),
        "band_loss_discriminator": around(0.03, 0.1),
        "band_loss_generator": around(0.04, 0.1),
        "gradient_norm_discriminator": around(0.1 + lead, 0.1),
        "gradient_norm_generator": around(0.05 + lead / 2, 0.1),
        "gradient_norm_output": around(0.2 + lead, 0.1),
        "slope": around(0.5 + lead / 2, 0.01),
        "skipped": np.zeros(TICKS),
        "lr_generator": np.full(TICKS, 1e-3),
        "lr_discriminator": np.full(TICKS, 1e-3),
        "diversity": around(learnt, 0.01),
        "spacing": around(learnt, 0.05),
        "coverage": np.clip(around(0.93 * learnt, 0.02), 0, 1),
        "modes": around(learnt, 0.01),
        "held_out_auc": around(0.5, 0.01),
        "nearest_train": around(1.05, 0.03),
        "dead_generator": np.full(TICKS, 0.05),
        "dead_discriminator": np.full(TICKS, 0.01),
        "spectral_norm_generator": around(2.0 + t, 0.01),
        "spectral_norm_discriminator": around(2.0 + t, 0.01),
        "update_ratio_generator": around(2e-3, 0.1),
        "update_ratio_discriminator": around(2e-3, 0.1),
        "known_modes": np.ones(TICKS),
        "duplicates": np.zeros(TICKS),
        "constant_channels": np.zeros(TICKS),
    }


def shares(rng: np.random.Generator, places: int = 8) -> Array:
    """Nearly equal ones, (T, K)."""
    rows = 1 + 0.1 * rng.random((TICKS, places))
    return rows / rows.sum(1, keepdims=True)
