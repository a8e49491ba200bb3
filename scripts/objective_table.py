"""Writes the tables of docs/objectives.md: what every objective means, and how well that was found to hold.

    python scripts/objective_table.py

For every row, discriminators are trained on `--draws` random pairs of distributions and held against what the row
states (`ganforge.objectives.agreement`). The tables stand between two markers of the page; the rest of it is left
alone. Takes some three minutes on one core, with a progress bar on stderr.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from ganforge.objectives import OBJECTIVES, Agreement, Objective, agreement, least_squares, minimax

PAGE = Path(__file__).parents[1] / "docs" / "objectives.md"
BEGIN, END = "<!-- tables: made by scripts/objective_table.py -->", "<!-- end of tables -->"
WORKED = torch.tensor([[0.5, 0.5], [0.7, 0.3]], dtype=torch.float64)
WORKED_POINTS = torch.tensor([[0.0], [1.0]], dtype=torch.float64)


class Pair(NamedTuple):
    """Two distributions on points of the line."""

    p: Tensor
    q: Tensor
    points: Tensor


def rows() -> dict[str, Objective]:
    """Every row of the table with its defaults, and the settings that mean something else."""
    plain = {f"`{name}`": build() for name, build in OBJECTIVES.items()}
    variants = {
        "`minimax`, `label_smoothing=0.9`": minimax(label_smoothing=0.9),
        "`least_squares`, `a=-1 b=1 c=0`": least_squares(a=-1.0, b=1.0, c=0.0),
        "`least_squares`, `a=-1 b=1 c=1`": least_squares(a=-1.0, b=1.0, c=1.0),
    }
    other = {
        f"`{name}`, `alternative=true`": build(alternative=True)
        for name, build in OBJECTIVES.items()
        if "alternative" in (build.__annotations__ or {})
    }
    return plain | variants | other


def draws(count: int, seed: int) -> Iterator[Pair]:
    """Random pairs of two to eight atoms with |log p/q| <= 3."""
    rng = torch.Generator().manual_seed(seed)
    for _ in range(count):
        size = int(torch.randint(2, 9, (), generator=rng))
        q, ratio, gaps = torch.rand(3, size, generator=rng, dtype=torch.float64)
        q = (q + 0.05) / (q + 0.05).sum()
        p = q * torch.exp(3 * ratio - 1.5)
        yield Pair(p / p.sum(), q, (gaps + 0.1).cumsum(0)[:, None])


def worst(found: list[Agreement]) -> Agreement:
    """The largest distance of each kind."""
    slopes = [a.gradient for a in found if a.gradient is not None]
    return Agreement(max(a.logit for a in found), max(a.value for a in found), max(slopes) if slopes else None)


def bound(distance: float | None) -> str:
    """The power of ten above a distance."""
    if distance is None:
        return "-"
    return "0" if distance == 0 else f"< 1e{math.floor(math.log10(distance)) + 1}"


def table(head: list[str], lines: list[list[str]]) -> str:
    """A table in GitHub's Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def meanings(objectives: dict[str, Objective]) -> str:
    """What each row states."""
    lines = [[label, row.optimum, row.value.text, row.follows.text] for label, row in objectives.items()]
    head = ["objective", "optimal logit D\\*", "(a) value of the game", "(b) what the generator follows"]
    return table(head, lines)


def figures(objectives: dict[str, Objective], pairs: list[Pair], console: Console) -> str:
    """The value on the worked pair, the range of logits, and the agreement of trained discriminators."""
    lines = []
    for label, row in track(objectives.items(), "training discriminators", console=console):
        value = row.value.of and float(row.value.of(*WORKED, WORKED_POINTS))
        found = worst([agreement(row, *pair) for pair in pairs])
        written = "none" if value is None else f"{value:.6f}"
        lines.append([label, written, f"±{row.logit_range:g}", *(bound(distance) for distance in found)])
    return table(["objective", "(a) of the worked pair", "finite logits", "logit", "value", "gradient"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="write the tables of docs/objectives.md")
    parser.add_argument("--draws", type=int, default=100, help="random pairs of distributions for each objective")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    pairs, objectives = list(draws(given.draws, given.seed)), rows()
    measured = figures(objectives, pairs, Console(stderr=True))
    caption = (
        f"Measured on {given.draws} random pairs of distributions on two to eight atoms, |log p/q| ≤ 3, seed "
        f"{given.seed}: the largest distance between the trained logit and D\\*, between the game's value and (a), and "
        "between the slopes in q of the generator's loss and of (b)."
    )
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    body = f"### What each one means\n\n{meanings(objectives)}\n\n### In figures\n\n{caption}\n\n{measured}"
    PAGE.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{after}")


if __name__ == "__main__":
    main()
