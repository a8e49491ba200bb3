"""Density ratio: a discriminator that knows neither density learns their quotient."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.experiments.frame import follow, planned
from ganforge.experiments.frame.plots import COLOURS, FAKE, REAL, panels
from ganforge.objectives import OBJECTIVES
from ganforge.theory import Gaussian, Mixture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CLAIM", "FULL", "LOOK", "QUICK", "SABOTAGE", "checks", "plots", "trial"]

LOOK = """
The best answer to "real or fake?" at a point x is D*(x) = p(x)/(p(x) + q(x)): the data's density over the sum of both.
Turned around, D/(1 - D) = p/q, and the logit is log p/q. A classifier that has only seen samples thus knows the ratio
of two densities that nobody wrote down; this is why a GAN can train without a likelihood.

Here p is a mixture of three bumps and q = N(0, 2²), a generator that stands still. The left plot has both; the middle
one the log ratio: the dotted line is the truth, the curves what a small network learned from samples, one for each
seed. The right plot is its error. It is small where samples are and grows where they are rare: a ratio can only be
learned from where both sides send samples. The figure `error` is its root mean square where neither density is more
than e³ times the other, weighted by the density of all samples.

Not every objective does this. Try `objective=hinge`: its best logit is the sign of p - q, and the ratio is lost;
`objective=least_squares` keeps it, by D itself.
"""

CLAIM = (
    "the logit follows log p/q with a root-mean-square error of {error:.3f} where both sides have samples "
    "(the truth spreads by {spread:.2f}), and D/(1 - D) has a correlation of {correlation:.4f} with p/q"
)

QUICK = {"rounds": 2500}
FULL = {"rounds": 20_000}
SABOTAGE = {"an objective whose best answer is a sign": {"objective": "hinge", "rounds": 1500}}

MEANS, SIGMAS, WEIGHTS = (-2.0, 0.5, 2.5), (0.5, 0.4, 0.7), (0.4, 0.25, 0.35)
WIDTH = 2.0  # of q
POINTS = 401
CLEAR = 3.0  # |log p/q| above which one side sends next to no samples


def densities() -> tuple[Mixture, Gaussian]:
    """p and q."""
    return Mixture([Gaussian(m, s) for m, s in zip(MEANS, SIGMAS, strict=True)], WEIGHTS), Gaussian(0.0, WIDTH)


def points() -> Tensor:
    """Where the ratio is compared."""
    return torch.linspace(-5, 5, POINTS, dtype=torch.float64)


def trial(
    *,
    seed: int,
    rounds: Annotated[int, Field(description="updates of the discriminator", ge=1)] = 5000,
    batch: Annotated[int, Field(description="samples of either side in an update", ge=2)] = 500,
    objective: Annotated[
        Literal["minimax", "non_saturating", "least_squares", "hinge"], Field(description="what it learns from")
    ] = "non_saturating",
) -> dict[str, Any]:
    """A discriminator trained against a generator that stands still."""
    sections = {
        "data": {"source": "mixture", "means": [[m] for m in MEANS], "sigmas": list(SIGMAS), "weights": list(WEIGHTS)},
        "generator": {"name": "affine", "mean": 0.0, "sigma": WIDTH},
        "discriminator": {"name": "points", "hidden": [32, 32], "activation": "tanh"},
        "objective": {"name": objective},
        "optimizer": {
            "generator": {"name": "sgd", "lr": 0.0},
            "discriminator": {
                "name": "adam",
                "lr": {"schedule": "cosine", "start": 5e-3, "end": 0.0, "images": rounds * batch},
                "beta1": 0.9,
            },
        },
    }
    _, state = follow(planned(sections, seed=seed, batch=batch, rounds=rounds, every=rounds), lambda tick: None)
    x, (p, q) = points(), densities()
    with torch.no_grad():
        logit = state.players["discriminator"](x.float()[:, None]).double()
    truth, weight = p.log_prob(x) - q.log_prob(x), (p.prob(x) + q.prob(x)) / 2
    weight = weight * (truth.abs() <= CLEAR)
    weight = weight / weight.sum()
    estimate = log_ratio(objective, logit)
    ratios = torch.stack([estimate.exp(), truth.exp()])
    mean = (weight * truth).sum()
    return {
        "error": math.sqrt((weight * (estimate - truth).square()).sum().item()),
        "spread": math.sqrt((weight * (truth - mean).square()).sum().item()),
        "correlation": torch.corrcoef(ratios)[0, 1].item(),
        "estimate": estimate.tolist(),
    }


def log_ratio(objective: str, logit: Tensor) -> Tensor:
    """log D/(1 - D) where the objective has a link, else the bare logit."""
    link = OBJECTIVES[objective]().probability
    return logit if link is None or objective in ("minimax", "non_saturating") else torch.logit(link(logit), eps=1e-6)


def checks(figures: dict[str, Any]) -> dict[str, bool]:
    """A small error where samples are."""
    f = figures
    return {
        f"the error of log p/q, {f['error']:.3f}, is under .15": f["error"] < 0.15,
        f"D/(1 - D) goes with p/q ({f['correlation']:.4f} > .99)": f["correlation"] > 0.99,
    }


def plots(trials: Sequence[dict[str, Any]]) -> dict[str, "Figure"]:
    """Both densities, the log ratio and its error."""
    x, (p, q) = points(), densities()
    truth = p.log_prob(x) - q.log_prob(x)
    figure, (both, ratio, error) = panels(3)
    both.fill_between(x, p.prob(x), color=REAL, alpha=0.3, linewidth=0, label="p, the data")
    both.plot(x, q.prob(x), color=FAKE, label="q, the generator")
    both.set(title="two densities", xlabel="x")
    for t in trials:
        estimate = torch.tensor(t["estimate"])
        ratio.plot(x, estimate, color=COLOURS[0], linewidth=1)
        error.plot(x, estimate - truth, color=COLOURS[0], linewidth=1)
    ratio.plot([], [], color=COLOURS[0], label="the discriminator, every seed")
    ratio.plot(x, truth, ":", color="#222222", label="log p/q")
    ratio.set(title="the logit", xlabel="x", ylim=(-8, 3))
    error.set(title="its error", xlabel="x", ylim=(-1, 1))
    for axes in (both, ratio):
        axes.legend()
    return {"density-ratio": figure}
