"""Disjoint supports: a classifier goes flat and its generator freezes, where a critic of slope 1 leads home."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from ganforge.experiments.frame import affine_game, planned
from ganforge.experiments.frame.plots import COLOURS, FAKE, REAL, band, panels
from ganforge.objectives import OBJECTIVES
from ganforge.theory import Gaussian, divergence, wasserstein_1d_of_densities
from ganforge.train import TrainState, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CLAIM", "FULL", "LOOK", "QUICK", "SABOTAGE", "checks", "plots", "trial"]

LOOK = """
The data are a narrow bump at 0, the fakes one just as narrow, a distance away. Look at the first plot: as the fakes
move off, JSD climbs to log 2 = .693 and stays there. From eight widths on, hardly any move of the generator changes
it: its gradient is zero. The earth mover's distance W1 goes on as a straight line, of slope 1 however far.

The second plot has two trained discriminators. The classifier is sure on both sides and flat at the fakes; all its
slope is in the gap, where there are no samples. The critic, of slope 1 by construction, is a ramp from one bump to
the other.

In the third, the generators are set free. One stays where it is, since the slope of its loss log(1 - D) at the fakes is
nothing; the other walks home at a steady pace.

This is the argument of Arjovsky and Bottou 2017 (arXiv:1701.04862) and of the Wasserstein GAN (arXiv:1701.07875).

Try `distance=.5`, where the bumps overlap and the classifier does lead home; or `distance=8`.
"""

CLAIM = (
    "at the fakes' centre the slope of the generator's loss is {vanilla_slope:.1e} with a classifier and "
    "{critic_slope:.2f} with a critic of slope 1; released, the one generator moves by {vanilla_travel:.3f} of "
    "{distance:g} and the other by {critic_travel:.2f}"
)

QUICK: dict[str, Any] = {"rounds": 250, "warm": 300}
FULL: dict[str, Any] = {}
SABOTAGE = {"bumps that overlap": {"distance": 0.3, "rounds": 250, "warm": 300}}

WIDTH = 0.25
PLAYERS: dict[str, dict[str, Any]] = {
    "vanilla": {"objective": "minimax", "discriminator": {"name": "points", "hidden": [32, 32], "activation": "tanh"}},
    "critic": {"objective": "wasserstein", "discriminator": {"name": "lipschitz", "hidden": [16, 16]}},
}
D_LR = 1e-2
BATCH = 128


def slope_at(D: torch.nn.Module, objective: str, x: float) -> float:
    """|d/dx| of the generator's loss of a fake at x."""
    fake = torch.tensor([[x]], requires_grad=True)
    loss = OBJECTIVES[objective]().g(real=torch.zeros(1), fake=D(fake))
    (slope,) = torch.autograd.grad(loss.sum(), fake)
    return abs(slope.item())


def game(name: str, distance: float, lr: float, d_steps: int) -> dict[str, Any]:
    """A generator at `distance`, moving at rate `lr`, against one of the two discriminators."""
    parts = PLAYERS[name]
    data = {"source": "one_gaussian", "mean": 0.0, "sigma": WIDTH}
    sections = affine_game(data, objective=parts["objective"], degree=1, lr=lr, mean=distance, sigma=WIDTH)
    sections["discriminator"] = parts["discriminator"]
    sections["optimizer"]["discriminator"] = {"name": "adam", "lr": D_LR, "beta1": 0.5}
    return sections | {"train": {"d_steps": d_steps}}


def played(name: str, *, seed: int, distance: float, rounds: int, warm: int, lr: float) -> dict[str, Any]:
    """The discriminator alone for `warm` rounds, then both: the landscape between, and the generator's way."""
    held = planned(game(name, distance, 0.0, 2), seed=seed, batch=BATCH, rounds=warm, every=warm)
    state = TrainState.start(held)
    for _ in train(held, state):
        pass
    x, D = points(distance), state.players["discriminator"]
    with torch.no_grad():
        landscape = D(x[:, None])
    slope = slope_at(D, PLAYERS[name]["objective"], distance)
    free = planned(
        game(name, distance, lr, 2), seed=seed, batch=BATCH, rounds=warm + rounds, every=max(1, rounds // 100)
    )
    G = state.players["generator"]
    way = [distance, *(G.mean.item() for _ in train(free, state))]  # type: ignore[operator]
    return {"slope": slope, "landscape": landscape.tolist(), "way": way}


def points(distance: float) -> Tensor:
    """Where the landscape is drawn."""
    return torch.linspace(-1.5, distance + 1.5, 201)


def sweep(distance: float) -> dict[str, list[float]]:
    """JSD and W1 of two bumps, by how far they are apart."""
    apart = torch.linspace(0, distance, 25).tolist()
    pairs = [(Gaussian(0.0, WIDTH), Gaussian(d, WIDTH)) for d in apart]
    return {
        "apart": apart,
        "jsd": [divergence("jsd", p, q).value for p, q in pairs],
        "w1": [wasserstein_1d_of_densities(p, q).value for p, q in pairs],
    }


def trial(
    *,
    seed: int,
    distance: Annotated[float, Field(description="from the data to where the fakes start", gt=0, le=30)] = 3.0,
    rounds: Annotated[int, Field(description="rounds in which the generator is free", ge=10)] = 600,
    warm: Annotated[int, Field(description="rounds before, of the discriminator alone", ge=10)] = 500,
    lr: Annotated[float, Field(description="the generator's learning rate, plain gradient", gt=0)] = 0.02,
) -> dict[str, Any]:
    """Exact distances, and both games."""
    exact = sweep(distance)
    step = exact["apart"][-1] - exact["apart"][-2]
    figures: dict[str, Any] = {
        "distance": distance,
        "jsd": exact["jsd"][-1],
        "jsd_slope": abs(exact["jsd"][-1] - exact["jsd"][-2]) / step,
        "w1_slope": (exact["w1"][-1] - exact["w1"][-2]) / step,
        "sweep": exact,
    }
    for name in PLAYERS:
        found = played(name, seed=seed, distance=distance, rounds=rounds, warm=warm, lr=lr)
        figures |= {f"{name}_slope": found["slope"], f"{name}_travel": distance - found["way"][-1], name: found}
    return figures


def checks(figures: dict[str, Any]) -> dict[str, bool]:
    """Flat against ramp, frozen against home."""
    f = figures
    return {
        f"JSD's slope, {f['jsd_slope']:.1e}, is under 1e-3 and W1's, {f['w1_slope']:.4f}, is 1 to 1e-3": f["jsd_slope"]
        < 1e-3
        and abs(f["w1_slope"] - 1) < 1e-3,
        f"the classifier's slope at the fakes, {f['vanilla_slope']:.1e}, is under .05": f["vanilla_slope"] < 0.05,
        f"the critic's, {f['critic_slope']:.3f}, is over .9": f["critic_slope"] > 0.9,
        f"the vanilla generator moved less than a tenth of the way ({f['vanilla_travel']:.3f})": abs(
            f["vanilla_travel"]
        )
        < 0.1 * f["distance"],
        f"the other went over nine tenths of it ({f['critic_travel']:.2f})": f["critic_travel"] > 0.9 * f["distance"],
    }


def plots(trials: Sequence[dict[str, Any]]) -> dict[str, "Figure"]:
    """The distances, the landscapes and the ways."""
    figure, (exact, landscape, way) = panels(3)
    first, distance = trials[0], trials[0]["distance"]
    exact.plot(first["sweep"]["apart"], first["sweep"]["w1"], color=COLOURS[0], label="W1")
    exact.plot(first["sweep"]["apart"], first["sweep"]["jsd"], color=COLOURS[1], label="JSD")
    exact.axhline(0.693147, color=COLOURS[1], linestyle=":", linewidth=1)
    exact.set(title="exact, by distance", xlabel="how far the fakes are")
    x = points(distance)
    curves = {"vanilla": torch.sigmoid(torch.tensor(first["vanilla"]["landscape"]))}
    critic = torch.tensor(first["critic"]["landscape"])
    curves["critic"] = (critic - critic.min()) / distance
    for name, label, color in (
        ("vanilla", "classifier, D(x)", COLOURS[1]),
        ("critic", "critic / distance", COLOURS[0]),
    ):
        landscape.plot(x, curves[name], color=color, label=label)
    for centre, color in ((0.0, REAL), (distance, FAKE)):
        landscape.fill_between(x, Gaussian(centre, WIDTH).prob(x.double()) / 4, color=color, alpha=0.35, linewidth=0)
    landscape.set(title="trained, fakes held still", xlabel="x")
    for name, label, color in (("vanilla", "vanilla", COLOURS[1]), ("critic", "Wasserstein", COLOURS[0])):
        rows = [t[name]["way"] for t in trials]
        progress = [100 * k / (len(rows[0]) - 1) for k in range(len(rows[0]))]
        band(way, progress, rows, label=label, color=color)
    way.axhline(0, color=REAL, linestyle=":")
    way.set(title="set free: where the fakes are", xlabel="% of the rounds")
    for axes in (exact, landscape, way):
        axes.legend()
    return {"disjoint": figure}
