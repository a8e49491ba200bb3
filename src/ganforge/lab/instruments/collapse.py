"""Instrument 3: eight Gaussians that a generator forgets, and three remedies of which the reader chooses one.

A generator that learns four times as fast as its discriminator, both with momentum, jumps from mode to mode. Packing,
a layer that sees the whole batch, or unrolling make it keep them.
"""

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass as message
from torch import Tensor

from ganforge.lab.frames import frame
from ganforge.lab.instruments import Room
from ganforge.lab.limits import recipe_of
from ganforge.lab.links import read_link
from ganforge.lab.messages import STRICT
from ganforge.lab.play import Play
from ganforge.lab.recording import LOOKS, Recording, recorded
from ganforge.metrics.modes import mode_coverage
from ganforge.plan import build

__all__ = ["MESSAGES", "REMEDIES", "TITLE", "Link", "Seat", "covered", "open_seat", "regime", "settings"]

TITLE = "Mode collapse"
ROUNDS, BATCH, MODES = 800, 72, 8
COUNTED = 2_500  # fakes that are counted, as papers do
REMEDIES: dict[str, tuple[str, ...]] = {
    "packing": ("game.pack=1", "game.pack=2", "game.pack=3", "game.pack=4"),
    "minibatch": ("discriminator.minibatch=none", "discriminator.minibatch=stddev",
                  "discriminator.minibatch=discrimination"),
    "unrolling": ("game.unroll=0", "game.unroll=1", "game.unroll=2", "game.unroll=4"),
}  # fmt: skip
"""Remedy -> the settings that its pressure stands for, none of it first."""
SERIES = ("modes_found", "quality", "reached", "d_real", "d_fake")

Remedy = Literal["packing", "minibatch", "unrolling"]
Pressure = Annotated[int, Field(ge=0, le=3)]
Seed = Annotated[int, Field(ge=0, le=10**9)]


@message(frozen=True, kw_only=True, config=STRICT)
class Link:
    """The whole state: the remedy, how much of it, the seed."""

    remedy: Remedy = "packing"
    pressure: Pressure = 0
    seed: Seed = 0


@message(frozen=True, kw_only=True, config=STRICT)
class Press:
    """Another remedy, or more of it."""

    kind: Literal["press"]
    remedy: Remedy
    pressure: Pressure
    seed: Seed


@message(frozen=True, kw_only=True, config=STRICT)
class Recipe:
    """The recipe as TOML, please."""

    kind: Literal["recipe"]


MESSAGES: dict[str, type] = {"press": Press, "recipe": Recipe}


def settings(link: Link) -> tuple[str, ...]:
    """The game of a link, as changes of the lab's base recipe."""
    steps = REMEDIES[link.remedy]
    return (
        "data=ring", "data.sigma=0.05", "penalties.r1=none", "objective=non_saturating",
        "optimizer.generator.beta1=0.5", "optimizer.generator.lr=0.002",
        "optimizer.discriminator.beta1=0.5", "optimizer.discriminator.lr=0.0005",
        steps[min(link.pressure, len(steps) - 1)],
        f"train.batch={BATCH}", f"train.seed={link.seed}", f"train.tick={BATCH * LOOKS * 2}",
        f"train.images={BATCH * ROUNDS}",
    )  # fmt: skip


def covered(play: Play, fakes: Tensor) -> dict[str, Any]:
    """Of 2,500 fakes: how many modes they have found, the share that lies at one, and the coverage: what the fakes'
    shares and the modes' have in common, 1 - their total variation."""
    mixture = play.plan.source.mixture
    assert mixture is not None
    found = mode_coverage(samples=fakes, modes=mixture.means, sigma=mixture.sigmas, weights=mixture.weights)
    return {
        "modes_found": found.found,
        "quality": found.quality,
        "reached": 1 - found.distance,
        "shares": found.shares.tolist(),
    }


def regime(rows: list[dict[str, Any]]) -> str:
    """What a game is doing at the last of these looks, in words.

    - covered: all modes are found, and half of the fakes or more lie at one; scattered: fewer do;
    - partial: more than half of the modes, not all;
    - on the way: none yet, at any look; hopping: half of the fakes or more went elsewhere between two of the last five
      looks; collapsed: they didn't; astray: fewer than a quarter are at any mode any more, and they stay there.
    """
    here = rows[-1]
    if here["modes_found"] == MODES:
        return "covered" if here["quality"] >= 0.5 else "scattered"
    if here["modes_found"] > MODES // 2:
        return "partial"
    if max(row["quality"] for row in rows) < 0.25:
        return "on the way"
    where = [torch.tensor([*row["shares"], 1 - row["quality"]]) for row in rows[-5:]]
    moved = max((float((a - b).abs().sum()) / 2 for a, b in pairwise(where)), default=0.0)
    if moved >= 0.5:
        return "hopping"
    return "collapsed" if here["quality"] >= 0.25 else "astray"


@dataclass
class Seat:
    """A visitor's recording."""

    link: Link
    wake: float = field(default=0.0, init=False)
    shown: tuple[int, bool] | None = field(default=None, init=False)  # how far the recording was when it was drawn
    sent: Recording | None = field(default=None, init=False)
    shots: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.recording: Recording = recorded(settings(self.link), ROUNDS, covered, COUNTED)

    @property
    def busy(self) -> bool:
        """It is recorded without being asked."""
        return not self.recording.done

    def receive(self, said: Any) -> list[dict[str, Any]]:
        """Another remedy, or more of it; or this one's recipe."""
        if said.kind == "recipe":
            return [{"kind": "recipe", "texts": [build(recipe_of(list(settings(self.link)))).toml]}]
        self.link = Link(**{key: value for key, value in asdict(said).items() if key != "kind"})
        self.__post_init__()
        self.shown = None
        return [self.state()]

    def state(self) -> dict[str, Any]:
        """What the controls show."""
        steps = {name: [setting.split(".")[1] for setting in each] for name, each in REMEDIES.items()}
        return {"kind": "state", "link": asdict(self.link), "rounds": ROUNDS, "remedies": steps,
                "means": self.recording.modes, "sigma": 0.05, "start": asdict(Link()),
                "settings": list(settings(self.link))}  # fmt: skip

    def advance(self, seconds: float) -> list[dict[str, Any]]:
        """Record on."""
        self.recording.advance(seconds)
        return []

    def frames(self) -> list[bytes]:
        """The shots that are new to the page, and all the curves so far."""
        made = self.recording
        if self.shown == made.progress:
            return []
        self.shown = made.progress
        header = {
            "link": asdict(self.link),
            "round": made.played,
            "done": made.done,
            "regimes": [regime(made.rows[: n + 1]) for n in range(len(made.rows))],
            "shares": [row["shares"] for row in made.rows],
            "findings": made.found(),
        }
        arrays: dict[str, Tensor] = {name: made.series(name) for name in ("round", *SERIES)}
        first = 0 if self.sent is not made or self.shots > len(made.shots) else self.shots
        header["first"], self.sent, self.shots = first, made, len(made.shots)
        arrays["shots"] = torch.stack(made.shots[first:]) if made.shots[first:] else torch.empty(0, 1, 2)
        return [frame(header, arrays)]

    def close(self) -> None:
        """The recording stays for the next one who asks for it."""


def open_seat(link: dict[str, Any], room: Room) -> Seat:
    """The recording of a link.

    Raises:
        RecipeError: for a link that holds something else.
    """
    return Seat(read_link(Link, link, "recording"))
