"""Ring: eight modes, how many of them each remedy keeps."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from torch import Tensor

from ganforge.experiments.frame import draw, follow, planned, reals
from ganforge.experiments.frame.plots import COLOURS, FAKE, REAL, band, columns, panels
from ganforge.metrics import mode_coverage
from ganforge.train import Tick

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CLAIM", "FULL", "LOOK", "QUICK", "SABOTAGE", "checks", "plots", "trial"]

LOOK = """
The data are eight narrow Gaussians on a circle. A generator that sits on one of them satisfies the discriminator for a
moment; then the discriminator learns that this place is full of fakes, and the generator moves on to the next. With
Adam as it comes, β1 = .9, and no remedy it runs around in circles and never holds all eight.

Look at the curves: the number of modes held over time. A mode is held if at least 20 of 2,500 samples lie within three
standard deviations of its centre. The scatter plots show the last round, fakes over data.

Each remedy is the same networks with other lines in the recipe. Without momentum (β1 = 0) the chase slows down, and the
generator finds the modes late. R1 lets the game come to rest: the discriminator is flat where the data are, so a
generator that has arrived is left alone. The Wasserstein critic with a gradient penalty, five updates for each of the
generator's, measures how far the mass has to be moved, and one heap in place of eight is far. The relativistic loss
asks of each real sample for a fake beside it.

Try `sigma=.01 rounds=20000`, the narrow ring of the papers, or `modes=16`.
"""

CLAIM = (
    "without a remedy the generator holds {vanilla_modes:.1f} of {modes:g} modes on average over the second half; "
    "without momentum {calm_modes:.1f}, and then with R1 {r1_modes:.1f}, with a gradient penalty {wgan_gp_modes:.1f}, "
    "with the relativistic loss, R1 and R2 {r3_modes:.1f}"
)

QUICK = {"rounds": 1000}
FULL = {"rounds": 20_000}
SABOTAGE = {"the remedy in every run": {"beta1": 0.0, "gamma": 0.1, "rounds": 500, "batch": 128}}

REMEDIES: dict[str, dict[str, Any]] = {
    "vanilla": {},
    "calm": {},
    "r1": {"penalties": {"r1": {"gamma": 0.1}}},
    "wgan_gp": {
        "objective": {"name": "wasserstein"},
        "penalties": {"gradient_penalty": {"weight": 1.0}},
        "train": {"d_steps": 5},
    },
    "r3": {"objective": {"name": "relativistic_pairing"}, "penalties": {"r1": {"gamma": 0.1}, "r2": {"gamma": 0.1}}},
}
NAMES = {"vanilla": "no remedy", "calm": "β1 = 0", "r1": "R1", "wgan_gp": "WGAN-GP", "r3": "relativistic, R1, R2"}
SAMPLES = 2500


def game(name: str, data: dict[str, Any], lr: float, sick: dict[str, float]) -> dict[str, Any]:
    """The same networks and optimisers, with a remedy's lines; `sick` is what the run without a remedy has."""
    vanilla = name == "vanilla"
    adam = {"name": "adam", "lr": lr, "beta1": sick["beta1"] if vanilla else 0.0, "beta2": 0.99}
    remedy = {"penalties": {"r1": {"gamma": sick["gamma"]}}} if vanilla and sick["gamma"] else REMEDIES[name]
    return {
        "data": data,
        "generator": {"name": "points", "z_dim": 16, "hidden": [64, 64]},
        "discriminator": {"name": "points", "hidden": [64, 64]},
        "optimizer": {"generator": adam, "discriminator": adam},
        **remedy,
    }


def held(centres: Tensor, sigma: float, tick: Tick) -> tuple[int, float]:
    """Modes found and the share of good samples."""
    found = mode_coverage(samples=draw(tick.state, SAMPLES), modes=centres, sigma=sigma)
    return found.found, found.quality


def trial(
    *,
    seed: int,
    modes: Annotated[int, Field(description="modes on the circle", ge=2)] = 8,
    sigma: Annotated[float, Field(description="their standard deviation", gt=0)] = 0.05,
    rounds: Annotated[int, Field(description="rounds of every game", ge=100)] = 5000,
    batch: Annotated[int, Field(description="samples a round", ge=2)] = 256,
    lr: Annotated[float, Field(description="learning rate of both players", gt=0)] = 1e-3,
    beta1: Annotated[float, Field(description="β1 of the run without a remedy", ge=0, lt=1)] = 0.9,
    gamma: Annotated[float, Field(description="R1 in the run without a remedy", ge=0)] = 0.0,
) -> dict[str, Any]:
    """Every remedy on the same data."""
    data = {"source": "ring", "modes": modes, "sigma": sigma}
    figures: dict[str, Any] = {"modes": modes, "curves": {}, "clouds": {}}
    for name in REMEDIES:
        sections = game(name, data, lr, {"beta1": beta1, "gamma": gamma})
        plan = planned(sections, seed=seed, batch=batch, rounds=rounds, every=max(1, rounds // 50))
        assert plan.source.mixture is not None
        centres = plan.source.mixture.means
        rows, state = follow(plan, partial(held, centres, sigma))
        found = [row[0] for row in rows]
        half = found[len(found) // 2 :]
        figures |= {f"{name}_modes": sum(half) / len(half), f"{name}_quality": rows[-1][1]}
        figures["curves"][name] = found
        figures["clouds"][name] = draw(state, 500).tolist()
    return figures | {"data": reals(plan, 500).tolist()}


def checks(figures: dict[str, Any]) -> dict[str, bool]:
    """Every remedy holds clearly more modes than no remedy, the best of them nearly all."""
    f = figures
    kept = {name: f[f"{name}_modes"] for name in ("r1", "wgan_gp", "r3")}
    worst = min(kept.values())
    words = ", ".join(f"{NAMES[name]} {value:.1f}" for name, value in kept.items())
    return {
        f"each of the three penalties holds over nine tenths of the modes ({words})": worst > 0.9 * f["modes"],
        f"without a remedy under half are held ({f['vanilla_modes']:.1f})": f["vanilla_modes"] < f["modes"] / 2,
    }


def plots(trials: Sequence[dict[str, Any]]) -> dict[str, "Figure"]:
    """Coverage over time, and the clouds of the first seed."""
    figure, (axes,) = panels(1, width=7)
    for (name, label), color in zip(
        NAMES.items(), (COLOURS[1], COLOURS[4], COLOURS[0], COLOURS[2], COLOURS[3]), strict=True
    ):
        rows = [t["curves"][name] for t in trials]
        band(axes, [100 * (k + 1) / len(rows[0]) for k in range(len(rows[0]))], rows, label=label, color=color)
    axes.set(title="modes held", xlabel="% of the rounds", ylim=(0, trials[0]["modes"] + 0.5))
    axes.legend(loc="lower right")
    clouds, panes = panels(len(NAMES), width=2.6, height=2.8)
    for ax, (name, label) in zip(panes, NAMES.items(), strict=True):
        ax.scatter(*columns(trials[0]["data"]), s=5, color=REAL, alpha=0.4, linewidth=0)
        ax.scatter(*columns(trials[0]["clouds"][name]), s=4, color=FAKE, linewidth=0)
        ax.set(title=label, xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal")
    return {"coverage": figure, "clouds": clouds}
