"""What the verbs of the command line do, once their words are parsed."""

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from ganforge import tradeoff as curve
from ganforge import view
from ganforge.bench.sampling import best_batch
from ganforge.crowd import Album, Maker, Progress, real_images
from ganforge.data import Source
from ganforge.errors import GanforgeError, RecipeError
from ganforge.evaluate import Verdict, check_enough, extractor_name, reporting_split, standard, verdict
from ganforge.every import ROWS, judge_all, missing, plot, read_rows
from ganforge.experiments.frame import (
    Experiment,
    experiment_names,
    load_experiment,
    perform,
    write_index,
    write_outcome,
)
from ganforge.experiments.frame.plots import require_matplotlib
from ganforge.experiments.frame.plots import save as save_plot
from ganforge.experiments.frame.stage import default_jobs
from ganforge.features import Extractor
from ganforge.features import extractor as feature_extractor
from ganforge.io.cache import cache_folder
from ganforge.io.folder import RunFolder
from ganforge.io.scorecard import Card, check_ending, write_card
from ganforge.judged import judged_pair
from ganforge.label_figures import label_figures
from ganforge.labels import asked_labels, check_classes
from ganforge.players import device_named
from ganforge.prescription import as_record, as_words, examine
from ganforge.published import asked
from ganforge.recipe import DEFAULT, literal, load_recipe, override, plain, recipe_names, resolve, sourced, to_toml
from ganforge.run import Run, begin, continued
from ganforge.sample import Sampler, load, save_samples, seeds_in
from ganforge.scorecard import card, pictures, run_of

__all__ = [
    "doctor",
    "evaluate",
    "experiment",
    "recipe",
    "recipes",
    "resume",
    "sample",
    "train",
]

SHOWN = 64  # samples, if nobody says how many
FEW = 256  # at once, where finding the fastest batch would take longer than it gives
MANY = 4096


def called_as() -> list[str]:
    """The command line as anybody would type it, also where `python -m ganforge` was."""
    return ["ganforge", *sys.argv[1:]]


def train(
    words: list[str],
    *,
    data: str | None,
    out: Path | None,
    device: str | None,
    init_from: Path | None,
    heal: bool,
    as_json: bool,
) -> None:
    """Begin a run and carry it out."""
    name, settings = (DEFAULT, words) if not words or "=" in words[0] else (words[0], words[1:])
    settings = settings_for({"data.source": data, "train.device": device}, settings)
    recipe = override(sourced(load_recipe(name), data), settings)
    path = out or free_folder(Path("runs") / recipe.name)
    carry_out(begin(recipe, path, command=called_as(), init_from=init_from), heal=heal, as_json=as_json)


def settings_for(options: dict[str, str | None], settings: list[str]) -> list[str]:
    """The settings that options are short for, before those that were given by their keys.

    Raises:
        RecipeError: if a key is given both ways.
    """
    given = {s.split("=", 1)[0].strip() for s in settings}
    short = {key: value for key, value in options.items() if value is not None}
    if both := [key for key in short if key in given]:
        raise RecipeError(*(f"{key} is given twice, by its option and by its key; leave one out" for key in both))
    return [f"{key}={literal(value)}" for key, value in short.items()] + settings


def free_folder(path: Path) -> Path:
    """The path itself, or the first of path-2, path-3, ... that isn't there."""
    candidates: Iterator[Path] = (path if n == 1 else path.with_name(f"{path.name}-{n}") for n in range(1, 10_000))
    return next(p for p in candidates if not p.exists())


def resume(path: Path, settings: list[str], *, heal: bool, as_json: bool) -> None:
    """Take a run up and carry it out."""
    run = continued(path, settings=settings)
    if run.complete:
        view.say(f"{path} is complete at {run.state.images:,} images; to go on: ganforge resume {path} train.images=N")
        view.result(run.final, as_json=as_json)
    else:
        carry_out(run, heal=heal, as_json=as_json)


def carry_out(run: Run, *, heal: bool, as_json: bool) -> None:
    """Play a run to its end, or to a signal: then exit with 128 plus the signal's number."""
    signalled = view.watch(run, heal=heal)
    if signalled:
        view.say(f"saved at {run.state.images:,} images; go on with: ganforge resume {run.folder.path}")
        sys.exit(128 + signalled)
    view.result(run.final, as_json=as_json)


def doctor(path: Path, *, as_json: bool) -> None:
    """Say what a run's trace shows, and what showed along the way; exit with 1 if a failure shows at its end."""
    examination = examine(path)
    view.text(as_record(examination) if as_json else as_words(examination))
    if examination.found:
        sys.exit(1)


def sample(
    path: Path, seeds: str | None, out: Path, *, count: int | None = None, labels: str | None, truncation: float,
    batch: int | None, device: str, as_json: bool,
) -> None:  # fmt: skip
    """Make images and save them; with labels, every seed once for each of them, a row a label.

    Raises:
        RecipeError: if both seeds and a count are given.
    """
    if seeds is not None and count is not None:
        raise RecipeError(f"--count {count} is --seeds 0-{count - 1}, and --seeds {seeds} is given too; leave out one")
    sampler = load(path, device=device).truncated(truncation)
    numbers = seeds_in(seeds or f"0-{(count or SHOWN) - 1}")
    numbers, y = asked_labels(sampler.labels, labels, numbers)
    batch = batch or (best_batch(sampler) if len(numbers) >= MANY else FEW)
    with view.bar(f"sampling {sampler.name}", float(len(numbers))) as advance:
        written = save_samples(sampler, numbers, out, y=y, batch=batch, progress=advance)
    view.paths(written, {"model": sampler.name, "seeds": len(numbers)}, as_json=as_json)


def evaluate(
    what: str,
    against: str | None,
    *,
    split: str | None,
    samples: int | None,
    metrics: str | None,
    extractor: str | None,
    resize: str | None = None,
    size: int | None = None,
    bootstrap: int,
    cache: bool,
    every: bool,
    out: Path | None,
    scorecard: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Judge a generator, or images that lie there; or all checkpoints of a run.

    Raises:
        RecipeError: for options that mean nothing together.
    """
    check_together(every=every, out=out, scorecard=scorecard)
    words = None if metrics is None else words_in(metrics)
    way = asked(words, extractor=extractor, resize=resize, split=split, samples=samples)
    run = RunFolder.open(Path(what)) if every else None
    pair = judged_pair(what, against, device, size=size)
    maker, source = pair.maker, pair.source
    if pair.own and isinstance(maker, Sampler):
        check_classes(maker.labels, source)
    check_enough(maker, way.fakes, way.name)
    name = extractor_name(source, way.extractor or pair.extractor)
    judge = feature_extractor(name, device=str(device_named(device)), resize=resize)
    options: dict[str, Any] = {
        "split": way.split or reporting_split(source, own=pair.own),
        "own": pair.own,
        "cache": cache_folder() if cache else None,
        **way.options,
    }
    if run is not None:
        options["maker"] = maker
        evaluate_every(run, source, judge, options, bootstrap=bootstrap, out=out, device=device, as_json=as_json)
        return
    illustrated = scorecard is not None and scorecard.suffix == ".html"
    more: dict[str, Any] = {}
    with view.bar(f"judging {maker.name}", 2.0 if illustrated else 1.0) as advance:
        found = verdict(maker, source, judge, bootstrap=bootstrap, whole=illustrated, progress=advance, **options)
        usual = way.extractor is None and pair.extractor is None
        notes = [*pair.notes, *unused(found, maker, source, samples), *(foreign(source, judge) if usual else ())]
        notes += found.record["notes"]
        found = replace(found, record=found.record | {"notes": notes})
        if scorecard is not None:
            how: dict[str, Any] = {"illustrated": illustrated, "cache": options["cache"], "progress": advance}
            write_card(scorecard, made_card(found, maker, source, run_of(what), **how))
            more = {"scorecard": str(scorecard)}
    if isinstance(maker, Sampler) and maker.labels is not None:
        sides = {"real": found.standard.real, "fake": found.fake}
        more["labels"] = label_figures(maker.labels, source, judge, split=options["split"], **sides)
    view.result({"model": maker.name, **found.record, **more}, as_json=as_json)


def unused(found: Verdict, maker: Maker, source: Source, asked_for: int | None) -> Iterator[str]:
    """What is to be said of images that lie there and weren't judged, or that were asked for and aren't there."""
    record, there, most = found.record, len(real_images(source, found.standard.split)), maker.most or 0
    taken, reals = record["samples"], record["real_samples"]
    if isinstance(maker, Album) and (taken < most or reals < there) and "published" not in record:
        more = f": --samples {min(most, there)} takes more" if min(most, there) > taken else ", as many of either"
        yield f"{taken:,} of {most:,} images were judged, against {reals:,} of {there:,} real ones{more}"
    elif asked_for is not None and taken < asked_for:
        yield f"{asked_for:,} samples were asked for, and {taken:,} judged, as there are no more real ones"


def foreign(source: Source, judge: Extractor) -> Iterator[str]:
    """What is to be said of a classifier that nobody chose and that learnt from other images than these."""
    if judge.classes and judge.classes != tuple(source.classes or ()):
        yield (
            f"the features are {judge.name}'s, chosen by the number of channels; if these images are of another kind, "
            "--extractor inception, dinov2 or pixels says more"
        )


def check_together(*, every: bool, out: Path | None, scorecard: Path | None) -> None:
    """See that the outputs that are asked for go together.

    Raises:
        RecipeError: where one of them means nothing, and for a card of another kind than there is.
    """
    if out is not None and not every:
        raise RecipeError(f"--out {out} is for the rows of --every; add it, or leave --out out")
    if scorecard is not None and every:
        raise RecipeError(
            f"--scorecard {scorecard} is of one generator; call with --every first, and it shows those too"
        )
    if scorecard is not None:
        check_ending(scorecard)


def made_card(
    found: Verdict,
    maker: Maker,
    source: Source,
    run: Path | None,
    *,
    illustrated: bool,
    cache: Path | None,
    progress: Progress,
) -> Card:
    """The scorecard of a judgement; samples stand in a square where the plane of the checkpoints stands beside them."""
    columns = None if run is not None and (run / ROWS).exists() else 16
    shown = pictures(found, maker, source, columns=columns, cache=cache, progress=progress) if illustrated else {}
    return card(found, maker, run=run, command=shlex.join(called_as()), sections=shown)


def evaluate_every(
    run: RunFolder,
    source: Source,
    judge: Extractor,
    options: dict[str, Any],
    *,
    bootstrap: int,
    out: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Judge all checkpoints of a run, show them in a table, and plot them where matplotlib is."""
    out, count = out or run.path / ROWS, len(run.checkpoints())
    with view.bar(f"judging {count} checkpoints of {run.path}", count + 1.0) as advance:
        against = standard(source, judge, bootstrap=bootstrap, progress=advance, **options)
        advance(float(count - len(missing(run, read_rows(out), against, bootstrap=bootstrap))))
        rows = judge_all(run, against, out, bootstrap=bootstrap, device=device, progress=advance, say=view.say)
    view.checkpoints(rows, against.names, as_json=as_json)
    if set(against.names) <= {"shares"} or not rows:
        return
    try:
        require_matplotlib()
    except GanforgeError as error:
        view.say(f"no plot: {error}")
        return
    picture, _ = save_plot(plot(rows), out.with_suffix(""))
    view.say(f"rows: {out}\nplot: {picture}")


def tradeoff(run: Path, *, thresholds: str, samples: int, out: Path | None, device: str, as_json: bool) -> None:
    """Judge a generator at several truncations, and draw the curve."""
    chosen = curve.thresholds_in(thresholds)
    if out is not None:
        if out.suffix not in ("", ".png"):
            raise RecipeError(f"{str(out)!r} is no picture that this verb writes; end it in .png")
        require_matplotlib()
    maker, source, chosen_by_run, *_ = judged_pair(str(run), None, device)
    assert isinstance(maker, Sampler)
    judge = feature_extractor(extractor_name(source, chosen_by_run), device=str(device_named(device)))
    how: dict[str, Any] = {"thresholds": chosen, "split": reporting_split(source), "samples": samples}
    with view.bar(f"judging {maker.name}", float(len(chosen))) as advance:
        rows = list(curve.tradeoff(maker, source, judge, **how, cache=cache_folder(), progress=advance))
    names = list(rows[0]["figures"])
    lines = [(f"{row['threshold']:g}", *(f"{row['figures'][name]:.4g}" for name in names)) for row in rows]
    view.table(("threshold", *(name.replace("_", " ") for name in names)), lines, rows, as_json=as_json)
    if out is not None:
        view.say(f"plot: {save_plot(curve.plot(rows), out.with_suffix(''))[0]}")


def words_in(text: str) -> list[str]:
    """The words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def recipes(*, as_json: bool) -> None:
    """List recipes with their first comment line."""
    texts = {n: resources.files("ganforge.recipes").joinpath(f"{n}.toml").read_text() for n in recipe_names()}
    view.listing({n: t.splitlines()[0].removeprefix("# ") for n, t in texts.items()}, default=DEFAULT, as_json=as_json)


def recipe(name: str, settings: list[str], *, as_json: bool) -> None:
    """Print a recipe in full."""
    parts = resolve(override(load_recipe(name), settings))
    view.text(json.dumps(values(parts), indent=2) if as_json else to_toml(parts))


def values(parts: dict[str, Any]) -> dict[str, Any]:
    """Section -> key -> value."""
    table = {k: v if isinstance(v, dict) else {"": v} for k, v in parts.items()}
    keys = {k: {n: {key: plain(x) for key, x in p.values.items()} for n, p in v.items()} for k, v in table.items()}
    return {k: v.get("", v) for k, v in keys.items()}


def experiment(
    words: list[str], *, every: bool, options: dict[str, bool], seeds: int, jobs: int, out: Path, as_json: bool
) -> None:
    """Perform experiments, or list them; exit with 1 if one was not shown."""
    if not words and not every:
        titles = {name: load_experiment(name).title for name in experiment_names()}
        view.listing(titles, default="", as_json=as_json)
        return
    require_matplotlib()
    wanted = {e.name: e.settings(rest, **options) for e, rest in chosen(words, every=every, options=options)}
    outcomes = []
    with view.bar("experiments", seeds * len(wanted)) as advance:
        for outcome in perform(wanted, seeds=range(seeds), jobs=jobs or default_jobs(), progress=advance):
            folder = out / outcome.experiment.name
            page = write_outcome(outcome, folder, command=called_as(), one_of_many=every)
            outcomes.append(outcome)
            view.outcome(outcome.record, page, as_json=as_json)
    if every:
        view.say(f"all of them: {write_index(outcomes, out)}")
    if not all(o.shown for o in outcomes):
        sys.exit(1)


def chosen(words: list[str], *, every: bool, options: dict[str, bool]) -> list[tuple[Experiment, list[str]]]:
    """The experiments that were asked for, each with its settings.

    Raises:
        RecipeError: for options that contradict each other, and for a name that is none.
    """
    if options["quick"] and options["full"]:
        raise RecipeError("--quick and --full contradict each other; leave one out")
    if every and words:
        raise RecipeError(f"--all performs every experiment as it is; leave out {' '.join(words)!r} or --all")
    if every:
        return [(load_experiment(name), []) for name in experiment_names()]
    if "=" in words[0]:
        raise RecipeError(f"{words[0]!r} is a setting of no experiment; name the experiment first")
    return [(load_experiment(words[0]), words[1:])]
