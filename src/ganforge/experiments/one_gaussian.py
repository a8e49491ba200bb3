"""One Gaussian: a linear discriminator finds the mean and cannot see the spread."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ganforge.experiments.frame import accuracy, affine_game, follow, planned, reals
from ganforge.experiments.frame.plots import COLOURS, REAL, band, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ganforge.train import TrainState

__all__ = ["CLAIM", "FULL", "LOOK", "QUICK", "SABOTAGE", "checks", "plots", "trial"]

LOOK = """
The data are N(2, ½²). The generator is μ + σz, so it could match them exactly, and the discriminator is the smallest
there is, D(x) = sigmoid(ax + b). Both go down their plain gradients, the discriminator first.

Look at the left plot: μ arrives at 2 in a damped oscillation, as a predator follows its prey. Then look at σ: it drifts
while μ is on its way and stops when the slope a reaches zero, wherever it is by then. A linear discriminator compares
means. Once they agree, its best slope is zero, and a flat discriminator teaches nothing: every σ is an equilibrium. The
plot of all paths shows it: each start and each loss ends near the line μ = 2, at a spread of its own.

The saturating loss ends too wide where the other ends too narrow: the force on a fake is a·D(x) for the one and
a·(1 - D(x)) for the other, so the one pushes hardest on the samples that already pass for real, the other on those
that do not.

The right plot gives the discriminator an x². Now a difference of spreads is visible, and σ comes to ½, though it takes
fifty times as long: near the equilibrium the two players circle around each other and lose little at each turn.

Try `objective=minimax`, `lr=.01 rounds=2000`, or `degree=2 rounds=20000`, which makes the phenomenon vanish.
"""

CLAIM = (
    "the mean arrives at {mean:.2f} (data: 2) and the discriminator's accuracy is {accuracy:.2f}, while σ keeps what "
    "the path left it, {sigma:.2f} (data: .5; other starts and losses leave {lowest_sigma:.2f} to "
    "{highest_sigma:.2f}); a quadratic discriminator reaches {quadratic_sigma:.2f}"
)

QUICK = {"quadratic_lr": 0.1, "quadratic_rounds": 10_000}
FULL: dict[str, Any] = {}
SABOTAGE = {
    "a discriminator that sees the spread": {
        "degree": 2,
        "lr": 0.1,
        "rounds": 5_000,
        "batch": 500,
        "paths": False,
        "quadratic_rounds": 1,  # the same game once more
    }
}

MEAN, SIGMA = 2.0, 0.5
STARTS = ((0.0, 1.0), (0.0, 0.2), (4.0, 1.0), (-2.0, 1.5))
LOSSES = ("non_saturating", "minimax")
POINTS = 200  # of a curve


def path(seed: int, *, rounds: int, batch: int, **game: Any) -> dict[str, Any]:
    """One game from its start to its end: μ and |σ| along the way."""
    sections = affine_game({"source": "one_gaussian", "mean": MEAN, "sigma": SIGMA}, **game)
    plan = planned(sections, seed=seed, batch=batch, rounds=rounds, every=max(1, rounds // POINTS))
    rows, state = follow(plan, lambda tick: (tick.images // batch, *where(tick.state)))
    right = accuracy(state, reals(plan, 10_000), plan.parts["objective"]())
    start = (0, game.get("mean", 0.0), game.get("sigma", 1.0))
    columns = zip(start, *rows, strict=True)
    return {**dict(zip(("round", "mean", "sigma"), map(list, columns), strict=True)), "accuracy": right}


def where(state: "TrainState") -> tuple[float, float]:
    """μ and |σ| of the generator."""
    G = state.players["generator"]
    return G.mean.item(), abs(G.sigma.item())  # type: ignore[operator]


def trial(
    *,
    seed: int,
    rounds: Annotated[int, Field(description="rounds of one update each", ge=1)] = 400,
    batch: Annotated[int, Field(description="samples a round", ge=2)] = 2000,
    lr: Annotated[float, Field(description="learning rate of both players", gt=0)] = 0.05,
    objective: Annotated[
        Literal["non_saturating", "minimax"], Field(description="non_saturating, or minimax, which saturates")
    ] = "non_saturating",
    degree: Annotated[int, Field(description="degree of the discriminator's logit; 2 sees the spread", ge=1)] = 1,
    paths: Annotated[bool, Field(description="also play from other starts, with both losses")] = True,
    quadratic_rounds: Annotated[int, Field(description="rounds against the quadratic discriminator", ge=1)] = 20_000,
    quadratic_lr: Annotated[float, Field(description="learning rate there", gt=0)] = 0.05,
) -> dict[str, Any]:
    """All games of one seed."""
    given: dict[str, Any] = {"rounds": rounds, "batch": batch, "lr": lr, "degree": degree}
    main = path(seed, objective=objective, **given)
    others = [
        {"objective": loss, "start": (mean, sigma), **path(seed, objective=loss, mean=mean, sigma=sigma, **given)}
        for loss in LOSSES
        for mean, sigma in (STARTS if paths else ())
    ]
    reached = [main["sigma"][-1], *(other["sigma"][-1] for other in others)]
    longer: dict[str, Any] = {"rounds": quadratic_rounds, "batch": batch, "lr": quadratic_lr}
    quadratic = path(seed, objective="non_saturating", degree=2, **longer)
    return {
        "mean": main["mean"][-1],
        "sigma": main["sigma"][-1],
        "accuracy": main["accuracy"],
        "lowest_sigma": min(reached),
        "highest_sigma": max(reached),
        "quadratic_mean": quadratic["mean"][-1],
        "quadratic_sigma": quadratic["sigma"][-1],
        "main": main,
        "others": others,
        "quadratic": quadratic,
    }


def checks(figures: dict[str, Any]) -> dict[str, bool]:
    """The mean is found, the spread isn't, and it depends on the path."""
    f = figures
    found = {
        f"the mean {f['mean']:.3f} is within .15 of 2": abs(f["mean"] - MEAN) < 0.15,
        f"the discriminator's accuracy {f['accuracy']:.3f} is under .6": f["accuracy"] < 0.6,
        f"σ = {f['sigma']:.3f} is more than .1 away from .5": abs(f["sigma"] - SIGMA) > 0.1,
        f"the quadratic discriminator's σ = {f['quadratic_sigma']:.3f} is within .05 of .5": abs(
            f["quadratic_sigma"] - SIGMA
        )
        < 0.05,
    }
    span = f["highest_sigma"] - f["lowest_sigma"]
    return found | (
        {f"other starts and losses end at σs that are {span:.2f} > 1 apart": span > 1} if f["others"] else {}
    )


def plots(trials: Sequence[dict[str, Any]]) -> dict[str, "Figure"]:
    """Mean and spread over time, all paths, and the quadratic discriminator."""
    figure, (time, paths, quadratic) = panels(3)
    for axes, key, title in ((time, "main", "linear discriminator"), (quadratic, "quadratic", "quadratic")):
        rounds = trials[0][key]["round"]
        for name, color, truth in (("mean", COLOURS[0], MEAN), ("sigma", COLOURS[1], SIGMA)):
            band(axes, rounds, [t[key][name] for t in trials], label={"mean": "μ", "sigma": "σ"}[name], color=color)
            axes.axhline(truth, color=color, linestyle=":", linewidth=1.2)
        axes.set(title=title, xlabel="round", ylim=(0, 3))
        axes.legend(title="dotted: the data")
    for other in trials[0]["others"]:
        color = COLOURS[LOSSES.index(other["objective"])]
        paths.plot(other["mean"], other["sigma"], color=color, linewidth=1.2)
        paths.plot(other["mean"][-1], other["sigma"][-1], "o", color=color, markersize=5)
    for color, name in zip(COLOURS, ("non-saturating", "saturating"), strict=False):
        paths.plot([], [], color=color, label=name)
    paths.plot(MEAN, SIGMA, "*", color=REAL, markersize=14, label="the data")
    paths.axvline(MEAN, color=REAL, linewidth=1, linestyle=":")
    paths.set(title="every path ends at a σ of its own", xlabel="μ", ylabel="σ", ylim=(0, None))
    paths.legend()
    return {"one-gaussian": figure}
