"""A recipe and its state, played by the toolkit's own rounds and updates, with what a reader's hand does in between."""

import json
import tomllib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from ganforge.data import Stream
from ganforge.diagnosis import Finding
from ganforge.doctor import Doctor
from ganforge.errors import DivergenceError, RecipeError
from ganforge.lab.limits import checked
from ganforge.plan import Plan, build
from ganforge.probe import Probe
from ganforge.recipe import Recipe, override
from ganforge.train import TrainState, average, play_discriminator, play_round, read_tick, update

__all__ = ["MOST_EVENTS", "Play", "begin", "carried", "change", "prepared", "recipe_text", "settle", "step", "turn"]

ROWS = 400  # ticks that the doctor looks back on
KEPT = 100  # ticks kept
MOST_EVENTS = 200  # changes by hand that a link can hold
OF_DATA = ("trained", "held_out", "anchors", "reals", "faults")  # what a probe knows of the data alone
DATA_KEPT = 16  # data whose probes are remembered: a first look draws a million points
PLAYERS = ("generator", "discriminator")
RESTART = ("data", "generator", "discriminator")  # sections without which a game is another one

Event = tuple[int, str, str]
"""(round, "set" or a player's name, the setting or the number of updates): what a hand did before that round."""


@dataclass
class Play:
    """A game in progress and how it came about.

    Attributes:
        recipe, plan, state: what is played, as the toolkit has it.
        stream: the real samples from here on.
        start: the recipe that it began with.
        rounds: whole rounds played.
        history: what was done by hand since, in order.
        script: what a link says was done by hand and is yet to come, in order.
        pieces: the last batch, for a generator's update on its own.
        averaged: images seen at the average's last update.
        rows: the latest ticks' records.
        doctor, probe: as in a run.
        ended: why it can't go on, in a sentence; empty while it can.
    """

    recipe: Recipe
    plan: Plan
    state: TrainState
    stream: Stream
    start: Recipe
    doctor: Doctor
    probe: Probe
    rounds: int = 0
    history: list[Event] = field(default_factory=list)
    script: list[Event] = field(default_factory=list)
    pieces: list[tuple[Any, ...]] = field(default_factory=list)
    averaged: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    ended: str = ""

    def play_one(self) -> list[Finding]:
        """One round; or, where the link says that something was done by hand before it, one such thing. The findings of
        a tick that came due."""
        if self.scripted:
            return self.follow_script()
        number = self.state.images // self.plan.training.tick
        with self.state.randomness(self.plan.device):
            play_round(self.plan, self.state, self.stream)
        self.rounds += 1
        self.pieces, self.averaged = [], self.state.images
        return self.tick_after(number)

    @property
    def scripted(self) -> bool:
        """Whether something was done by hand before the next round."""
        return bool(self.script) and self.script[0][0] <= self.rounds and not self.ended

    def follow_script(self) -> list[Finding]:
        """The next thing that was done by hand: a setting, or one update."""
        number, what, text = self.script.pop(0)
        if what == "set":
            change(self, [text])
            return []
        if int(text) > 1:
            self.script.insert(0, (number, what, str(int(text) - 1)))
        return step(self, what)

    def tick_after(self, number: int) -> list[Finding]:
        """A tick's record and findings, if one came due since the images were in that interval."""
        if self.state.images // self.plan.training.tick == number:
            return []
        try:
            tick = read_tick(self.plan, self.state)
        except DivergenceError as error:
            self.ended = str(error)
            return [self.doctor.certifies({"images": self.state.images, "skipped": 3.0, "bad": error.bad})]
        every, index = self.plan.recording.probe, tick.images // self.plan.training.tick
        look = prepared(self.probe).look(self.state) if every and (tick.since == 0 or index % every == 0) else {}
        record = {"images": tick.images, **tick.figures, **({"bad": tick.bad} if tick.bad else {}), **look}
        self.rows.append({**record, "round": self.rounds})
        del self.rows[:-KEPT]
        found = self.doctor.hears(record)
        del self.doctor.rows[:-ROWS]
        return found

    def note(self, what: str, text: str) -> None:
        """Write down what a hand did; the same player's updates one after another are one line."""
        last = self.history[-1] if self.history else (-1, "", "")
        if what != "set" and last[:2] == (self.rounds, what):
            self.history[-1] = (self.rounds, what, str(int(last[2]) + int(text)))
        else:
            self.history.append((self.rounds, what, text))

    def close(self) -> None:
        """Let the data go."""
        self.stream.close()


def begin(recipe: Recipe, script: list[Event] | None = None) -> Play:
    """A game at its beginning.

    Raises:
        RecipeError: if the recipe can't be built.
    """
    plan = in_the_plane(build(recipe))
    doctor = Doctor(tomllib.loads(plan.toml))
    return Play(
        recipe, plan, TrainState.start(plan), plan.stream(position=0), recipe, doctor, Probe(plan),
        script=sorted(script or [], key=lambda event: event[0]),
    )  # fmt: skip


_KNOWN: OrderedDict[str, dict[str, Any]] = OrderedDict()


def prepared(probe: Probe) -> Probe:
    """A probe that knows the data: it asks them once for all games on them."""
    if "reals" in vars(probe):
        return probe
    key = json.dumps(probe.plan.parts["data"].values, default=repr)
    known = _KNOWN.pop(key, None) or {name: getattr(probe, name) for name in OF_DATA}
    vars(probe).update(known)
    _KNOWN[key] = known
    while len(_KNOWN) > DATA_KEPT:
        _KNOWN.popitem(last=False)
    return probe


def step(play: Play, player: str) -> list[Finding]:
    """One update of one player alone, by hand. One of each, the discriminator's first, is a round of the two."""
    number = play.state.images // play.plan.training.tick
    turn(play, player)
    if player == "generator":
        settle(play)
    play.note(player, "1")
    return play.tick_after(number)


def turn(play: Play, player: str) -> None:
    """An update of a player: the discriminator's on the next batch, the generator's on the last one."""
    plan, state = play.plan, play.state
    with state.randomness(plan.device):
        if player == "discriminator":
            play.pieces = play_discriminator(plan, state, play.stream)
        else:
            play.pieces = play.pieces or [(play.stream.next(), None)]
            update(plan, state, "generator", play.pieces)
            play.pieces = [(batch, None) for batch, _ in play.pieces]
        state.position = play.stream.position


def settle(play: Play) -> None:
    """The average's update, by the images seen since its last one."""
    state, new = play.state, play.state.images - play.averaged
    average(state.ema, state.players["generator"], play.plan.averaging, seen=state.images, new=new)
    play.averaged = state.images


def change(play: Play, settings: list[str]) -> bool:
    """Change the recipe while the game goes on; True if that made it another game, which begins anew.

    Raises:
        RecipeError: if the changed recipe can't be built; then nothing is changed.
    """
    recipe = checked(override(play.recipe, settings))
    plan = in_the_plane(build(recipe))
    if another(play.plan, plan):
        fresh = begin(recipe)
        play.close()
        vars(play).update(vars(fresh))
        return True
    state = carried(plan, play.state, play.plan)
    for setting in settings:
        play.note("set", setting)
    play.recipe, play.plan, play.state, play.probe = recipe, plan, state, Probe(plan)
    play.doctor = Doctor(tomllib.loads(plan.toml))
    if not play.rounds and not any(state.turns.values()):
        play.start, play.history = recipe, []
    return False


def in_the_plane(plan: Plan) -> Plan:
    """The plan, if its samples can be drawn.

    Raises:
        RecipeError: if they aren't points with two coordinates.
    """
    if plan.source.shape != (2,):
        raise RecipeError(
            f"data: these points have {plan.source.shape[0]} coordinates; the lab draws the plane, give 2"
        )
    return plan


def another(before: Plan, after: Plan) -> bool:
    """Whether a changed recipe makes another game: other data, networks, seed or batches."""

    def fixed(plan: Plan) -> Any:
        game = plan.parts["game"].values.get("pack", 1)
        return [plan.parts[key].values for key in RESTART], plan.training.seed, plan.training.batch, game

    return bool(fixed(before) != fixed(after))


def carried(plan: Plan, state: TrainState, before: Plan) -> TrainState:
    """A game's state in a changed plan, its own copy: weights, random states and position as they are; the moments of
    an optimiser that is another now, and the memory of parts that are new, begin anew."""
    new = TrainState.start(plan)
    kept, known = state.tensors(), new.tensors()
    for player in PLAYERS:
        key = f"optimizer.{player}"
        if plan.parts[key].values["name"] != before.parts[key].values["name"]:
            kept = {name: value for name, value in kept.items() if not name.startswith(f"{key}.")}
    kept = {
        name: value
        for name, value in kept.items()
        if not name.startswith("memory.") or (name in known and known[name].shape == value.shape)
    }
    record = state.record()
    copied = {name: dict(value) if isinstance(value, dict) else value for name, value in record.items()}
    new.restore({name: value.clone() for name, value in kept.items()}, copied)
    return new


def recipe_text(play: Play) -> str:
    """The recipe as TOML for `ganforge train`: it ends where this game stands, so it replays the same run to here."""
    images = max(play.state.images, play.plan.training.batch)
    plan = build(override(play.recipe, [f"train.images={images}"]))
    lines = ["# from the lab"]
    if play.history:
        lines.append("# played by hand as well, so training it from the start is another run than the one seen:")
        lines += [f"# round {number}: {what} {text}" for number, what, text in play.history[-MOST_EVENTS:]]
    return "\n".join([*lines, plan.toml])
