"""Momentum: with Adam's usual β1 = .9 the losses of a GAN swing wider than with .5."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from ganforge.experiments.frame import digits_game, follow
from ganforge.experiments.frame.plots import COLOURS, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CLAIM", "FULL", "LOOK", "QUICK", "SABOTAGE", "checks", "plots", "trial"]

LOOK = """
Adam averages gradients: β1 says how long it remembers. For a loss that stands still, a long memory helps. In a game the
opponent moves, and a remembered gradient points to where it stood some steps ago. A player that acts on old news
overshoots, the opponent answers, and both swing.

The simplest game shows why: min over x, max over y of x·y. The gradient steps turn around the equilibrium; momentum
adds a push along the turn and drives them outward.

Look at the two bands: both losses of the fully connected GAN on digits, tick by tick, with β1 = .5 and .9 for both
players, from the same weights. The width is the span from the 5th to the 95th percentile in the second half. Radford
et al. 2016 (arXiv:1511.06434) chose .5 for this reason; many later papers take 0.

Try `betas='[0, 0.5]'` or `lr=1e-3`, where the difference grows.
"""

CLAIM = (
    "in the second half of training the band of the discriminator's loss is {d_ratio:.2f} times as wide with β1 = .9 "
    "as with .5, that of the generator's {g_ratio:.2f} times"
)

QUICK = {"epochs": 2, "epoch": 20_000}
FULL = {"epochs": 30}
SABOTAGE = {"the same momentum in both runs": {"betas": (0.5, 0.5), "epoch": 3_000}}

LOSSES = {"d": "loss_discriminator", "g": "loss_generator"}


def width(values: Sequence[float]) -> float:
    """From the 5th to the 95th percentile of the second half."""
    low, high = np.percentile(values[len(values) // 2 :], [5, 95])
    return float(high - low)


def trial(
    *,
    seed: int,
    betas: Annotated[tuple[float, float], Field(description="β1 of the calm run and of the other")] = (0.5, 0.9),
    epochs: Annotated[int, Field(description="epochs on digits, for each β1", ge=1)] = 6,
    epoch: Annotated[int, Field(description="images in an epoch", ge=1000)] = 50_000,
    lr: Annotated[float, Field(description="learning rate of both players", gt=0)] = 2e-4,
) -> dict[str, Any]:
    """Both runs from the same start."""
    runs = []
    for beta in betas:
        settings = [
            f"optimizer.{p}.{k}={v!r}" for p in ("generator", "discriminator") for k, v in (("beta1", beta), ("lr", lr))
        ]
        plan = digits_game(settings, seed=seed, images=epochs * epoch, tick=5 * 128)
        rows, _ = follow(plan, lambda k: (k.images / epoch, *(k.figures[name] for name in LOSSES.values())))
        runs.append(dict(zip(("epoch", *LOSSES), map(list, zip(*rows, strict=True)), strict=True)))
    widths = {f"{player}_width_{n}": width(run[player]) for n, run in enumerate(runs) for player in LOSSES}
    ratios = {f"{player}_ratio": widths[f"{player}_width_1"] / widths[f"{player}_width_0"] for player in LOSSES}
    return {**ratios, **widths, "betas": list(betas), "runs": runs}


def checks(figures: dict[str, Any]) -> dict[str, bool]:
    """Both bands are wider."""
    return {
        f"the band of {player}'s loss is over 1.2 times as wide ({figures[f'{key}_ratio']:.2f})": figures[
            f"{key}_ratio"
        ]
        > 1.2
        for key, player in (("d", "the discriminator"), ("g", "the generator"))
    }


def plots(trials: Sequence[dict[str, Any]]) -> dict[str, "Figure"]:
    """Losses of the first seed, one panel a player."""
    figure, axes = panels(2, width=5.6)
    first = trials[0]
    for ax, (key, title) in zip(
        axes, {"d": "the discriminator's loss", "g": "the generator's loss"}.items(), strict=True
    ):
        for n in (1, 0):
            run = first["runs"][n]
            ax.plot(run["epoch"], run[key], color=COLOURS[n], linewidth=0.8, label=f"β1 = {first['betas'][n]:g}")
        ax.set(title=title, xlabel="epoch")
        ax.legend()
    return {"beta1": figure}
