"""How an experiment plays: the toolkit's own recipes and its one loop, on the CPU."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from ganforge.objectives import Objective
from ganforge.plan import Plan, build
from ganforge.recipe import Recipe, load_recipe, override
from ganforge.train import Tick, TrainState, train

__all__ = ["accuracy", "affine_game", "digits_game", "draw", "follow", "planned", "reals"]

Row = TypeVar("Row")


def planned(
    sections: Mapping[str, Any], settings: Iterable[str] = (), *, seed: int, batch: int, rounds: int, every: int = 1
) -> Plan:
    """A recipe built: `rounds` rounds of `batch` samples, a tick every `every` rounds."""
    samples = batch * sections.get("train", {}).get("d_steps", 1)  # that a round sees
    train = {"batch": batch, "images": rounds * samples, "tick": every * samples, "seed": seed, "device": "cpu"}
    both = {**sections, "train": {**sections.get("train", {}), **train}}
    return build(override(Recipe("experiment", both), settings))


def affine_game(
    data: Mapping[str, Any], *, objective: str, degree: int, lr: float, mean: float = 0.0, sigma: float = 1.0
) -> dict[str, Any]:
    """The smallest game: μ + σz against a logistic polynomial, both by plain gradient descent."""
    return {
        "data": dict(data),
        "generator": {"name": "affine", "mean": mean, "sigma": sigma},
        "discriminator": {"name": "affine", "degree": degree},
        "objective": {"name": objective},
        "optimizer": {player: {"name": "sgd", "lr": lr} for player in ("generator", "discriminator")},
    }


def digits_game(
    settings: Iterable[str] = (), *, seed: int, images: int, tick: int, objective: str = "non_saturating"
) -> Plan:
    """The fully connected GAN of the tutorials on 50,000 handwritten digits, for so many images."""
    batch = 128
    sections = load_recipe("mlp_mnist_28").sections | {"objective": {"name": objective}}
    return planned(sections, settings, seed=seed, batch=batch, rounds=-(-images // batch), every=max(1, tick // batch))


def follow(plan: Plan, look: Callable[[Tick], Row]) -> tuple[list[Row], TrainState]:
    """Play to the end and look at every tick; what was seen, and the game as it ended."""
    rows, state = [], TrainState.start(plan)
    for tick in train(plan, state):
        rows.append(look(tick))
    return rows, state


def reals(plan: Plan, count: int) -> Tensor:
    """Real samples that the game doesn't train on."""
    split = plan.source.held_out
    assert split is not None
    return split.read(torch.arange(count))


@torch.no_grad()
def draw(state: TrainState, count: int, *, seed: int = 0) -> Tensor:
    """Samples of the generator as it is."""
    G = state.players["generator"]
    z_dim: int = G.z_dim  # type: ignore[assignment]
    return G(torch.randn(count, z_dim, generator=torch.Generator().manual_seed(seed)))


@torch.no_grad()
def accuracy(state: TrainState, real: Tensor, objective: Objective) -> float:
    """The share of reals and of as many fakes that the discriminator calls by their name; ties count as half."""
    D, level = state.players["discriminator"], objective.level or 0.0
    signs = torch.cat([torch.sign(D(real) - level), -torch.sign(D(draw(state, len(real))) - level)])
    return float((signs + 1).mean() / 2)
