"""All checkpoints of a run, judged by one protocol: a row each, never taken twice, and figures over images seen."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganforge.crowd import Progress
from ganforge.errors import CheckpointError, DataError
from ganforge.evaluate import Standard
from ganforge.experiments.frame.plots import FAKE, REAL, panels
from ganforge.figures import MEANINGS
from ganforge.io.checkpoint import part_digest
from ganforge.io.disk import write_whole
from ganforge.io.folder import RunFolder
from ganforge.sample import load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ROWS", "comparable", "judge_all", "missing", "plot", "read_rows"]

ROWS = "every.jsonl"
ACROSS = 3  # panels beside each other
Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """The rows that were written, earliest checkpoint first; none where there is no file.

    Raises:
        DataError: for a line that is no row.
    """
    rows = []
    for number, line in enumerate(path.read_text("utf-8").splitlines() if path.exists() else [], 1):
        try:
            row = json.loads(line)
            place(row)
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"line {number} of {path} is no judgement of a checkpoint: remove it, or name another --out"
            ) from None
        rows.append(row)
    return sorted(rows, key=lambda row: row["images"])


def place(row: Row) -> tuple[Any, ...]:
    """What a row is of: there is one for each checkpoint and protocol."""
    return row["run"], row["images"], row["protocol"], row["extractor"]["weights"], row["data"]


def protocol_of(row: Row) -> tuple[Any, ...]:
    """What two rows must share for their figures to be comparable."""
    return row["protocol"], row["extractor"]["weights"], row["data"]


def comparable(rows: Iterable[Row], *, run: str, like: Row) -> list[Row]:
    """The rows of a run that were taken by the same protocol, against the same images."""
    return [row for row in rows if row["run"] == run and protocol_of(row) == protocol_of(like)]


def missing(run: RunFolder, rows: Iterable[Row], standard: Standard, *, bootstrap: int = 0) -> list[Path]:
    """The checkpoints that have no row yet with all that is asked for."""
    like = {"protocol": standard.protocol, "extractor": standard.judge, "data": standard.real.digest}
    there = {
        (row["images"], row["weights"])
        for row in comparable(rows, run=name_of(run), like=like)
        if set(standard.names) <= row["figures"].keys() and bootstrap in (0, row.get("bootstrap"))
    }
    return [path for path in run.checkpoints() if (int(path.name), weights_of(path)) not in there]


def name_of(run: RunFolder) -> str:
    """What a run is called in its rows."""
    return run.path.resolve().name


def weights_of(checkpoint: Path) -> str:
    """What tells one generator from another of the same run."""
    return part_digest(checkpoint, "generator")[:12]


def judge_all(
    run: RunFolder,
    standard: Standard,
    out: Path,
    *,
    bootstrap: int = 0,
    device: str = "auto",
    progress: Progress = lambda done: None,
    say: Callable[[str], None] = print,
) -> list[Row]:
    """Judge the checkpoints that `out` has no row of, write each row as it comes, and return all that are comparable.

    A checkpoint that can't be read is named and left out. A row whose checkpoint has been pruned since stays.

    Args:
        progress: hears of 1 for each checkpoint, in parts.
    """
    for path in missing(run, read_rows(out), standard, bootstrap=bootstrap):
        try:
            row = judged(path, standard, bootstrap=bootstrap, device=device, progress=progress)
        except CheckpointError as error:
            say(f"{error} Left out.")
            continue
        row = {"run": name_of(run), "weights": weights_of(path), **row}
        kept = {place(r): r for r in read_rows(out)}
        kept[place(row)] = merged(kept.get(place(row)), row)
        write_whole(out, "".join(json.dumps(r) + "\n" for r in sorted(kept.values(), key=place)).encode())
    here = {"protocol": standard.protocol, "extractor": standard.judge, "data": standard.real.digest}
    return comparable(read_rows(out), run=name_of(run), like=here)


def merged(before: Row | None, row: Row) -> Row:
    """A row, with the figures that the same checkpoint got before."""
    if before is None or before["weights"] != row["weights"]:
        return row
    return row | {key: {**before.get(key, {}), **row.get(key, {})} for key in ("figures", "intervals", "floor")}


def judged(path: Path, standard: Standard, *, bootstrap: int, device: str, progress: Progress) -> Row:
    """The judgement of one checkpoint."""
    started = time.perf_counter()
    sampler = load(path, device=device)
    fake = standard.made(sampler, lambda done: progress(done / 2))
    row = standard.record(sampler, fake, bootstrap=bootstrap, progress=lambda done: progress(done / 2))
    return {"model": sampler.name, **row, "seconds": round(time.perf_counter() - started, 2)}


def plot(rows: Sequence[Row]) -> "Figure":
    """A panel for each figure over images seen; dashed, what real images reach; a band, where there are intervals."""
    shown = [name for name in MEANINGS if name != "shares" and any(name in row["figures"] for row in rows)]
    down = -(-len(shown) // ACROSS)
    figure, axes = panels(min(len(shown), ACROSS), down, width=3.6, height=2.7)
    for axis, name in zip(axes, shown, strict=False):
        with_figure = [row for row in rows if row["figures"].get(name) is not None]
        images = [row["images"] for row in with_figure]
        axis.plot(images, [row["figures"][name] for row in with_figure], color=FAKE, marker="o", markersize=3.5)
        spans = [(row["images"], *row["intervals"][name]) for row in with_figure if name in row.get("intervals", {})]
        if spans:
            at, low, high = zip(*spans, strict=True)
            axis.fill_between(at, low, high, color=FAKE, alpha=0.18, linewidth=0)
        if (floor := with_figure[-1]["floor"].get(name) if with_figure else None) is not None:
            axis.axhline(floor, color=REAL, linestyle="--", linewidth=1.2, label="real images")
            axis.legend(frameon=False)
        axis.set_title(name.replace("_", " "))
        axis.set_xlabel("images seen")
        axis.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}k" if x else "0")
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    return figure
