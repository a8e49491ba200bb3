"""Mode coverage under PacGAN's protocol: which remedy keeps all modes of a ring and of a grid, and how sharp they are.

Protocol (Lin et al. 2018, arXiv:1712.04086, section 4.1): ring, 8 Gaussians of σ .01 on the unit circle; grid, 25 of
σ .05 at {-4, -2, 0, 2, 4}²; 100,000 training points, batch 100; z normal in the plane; the networks of
`networks/pacgan.py`; Adam, 1e-4, β1 .8; 400 epochs, which are 400,000 steps. 2,500 samples are judged: one is of high
quality within three standard deviations of its nearest mode; a mode counts if it has one such sample; reverse KL is of
the modes' shares, every sample its nearest mode's. A step here is an update of both players.

A remedy is a handful of recipe keys, and whatever it changes of the protocol stands there. Rows are written as they
come and never measured twice, so a run that was stopped goes on.
"""

import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from ganforge.errors import DataError, RecipeError
from ganforge.layers import SideBySide
from ganforge.metrics import mode_coverage, reverse_kl
from ganforge.plan import Plan, build
from ganforge.recipe import Recipe, override
from ganforge.rejection import JacobianTruncation, flattest
from ganforge.sample import latents, settled
from ganforge.train import TrainState, train

__all__ = [
    "PUBLISHED",
    "QUICK",
    "QUICK_STEPS",
    "REMEDIES",
    "SELECTED",
    "SETS",
    "Job",
    "Row",
    "measured",
    "missing",
    "new_rows",
    "planned",
    "read",
    "summary",
    "written",
]

Progress = Callable[[float], None]

SETS = {"ring": 8, "grid": 25}
SAMPLES = 2500
STANDING = 10_000  # latents behind the statistics of batch norm, since a steep generator shifts modes by their error
MOST = 100 * SAMPLES  # made for them at most, where some are rejected
PUBLISHED = {  # Lin et al. 2018, tables 1 and 2: modes, share of high quality
    "ring": {"GAN": (6.3, 0.982), "PacGAN4": (7.8, 0.959)},
    "grid": {"GAN": (17.3, 0.948), "PacGAN4": (24.8, 0.936)},
}
QUICK = ("generator.hidden=[64, 64]", "discriminator.hidden=[32, 32]", "discriminator.pieces=3")  # claims nothing
QUICK_STEPS = 1_200
PROTOCOL = (
    "generator=pacgan", "discriminator=pacgan", "data.count=100000", "train.batch=100", "train.device=cpu",
    "optimizer.both.lr=1e-4", "optimizer.both.beta1=.8",
)  # fmt: skip


Value = float | Mapping[str, float]
"""A number, or one for each set: the grid's modes lie 2.6 times as far apart as the ring's."""

Setting = str | Callable[[int, str], str]
"""A key of the recipe, or what it is for a run of so many images on a set of that name."""


def of(name: str, value: Value) -> float:
    """The number for a set."""
    return value[name] if isinstance(value, Mapping) else value


def falling(key: str, curve: str, start: Value, end: Value) -> Setting:
    """A number that falls along a curve over the whole run."""

    def setting(images: int, name: str) -> str:
        words = f"{{schedule='{curve}', start={of(name, start)}, end={of(name, end)}, images={images}}}"
        return f"{key}={words}"

    return setting


def decaying(player: str, start: Value, end: float) -> Setting:
    """A player's learning rate, which falls along half a cosine."""
    return falling(f"optimizer.{player}.lr", "cosine", start, end)


def penalty(kind: str, gamma: Value, every: int) -> Setting:
    """A zero-centred penalty, on every so-manieth turn."""
    return lambda images, name: f"penalties.{kind}={{gamma={of(name, gamma)}, every={every}}}"


FASTER = (
    decaying("both", 1e-3, 1e-5), "optimizer.both.beta1=0.5", "optimizer.both.beta2=0.99",
)  # fmt: skip
"""Ten times the protocol's rates at the start, a tenth at the end, and less momentum."""


def calm(grid: float) -> tuple[Setting, ...]:
    """Rates for a discriminator whose slope is bounded; its own on the grid is given."""
    return (
        decaying("generator", 3e-3, 3e-5),
        decaying("discriminator", {"ring": 3e-4, "grid": grid}, 1e-5),
        "optimizer.generator.beta1=0.5",
        lambda images, name: f"optimizer.discriminator.beta1={of(name, {'ring': 0.0, 'grid': 0.5})}",
        "optimizer.both.beta2=0.99",
    )


GAMMA = {"ring": 0.003, "grid": 0.03}
EACH = {"ring": 0.001, "grid": 0.03}  # of two penalties

NOISE = falling(
    "augment.instance_noise.sigma", "exponential", {"ring": 0.3, "grid": 1.0}, {"ring": 0.003, "grid": 0.01}
)

REMEDIES: dict[str, tuple[Setting, ...]] = {
    "none": (),
    "pack4": ("game.pack=4",),
    "rates": FASTER,
    "pack4_rates": ("game.pack=4", *FASTER),
    "instance_noise": (NOISE, *FASTER),
    "r1": (penalty("r1", GAMMA, 2), *calm(1e-3)),
    "r1_r2": (penalty("r1", EACH, 2), penalty("r2", EACH, 2), *calm(1e-3)),
    "relativistic_r1_r2": (
        "objective=relativistic_pairing", penalty("r1", EACH, 2), penalty("r2", EACH, 2), *calm(2e-3),
    ),
    "zero_gp": (
        lambda images, name: f"penalties.gradient_penalty={{weight={of(name, EACH)}, target=0.0, every=2}}",
        *calm(1e-3),
    ),
}  # fmt: skip
"""Name -> what it changes of the protocol's recipe."""

SELECTED = {f"{name}_truncation": name for name in REMEDIES}
"""Name -> the remedy whose game is played; of its samples those are kept where its generator is flat."""


@dataclass(frozen=True)
class Row:
    """One game, judged."""

    remedy: str
    set: str
    seed: int
    steps: int
    modes: int
    quality: float
    reverse_kl: float
    seconds: float

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What makes it another measurement."""
        return self.remedy, self.set, self.seed, self.steps

    @property
    def line(self) -> str:
        """The row as a line of JSON."""
        return json.dumps(asdict(self)) + "\n"


ROW = TypeAdapter(Row)


@dataclass(frozen=True)
class Job:
    """Games that are played side by side: seeds `first`, `first` + 1, ..."""

    remedy: str
    set: str
    steps: int
    first: int
    seeds: int


def missing(jobs: Iterable[Job], rows: Iterable[Row]) -> list[Job]:
    """What is left to play: every run of neighbouring seeds without a row is a job."""
    known, left = {row.key for row in rows}, list[Job]()
    for job in jobs:
        seeds = [s for s in range(job.first, job.first + job.seeds) if (job.remedy, job.set, s, job.steps) not in known]
        starts = [s for s in seeds if s - 1 not in seeds]
        left += [replace(job, first=s, seeds=next(n for n in range(1, 1000) if s + n not in seeds)) for s in starts]
    return left


def new_rows(rows: Iterable[Row], known: Iterable[Row]) -> list[Row]:
    """Those that aren't known yet: a game whose samples are also selected gives the row without, too."""
    keys = {row.key for row in known}
    return [row for row in rows if row.key not in keys]


def read(path: Path) -> list[Row]:
    """The rows of a file of JSON lines; none, if there is no file.

    Raises:
        DataError: for a line that is no row.
    """
    rows = []
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], start=1):
        try:
            rows.append(ROW.validate_json(line, strict=True))
        except ValueError:
            raise DataError(f"{path}, line {number}: {line[:60]!r} is no row of this benchmark; take it out") from None
    return rows


def written(remedy: str, name: str, images: int) -> list[str]:
    """What a remedy changes of the recipe, for a run of so many images on a set."""
    return [s if isinstance(s, str) else s(images, name) for s in REMEDIES[remedy]]


def planned(remedy: str, name: str, *, steps: int, seed: int, seeds: int, settings: Iterable[str] = ()) -> Plan:
    """A remedy's recipe, for so many games side by side.

    Raises:
        RecipeError: for a remedy or a set that there isn't.
    """
    remedy = SELECTED.get(remedy, remedy)
    if remedy not in REMEDIES:
        raise RecipeError(f"there is no remedy {remedy!r}; there are: {', '.join((*REMEDIES, *SELECTED))}")
    if name not in SETS:
        raise RecipeError(f"there is no set {name!r}; there are: {', '.join(SETS)}")
    given = dict(setting.split("=", 1) for setting in written(remedy, name, 1))
    images = steps * int(given.get("train.batch", 100)) * int(given.get("train.d_steps", 1))
    keys = written(remedy, name, images)
    run = (f"train.images={images}", f"train.tick={images}", f"train.seed={seed}", f"train.seeds={seeds}")
    return build(override(Recipe(remedy, {}), [f"data={name}", *PROTOCOL, *keys, *run, *settings]))


def measured(job: Job, *, settings: Iterable[str] = (), progress: Progress = lambda steps: None) -> list[Row]:
    """A job's games, played and judged; `progress` is told of the steps as they are made."""
    steps, seeds = job.steps, job.seeds
    plan = planned(job.remedy, job.set, steps=steps, seed=job.first, seeds=seeds, settings=settings)
    state, start, seen = TrainState.start(plan), time.perf_counter(), 0
    for tick in train(replace(plan, training=replace(plan.training, tick=max(1, plan.training.images // 100))), state):
        done = round(steps * tick.images / plan.training.images)
        progress(float((done - seen) * seeds))
        seen = done
    seconds = round((time.perf_counter() - start) / seeds, 1)
    rows = []
    for n, G in enumerate(single(plan, state)):
        G = settled(G, batch=1000, batches=STANDING // 1000)
        for name in (job.remedy,) if job.remedy in REMEDIES else (SELECTED[job.remedy], job.remedy):
            figures = judged(G, plan, flattest(plan, G) if name in SELECTED else None)
            rows.append(Row(name, job.set, job.first + n, steps, *figures, seconds))
    return rows


def single(plan: Plan, state: TrainState) -> Iterator[torch.nn.Module]:
    """The averaged generator of each of the games."""
    like = replace(plan, training=replace(plan.training, seeds=1)).networks()["generator"]
    for n in range(plan.training.seeds):
        yield state.ema.network(n, like) if isinstance(state.ema, SideBySide) else state.ema


@torch.no_grad()
def judged(G: torch.nn.Module, plan: Plan, flat: JacobianTruncation | None = None) -> tuple[int, float, float]:
    """Modes, share of high quality and reverse KL of 2,500 samples: the first, or the first that are kept."""
    mixture = plan.source.mixture
    assert mixture is not None
    kept, first = torch.empty(0, 2), 0
    while len(kept) < SAMPLES and first < MOST:
        z = latents(range(first, first + SAMPLES), int(G.z_dim))  # type: ignore[arg-type]
        kept = torch.cat([kept, G(z if flat is None else z[flat.keeps(z)])])
        first += SAMPLES
    samples = kept[:SAMPLES]
    found = mode_coverage(samples=samples, modes=mixture.means, sigma=mixture.sigmas, least=0.0)
    kl = reverse_kl(samples=samples, modes=mixture.means, sigma=mixture.sigmas)
    return found.found, round(found.quality, 4), round(kl, 5)


def summary(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """A line for each remedy, set and number of steps: means with their standard errors."""
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.remedy, row.set, row.steps), []).append(row)
    for (remedy, name, steps), group in groups.items():
        line: dict[str, Any] = {"remedy": remedy, "set": name, "steps": steps, "seeds": len(group)}
        for figure in ("modes", "quality", "reverse_kl"):
            values = [float(asdict(row)[figure]) for row in group]
            error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else float("nan")
            line |= {
                figure: statistics.mean(values),
                f"{figure}_error": error,
                f"{figure}_worst": worst(figure, values),
            }
        yield line


def worst(figure: str, values: list[float]) -> float:
    """The least, or of a divergence the largest."""
    return max(values) if figure == "reverse_kl" else min(values)
