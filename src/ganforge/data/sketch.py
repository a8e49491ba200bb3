"""A picture drawn in characters, within the recipe itself: a density without a file beside it."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganforge.data.endless import endless
from ganforge.data.images import Source
from ganforge.errors import RecipeError

__all__ = ["sketch"]

MOST = 128  # characters in a row, and rows
BARE, INK = " .0", "123456789#"


def sketch(
    *,
    rows: Annotated[
        tuple[str, ...], Field(description="rows of the picture, from above: . is bare, # is full, 1 to 9 between")
    ] = ("..##..", ".#..#.", "#....#", "#....#", ".#..#.", "..##.."),
    radius: Annotated[float, Field(description="half of the longer side; the centre is the origin", gt=0)] = 1.0,
    held_out: Annotated[
        int, Field(description="points of the fixed held-out drawing, and of the test's", ge=1, le=10**6)
    ] = 10_000,
) -> Source:
    """A picture in characters as a density in the plane, piecewise constant on its square cells.

    A digit's mass is itself, that of # is 9. Raises RecipeError for rows of different lengths, other characters, or
    a picture without ink.

    >>> sketch(rows=("#.", ".#")).shape
    (2,)
    """
    check(rows)
    mass = torch.tensor([[mass_of(letter) for letter in row] for row in rows], dtype=torch.float64)
    height, width = mass.shape
    edges = mass.flatten().cumsum(0) / mass.sum()
    cell = 2 * radius / max(height, width)
    corner = torch.tensor([-width / 2, height / 2])

    def draw(count: int, rng: torch.Generator) -> Tensor:
        chosen = torch.searchsorted(edges, torch.rand(count, generator=rng, dtype=torch.float64), right=True)
        down, right = chosen // width, chosen % width
        inside = torch.rand(count, 2, generator=rng, dtype=torch.float32)
        return torch.stack([right, -down - 1], 1).add(inside).add_(corner).mul_(cell)

    return endless("sketch", draw, dim=2, held_out=held_out)


def mass_of(letter: str) -> int:
    """0 to 9."""
    return 0 if letter in BARE else 9 if letter == "#" else int(letter)


def check(rows: tuple[str, ...]) -> None:
    """Raise RecipeError with every reason why these rows are no picture."""
    lengths, letters = {len(row) for row in rows}, set("".join(rows))
    odd = "".join(sorted(letters - set(BARE + INK)))
    rules = [
        (lengths in (set(), {0}), "it is empty; give rows such as '.##.'"),
        (len(lengths) > 1, f"its rows have {min(lengths, default=0)} to {max(lengths, default=0)} characters; fill up"),
        (max(len(rows), *lengths, 0) > MOST, f"it is larger than {MOST} by {MOST} characters; draw it smaller"),
        (bool(odd), f"it has the characters {odd!r:.40}; use . for bare paper, # for ink and 1 to 9 between"),
        (bool(lengths) and not letters & set(INK), "it is blank; put a # somewhere"),
    ]
    if mistakes := [f"data.rows: {sentence}" for wrong, sentence in rules if wrong]:
        raise RecipeError(*mistakes)
