"""Instrument 4: two bumps on a line, a classifier that goes flat under the fakes and a critic that stays a ramp.

The games are those of `ganforge.experiments.disjoint`, from wherever the reader has dragged the bumps to.
"""

import time
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass as message
from torch import Tensor

from ganforge.errors import RecipeError
from ganforge.experiments.disjoint import BATCH, D_LR, PLAYERS
from ganforge.experiments.frame import affine_game, planned
from ganforge.lab.frames import frame
from ganforge.lab.instruments import Room
from ganforge.lab.links import read_link
from ganforge.lab.messages import STRICT
from ganforge.objectives import OBJECTIVES
from ganforge.plan import Plan
from ganforge.theory import Gaussian, divergence, optimal_discriminator, wasserstein_1d_of_densities
from ganforge.train import TrainState, play_discriminator, play_round, update

__all__ = ["MESSAGES", "TITLE", "Game", "Link", "Seat", "distances", "open_seat", "optimum", "slope"]

TITLE = "Flat and ramp"
HALF, PLACES = 5.0, 201  # the window, and the places at which landscapes are drawn
FAR, APART = 8.0, 33  # how far apart the bumps are in the chart of distances
WARM = 120  # rounds of the discriminators alone
MOST = 600  # rounds in which the generators are free
MOST_TURNS = 200  # single updates by hand
PACE = 60.0  # of these in a second
LR = 0.02  # of the generators, plain gradient

Turn = tuple[Annotated[int, Field(ge=0, le=MOST)], Literal["discriminator", "generator"]]
"""(rounds, player): an update of that player by hand after so many rounds."""
Place = Annotated[float, Field(ge=-4, le=4, allow_inf_nan=False)]


@message(frozen=True, kw_only=True, config=STRICT)
class Link:
    """The whole state: where the bumps are at first, how wide, which loss, from which seed, and how many rounds the
    generators have been free for, and the single updates by hand among them."""

    real: Place = -1.5
    fake: Place = 2.0
    width: Annotated[float, Field(ge=0.15, le=1)] = 0.25
    objective: Literal["minimax", "non_saturating"] = "minimax"
    seed: Annotated[int, Field(ge=0, le=10**9)] = 0
    rounds: Annotated[int, Field(ge=0, le=MOST)] = 0
    script: Annotated[tuple[Turn, ...], Field(max_length=MOST_TURNS)] = ()


@message(frozen=True, kw_only=True, config=STRICT)
class Put:
    """Bumps elsewhere, wider, or another loss: the games begin anew."""

    kind: Literal["put"]
    real: Place
    fake: Place
    width: Annotated[float, Field(ge=0.15, le=1)]
    objective: Literal["minimax", "non_saturating"]
    seed: Annotated[int, Field(ge=0, le=10**9)]


@message(frozen=True, kw_only=True, config=STRICT)
class Train:
    """The generators go, or stand still."""

    kind: Literal["train"]
    on: bool


@message(frozen=True, kw_only=True, config=STRICT)
class Reset:
    """Back to where the bumps were put."""

    kind: Literal["reset"]


@message(frozen=True, kw_only=True, config=STRICT)
class Step:
    """One update of both games' discriminators or generators, or a round of both games."""

    kind: Literal["step"]
    what: Literal["discriminator", "generator", "both"]


@message(frozen=True, kw_only=True, config=STRICT)
class Pace:
    """Rounds a second while the generators are free."""

    kind: Literal["pace"]
    rounds: Annotated[float, Field(ge=1, le=1000)]


@message(frozen=True, kw_only=True, config=STRICT)
class Recipe:
    """Both recipes as TOML, please."""

    kind: Literal["recipe"]


MESSAGES: dict[str, type] = {
    "put": Put, "train": Train, "reset": Reset, "step": Step, "pace": Pace, "recipe": Recipe,
}  # fmt: skip


def places() -> Tensor:
    """Where the landscapes are drawn, (201,)."""
    return torch.linspace(-HALF, HALF, PLACES)


@lru_cache(maxsize=64)
def distances(width: float) -> dict[str, list[float]]:
    """JSD (nats) and W1 of two bumps of one width, by how far they are apart."""
    apart = torch.linspace(0, FAR, APART).tolist()
    return {"apart": apart} | {name: [distance(name, d, width) for d in apart] for name in ("jsd", "w1")}


def distance(name: str, apart: float, width: float) -> float:
    """JSD in nats, or W1, of two bumps so far apart."""
    p, q = Gaussian(0.0, width), Gaussian(apart, width)
    return (divergence("jsd", p, q) if name == "jsd" else wasserstein_1d_of_densities(p, q)).value


def optimum(name: str, real: float, fake: float, width: float) -> Tensor:
    """The best discriminator at each place: a probability of being real, or a critic that is 0 in the middle.

    Of two bumps of one width, the best critic of slope 1 is a straight line: one bump is the other, moved.
    """
    x = places().double()
    if name == "critic":
        return x * ((real > fake) - (real < fake))
    logs = [Gaussian(mean, width).log_prob(x) for mean in (real, fake)]
    largest = torch.maximum(*logs)  # only the ratio counts, and far out both densities are 0 in float64
    return optimal_discriminator(OBJECTIVES["minimax"](), *((log - largest).exp() for log in logs))


def slope(D: torch.nn.Module, objective: str, x: float) -> float:
    """d/dx of the generator's loss of a fake at x: it is sent the other way."""
    fake = torch.tensor([[x]], requires_grad=True)
    loss = OBJECTIVES[objective]().g(real=torch.zeros(1), fake=D(fake))
    (found,) = torch.autograd.grad(loss.sum(), fake)
    return float(found)


@dataclass
class Game:
    """One of the two: its discriminator is trained alone first, then its generator is free.

    Attributes:
        name: vanilla or critic.
        link: where the bumps begin.
        way: where the fakes' centre was after each round in which it was free.
    """

    name: str
    link: Link
    warmed: int = 0
    way: list[float] = field(default_factory=list)
    pieces: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plans = [self.plan(0.0), self.plan(LR)]
        self.state = TrainState.start(self.plans[0])
        self.stream = self.plans[0].stream(position=0)
        self.way = [self.fake]

    @property
    def objective(self) -> str:
        """What the players minimise."""
        return self.link.objective if self.name == "vanilla" else str(PLAYERS["critic"]["objective"])

    def plan(self, lr: float) -> Plan:
        """The game with a generator that moves at this rate."""
        link, objective = self.link, self.objective
        data = {"source": "one_gaussian", "mean": link.real, "sigma": link.width}
        sections = affine_game(data, objective=objective, degree=1, lr=lr, mean=link.fake, sigma=link.width)
        sections["discriminator"] = PLAYERS[self.name]["discriminator"]
        sections["optimizer"]["discriminator"] = {"name": "adam", "lr": D_LR, "beta1": 0.5}
        sections["train"] = {"d_steps": 2}
        return planned(sections, seed=link.seed, batch=BATCH, rounds=WARM + MOST, every=WARM + MOST)

    @property
    def fake(self) -> float:
        """The fakes' centre."""
        return float(self.state.players["generator"].mean.detach())  # type: ignore[operator]

    def play(self) -> None:
        """A round."""
        free = self.warmed >= WARM
        plan = self.plans[free]
        with self.state.randomness(plan.device):
            play_round(plan, self.state, self.stream)
        self.pieces = []
        if free:
            self.way.append(self.fake)
        else:
            self.warmed += 1

    def turn(self, player: str) -> None:
        """One update of one player, by hand."""
        plan, state = self.plans[1], self.state
        with state.randomness(plan.device):
            if player == "discriminator":
                self.pieces = play_discriminator(plan, state, self.stream)
            else:
                self.pieces = [(batch, None) for batch, _ in self.pieces] or [(self.stream.next(), None)]
                update(plan, state, "generator", self.pieces)

    @torch.no_grad()
    def landscape(self) -> Tensor:
        """What D says at each place: a probability, or a critic's value that is 0 in the middle."""
        said = self.state.players["discriminator"](places()[:, None])
        return torch.sigmoid(said) if self.name == "vanilla" else said - said[PLACES // 2]

    def picture(self) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Read-outs, and curves."""
        fake, width = self.fake, abs(float(self.state.players["generator"].sigma.detach()))  # type: ignore[operator]
        apart = abs(fake - self.link.real)
        header = {
            "fake": fake,
            "width": width,
            "slope": slope(self.state.players["discriminator"], self.objective, fake),
            "travel": self.way[0] - fake,
            "jsd": distance("jsd", apart, self.link.width),
            "w1": distance("w1", apart, self.link.width),
        }
        best = optimum(self.name, self.link.real, fake, self.link.width)
        arrays = {"landscape": self.landscape(), "optimum": best.float(), "way": torch.tensor(self.way)}
        return header, {f"{self.name}_{key}": value for key, value in arrays.items()}

    def close(self) -> None:
        """Let the data go."""
        self.stream.close()


@dataclass
class Seat:
    """A visitor's two bumps."""

    link: Link
    playing: bool = False
    due: float = 0.0
    fresh: bool = True
    pace: float = field(default_factory=lambda: PACE)

    def __post_init__(self) -> None:
        self.target = self.link.rounds
        self.script = sorted(self.link.script, key=lambda turn: turn[0])
        self.history = list[Turn]()
        self.games = [Game(name, self.link) for name in PLAYERS]

    @property
    def rounds(self) -> int:
        """In which the generators were free."""
        return len(self.games[0].way) - 1

    @property
    def warm(self) -> bool:
        """Whether the discriminators have been trained."""
        return self.games[0].warmed >= WARM

    @property
    def busy(self) -> bool:
        """Discriminators go ahead by themselves; generators when they are let go."""
        behind = self.rounds < self.target or bool(self.script)
        return not self.warm or behind or (self.playing and self.rounds < MOST)

    @property
    def wake(self) -> float:
        """Free generators move by the clock."""
        return self.due if self.warm and self.rounds >= self.target and not self.script else 0.0

    def receive(self, said: Any) -> list[dict[str, Any]]:
        """Other bumps, or go, or stand still."""
        if said.kind == "recipe":
            return [{"kind": "recipe", "texts": [game.plans[1].toml for game in self.games]}]
        if said.kind == "pace":
            self.pace, self.due = said.rounds, time.perf_counter()
        elif said.kind == "step":
            self.step(said.what)
        elif said.kind == "train":
            self.playing, self.due = said.on, time.perf_counter()
            self.target = min(self.target, self.rounds)
        else:
            put = self.link if said.kind == "reset" else Link(**{k: v for k, v in asdict(said).items() if k != "kind"})
            self.close()
            self.link, self.playing = replace(put, rounds=0, script=()), False
            self.__post_init__()
        self.fresh = True
        return [self.state()]

    def step(self, what: str) -> None:
        """By hand, once the discriminators know the bumps."""
        if not self.warm or self.rounds >= MOST:
            raise RecipeError("the discriminators are still learning the bumps, or the game is over; wait, or reset")
        if what == "both":
            self.playing, self.target = False, self.rounds + 1
        elif len(self.history) + len(self.script) >= MOST_TURNS:
            raise RecipeError(f"that were {MOST_TURNS} updates by hand, and a link holds no more; reset")
        else:
            self.playing, self.target = False, min(self.target, self.rounds)
            self.script = [(self.rounds, what)]  # type: ignore[list-item]
            self.follow()

    def follow(self) -> None:
        """The single updates that come before the next round."""
        while self.script and self.script[0][0] <= self.rounds:
            turn = self.script.pop(0)
            self.history.append(turn)
            for game in self.games:
                game.turn(turn[1])

    def state(self) -> dict[str, Any]:
        """What the controls show, and the chart of distances."""
        link = replace(self.link, rounds=max(self.rounds, self.target), script=(*self.history, *self.script))
        return {"kind": "state", "link": asdict(link), "playing": self.playing, "pace": self.pace, "half": HALF,
                "far": FAR, "warm": WARM, "most": MOST, "distances": distances(self.link.width)}  # fmt: skip

    def advance(self, seconds: float) -> list[dict[str, Any]]:
        """Rounds of both games, as many as fit and are due."""
        start = now = time.perf_counter()
        was_playing = self.playing
        while self.busy and now - start < seconds:
            if self.warm and self.script and self.script[0][0] <= self.rounds:
                self.follow()
                self.fresh, now = True, time.perf_counter()
                continue
            paced = self.warm and self.rounds >= self.target
            if paced and now < self.due:
                break
            for game in self.games:
                game.play()
            self.fresh = True
            now = time.perf_counter()
            self.due = max(self.due + 1 / self.pace, now - 0.1) if paced else now
        self.playing = self.playing and self.rounds < MOST
        return [self.state()] if was_playing and not self.playing else []

    def frames(self) -> list[bytes]:
        """Both landscapes."""
        if not self.fresh:
            return []
        self.fresh = False
        made = {game.name: game.picture() for game in self.games}
        header = {"warmed": self.games[0].warmed, "rounds": self.rounds, "real": self.link.real}
        arrays = {key: value for _, found in made.values() for key, value in found.items()}
        return [frame({**header, **{name: told for name, (told, _) in made.items()}}, arrays)]

    def close(self) -> None:
        """The visitor has left."""
        for game in self.games:
            game.close()


def open_seat(link: dict[str, Any], room: Room) -> Seat:
    """The bumps as a link has them; the rounds that it holds are played anew.

    Raises:
        RecipeError: for a link that holds something else.
    """
    return Seat(read_link(Link, link, "bumps"))
