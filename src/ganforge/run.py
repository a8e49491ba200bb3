"""A run: consumes ticks, writes the run folder, judges, selects, and goes on after any interruption."""

import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ganforge.crowd import Crowd, reference
from ganforge.doctor import HEALED, Doctor
from ganforge.errors import CheckpointError, DivergenceError, RecipeError
from ganforge.evaluate import (
    choosing_metric,
    choosing_split,
    evaluate,
    extractor_name,
    protocol,
    quick_distance,
    reporting_split,
)
from ganforge.events import Diagnosis, Healed, Judgement, Stage
from ganforge.features import Extractor, extractor
from ganforge.inheritance import take_weights
from ganforge.io.cache import cache_folder
from ganforge.io.checkpoint import load_checkpoint, save_checkpoint
from ganforge.io.folder import EventWriter, RunFolder, environment
from ganforge.io.report import write_report
from ganforge.labels import Labels, check_same
from ganforge.plan import Plan, build
from ganforge.probe import Probe
from ganforge.recipe import Recipe, override, resolve
from ganforge.sample import Sampler, find_checkpoint, load, settled
from ganforge.train import Tick, TrainState, train
from ganforge.tuning import tuned

__all__ = [
    "Diagnosis",
    "Event",
    "Healed",
    "Judgement",
    "Run",
    "Stage",
    "begin",
    "continued",
    "read_recipe",
    "recipe_of",
    "take_weights",
]

BACKDROP = 2_000  # real samples behind a picture of points
CHANGEABLE = ("train.images", "train.device", "speed.", "run.", "judge.")  # keys that leave what was trained alone


Event = Tick | Stage | Judgement | Diagnosis | Healed


@dataclass
class Run:
    """A plan being carried out in a folder."""

    plan: Plan
    state: TrainState
    folder: RunFolder
    notes: list[str] = field(default_factory=list)
    doctor: Doctor = field(default_factory=Doctor)

    def play(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train to the end, or until `stop` says so; either way nothing that was reached is lost."""
        with self.folder.lock():
            self.tidy()
            try:
                yield from self.ticks(stop)
            except DivergenceError as error:
                yield from self.died(error)
                raise
            if stop():
                self.save()
            else:
                yield from self.finish()
            write_report(self.folder)

    def tidy(self) -> None:
        """Bring the folder back to where the state is: what was written after its checkpoint will be written again."""
        self.folder.clean()
        self.folder.truncate(self.state.images if self.state.images else -1)
        self.folder.write_recipe(recipe_text(self.plan, self.folder.records("findings")))
        self.doctor = Doctor.of(self.folder, tomllib.loads(self.plan.toml))
        self.mark_best()

    def ticks(self, stop: Callable[[], bool]) -> Iterator[Event]:
        """The training itself, with what is due at each tick."""
        write_event = EventWriter(self.folder.path, images=self.state.images)
        if self.state.images == 0:
            self.draw_samples()
        for tick in train(self.plan, self.state, stop=stop):
            record = {
                "images": tick.images,
                **tick.figures,
                **({"bad": tick.bad} if tick.bad else {}),
                **self.look(tick),
            }
            self.folder.append("ticks", record)
            write_event(record)
            yield tick
            for finding in self.doctor.hears(record):
                self.folder.append("findings", finding.record(tick.images))
                yield Diagnosis(finding)
            yield from self.duties(tick)

    def look(self, tick: Tick) -> dict[str, Any]:
        """The dear measures, at the first tick and at every so many; the numbers of ticks count from the beginning."""
        every, number = self.plan.recording.probe, tick.images // self.plan.training.tick
        due = every > 0 and (tick.since == 0 or number % every == 0)
        return self.probe.look(self.state) if due else {}

    def died(self, error: DivergenceError) -> Iterator[Event]:
        """The finding of a game that went to infinity, and the report."""
        skipped = float(max(longest for _, longest in self.state.skipped.values()))
        record = {"images": self.state.images, "skipped": skipped, "bad": error.bad}
        finding = self.doctor.certifies(record)
        self.folder.append("ticks", record)
        self.folder.append("findings", finding.record(self.state.images) | {"text": str(error)})
        write_report(self.folder)
        yield Diagnosis(finding)

    def duties(self, tick: Tick) -> Iterator[Event]:
        """Samples, a judgement, a checkpoint: each where its interval was crossed since the last tick."""

        def due(every: int) -> bool:
            return every > 0 and tick.images // every > tick.since // every

        if due(self.plan.recording.samples):
            self.draw_samples()
        if due(self.plan.judging.every):
            yield from self.judge()
        elif due(self.plan.recording.checkpoint):
            self.save()

    def finish(self) -> Iterator[Event]:
        """The last checkpoint, and the final figures of the best one."""
        if self.folder.samples()[-1:] != [self.folder.sample(self.state.images)]:
            self.draw_samples()
        if not any(r["images"] == self.state.images for r in self.judgements):
            yield from self.judge()
        if self.complete:
            return
        there = self.folder.best() or self.folder.latest() or self.folder.path
        best = load(there, device=str(self.plan.device))
        split = reporting_split(self.plan.source)
        yield Stage(f"evaluating on the {split.replace('_', '-')} images")
        options: dict[str, Any] = {"split": split, "samples": self.plan.judging.final, "cache": cache_folder()}
        record = evaluate(best, self.plan.source, self.extractor, **options)
        record |= {"final": True, "model": best.name, "images": self.state.images}
        self.folder.append("evaluations", record)
        yield Judgement(record, best=True, final=True)

    @property
    def complete(self) -> bool:
        """True if all images were seen and the final figures are written."""
        return self.state.images >= self.plan.training.images and self.final.get("images") == self.state.images

    @property
    def final(self) -> dict[str, Any]:
        """The latest final figures, or nothing."""
        records = [r for r in self.folder.records("evaluations") if r.get("final")]
        return {"run": str(self.folder.path), **records[-1]} if records else {}

    @property
    def judgements(self) -> list[dict[str, Any]]:
        """What checkpoints were chosen by so far."""
        return [r for r in self.folder.records("evaluations") if not r.get("final")]

    @cached_property
    def probe(self) -> Probe:
        """What looks at the game every few ticks."""
        return Probe(self.plan)

    @cached_property
    def extractor(self) -> Extractor:
        """The feature network that judges this run."""
        return extractor_of(self.plan)

    @cached_property
    def held_out(self) -> Crowd:
        """The real images that choose a checkpoint."""
        return reference(self.plan.source, self.choosing, self.extractor, self.plan.judging.samples)

    @cached_property
    def backdrop(self) -> torch.Tensor:
        """A few real samples, the same ones always, for pictures that show them too."""
        real = getattr(self.plan.source, self.choosing)
        return real.read(torch.arange(min(len(real), BACKDROP)))

    @property
    def choosing(self) -> str:
        """The split of the real images that choose a checkpoint."""
        return choosing_split(self.plan.source)

    @property
    def protocol(self) -> str:
        """The name of what checkpoints are compared by; figures of another protocol don't count."""
        images = getattr(self.plan.source, self.choosing)
        return protocol(self.extractor, min(self.plan.judging.samples, len(images)), self.choosing)

    def sampler(self) -> Sampler:
        """The averaged generator as it is now."""
        plan, labels = self.plan, self.plan.labels
        G = settled(self.state.ema, batch=plan.training.batch // plan.training.accumulate, labels=labels)
        name = f"{plan.name}@{self.state.images}"
        return Sampler(G, name=name, shape=plan.source.shape, images=self.state.images, labels=labels)

    def draw_samples(self) -> None:
        """A picture of the fixed seeds 0, 1, 2, ..."""
        sampler = self.sampler()
        samples = sampler.overview(self.plan.recording.grid)
        self.folder.save_samples(self.state.images, sampler.medium.picture(samples, self.backdrop))

    def judge(self) -> Iterator[Event]:
        """Figures on held-out images, then the checkpoint that they belong to."""
        yield Stage("judging")
        started = time.perf_counter()
        try:
            figures = quick_distance(self.sampler(), self.held_out, self.extractor, mixture=self.plan.source.mixture)
        except Exception:
            self.save()  # whatever is wrong with the judge, what was trained stays
            raise
        record = {
            "images": self.state.images,
            "split": self.choosing,
            "protocol": self.protocol,
            "figures": figures,
            "seconds": round(time.perf_counter() - started, 2),
        }
        self.folder.append("evaluations", record)
        self.save()
        yield Judgement(record, best=self.state.images == self.mark_best())

    def mark_best(self) -> int | None:
        """Note which of the checkpoints that are there is best, by figures of one protocol; its images seen."""
        metric = choosing_metric(self.plan.source, self.plan.judging.metric)
        there = {int(path.name) for path in self.folder.checkpoints()}
        comparable = [r for r in self.judgements if r["protocol"] == self.protocol and r["images"] in there]
        judged = [(r["figures"][metric], r["images"]) for r in comparable if r["figures"].get(metric) is not None]
        if not judged:
            return None
        figure, images = min(judged)
        self.folder.mark_best(images, figure, metric)
        self.folder.prune(self.plan.recording.keep)
        return images

    def save(self) -> None:
        """A checkpoint of everything, and of the averaged generator as it is sampled from."""
        record = {
            "name": self.plan.name,
            "recipe": self.plan.toml,
            "shape": list(self.plan.source.shape),
            "images": self.state.images,
            "threads": torch.get_num_threads(),
            "train_images": len(self.plan.source.train),
            "labels": self.plan.labels and self.plan.labels.record(),
            "state": self.state.record(),
        }
        tensors = {"state": self.state.tensors(), "generator": self.sampler().G.state_dict()}
        save_checkpoint(self.folder.checkpoint(self.state.images), tensors, record)
        self.folder.prune(self.plan.recording.keep)


def begin(recipe: Recipe, path: Path, *, command: list[str], init_from: Path | None = None) -> Run:
    """A new run in a new folder.

    Raises:
        RecipeError, DataError: if the recipe can't be built; then there is no folder.
        CheckpointError: if the folder exists, or `init_from` has no checkpoint.
    """
    plan = build(recipe)
    if plan.training.seeds > 1:
        raise RecipeError(
            f"train.seeds = {plan.training.seeds}: a run is one game; for several at once use ganforge.train in "
            "Python, or set train.seeds=1"
        )
    extractor_of(plan)
    notes = list[str]()
    plan = tuned(plan, notes.append)
    state = TrainState.start(plan)
    notes += [*plan.source.notes, *([] if init_from is None else take_weights(state, init_from))]
    where = environment() | {"device": str(plan.device)}
    where |= {} if init_from is None else {"init_from": str(init_from.resolve())}
    folder = RunFolder.create(path, recipe=recipe_text(plan), environment=where, command=command)
    return Run(plan, state, folder, notes)


def extractor_of(plan: Plan) -> Extractor:
    """The feature network that a plan is judged by.

    Raises:
        RecipeError: if there is none of that name.
    """
    return extractor(extractor_name(plan.source, plan.judging.extractor), device=str(plan.device))


def continued(path: Path, *, settings: Iterable[str] = ()) -> Run:
    """A run taken up at its latest checkpoint, or at its beginning if it has none yet.

    Raises:
        RecipeError: for settings that would change what was trained so far.
        CheckpointError: if the folder or its checkpoint can't be read.
    """
    folder, notes = RunFolder.open(path), list[str]()
    saved, settings = latest_whole(folder, notes), list(settings)
    fixed = [s for s in settings if not s.startswith(CHANGEABLE)]
    if fixed and saved is not None:
        resolve(override(read_recipe(folder), fixed))  # a key that there isn't is said as such
        raise RecipeError(
            f"{', '.join(map(repr, fixed))} would change the game half-way; "
            "`resume` takes train.images, train.device, speed.*, run.* and judge.*; "
            f"for anything else start anew with `ganforge train --init-from {path}`"
        )
    plan = tuned(build(override(read_recipe(folder), settings)), notes.append)
    extractor_of(plan)
    notes += plan.source.notes
    state = TrainState.start(plan)
    if saved is not None:
        tensors, record = saved
        state.restore(tensors, record["state"])
        notes += changes(plan, record)
    return Run(plan, state, folder, notes)


def changes(plan: Plan, record: dict[str, Any]) -> list[str]:
    """What is otherwise than when the checkpoint was saved, a sentence each.

    Raises:
        CheckpointError: if the number of training images is, since their order depends on it.
    """
    before, now = record["train_images"], len(plan.source.train)
    if before != now:
        raise CheckpointError(
            f"{plan.source.name} had {before} training images when the run was saved and has {now} now; "
            "put the data back, or start anew with `ganforge train --init-from`"
        )
    check_same(Labels.of(record.get("labels")), plan.labels, name=plan.source.name)
    threads = torch.get_num_threads()
    if record["threads"] == threads:
        return []
    return [
        f"saved with {record['threads']} threads, going on with {threads}: "
        "rounding may differ from a run that was never stopped"
    ]


def latest_whole(folder: RunFolder, notes: list[str]) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """The state of the latest checkpoint that can be read, or None if there never was one; a note for each that can't.

    Raises:
        CheckpointError: if there are checkpoints and none can be read.
    """
    error = None
    for path in reversed(folder.all_checkpoints()):
        try:
            tensors, record = load_checkpoint(path, "state")
            return tensors["state"], record
        except CheckpointError as caught:
            error = error or caught
            notes.append(f"{caught} Left out.")
    if error is not None:
        raise error
    return None


def recipe_text(plan: Plan, findings: Iterable[dict[str, Any]] = ()) -> str:
    """A run's recipe.toml: the recipe's name, what was changed in it to heal the run, then every key."""
    healed = [f"# healed from image {r['images']:,} on: {r['remedy']}" for r in findings if r["finding"] == HEALED]
    return "\n".join([f"# {plan.name}", *healed, plan.toml])


def read_recipe(folder: RunFolder) -> Recipe:
    """The recipe that a run was started with."""
    text = folder.recipe()
    try:
        return Recipe(text.splitlines()[0].removeprefix("# "), tomllib.loads(text))
    except (tomllib.TOMLDecodeError, IndexError) as error:
        raise CheckpointError(f"{folder.path / 'recipe.toml'} is damaged ({error}); restore it from a copy") from None


def recipe_of(path: Path) -> Recipe:
    """The recipe behind a run folder or a checkpoint."""
    _, record = load_checkpoint(find_checkpoint(path))
    return Recipe(record["name"], tomllib.loads(record["recipe"]))
