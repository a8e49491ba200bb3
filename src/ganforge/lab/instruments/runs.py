"""Instrument 7: every run of a folder, live: its curves, its grids of samples, its findings, and another beside it."""

import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass as message
from torch import Tensor

from ganforge.diagnosis import read_trace
from ganforge.errors import GanforgeError, RecipeError
from ganforge.io.folder import RunFolder
from ganforge.lab.frames import frame
from ganforge.lab.instruments import Room
from ganforge.lab.links import read_link
from ganforge.lab.messages import STRICT
from ganforge.lab.workshop import WORKSHOP, offered

__all__ = ["MESSAGES", "TITLE", "Link", "Seat", "curves", "listed", "open_seat"]

TITLE = "Runs"
MOST, POINTS = 200, 400  # runs listed; points of a curve that is drawn
LARGEST = 4_000_000  # bytes of a grid of samples
LONGEST = 64_000_000  # bytes of a log that is read
EVERY = 0.5  # seconds between two looks at the folder
SERIES = ("loss_discriminator", "loss_generator", "d_real", "d_fake", "gradient_norm_generator")

Name = Annotated[str, Field(max_length=200)]


@message(frozen=True, kw_only=True, config=STRICT)
class Link:
    """The whole state: the run that is looked at, one beside it, and which grid (images seen; None: the latest)."""

    run: Name | None = None
    other: Name | None = None
    at: Annotated[int, Field(ge=0)] | None = None


@message(frozen=True, kw_only=True, config=STRICT)
class Look:
    """At another run or grid."""

    kind: Literal["look"]
    run: Name | None
    other: Name | None
    at: Annotated[int, Field(ge=0)] | None


@message(frozen=True, kw_only=True, config=STRICT)
class Train:
    """Begin a run of a named recipe."""

    kind: Literal["train"]
    recipe: Annotated[str, Field(max_length=80)]
    name: Annotated[str, Field(max_length=80)]


@message(frozen=True, kw_only=True, config=STRICT)
class Resume:
    """Go on with a run."""

    kind: Literal["resume"]
    run: Name


@message(frozen=True, kw_only=True, config=STRICT)
class Treat:
    """Train a run's recipe anew with what one of its findings proposes."""

    kind: Literal["treat"]
    run: Name
    remedy: Name


@message(frozen=True, kw_only=True, config=STRICT)
class Stop:
    """Stop what was begun here."""

    kind: Literal["stop"]


@message(frozen=True, kw_only=True, config=STRICT)
class Recipe:
    """The recipe of the run that is looked at, please."""

    kind: Literal["recipe"]


MESSAGES: dict[str, type] = {
    "recipe": Recipe, "look": Look, "train": Train, "resume": Resume, "treat": Treat, "stop": Stop,
}  # fmt: skip


def listed(folder: Path | None) -> list[str]:
    """The names of the runs of a folder."""
    if folder is None:
        return []
    return [p.name for p in sorted(folder.iterdir()) if not p.is_symlink() and (p / "recipe.toml").is_file()][:MOST]


def curves(path: Path) -> dict[str, Any]:
    """A run's curves over images seen, thinned out to 400 points, its metrics, findings and grids.

    Raises:
        CheckpointError: if a line of its log is altered.
    """
    run = RunFolder(path)
    if any((path / f"{kind}.jsonl").exists() and (path / f"{kind}.jsonl").stat().st_size > LONGEST
           for kind in ("ticks", "evaluations")):  # fmt: skip
        raise RecipeError(f"the log of {path.name} is too long for the lab; use its report.html")
    trace = read_trace(path)
    step = max(1, -(-len(trace.images) // POINTS))
    kept = slice((len(trace.images) - 1) % step, None, step)  # the last one is among them
    return {
        "name": path.name,
        "planned": trace.setting("train.images"),
        "images": trace.images[kept].tolist(),
        "series": {name: trace[name][kept].tolist() for name in SERIES},
        "metrics": {name: [list(point) for point in points] for name, points in trace.judgements.items()},
        "findings": [
            {"images": r["images"], "name": r["finding"], "text": r["text"], "remedy": r.get("remedy", "")}
            for r in run.records("findings")
        ],
        "grids": [int(grid.stem) for grid in run.samples()],
        "resumable": run.latest() is not None,
    }


@dataclass
class Seat:
    """A visitor's look at the folder."""

    link: Link
    room: Room
    busy: bool = field(default=False, init=False)
    wake: float = field(default=0.0, init=False)
    seen: Any = field(default=None, init=False)
    looked: float = field(default=0.0, init=False)

    def receive(self, said: Any) -> list[dict[str, Any]]:
        """Look elsewhere, begin, go on, treat or stop; or give the recipe of what is looked at."""
        if said.kind == "recipe":
            name = self.there(self.link).run
            if name is None:
                raise RecipeError("no run is chosen; choose the one whose recipe you want")
            return [{"kind": "recipe", "texts": [(self.folder / name / "recipe.toml").read_text()]}]
        if said.kind == "look":
            link = Link(**{key: value for key, value in asdict(said).items() if key != "kind"})
            self.link = self.there(link)
        elif said.kind == "train":
            WORKSHOP.train(said.recipe, self.folder, said.name)
            self.link = Link(run=said.name, other=self.link.other)
        elif said.kind == "resume":
            WORKSHOP.resume(self.folder / str(self.there(Link(run=said.run)).run))
        elif said.kind == "treat":
            self.there(Link(run=said.run))
            self.link = Link(run=WORKSHOP.treat(self.folder / said.run, said.remedy), other=said.run)
        else:
            WORKSHOP.stop()
        self.looked = 0.0
        self.seen = None
        return [self.state()]

    @property
    def folder(self) -> Path:
        """The folder of runs.

        Raises:
            RecipeError: if there is none.
        """
        if self.room.runs is None:
            raise RecipeError("the lab was opened without a folder of runs; open it with --runs FOLDER")
        return self.room.runs

    def there(self, link: Link) -> Link:
        """The link, if its runs are there.

        Raises:
            RecipeError: if one isn't.
        """
        names = listed(self.room.runs)
        if missing := [name for name in (link.run, link.other) if name is not None and name not in names]:
            raise RecipeError(f"there is no run {missing[0][:60]!r}; choose one of the list")
        return link

    def state(self) -> dict[str, Any]:
        """What the controls show."""
        folder = self.room.runs
        return {"kind": "state", "link": asdict(self.link), "recipes": list(offered()), "folder": folder is not None}

    def advance(self, seconds: float) -> list[dict[str, Any]]:
        """The folder is looked at where frames are made."""
        return []

    def traces(self) -> Any:
        """What changes with whatever there is to show."""
        found: list[Any] = [listed(self.room.runs), WORKSHOP.words, self.link]
        for name in (self.link.run, self.link.other):
            if name is not None and self.room.runs is not None:
                path = self.room.runs / name
                files = [path / f"{kind}.jsonl" for kind in ("ticks", "evaluations", "findings")]
                found.append([(f.stat().st_mtime_ns, f.stat().st_size) if f.exists() else None for f in files])
                found.append(len(list((path / "samples").glob("*.png"))))
        return found

    def frames(self) -> list[bytes]:
        """Everything, where something has changed; looked for twice a second."""
        now = time.perf_counter()
        if now - self.looked < EVERY:
            return []
        self.looked = now
        if (traces := self.traces()) == self.seen:
            return []
        self.seen = traces
        names, arrays, shown = listed(self.room.runs), dict[str, Tensor](), dict[str, Any]()
        problem = ""
        for which, name in (("run", self.link.run), ("other", self.link.other)):
            if name in names and self.room.runs is not None:
                try:
                    shown[which] = curves(self.room.runs / str(name))
                except GanforgeError as error:
                    problem = str(error)
                    continue
                grids = shown[which]["grids"]
                at = max((g for g in grids if self.link.at is None or g <= self.link.at), default=None)
                shown[which]["at"] = at
                if at is not None:
                    arrays[which] = picture(RunFolder(self.room.runs / str(name)).sample(at))
        header = {
            "link": asdict(self.link),
            "runs": names,
            "shown": shown,
            "problem": problem,
            "working": WORKSHOP.busy,
            "words": WORKSHOP.words,
            "own": WORKSHOP.run.name if WORKSHOP.run is not None else None,
        }
        return [frame(header, arrays)]

    def close(self) -> None:
        """What was begun goes on."""


def picture(path: Path) -> Tensor:
    """The bytes of a grid's PNG; none of one that is too large."""
    data = path.read_bytes() if path.stat().st_size <= LARGEST else b""
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)


def open_seat(link: dict[str, Any], room: Room) -> Seat:
    """The runs of a link; without one, the latest that was written to.

    Raises:
        RecipeError: for a link that holds something else, or a run that isn't there.
    """
    seat = Seat(read_link(Link, link, "runs"), room)
    names = listed(room.runs)
    if not link and names and room.runs is not None:
        folder = room.runs
        seat.link = replace(seat.link, run=max(names, key=lambda name: (folder / name).stat().st_mtime))
    seat.there(seat.link)
    return seat
