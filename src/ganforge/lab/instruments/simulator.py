"""Instrument 2: a small fixed game, rendered whole: crank the discriminator up and see the generator starve.

One Gaussian in the plane, some way off from where the fakes start; both players are small and learn by Adam without
momentum, the generator slowly. There is no penalty: nothing holds the discriminator back.
"""

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass as message
from torch import Tensor

from ganforge.lab.frames import frame
from ganforge.lab.instruments import Room
from ganforge.lab.limits import recipe_of
from ganforge.lab.links import read_link
from ganforge.lab.messages import STRICT
from ganforge.lab.recording import LOOKS, Recording, recorded
from ganforge.plan import build

__all__ = ["MESSAGES", "SERIES", "TITLE", "Link", "Seat", "open_seat", "settings"]

TITLE = "Training simulator"
ROUNDS, BATCH = 400, 128
SERIES = ("loss_discriminator", "loss_generator", "d_real", "d_fake", "gradient_norm_generator", "slope")

Rate = Annotated[float, Field(ge=1e-4, le=0.2)]
Steps = Annotated[int, Field(ge=1, le=5)]
Loss = Literal["minimax", "non_saturating"]
Seed = Annotated[int, Field(ge=0, le=10**9)]


@message(frozen=True, kw_only=True, config=STRICT)
class Link:
    """The whole state: the discriminator's rate and updates a round, the generator's loss, the seed."""

    d_lr: Rate = 0.002
    d_steps: Steps = 1
    objective: Loss = "minimax"
    seed: Seed = 0


@message(frozen=True, kw_only=True, config=STRICT)
class Simulate:
    """Another game."""

    kind: Literal["simulate"]
    d_lr: Rate
    d_steps: Steps
    objective: Loss
    seed: Seed


@message(frozen=True, kw_only=True, config=STRICT)
class Recipe:
    """The recipe as TOML, please."""

    kind: Literal["recipe"]


MESSAGES: dict[str, type] = {"simulate": Simulate, "recipe": Recipe}


def settings(link: Link) -> tuple[str, ...]:
    """The game of a link, as changes of the lab's base recipe."""
    images = BATCH * link.d_steps
    return (
        "data=mixture", "data.means=[[2.5, 0.0]]", "data.sigmas=[0.3]", "penalties.r1=none",
        "generator.hidden=[16, 16]", "discriminator.hidden=[16, 16]", f"objective={link.objective}",
        "optimizer.generator.lr=0.0005", f"optimizer.discriminator.lr={link.d_lr!r}", f"train.d_steps={link.d_steps}",
        f"train.batch={BATCH}", f"train.seed={link.seed}", f"train.tick={images * LOOKS}",
        f"train.images={images * ROUNDS}",
    )  # fmt: skip


@dataclass
class Seat:
    """A visitor's simulation."""

    link: Link
    wake: float = field(default=0.0, init=False)
    shown: tuple[int, bool] | None = field(default=None, init=False)  # how far the recording was when it was drawn

    def __post_init__(self) -> None:
        self.recording: Recording = recorded(settings(self.link), ROUNDS)

    @property
    def busy(self) -> bool:
        """It is rendered without being asked."""
        return not self.recording.done

    def receive(self, said: Any) -> list[dict[str, Any]]:
        """Another game, or this one's recipe."""
        if said.kind == "recipe":
            return [{"kind": "recipe", "texts": [build(recipe_of(list(settings(self.link)))).toml]}]
        self.link = Link(**{key: value for key, value in asdict(said).items() if key != "kind"})
        self.__post_init__()
        self.shown = None
        return [self.state()]

    def state(self) -> dict[str, Any]:
        """What the controls show."""
        return {"kind": "state", "link": asdict(self.link), "rounds": ROUNDS, "start": asdict(Link()),
                "settings": list(settings(self.link))}  # fmt: skip

    def advance(self, seconds: float) -> list[dict[str, Any]]:
        """Render on."""
        self.recording.advance(seconds)
        return []

    def frames(self) -> list[bytes]:
        """The curves so far."""
        made = self.recording
        if self.shown == made.progress:
            return []
        self.shown = made.progress
        header = {
            "link": asdict(self.link),
            "round": made.played,
            "done": made.done,
            "ended": made.ended,
            "last": {name: made.rows[-1].get(name) for name in SERIES},
            "findings": made.found(),
        }
        arrays: dict[str, Tensor] = {name: made.series(name) for name in ("round", *SERIES)}
        arrays |= {"start": made.shots[0], "fakes": made.shots[-1]}
        return [frame(header, arrays)]

    def close(self) -> None:
        """The recording stays for the next one who asks for it."""


def open_seat(link: dict[str, Any], room: Room) -> Seat:
    """The game of a link.

    Raises:
        RecipeError: for a link that holds something else.
    """
    return Seat(read_link(Link, link, "simulation"))
