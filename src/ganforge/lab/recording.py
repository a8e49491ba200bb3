"""A whole training, played once and kept: what an instrument shows that has a scrubber instead of a play button.

The same settings give the same recording, so the latest are kept for whoever asks for them again. All of it is on the
worker's thread.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganforge.diagnosis import Finding
from ganforge.lab.limits import recipe_of
from ganforge.lab.play import Play, begin
from ganforge.latent import seeded

__all__ = ["KEPT", "Recording", "recorded"]

KEPT = 48  # recordings
SHOWN = 400  # fakes that are kept of each look
LOOKS = 10  # rounds between two looks
SEED = 2**34  # of the latents that are looked at
_RECORDINGS: OrderedDict[tuple[Any, ...], "Recording"] = OrderedDict()

Look = Callable[[Play, Tensor], dict[str, Any]]


def nothing(play: Play, fakes: Tensor) -> dict[str, Any]:
    """No figures but the tick's own."""
    return {}


@dataclass
class Recording:
    """A game under way to its last round.

    Attributes:
        settings: changes of the lab's base recipe.
        rounds: how many it has.
        look: figures of the game and of `count` fakes, at the beginning and at every tick.
        rows: the ticks' records with those figures; the first is the beginning and has nothing else.
        shots: fakes at each of them, (400, 2).
        findings: what the doctor finds at the last tick.
    """

    settings: tuple[str, ...]
    rounds: int
    look: Look = nothing
    count: int = SHOWN
    rows: list[dict[str, Any]] = field(default_factory=list)
    shots: list[Tensor] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    play: Play | None = None
    ended: str = ""

    def __post_init__(self) -> None:
        self.play = begin(recipe_of(list(self.settings)))
        z_dim = int(self.play.state.players["generator"].z_dim)  # type: ignore[arg-type]
        mixture = self.play.plan.source.mixture
        self.modes = [] if mixture is None else mixture.means.tolist()
        self.z = torch.randn(self.count, z_dim, generator=seeded(torch.Generator(), SEED))
        self.keep(self.play, {"round": 0})

    @property
    def done(self) -> bool:
        """Whether its last round is played, or no other can be."""
        return self.play is None

    @property
    def played(self) -> int:
        """Rounds so far."""
        return int(self.rows[-1]["round"])

    @property
    def progress(self) -> tuple[int, bool]:
        """Ticks so far, and whether it is done: several seats may look at one recording, and each goes on with it."""
        return len(self.rows), self.done

    def advance(self, seconds: float) -> None:
        """Go on for about so long."""
        start = time.perf_counter()
        while self.play is not None and time.perf_counter() - start < seconds:
            ticks = len(self.play.rows)
            self.play.play_one()
            if len(self.play.rows) > ticks:
                self.keep(self.play, self.play.rows[-1])
            if self.play.ended or self.play.rounds >= self.rounds:
                self.finish(self.play)

    @torch.no_grad()
    def keep(self, play: Play, row: dict[str, Any]) -> None:
        """A tick."""
        fakes = play.state.players["generator"](self.z).nan_to_num(99.0).clamp(-99, 99)
        self.shots.append(fakes[:SHOWN])
        self.rows.append({**row, **self.look(play, fakes)})

    def finish(self, play: Play) -> None:
        """Let the game go; what was recorded stays."""
        self.findings, self.ended = play.doctor.present, play.ended
        play.close()
        self.play = None

    def series(self, name: str) -> Tensor:
        """A figure at every tick, (T,) float32; NaN where there is none."""
        values = [row.get(name) for row in self.rows]
        return torch.tensor([float("nan") if value is None else value for value in values], dtype=torch.float32)

    def found(self) -> list[dict[str, Any]]:
        """The doctor's findings, as a page lists them."""
        present = self.findings if self.play is None else self.play.doctor.present
        return [
            {"name": f.name, "certainty": f.certainty, "text": f.text, "remedy": f.remedy, "since": f.since}
            for f in present
        ]


def recorded(settings: tuple[str, ...], rounds: int, look: Look = nothing, count: int = SHOWN) -> Recording:
    """The recording of these settings: one that was made, or a new one at its beginning.

    Raises:
        RecipeError: if the settings make no game of the lab.
    """
    key = (settings, rounds, look, count)
    found = _RECORDINGS.pop(key, None) or Recording(settings, rounds, look, count)
    _RECORDINGS[key] = found
    while len(_RECORDINGS) > KEPT:
        _, oldest = _RECORDINGS.popitem(last=False)
        if oldest.play is not None:
            oldest.finish(oldest.play)
    return found
