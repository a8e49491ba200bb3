"""Instrument 5: from one code of a trained generator to another, straight on and by the turn that keeps the length.

Generators are those of the folder of runs, and one of handwritten digits that the lab trains itself, small and for half
a minute, in the background.
"""

import math
import time
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass as message
from torch import Tensor

from ganforge.edit.store import Directions, load_directions
from ganforge.errors import CheckpointError, GanforgeError, RecipeError
from ganforge.io.folder import RunFolder
from ganforge.lab.frames import frame
from ganforge.lab.instruments import Room
from ganforge.lab.links import read_link
from ganforge.lab.messages import STRICT
from ganforge.lab.table import sheet
from ganforge.latent import bilinear, expected_norm, lerp, positions, slerp
from ganforge.plan import build
from ganforge.recipe import load_recipe, override
from ganforge.sample import Sampler, find_checkpoint, latents, load, settled
from ganforge.state import TrainState
from ganforge.train import play_round
from ganforge.walking import asked, decoded

__all__ = ["MESSAGES", "TITLE", "WAYS", "Lesson", "Link", "Seat", "named", "open_seat", "runs_in"]

TITLE = "Latent walk"
WAYS = {"lerp": lerp, "slerp": slerp}
STRIP, SIDE, CURVE = 9, 5, 49  # images of a strip, of a side of the grid; points of the curve of |z|
LARGEST = 64  # pixels of a side
OWN = ""  # the name of the lab's own generator
LESSON = 150_000  # images that it learns from
MOST_RUNS = 200
MOST_DIRECTIONS, FARTHEST = 12, 6.0  # sliders, and how many standard deviations one reaches

Code = Annotated[int, Field(ge=0, le=10**9)]
Along = Annotated[
    tuple[Annotated[float, Field(ge=-FARTHEST, le=FARTHEST, allow_inf_nan=False)], ...],
    Field(max_length=MOST_DIRECTIONS),
]


@message(frozen=True, kw_only=True, config=STRICT)
class Link:
    """The whole state: which run, four codes by their seeds (the first two are walked between), where on the way, how
    long the latents are in units of their own length, which class they are asked for (None: each seed's own), and how
    far all of them are moved along each of the run's directions, in standard deviations (none is 0)."""

    run: Annotated[str, Field(max_length=200)] = OWN
    seeds: tuple[Code, Code, Code, Code] = (1, 7, 23, 5)
    t: Annotated[float, Field(ge=0, le=1)] = 0.5
    size: Annotated[float, Field(ge=0, le=2)] = 1.0
    label: Annotated[int, Field(ge=0, le=100_000)] | None = None
    along: Along = ()


@message(frozen=True, kw_only=True, config=STRICT)
class Go:
    """Elsewhere."""

    kind: Literal["go"]
    run: Annotated[str, Field(max_length=200)]
    seeds: tuple[Code, Code, Code, Code]
    t: Annotated[float, Field(ge=0, le=1)]
    size: Annotated[float, Field(ge=0, le=2)]
    label: Annotated[int, Field(ge=0, le=100_000)] | None
    along: Along = ()


@message(frozen=True, kw_only=True, config=STRICT)
class Take:
    """The recipe that the generator was trained by, or the codes of the walk, please."""

    kind: Literal["recipe", "data"]


MESSAGES: dict[str, type] = {"go": Go, "recipe": Take, "data": Take}


def runs_in(folder: Path | None) -> list[str]:
    """The names of the runs of a folder that have a checkpoint."""
    if folder is None:
        return []
    found = [path for path in sorted(folder.iterdir()) if (path / "recipe.toml").is_file() and not path.is_symlink()]
    return [path.name for path in found[:MOST_RUNS] if RunFolder(path).latest() is not None]


def named(folder: Path | None, name: str) -> Sampler:
    """The generator of a run of the folder.

    Raises:
        RecipeError: if there is none of that name, or its samples can't be shown.
        CheckpointError: if it is broken.
    """
    if folder is None or name not in runs_in(folder):
        raise RecipeError(f"there is no run {name[:60]!r} with a checkpoint; choose one of the list")
    sampler = _loaded(find_checkpoint(folder / name))
    if len(sampler.shape) != 3 or max(sampler.shape) > LARGEST:
        raise RecipeError(f"{name}: samples of shape {sampler.shape} can't be walked here; take images up to {LARGEST}")
    return sampler


@lru_cache(maxsize=4)
def _loaded(checkpoint: Path) -> Sampler:
    return load(checkpoint, device="cpu")


@lru_cache(maxsize=8)
def _directions(path: Path, changed: int, checkpoint: Path) -> Directions:
    return load_directions(path, _loaded(checkpoint))


def directions_of(folder: Path | None, name: str) -> tuple[Directions | None, str]:
    """What `ganforge directions` has found of a run; or None, and why it can't be used, empty where there is none."""
    path = folder / name / "directions.safetensors" if folder is not None and name else None
    if path is None or folder is None or not path.is_file():
        return None, ""
    try:
        return _directions(path, path.stat().st_mtime_ns, find_checkpoint(folder / name)), ""
    except CheckpointError as error:
        return None, str(error)


class Lesson:
    """A small generator of digits that learns while the lab has nothing better to do."""

    def __init__(self) -> None:
        recipe = override(load_recipe("mlp_mnist_28"), ["train.device=cpu", f"train.images={LESSON}"])
        self.plan = build(recipe)
        self.state = TrainState.start(self.plan)
        self.stream = self.plan.stream(position=0)
        self.sampler = self.taken()

    @property
    def done(self) -> bool:
        """Whether it has learnt all it should."""
        return self.state.images >= LESSON

    def advance(self, seconds: float) -> None:
        """Learn for about so long; every twentieth of the way there is a new generator to look at."""
        start, before = time.perf_counter(), self.state.images * 20 // LESSON
        while not self.done and time.perf_counter() - start < seconds:
            with self.state.randomness(self.plan.device):
                play_round(self.plan, self.state, self.stream)
        new = self.state.images * 20 // LESSON > before or (self.done and self.sampler.images < self.state.images)
        if new:
            self.sampler = self.taken()
            if self.done:
                self.stream.close()

    def taken(self) -> Sampler:
        """The averaged generator as it is now."""
        G, shape = settled(self.state.ema, batch=self.plan.training.batch), self.plan.source.shape
        return Sampler(G, name=f"digits@{self.state.images}", shape=shape, images=self.state.images)


@lru_cache(maxsize=1)
def _lesson() -> Lesson:
    return Lesson()


@dataclass
class Seat:
    """A visitor's walk."""

    link: Link
    room: Room
    wake: float = field(default=0.0, init=False)
    fresh: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.lesson = _lesson() if self.link.run == OWN else None
        self.sampler = self.lesson.sampler if self.lesson is not None else named(self.room.runs, self.link.run)
        labels = self.sampler.labels
        if self.link.label is not None and (labels is None or self.link.label >= len(labels.names)):
            raise RecipeError(f"label {self.link.label}: {self.sampler.name} has no such class; take each seed's own")
        self.directions, self.problem = directions_of(self.room.runs, self.link.run)
        self.fresh = {"here", "strip", "grid"}

    @property
    def busy(self) -> bool:
        """The lab's own generator learns by itself."""
        return self.lesson is not None and not (self.lesson.done and self.sampler is self.lesson.sampler)

    def receive(self, said: Any) -> list[dict[str, Any]]:
        """Elsewhere; as it was where there is no way. Or what can be taken along."""
        if said.kind == "recipe":
            return [{"kind": "recipe", "texts": [self.recipe()]}]
        if said.kind == "data":
            return [{"kind": "data", "files": {"codes": self.table()}}]
        before = self.link
        anew = Seat(Link(**{key: value for key, value in asdict(said).items() if key != "kind"}), self.room)
        self.link, self.sampler, self.lesson = anew.link, anew.sampler, anew.lesson
        self.directions, self.problem = anew.directions, anew.problem
        same = asdict(before) | {"t": 0} == asdict(self.link) | {"t": 0}
        self.fresh |= {"here"} if same else {"here", "strip", "grid"}
        return [self.state()]

    def state(self) -> dict[str, Any]:
        """What the controls show, and |z| all along both ways."""
        labels = self.sampler.labels
        ends = self.codes()[:2]
        along = {name: lengths(way(ends[0], ends[1], positions(2, CURVE))) for name, way in WAYS.items()}
        return {
            "kind": "state",
            "link": asdict(self.link),
            "runs": runs_in(self.room.runs),
            "folder": self.room.runs is not None,
            "name": self.sampler.name,
            "classes": list(labels.names)[:1000] if labels is not None and labels.condition.kind == "class" else [],
            "z_dim": self.sampler.z_dim,
            "typical": expected_norm(self.sampler.z_dim),
            "directions": [
                {"name": name, "note": note}
                for name, note in zip(self.directions.names, self.directions.notes, strict=True)
            ][:MOST_DIRECTIONS]
            if self.directions is not None
            else [],
            "problem": self.problem,
            "start": asdict(Link()),
            "norms": along,
        }

    def codes(self) -> Tensor:
        """The four latents, (4, z_dim), as long as they are asked to be, and moved along the directions."""
        z = latents(self.link.seeds, self.sampler.z_dim) * self.link.size
        if self.directions is not None and any(self.link.along):
            vectors = self.directions.vectors[: len(self.link.along)]
            z = z + torch.tensor(self.link.along[: len(vectors)]) @ vectors
        return z

    def recipe(self) -> str:
        """The recipe that the generator was or is trained by, TOML."""
        if self.lesson is not None:
            return self.lesson.plan.toml
        assert self.room.runs is not None
        return (self.room.runs / self.link.run / "recipe.toml").read_text()

    def table(self) -> str:
        """The codes of the strips, a line each."""
        ends = self.codes()[:2]
        rows = [
            [name, t, *z]
            for name, way in WAYS.items()
            for t, z in zip(
                positions(2, STRIP).tolist(), way(ends[0], ends[1], positions(2, STRIP)).tolist(), strict=True
            )
        ]
        return sheet(["way", "t", *(f"z{i}" for i in range(self.sampler.z_dim))], rows)

    def asked(self) -> Tensor | None:
        """The four labels as vectors."""
        labels, number = self.sampler.labels, self.link.label
        return asked(self.sampler, None if labels is None or number is None else labels.names[number], self.link.seeds)

    def advance(self, seconds: float) -> list[dict[str, Any]]:
        """Learn on."""
        if self.lesson is None:
            return []
        self.lesson.advance(seconds)
        if self.sampler is not self.lesson.sampler:
            self.sampler = self.lesson.sampler
            self.fresh = {"here", "strip", "grid"}
        return []

    def pictures(self) -> dict[str, Tensor]:
        """What is new of: the samples at t, the strips, the grid; uint8, (N, C, H, W)."""
        z, y = self.codes(), self.asked()
        t = {"here": torch.tensor([self.link.t]), "strip": positions(2, STRIP)}
        found = {}
        for part in ("here", "strip"):
            if part in self.fresh:
                labels = None if y is None else lerp(y[0], y[1], t[part])
                for name, way in WAYS.items():
                    found[f"{part}_{name}"] = decoded(self.sampler, way(z[0], z[1], t[part]), labels)
        if "grid" in self.fresh:
            labels = None if y is None else bilinear(y, SIDE, SIDE, between=lerp).flatten(0, 1)
            found["grid"] = decoded(self.sampler, bilinear(z, SIDE, SIDE, between=slerp).flatten(0, 1), labels)
        return found

    def frames(self) -> list[bytes]:
        """What is new."""
        if not self.fresh:
            return []
        arrays = self.pictures()
        self.fresh = set()
        ends, t = self.codes()[:2], torch.tensor([self.link.t])
        header = {
            "link": asdict(self.link),
            "norm": {name: lengths(way(ends[0], ends[1], t))[0] for name, way in WAYS.items()},
            "images": self.sampler.images,
            "lesson": None if self.lesson is None else min(1.0, self.lesson.state.images / LESSON),
            "name": self.sampler.name,
        }
        return [frame(header, arrays)]

    def close(self) -> None:
        """The lab's generator stays for the next one."""


def lengths(z: Tensor) -> list[float]:
    """|z| of each latent."""
    found: list[float] = z.norm(dim=-1).tolist()
    assert all(math.isfinite(length) for length in found)
    return found


def open_seat(link: dict[str, Any], room: Room) -> Seat:
    """The walk of a link; without one, of the first run of the folder that can be walked.

    Raises:
        RecipeError: for a link that holds something else, or a run that isn't there.
    """
    if not link:
        for name in runs_in(room.runs)[:20]:
            try:
                return Seat(Link(run=name), room)
            except GanforgeError:
                continue
    return Seat(read_link(Link, link, "walk"), room)
