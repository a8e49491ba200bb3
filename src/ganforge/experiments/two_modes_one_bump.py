"""One bump for two modes: which mode is abandoned depends on what the discriminator can see."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field

from ganforge.experiments.frame import affine_game, follow, planned
from ganforge.experiments.frame.plots import COLOURS, REAL, band, panels
from ganforge.theory import Gaussian, Mixture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ganforge.train import TrainState

__all__ = ["CLAIM", "FULL", "LOOK", "QUICK", "SABOTAGE", "checks", "plots", "trial"]

LOOK = """
The data are two bumps, .7·N(3, .4²) + .3·N(-3, .4²), and the generator is one bump, μ + σz. No setting of μ and σ is
right; which wrong one is chosen?

With a linear discriminator (left) the generator only matches the mean, 1.2, where the data have next to nothing: hardly
any sample lies near -3, a fifth near +3, most in the empty land between. The discriminator compares means, and these
agree.

With a discriminator that can separate the modes (middle), the generator sits on the major mode and has abandoned the
minor one. Anything in between is seen through at once, and a fake near +3 passes: this is mode collapse in its smallest
form. It isn't a failure of optimisation. The divergence that the generator follows, KL(q‖p) - 2·JSD, charges dearly for
samples where the data have none and little for data that are left out.

Maximum likelihood, KL(p‖q) (right), makes the opposite choice: it must give every data point some density, so it
spreads over both modes and puts most of its samples where there are no data. Blurred and complete on one side, sharp
and narrow on the other: the choice of a divergence is the choice of an error.

Try `share=.5`, which leaves the choice to chance, `means='[1, -1]'`, where the modes are close enough to be covered
together, or `start=-3`, which starts on the minor mode.
"""

CLAIM = (
    "the linear discriminator leaves a bump at {linear_mean:.2f} that only matches the mean ({linear_minor:.4f} of the "
    "mass near -3, {linear_major:.2f} near +3); one that separates the modes puts {major:.2f} near +3 and {minor:.4f} "
    "near -3; maximum likelihood spreads over both (μ = {kl_mean:.2f}, σ = {kl_sigma:.2f})"
)

QUICK = {"separating_rounds": 1200}
FULL: dict[str, Any] = {}
SABOTAGE = {
    "a discriminator that cannot separate the modes": {"hidden": (1,), "separating_rounds": 400},
    "modes so close that one bump covers both": {"means": (0.4, -0.4), "separating_rounds": 1200},
}

LINEAR_LR = 0.02
ADAM = {"name": "adam", "lr": 5e-3}
NEAR = 1.2  # from a mode's centre
SIGMA = 0.4


def mass(mean: float, sigma: float, centre: float) -> float:
    """The share of N(mean, sigma²) within `NEAR` of a centre."""
    low, high = ((centre + side * NEAR - mean) / (max(sigma, 1e-12) * math.sqrt(2)) for side in (-1, 1))
    return (math.erf(high) - math.erf(low)) / 2


def bump(state: "TrainState") -> tuple[float, float]:
    """μ and |σ| of the generator."""
    G = state.players["generator"]
    return G.mean.item(), abs(G.sigma.item())  # type: ignore[operator]


def forward_kl(means: tuple[float, float], share: float) -> tuple[float, float]:
    """The Gaussian that minimises KL(p‖q): the data's own mean and spread."""
    mean = share * means[0] + (1 - share) * means[1]
    return mean, math.sqrt(SIGMA**2 + share * (1 - share) * (means[0] - means[1]) ** 2)


def trial(
    *,
    seed: int,
    means: Annotated[tuple[float, float], Field(description="centres of the major and the minor mode")] = (3.0, -3.0),
    share: Annotated[float, Field(description="share of the major mode", ge=0.5, lt=1)] = 0.7,
    start: Annotated[float, Field(description="where μ starts")] = 0.0,
    rounds: Annotated[int, Field(description="rounds against the linear discriminator", ge=1)] = 800,
    batch: Annotated[int, Field(description="samples a round there", ge=2)] = 3000,
    separating_rounds: Annotated[int, Field(description="rounds against the one that separates", ge=1)] = 2000,
    hidden: Annotated[tuple[int, ...], Field(description="widths of its hidden layers", min_length=1)] = (32, 32),
) -> dict[str, Any]:
    """Both games of one seed."""
    data = {"source": "two_gaussians", "means": list(means), "sigma": SIGMA, "share": share}
    sections = affine_game(data, objective="non_saturating", degree=1, lr=LINEAR_LR, mean=start)
    linear_plan = planned(sections, seed=seed, batch=batch, rounds=rounds, every=max(1, rounds // 100))
    linear, _ = follow(linear_plan, lambda tick: (tick.images // batch, *bump(tick.state)))
    sections["discriminator"] = {"name": "points", "hidden": list(hidden), "activation": "tanh"}
    sections["optimizer"] = {"generator": ADAM, "discriminator": ADAM}
    plan = planned(sections, seed=seed, batch=500, rounds=separating_rounds, every=max(1, separating_rounds // 100))
    separating, _ = follow(plan, lambda tick: (tick.images // 500, *bump(tick.state)))
    kl = forward_kl(means, share)
    bumps = {"linear": linear[-1][1:], "": separating[-1][1:], "kl": kl}
    return {
        **{f"{name}_mean".lstrip("_"): b[0] for name, b in bumps.items()},
        **{f"{name}_sigma".lstrip("_"): b[1] for name, b in bumps.items()},
        **{f"{name}_major".lstrip("_"): mass(*b, means[0]) for name, b in bumps.items()},
        **{f"{name}_minor".lstrip("_"): mass(*b, means[1]) for name, b in bumps.items()},
        "data": {"means": list(means), "share": share},
        "linear": [list(column) for column in zip(*linear, strict=True)],
        "separating": [list(column) for column in zip(*separating, strict=True)],
    }


def checks(figures: dict[str, Any]) -> dict[str, bool]:
    """Mass near each mode, and where the bumps lie."""
    f = figures
    mean, _ = forward_kl(tuple(f["data"]["means"]), f["data"]["share"])
    return {
        f"the linear bump's mean {f['linear_mean']:.2f} is within .2 of the data's, {mean:.2f}": abs(
            f["linear_mean"] - mean
        )
        < 0.2,
        f"under .01 of its mass ({f['linear_minor']:.4f}) is near the minor mode": f["linear_minor"] < 0.01,
        f"under .4 of its mass ({f['linear_major']:.2f}) is near the major mode": f["linear_major"] < 0.4,
        f"at least .9 of the separated bump's mass ({f['major']:.3f}) is near the major mode": f["major"] >= 0.9,
        f"at most .01 of it ({f['minor']:.4f}) is near the minor mode": f["minor"] <= 0.01,
        f"maximum likelihood's σ {f['kl_sigma']:.2f} spans both modes": f["kl_sigma"] > 2,
    }


def plots(trials: Sequence[dict[str, Any]]) -> dict[str, "Figure"]:
    """The three bumps over the data, and the way to them."""
    data, x = trials[0]["data"], torch.linspace(-6, 6, 481, dtype=torch.float64)
    truth = Mixture([Gaussian(m, SIGMA) for m in data["means"]], [data["share"], 1 - data["share"]]).prob(x)
    figure, axes = panels(3)
    names = {"linear_": "linear discriminator", "": "one that separates the modes", "kl_": "maximum likelihood"}
    for ax, (key, title), color in zip(axes, names.items(), COLOURS, strict=False):
        ax.fill_between(x, truth, color=REAL, alpha=0.3, linewidth=0, label="data")
        for t in trials:
            ax.plot(x, Gaussian(t[f"{key}mean"], t[f"{key}sigma"]).prob(x), color=color, linewidth=1)
        ax.plot([], [], color=color, label="generator, every seed" if key != "kl_" else "argmin KL(p‖q)")
        ax.set(title=title, xlabel="x", ylim=(0, 1.15), ylabel="density")
        ax.legend(loc="upper left")
    way, (means, sigmas) = panels(2)
    for key, label, color in (("linear", "linear", COLOURS[0]), ("separating", "separating", COLOURS[1])):
        for ax, column in ((means, 1), (sigmas, 2)):
            progress = [100 * n / trials[0][key][0][-1] for n in trials[0][key][0]]
            band(ax, progress, [t[key][column] for t in trials], label=label, color=color)
    means.set(title="μ", xlabel="% of the rounds")
    sigmas.set(title="σ", xlabel="% of the rounds")
    means.legend()
    return {"one-bump": figure, "the-way": way}
