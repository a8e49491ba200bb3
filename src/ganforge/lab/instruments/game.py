"""Instrument 1: a game in the plane, or two of them side by side from one seed with a setting changed."""

import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass as message

from ganforge.errors import RecipeError
from ganforge.lab.catalogue import changes, settings_of
from ganforge.lab.frames import frame
from ganforge.lab.instruments import Room
from ganforge.lab.limits import BASE, checked, recipe_of
from ganforge.lab.links import read_link
from ganforge.lab.messages import STRICT, Event, Stated
from ganforge.lab.play import MOST_EVENTS, begin, change, prepared, recipe_text, step
from ganforge.lab.readings import readings
from ganforge.lab.table import LAYERS, Table
from ganforge.plan import build
from ganforge.recipe import override

__all__ = ["MESSAGES", "TITLE", "Link", "Seat", "open_seat", "warm"]

TITLE = "The 2-D game"
STAGE_SECONDS = 1.25  # a stage of an update in slow motion, at speed 1
MOST_WAITING = 32  # step messages whose steps aren't done yet
MOST_STEPS = 500  # updates or rounds that one message may ask for


@message(frozen=True, kw_only=True, config=STRICT)
class Link:
    """The whole state of this instrument, as a link holds it: how the game began, and what was done by hand since."""

    settings: Stated = ()
    script: Annotated[tuple[Event, ...], Field(max_length=MOST_EVENTS)] = ()
    compare: Stated | None = None


@message(frozen=True, kw_only=True, config=STRICT)
class Set:
    """Change the recipe: dotted.key=value, one or more at once."""

    kind: Literal["set"]
    settings: Stated


@message(frozen=True, kw_only=True, config=STRICT)
class Compare:
    """A second game from the same seed with these settings changed; none: only one game. Both begin anew."""

    kind: Literal["compare"]
    settings: Stated | None


@message(frozen=True, kw_only=True, config=STRICT)
class Start:
    """Play, or pause."""

    kind: Literal["play"]
    on: bool


@message(frozen=True, kw_only=True, config=STRICT)
class Step:
    """So many updates of one player, or rounds of both."""

    kind: Literal["step"]
    what: Literal["generator", "discriminator", "both"]
    count: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 1


@message(frozen=True, kw_only=True, config=STRICT)
class Pace:
    """Rounds a second, 0 for as many as there can be; and whether updates are shown in their stages."""

    kind: Literal["pace"]
    rounds: Annotated[float, Field(ge=0, le=1000)]
    slow: bool


@message(frozen=True, kw_only=True, config=STRICT)
class Layers:
    """Which layers are drawn, so that no other is computed; whether fakes come from the averaged generator."""

    kind: Literal["layers"]
    names: Annotated[tuple[Literal[LAYERS], ...], Field(max_length=len(LAYERS))]
    average: bool = False


@message(frozen=True, kw_only=True, config=STRICT)
class Ask:
    """What D says of one place."""

    kind: Literal["ask"]
    x: Annotated[float, Field(allow_inf_nan=False)]
    y: Annotated[float, Field(allow_inf_nan=False)]


@message(frozen=True, kw_only=True, config=STRICT)
class Plain:
    """reset, stage (on to the next one), recipe, data: no more to say."""

    kind: Literal["reset", "stage", "recipe", "data"]


MESSAGES: dict[str, type] = {
    "set": Set, "compare": Compare, "play": Start, "step": Step, "pace": Pace, "layers": Layers, "ask": Ask,
    "reset": Plain, "stage": Plain, "recipe": Plain, "data": Plain,
}  # fmt: skip


@dataclass
class Seat:
    """A visitor's game.

    Attributes:
        tables: one game, or two.
        compare: what the second has otherwise.
        playing, pace, slow: as the page set them.
        due: when the next round, or the next stage, is due.
        left: updates or rounds that a step still has to do.
        cold: whether the data still have to be asked what a first tick wants to know; that waits for the first picture.
        news: what is to be said beside answers.
    """

    tables: list[Table]
    compare: tuple[str, ...] | None = None
    playing: bool = False
    pace: float = 0.0
    slow: bool = False
    due: float = 0.0
    left: list[tuple[str, int]] = field(default_factory=list)
    fresh: bool = True
    cold: bool = True
    news: list[dict[str, Any]] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        return self.playing or bool(self.left) or self.uncharted or self.cold

    @property
    def wake(self) -> float:
        """Rounds and stages come by the clock where a pace is set."""
        return self.due if self.playing and not self.uncharted else 0.0

    @property
    def uncharted(self) -> bool:
        """Whether a tick has come whose readings are still to be taken: after the picture, which is waited for."""
        return any(table.behind for table in self.tables)

    def chart(self) -> None:
        """Take the readings that are due, before anything changes what they are of."""
        for number, table in enumerate(self.tables):
            self.news += [{"kind": "tick", "game": number, **row} for row in table.charted()]

    def receive(self, message: Any) -> list[dict[str, Any]]:
        """Do what a message says."""
        self.chart()
        said = getattr(self, f"do_{message.kind}")(message)
        self.fresh = True
        return [*said, *self.told()]

    def told(self) -> list[dict[str, Any]]:
        """What there is to say, once."""
        news, self.news = self.news, []
        return news

    def state(self) -> dict[str, Any]:
        """What the page's controls show, and what a link to this holds."""
        play = self.tables[0].play
        return {
            "kind": "state",
            "values": settings_of(play.plan),
            "link": self.link(),
            "playing": self.playing,
            "pace": self.pace,
            "slow": self.slow,
            "round": play.rounds,
            "games": [table.description() for table in self.tables],
            "ended": next((table.play.ended for table in self.tables if table.play.ended), ""),
        }

    def link(self) -> dict[str, Any]:
        """See `Link`."""
        play = self.tables[0].play
        script = [*play.history, *play.script][:MOST_EVENTS]
        return {
            "settings": changes(play.start.sections),
            "script": [list(event) for event in script],
            "compare": None if self.compare is None else list(self.compare),
        }

    def do_set(self, message: Set) -> list[dict[str, Any]]:
        """Change the first game, and the second with it, but for what it has otherwise. All or nothing."""
        settings = list(message.settings)
        for table in self.tables[1:]:  # refused before anything is changed
            build(checked(override(table.play.recipe, [*settings, *(self.compare or ())])))
        anew = [change(self.tables[0].play, settings)]
        for table in self.tables[1:]:
            anew.append(change(table.play, [*settings, *(self.compare or ())]))
        if any(anew) and not all(anew):
            self.restart()
        for table in self.tables:
            table.look_anew()
        return [self.state()]

    def do_compare(self, message: Compare) -> list[dict[str, Any]]:
        """Two games, or one again."""
        recipe = self.tables[0].play.recipe
        second = None if message.settings is None else begin(checked(override(recipe, message.settings)))
        self.close_others()
        self.compare = message.settings
        self.tables[0].restart(begin(recipe))
        if second is not None:
            self.tables.append(Table(second))
        return [self.state()]

    def do_reset(self, message: Plain) -> list[dict[str, Any]]:
        """Back to the beginning of what is set now."""
        self.restart()
        return [self.state()]

    def restart(self) -> None:
        """All games from their beginning, as they are set now."""
        self.left = []
        for table in self.tables:
            table.restart(begin(table.play.recipe))

    def do_play(self, message: Start) -> list[dict[str, Any]]:
        """Go, or stand still."""
        self.playing, self.due, self.left = message.on, time.perf_counter(), []
        return [self.state()]

    def do_pace(self, message: Pace) -> list[dict[str, Any]]:
        """How fast."""
        self.pace, self.slow, self.due = message.rounds, message.slow, time.perf_counter()
        if not self.slow:
            for table in self.tables:
                table.end_stages()
        return [self.state()]

    def do_step(self, message: Step) -> list[dict[str, Any]]:
        """Single updates; the game stands still otherwise. Its state is told once they are done."""
        self.playing = False
        for table in self.tables:
            table.end_stages()
        if len(self.left) >= MOST_WAITING:
            raise RecipeError("the steps before aren't done yet; wait a moment")
        self.left.append((message.what, message.count))
        return []

    def step_once(self) -> None:
        """One of the updates that are left to do, of each game."""
        what, count = self.left.pop(0)
        before = self.tables[0].play.rounds
        for table in self.tables:
            if not table.play.ended:
                self.hear(table, table.play.play_one() if what == "both" else step(table.play, what))
        done = what != "both" or self.tables[0].play.rounds > before  # else it was something from a link's script
        if all(table.play.ended for table in self.tables):
            self.left = []
        elif count > done:
            self.left.insert(0, (what, count - done))
        if not self.left:
            self.news.append(self.state())

    def do_stage(self, message: Plain) -> list[dict[str, Any]]:
        """On to the next stage."""
        self.next_stage()
        return []

    def next_stage(self) -> None:
        """Of every game."""
        for table in self.tables:
            if not table.play.ended:
                self.hear(table, table.next_stage())

    def do_layers(self, message: Layers) -> list[dict[str, Any]]:
        """What is drawn."""
        for table in self.tables:
            table.layers, table.average = frozenset(message.names), message.average
        return []

    def do_ask(self, message: Ask) -> list[dict[str, Any]]:
        """D at one place, and where a fake there would be sent."""
        games = [table.answer(torch.tensor([[message.x, message.y]])) for table in self.tables]
        return [{"kind": "answer", "x": message.x, "y": message.y, "games": games}]

    def do_recipe(self, message: Plain) -> list[dict[str, Any]]:
        """The recipes of the games as TOML."""
        return [{"kind": "recipe", "texts": [recipe_text(table.play) for table in self.tables]}]

    def do_data(self, message: Plain) -> list[dict[str, Any]]:
        """All that was charted, and the points that are drawn, as CSV."""
        return [{"kind": "data", "games": [table.csv() for table in self.tables]}]

    def hear(self, table: Table, found: list[Any]) -> None:
        """Say what the doctor found."""
        number = self.tables.index(table)
        for finding in found:
            self.news.append({"kind": "finding", "game": number, "text": finding.text, "name": finding.name,
                              "remedy": finding.remedy, "round": table.play.rounds})  # fmt: skip
        if table.play.ended and self.playing:
            self.playing = False
            self.news.append(self.state())

    def advance(self, seconds: float) -> list[dict[str, Any]]:
        """Rounds of all games in turn, as many as fit and are due; a tick's is the last, so that it is drawn first."""
        start = now = time.perf_counter()
        if self.cold and not self.fresh:
            self.cold = False
            for table in self.tables:
                prepared(table.play.probe)
        self.chart()
        while self.left and now - start < seconds and not self.uncharted:
            self.fresh = True
            self.step_once()
            now = time.perf_counter()
        while self.playing and now - start < seconds and now >= self.due and not self.uncharted:
            self.fresh = True
            if self.slow:
                self.next_stage()
                behind = any(table.play.scripted for table in self.tables)
                self.due = now if behind else now + STAGE_SECONDS / max(self.pace or 1.0, 0.1)
            else:
                for table in self.tables:
                    if not table.play.ended:
                        self.hear(table, table.play.play_one())
                self.due = max(self.due + 1 / self.pace, now - 0.1) if self.pace else 0.0
            now = time.perf_counter()
        return self.told()

    def frames(self) -> list[bytes]:
        """A frame of each game."""
        if not self.fresh:
            return []
        self.fresh = False
        made = [table.picture() for table in self.tables]
        return [frame({"game": n, **header}, arrays) for n, (header, arrays) in enumerate(made)]

    def close_others(self) -> None:
        """Only the first game stays."""
        for table in self.tables[1:]:
            table.play.close()
        del self.tables[1:]

    def close(self) -> None:
        """The visitor has left."""
        for table in self.tables:
            table.play.close()


def warm() -> None:
    """Play the default game for a round, and look at it: what is slow the first time has been done then."""
    table = Table(begin(BASE), frozenset(LAYERS))
    prepared(table.play.probe)
    table.play.play_one()
    table.picture()
    readings(table.scenery, table.play.state)
    table.play.close()


def sound(event: tuple[int, str, str]) -> bool:
    """Whether a link's event is a setting, or a number of updates."""
    _, what, text = event
    return "=" in text if what == "set" else text.isascii() and text.isdigit() and 0 < int(text[:9]) <= 10_000


def open_seat(link: dict[str, Any], room: Room) -> Seat:
    """A game as a link has it.

    Raises:
        RecipeError: for a link that holds something else, or a game that can't be built.
    """
    state: Link = read_link(Link, link, "game")
    if wrong := [e for e in state.script if not sound(e)]:
        raise RecipeError(f"this link's script holds {wrong[0]!r:.60}, which nobody can do by hand")
    recipe = recipe_of(list(state.settings))
    seat = Seat([Table(begin(recipe, list(state.script)))])
    if state.compare is not None:
        seat.compare = state.compare
        seat.tables.append(Table(begin(checked(override(recipe, state.compare)), list(state.script))))
    return seat
