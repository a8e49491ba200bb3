"""What a person sees in a terminal: progress on stderr, results on stdout, JSON where a program reads."""

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from ganforge.crowd import ALL
from ganforge.data.survey import Survey
from ganforge.figures import MEANINGS
from ganforge.heal import play_healing
from ganforge.label_figures import sentences
from ganforge.run import Diagnosis, Event, Healed, Judgement, Run, Stage
from ganforge.train import Tick

__all__ = [
    "bar",
    "checkpoints",
    "listing",
    "outcome",
    "paths",
    "result",
    "say",
    "surveyed",
    "table",
    "text",
    "watch",
]

WIDE = 110  # columns that the whole line of news takes, with the bar
stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False, width=None if sys.stdout.isatty() else 120)

SHOWN = 4  # sizes of images
MOST_CLASSES = 40  # of a data set, a line each


def silence(*numbers: int) -> None:
    """Lets what is written to these file descriptors go nowhere: nobody reads it any more, and to write is an error."""
    with open(os.devnull, "w") as nowhere:
        for number in numbers:
            os.dup2(nowhere.fileno(), number)


stderr.on_broken_pipe = lambda: silence(2)  # type: ignore[method-assign]  # rich would leave the program


def say(words: str) -> None:
    """A line for people, on stderr."""
    stderr.print(words, markup=False, soft_wrap=True)


def text(words: str) -> None:
    """A result, on stdout, as it is."""
    print(words, end="" if words.endswith("\n") else "\n")


@contextmanager
def signals() -> Iterator[list[int]]:
    """The first SIGINT, SIGTERM or SIGHUP is noted in the list; a second one ends the program the usual way.

    Under `nohup`, where SIGHUP is ignored, it remains so.
    """
    caught: list[int] = []
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        if number == hangup:
            silence(*terminals)
        say("stopping after this step and saving; once more to stop at once")
        signal.signal(number, at_once)

    def at_once(number: int, frame: FrameType | None) -> None:
        stderr.show_cursor()  # the bar has hidden it
        say("stopped; what was saved last is there, `ganforge resume` goes on from it")
        signal.signal(number, before[signal.Signals(number)])
        os.kill(os.getpid(), number)

    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, hangup) if s is not None}
    if before.get(hangup) == signal.SIG_IGN:
        del before[hangup]
    for number in before:
        signal.signal(number, note)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def watch(run: Run, *, heal: bool = False) -> int:
    """Play a run under a progress bar, healed where that is asked for; the number of the signal that stopped it, 0 if
    it came to its end."""
    for note in run.notes:
        say(note)
    say(f"{run.plan.name} on {run.plan.device}: {run.plan.source.describe()}")
    unit = run.plan.source.unit
    going_on = f", going on at {run.state.images:,} {unit}" if run.state.images else ""
    say(f"run folder: {run.folder.path}{going_on}")
    total = run.plan.training.images
    with progress() as shown, signals() as caught:
        task = shown.add_task("training", total=total, completed=run.state.images, news="")
        for event in (play_healing if heal else Run.play)(run, lambda: bool(caught)):
            if isinstance(event, Tick):
                shown.update(task, completed=min(event.images, total), description="training", news=news(event))
                if not stderr.is_terminal and event.images * 10 // total > event.since * 10 // total:
                    say(f"{min(event.images, total):>10,} of {total:,} {unit}  {news(event)}")
            elif isinstance(event, Stage):
                shown.update(task, description=event.text, news="")
            else:
                say_event(event, unit)
    return caught[0] if caught else 0


def say_event(event: Event, unit: str) -> None:
    """What is worth a line that stays: a judgement, a finding when it begins, a healing."""
    if isinstance(event, Judgement) and not event.final:
        say(judgement_line(event, unit))
    elif isinstance(event, Diagnosis):
        say(f"finding: {event.finding.name}. {event.finding.text} To rebalance: {shlex.quote(event.finding.remedy)}")
    elif isinstance(event, Healed):
        say(f"healing: back to {event.images:,} {unit} seen, on with {shlex.quote(event.finding.remedy)}")


def progress() -> Progress:
    """The bar: what, how far, how long still, and the state of the game; it gives way where the window is narrow."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24 if stderr.width >= WIDE else 8),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[news]}", table_column=Column(no_wrap=True)),
        console=stderr,
        disable=not stderr.is_terminal,
        transient=True,
    )


def news(tick: Tick) -> str:
    """Losses, beliefs and speed on a line."""
    f = tick.figures
    losses = f"loss D {f['loss_discriminator']:.3f} G {f['loss_generator']:.3f}  "
    bare = f["d_real"] == f["real_logits"]  # a critic's: no probability
    real, fake = ("logits real", "fake") if bare else ("D(real)", "D(G(z))")
    beliefs = f"{real} {f['d_real']:.2f} {fake} {f['d_fake']:.2f}"
    speed = f"  {f['images_per_second']:,.0f} img/s" + (f"  skipped {f['skipped']:.0f}" if f["skipped"] else "")
    return beliefs if stderr.is_terminal and stderr.width < WIDE else losses + beliefs + speed


def judgement_line(event: Judgement, unit: str) -> str:
    """A judgement on a line."""
    figures = event.record["figures"]
    words = "  ".join(f"{name.replace('_', ' ')} {number(figures, name)}" for name in figures if name in MEANINGS)
    return f"{event.record['images']:>10,} {unit}  {words}" + ("  (best so far)" if event.best else "")


@contextmanager
def bar(what: str, total: float) -> Iterator[Callable[[float], None]]:
    """A progress bar on stderr; the function it gives advances it."""
    with progress() as shown:
        task = shown.add_task(what, total=total, news="")

        def advance(amount: float) -> None:
            shown.update(task, advance=amount)

        yield advance


def result(record: Mapping[str, Any], *, as_json: bool) -> None:
    """Figures on stdout, a table for people or one JSON object for programs; on stderr what to hold against them."""
    if as_json:
        text(json.dumps(record))
    else:
        judged(record)
    for note in record.get("notes", ()):
        say(f"note: {note}")


def judged(record: Mapping[str, Any]) -> None:
    """A judgement as a table, and where its pictures are."""
    figures, floor = record["figures"], record["floor"]
    table = Table(title=f"{record['model']}  ·  {record['protocol']}", title_justify="left", box=None, pad_edge=False)
    who, made = ("this model", "fakes") if "images" in record else ("these images", "images")
    for column in ("figure", who, "real data (floor)", ""):
        table.add_column(column, justify="left" if column in {"figure", ""} else "right")
    spans = record.get("intervals", {})
    for name, meaning in ((n, m) for n, m in MEANINGS.items() if n in figures and n != "shares"):
        value = number(figures, name) + span(spans.get(name))
        table.add_row(name.replace("_", " "), value, number(floor, name), f"[dim]{meaning}[/dim]")
    stdout.print(table)
    if shares := "  ".join(f"{name} {share or 0:.1%}" for name, share in figures.get("shares", {}).items()):
        stdout.print(f"share of each class: {shares}", soft_wrap=True)
    for line in sentences(record.get("labels", {})):
        stdout.print(line, soft_wrap=True)
    reals = record.get("real_samples", record["samples"])
    kind = "real samples" if record["split"] == ALL else f"{record['split'].replace('_', '-')} samples"
    counts = f"{record['samples']:,} {made} against {reals:,} {kind}"
    beside = f"{record['floor_samples']:,} training samples against the same" if record["floor_samples"] else "none"
    known = "; real ones from the cache" if record.get("cached") else ""
    stdout.print(f"[dim]{counts}; floor: {beside}{known}[/dim]")
    if spans:
        resampled = f"in brackets: 2.5 to 97.5 % of {record['bootstrap']:,} resamples of both sides"
        stdout.print(f"[dim]{resampled}[/dim]")
    if "scorecard" in record:
        text(f"scorecard: {record['scorecard']}")
    if "run" in record:
        run = Path(record["run"])
        for what, path in {"samples": run / "samples", "report": run / "report.html"}.items():
            text(f"{what}: {path}")


def checkpoints(rows: Sequence[Mapping[str, Any]], names: Sequence[str], *, as_json: bool) -> None:
    """The checkpoints of a run by their figures, and the floor; a JSON list for programs."""
    shown = [name for name in names if name != "shares"]
    cells = [
        (f"{row['images']:,}", *(number(row["figures"], n) + span(row.get("intervals", {}).get(n)) for n in shown))
        for row in rows
    ]
    floor = [("real data", *(number(row["floor"], name) for name in shown)) for row in rows[-1:]]
    head = ["images seen", *(name.replace("_", " ") for name in shown)]
    table(head, [*cells, *floor], rows, as_json=as_json)


def number(figures: Mapping[str, Any], name: str) -> str:
    """A figure with its error, where it has one; a dash where there were too few images for it."""
    value, error = figures[name], figures.get(f"{name}_error")
    return "—" if value is None else f"{value:.4g}" + (f" ± {error:.1g}" if error is not None else "")


def span(ends: Sequence[float] | None) -> str:
    """An interval behind its figure, in the table's markup; nothing where there is none."""
    return "" if ends is None else f" \\[{ends[0]:.4g}, {ends[1]:.4g}]"


def paths(written: Sequence[Path], record: dict[str, Any], *, as_json: bool) -> None:
    """The files that were written, a line each; for many, only their folder."""
    shown = written if len(written) == 1 or as_json else [written[0].parent]
    text(json.dumps(record | {"files": [str(p) for p in written]}) if as_json else "\n".join(map(str, shown)))


def surveyed_images(table: Table, found: Survey) -> None:
    """What is said of images alone."""
    out = "[dim]of these, and no images therefore[/dim]" if found.broken else ""
    table.add_row("can't be read", f"{len(found.broken):,}", out)
    sizes = [f"{w}×{h} ({n:,})" for (w, h), n in list(found.sizes.items())[:SHOWN]]
    table.add_row("sizes", f"{len(found.sizes):,}", f"[dim]{', '.join(sizes)}[/dim]")
    table.add_row(
        "kinds", f"{len(found.modes):,}", f"[dim]{', '.join(f'{m} ({n:,})' for m, n in found.modes.items())}[/dim]"
    )
    table.add_row("exact copies", f"{sum(len(group) - 1 for group in found.copies):,}", "")
    table.add_row("near copies", f"{len(found.near):,}", "")
    table.add_row("of one colour", f"{len(found.constant):,}", "")


def surveyed(found: Survey, sheet: Path | None, *, as_json: bool) -> None:
    """What is in a data set: a table for people, one JSON object for programs."""
    if as_json:
        text(json.dumps(found.record() | {"sheet": None if sheet is None else str(sheet)}))
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    parts = ", ".join(f"{n:,} {split.replace('_', ' ')}" for split, n in found.splits.items())
    unit = f"points in {found.dims} dimensions" if found.dims else "images"
    unit = {"": unit, "unpaired": "images of A"}.get(found.pairing, "pairs")
    table.add_row(unit, f"{sum(found.splits.values()):,}", f"[dim]{parts}[/dim]")
    if found.others:
        parts = ", ".join(f"{n:,} {split.replace('_', ' ')}" for split, n in found.others.items())
        table.add_row("images of B", f"{sum(found.others.values()):,}", f"[dim]{parts}, none paired with A's[/dim]")
    if not found.dims:
        surveyed_images(table, found)
    if found.numbers:
        table.add_row("labels", f"{len(found.numbers):,}", "[dim]numbers each, continuous[/dim]")
    else:
        table.add_row("classes", f"{len(found.classes):,}", "[dim]no labels[/dim]" if not found.classes else "")
    stdout.print(table)
    for name, (low, mean, high) in list(found.numbers.items())[:MOST_CLASSES]:
        stdout.print(f"  {name[:24]:<24} from {low:.4g} to {high:.4g}, mean {mean:.4g}", markup=False)
    if len(found.numbers) > MOST_CLASSES:
        stdout.print(f"  [dim]and {len(found.numbers) - MOST_CLASSES:,} more; --json has all[/dim]")
    most = max(found.classes.values(), default=0)
    for name, count in list(found.classes.items())[:MOST_CLASSES]:
        stdout.print(f"  {name[:24]:<24} {count:>9,} {'█' * round(30 * count / max(most, 1))}", markup=False)
    if len(found.classes) > MOST_CLASSES:
        stdout.print(f"  [dim]and {len(found.classes) - MOST_CLASSES:,} more; --json has all[/dim]")
    for warning in found.warnings():
        stdout.print(f"to mind: {warning}", style="yellow", soft_wrap=True, markup=False)
    for pack in found.packs:
        text(f"packed copy: {pack}")
    if sheet is not None:
        text(f"contact sheet: {sheet}")


def listing(rows: Mapping[str, str], *, default: str, as_json: bool) -> None:
    """Names with a line each."""
    if as_json:
        text(json.dumps(rows))
        return
    width = max(map(len, rows))
    for name, words in rows.items():
        text(f"{name:<{width}}  {words}" + ("  (default)" if name == default else ""))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], records: Any, *, as_json: bool) -> None:
    """Rows of text under their heads; the records behind them as JSON for programs."""
    if as_json:
        text(json.dumps(records))
        return
    shown = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        shown.add_row(*row)
    stdout.print(shown)


def outcome(record: Mapping[str, Any], page: Path, *, as_json: bool) -> None:
    """What an experiment came to: its figures, its verdict, and where its page is; a line of JSON for programs."""
    if as_json:
        short = {k: record[k] for k in ("experiment", "shown", "verdict", "medians", "settings", "seconds")}
        text(json.dumps(short | {"page": str(page)}))
        return
    stdout.print(f"[bold]{record['experiment']}[/bold]  [dim]{record['seconds']:.0f} s of one core[/dim]")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("", "median", *(f"seed {t['seed']}" for t in record["trials"])):
        table.add_column(column, justify="left" if not column else "right")
    for name, median in record["medians"].items():
        table.add_row(name.replace("_", " "), *(f"{v:.4g}" for v in (median, *by_seed(record, name))))
    stdout.print(table)
    stdout.print(record["verdict"], soft_wrap=True, style="green" if record["shown"] else "yellow", markup=False)
    text(f"page: {page}\n")


def by_seed(record: Mapping[str, Any], name: str) -> list[float]:
    """A figure of every trial."""
    return [t["figures"][name] for t in record["trials"]]
