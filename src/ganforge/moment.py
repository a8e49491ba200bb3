"""When a move happens, and what its parts may remember from one turn to the next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

__all__ = ["Lookahead", "Memory", "Moment"]

Memory = dict[str, Tensor]
"""What one part of a game keeps between turns: tensors on the players' device, changed in place, saved with the run."""


@dataclass(frozen=True)
class Lookahead:
    """A player's update as a differentiable function, so that a game can play rounds that never happen.

    Attributes:
        start: () -> slots, the optimiser's state as it is, copied.
        step: (params, grads, slots) -> (params, slots), parameters and gradients by parameter name; nothing is changed
            in place and the result is differentiable in the gradients.
    """

    start: Callable[[], Any]
    step: Callable[[dict[str, Tensor], dict[str, Tensor], Any], tuple[dict[str, Tensor], Any]]


@dataclass(frozen=True)
class Moment:
    """When a move happens.

    Attributes:
        rng: the generator of all noise, on the players' device.
        images: images seen so far.
        turn: updates that the moving player has made so far; lazy terms count in it.
        memory: part's name -> what it keeps between turns.
        games: games that are played side by side as one (`train.seeds`); a mean over the batch times this is the sum of
            their own means.
        lookahead: player -> its update as a differentiable function, for unrolled games; None outside of training.
    """

    rng: torch.Generator
    images: int = 0
    turn: int = 0
    memory: Mapping[str, Memory] = field(default_factory=dict)
    games: int = 1
    lookahead: Callable[[str], Lookahead] | None = None

    def remembered(self, name: str) -> Memory:
        """What the part of that name keeps; nothing, if it keeps nothing."""
        return self.memory.get(name, {})
