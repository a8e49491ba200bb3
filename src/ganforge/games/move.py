"""What every game takes and gives: a moment in, a move out."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from ganforge.batch import Batch
from ganforge.moment import Memory, Moment

__all__ = ["Game", "Moment", "Move", "frozen"]


@dataclass(frozen=True)
class Move:
    """What a turn costs its player.

    Attributes:
        terms: the loss by name, a number per sample each; their means are added up by the training loop.
        signals: what the figures worth recording are made of, a number per sample each; no gradient.
        recorded: those figures, by name, from the signals of one or many turns at once; elementwise, in any shape.
        fakes: what the generator's own turn goes on with (a pass of the generator, with its graph), the game's own
            affair; None: it makes one.
    """

    terms: dict[str, Float[Tensor, " B"]]
    signals: dict[str, Float[Tensor, " B"]] = field(default_factory=dict)
    recorded: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict
    fakes: Any = None


@runtime_checkable
class Game(Protocol):
    """The contract that `train` plays by."""

    @property
    def max_d_steps(self) -> int | None:
        """The most discriminator updates in a round, None where there is no limit."""

    def seen_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one input of the discriminator, from that of a sample."""

    def memory(self, players: Mapping[str, nn.Module]) -> dict[str, Memory]:
        """What its parts keep between turns, by the part's name, as it is at the start."""

    def project(self, player: str, network: nn.Module) -> None:
        """Bring a player's weights back to where they have to stay, in place, after each of its updates."""

    def discriminator(self, players: Mapping[str, nn.Module], batch: Batch, moment: Moment) -> Move:
        """The discriminator's loss on a batch of real samples and as many fakes."""

    def generator(self, players: Mapping[str, nn.Module], batch: Batch, moment: Moment, fakes: Any) -> Move:
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
