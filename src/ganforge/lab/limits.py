"""How large a visitor's game may be, and which keys of a recipe a page may reach at all.

A recipe can lead anywhere: to files, to import paths, to hours of work. What comes over the wire may name rows of the
tables below and numbers within bounds; it is checked before anything of it is looked up.
"""

from collections.abc import Mapping
from typing import Any

from ganforge.errors import RecipeError
from ganforge.objectives import OBJECTIVES
from ganforge.optimizers import OPTIMIZERS
from ganforge.penalties import PENALTIES
from ganforge.recipe import Recipe, literal, override, plain, resolve
from ganforge.schedules import Schedule
from ganforge.terms import TERMS

__all__ = ["BASE", "NAMES", "checked", "recipe_of"]

BASE = Recipe(
    "lab",
    {
        "data": {"source": "ring", "sigma": 0.05},
        "generator": {"name": "points", "hidden": [32, 32, 32]},
        "discriminator": {"name": "points", "hidden": [32, 32, 32]},
        "penalties": {"r1": {"gamma": 0.02}},
        "optimizer": {
            "generator": {"name": "adam", "lr": 2e-3, "beta1": 0.0, "beta2": 0.9},
            "discriminator": {"name": "adam", "lr": 2e-3, "beta1": 0.0, "beta2": 0.9},
        },
        "train": {"batch": 256, "images": 2_000_000, "tick": 5_120, "device": "cpu"},
        "ema": {"half_life": 20_000},
        "judge": {"every": 0},
    },
)
"""The game that a visitor finds; every link is a list of changes of it."""

TOYS = (
    "mixture", "gaussians", "two_clusters", "line", "ellipse", "blobs", "ring", "grid", "moons", "spirals",
    "checkerboard", "swiss_roll", "sketch",
)  # fmt: skip

NAMES: dict[str, tuple[str, ...]] = {
    "data": TOYS,
    "generator": ("points",),
    "discriminator": ("points", "lipschitz"),
    "game": ("noise",),
    "objective": tuple(OBJECTIVES),
    "penalties": tuple(PENALTIES),
    "terms": tuple(TERMS),
    "augment": ("instance_noise",),
    "optimizer.generator": tuple(OPTIMIZERS),
    "optimizer.discriminator": tuple(OPTIMIZERS),
}
"""Section -> the names that may stand in it."""

OPEN = {*(key.split(".")[0] for key in NAMES), "ema", "train"}  # sections that a page may touch
CLOSED = {"train.device", "train.seeds"}

MOST: dict[str, float] = {
    "data.held_out": 10_000, "data.count": 100_000, "data.modes": 64, "data.side": 8, "data.arms": 16,
    "data.cells": 32, "generator.z_dim": 16, "game.pack": 8, "game.unroll": 10, "train.batch": 1024,
    "optimizer.generator.lr": 1e30, "optimizer.discriminator.lr": 1e30, "train.d_steps": 10, "train.g_steps": 10,
    "train.accumulate": 8, "train.images": 10**9, "train.tick": 10**6,
}  # fmt: skip
LEAST: dict[str, float] = {"train.batch": 8, "data.held_out": 10_000, "data.count": 1_000, "train.tick": 1_000}
LONGEST: dict[str, int] = {"data.means": 64, "data.rows": 64, "generator.hidden": 6, "discriminator.hidden": 6}
WIDEST = 128
HEAVIEST = 40  # times the work of the default game's round
DEFAULT = {"train.batch": 256, "train.d_steps": 1, "train.g_steps": 1, "generator.hidden": (32, 32, 32),
           "discriminator.hidden": (32, 32, 32)}  # fmt: skip


def recipe_of(settings: list[str], base: Recipe = BASE) -> Recipe:
    """The recipe that a list of changes makes, checked.

    Raises:
        RecipeError: every mistake at once, a sentence each.
    """
    return checked(override(base, settings))


def checked(recipe: Recipe) -> Recipe:
    """The recipe, if a page may ask for it.

    Raises:
        RecipeError: for keys that it can't reach, names of other tables, and numbers beyond the lab's bounds.
    """
    sections = flat(recipe.sections)
    if mistakes := [*names_out_of_reach(sections), *keys_out_of_reach(sections)]:
        raise RecipeError(*mistakes)
    values = {
        f"{key}.{name}": value
        for key, part in resolve(recipe).items()
        for name, value in (part.values.items() if hasattr(part, "values") and hasattr(part, "function") else ())
    }
    mistakes = [sentence for key, value in values.items() for sentence in beyond(key, value)]
    if not mistakes and (times := work(values) / work(DEFAULT)) > HEAVIEST:
        mistakes = [
            f"a round of this game is some {times:,.0f} times the usual work, and the lab does up to {HEAVIEST} times; "
            "take smaller layers or batches, or fewer steps, or use `ganforge train`"
        ]
    if mistakes:
        raise RecipeError(*mistakes)
    return recipe


def work(values: Mapping[str, Any]) -> float:
    """Multiplications in a round, roughly: networks once for each sample and update, an update looked ahead three
    times, and every pair of a batch for minibatch discrimination."""
    batch, unroll = values["train.batch"], values.get("game.unroll", 0)
    hidden = [*values["generator.hidden"], *values["discriminator.hidden"]]
    weights = sum(a * max(a, b) for a, b in zip(hidden, [*hidden[1:], 2], strict=True))
    updates = values["train.d_steps"] + values["train.g_steps"] * (1 + 3 * unroll)
    pairs = 80 * batch if values.get("discriminator.minibatch") == "discrimination" else 0
    return float(batch * updates * (weights + pairs))


def flat(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Sections by their dotted names: those of optimizer by player."""
    inner = {f"optimizer.{k}": v for k, v in (sections.get("optimizer") or {}).items()} if isinstance(
        sections.get("optimizer"), dict) else {}  # fmt: skip
    return {k: v for k, v in sections.items() if k != "optimizer"} | inner


def names_out_of_reach(sections: Mapping[str, Any]) -> list[str]:
    """A sentence for each name that isn't in the lab's tables; nothing is imported or opened for it."""
    wrong = []
    for key, names in NAMES.items():
        table = sections.get(key, {})
        many = key in ("penalties", "terms", "augment")
        asked = list(table) if many and isinstance(table, dict) else [chosen(key, table)]
        wrong += [
            f"{key} = {name!r:.60}: the lab plays {', '.join(names)}"
            for name in asked
            if name is not None and name not in names
        ]
    return wrong


def chosen(key: str, table: Any) -> Any:
    """What stands at a section's chooser; None where nothing does."""
    return table.get("source" if key == "data" else "name") if isinstance(table, dict) else table


def keys_out_of_reach(sections: Mapping[str, Any]) -> list[str]:
    """A sentence for each section or key that a page can't set."""
    base = flat(BASE.sections)
    wrong = [
        f"{key}: a page can't set this; export the recipe and use `ganforge train`"
        for key, table in sections.items()
        if key.split(".")[0] not in OPEN and table != base.get(key)
    ]
    train = sections.get("train")
    table = train if isinstance(train, dict) else BASE.sections["train"]  # no table: `resolve` says so
    wrong += [
        f"{key}: the lab decides this itself"
        for key in CLOSED
        if table.get(key.split(".")[1]) != BASE.sections["train"].get(key.split(".")[1])
    ]
    return wrong


def beyond(key: str, value: Any) -> list[str]:
    """A sentence where a number or a list is larger than the lab plays."""
    if isinstance(value, list | tuple) and key in LONGEST:
        if len(value) > LONGEST[key]:
            return [f"{key} has {len(value)} entries: the lab takes {LONGEST[key]}"]
        if key.endswith("hidden") and max(value) > WIDEST:
            return [f"{key} = {list(value)}: the lab's layers have up to {WIDEST} units; use `ganforge train`"]
    fixed = (value,) if isinstance(value, int | float) else ()
    numbers: tuple[float, ...] = value.curve.extremes if isinstance(value, Schedule) else fixed
    if key in MOST and any(number > MOST[key] for number in numbers):
        return [f"{key} = {literal(plain(value))}: the lab goes up to {MOST[key]:g}; train it with `ganforge train`"]
    if key in LEAST and any(number < LEAST[key] for number in numbers):
        return [f"{key} = {literal(plain(value))}: the lab needs {LEAST[key]:g} or more"]
    return []
