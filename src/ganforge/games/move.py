"""What every game takes and gives: a moment in, a move out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganforge.batch import Batch

__all__ = ["Game", "Moment", "Move", "frozen"]


@dataclass(frozen=True)
class Moment:
    """When a move happens.

    Attributes:
        rng: the generator of all noise, on the players' device.
        images: images seen so far.
        turn: updates that the moving player has made so far; lazy terms count in it.
    """

    rng: torch.Generator
    images: int = 0
    turn: int = 0


@dataclass(frozen=True)
class Move:
    """What a turn costs its player.

    Attributes:
        terms: the loss by name, a number per sample each; their means are added up by the training loop.
        signals: what is worth recording, a number per sample each; no gradient.
        fakes: a pass of the generator, with its graph, that the generator's own turn goes on with; None: it makes one.
    """

    terms: dict[str, Float[Tensor, " B"]]
    signals: dict[str, Float[Tensor, " B"]] = field(default_factory=dict)
    fakes: Tensor | None = None


@runtime_checkable
class Game(Protocol):
    """The contract that `train` plays by."""

    @property
    def max_d_steps(self) -> int | None:
        """The most discriminator updates in a round, None where there is no limit."""

    def discriminator(self, players: Mapping[str, nn.Module], batch: Batch, moment: Moment) -> Move:
        """The discriminator's loss on a batch of real samples and as many fakes."""

    def generator(self, players: Mapping[str, nn.Module], batch: Batch, moment: Moment, fakes: Tensor | None) -> Move:
        """The generator's loss; `fakes` is what the discriminator's move left for it."""


@contextmanager
def frozen(network: nn.Module) -> Iterator[nn.Module]:
    """Within it the network is a teacher only: gradients pass through it, its weights get none and cost nothing."""
    weights = [p for p in network.parameters() if p.requires_grad]
    for p in weights:
        p.requires_grad_(False)
    try:
        yield network
    finally:
        for p in weights:
            p.requires_grad_(True)
