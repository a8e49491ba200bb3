"""How our training step and the plain loop scale: with the batch, the networks' width and the size of the images.

    python benchmarks/scaling.py                               # about ten minutes on two quiet cores
    python benchmarks/scaling.py --only dcgan_size             # one axis
    python benchmarks/scaling.py --only wgan_gp_batch --again  # measure its points anew
    python benchmarks/scaling.py --quick --out quick           # tiny networks, seconds: does it run?

Every point is a contest of `step.py` at another size, timed as there: both sides take turns in one process, FLOPs are
counted, and the rate is set against a reference convolution that runs between the pairs. That one keeps its batch, so
that the shares of different points are of the same thing. Before a point is timed, five rounds in float64 show that
both sides compute the same update, at its size of images but with narrow networks and a small batch.

Each point is written as soon as it is measured. One that is there, from the same torch, is not measured again unless
`--again` asks for it, so a run that was cut short goes on where it stopped. The table and the pictures are made anew of
all points; where `--out` is left alone, the pictures go to docs/figures/speed too.
"""

import argparse
import datetime
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from contests import CONTESTS
from PIL import Image
from plans import FULL, QUICK, Scale
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from same_update import largest_difference
from step import LARGEST_DIFFERENCE, measured, slug

from ganforge.errors import GanforgeError
from ganforge.experiments.frame.plots import FAKE, REAL, panels, require_matplotlib, save, style
from ganforge.io import environment
from ganforge.io.disk import write_whole

RESULTS = Path(__file__).parent / "results"
FIGURES = Path(__file__).parents[1] / "docs" / "figures" / "speed"
SHADES = 64  # colours of a picture in the documentation
NARROW = {"batch": 8, "width": 16, "critic": 16}  # of the comparison in float64, at most
WORDS = {"batch": "batch", "width": "width", "critic": "width", "size": "size of the images"}
LABELS = ("images a second", "plain time / ours", "% of kernel's rate")
SIDES = {"classic": ("plain loop", REAL), "ganforge": ("ganforge", FAKE)}

Row = dict[str, Any]


# ---------------------------------------------------------------- what is measured


@dataclass(frozen=True)
class Network:
    """A training step and the axes along which it grows; all but one stay at `FULL`'s value.

    Attributes:
        title: what plays.
        contest, kind: its names in `CONTESTS` and in `KINDS`.
        pairs: samples of each side.
        axes: field of `Scale` -> its values; the published one is among them.
    """

    title: str
    contest: str
    kind: str
    pairs: int
    axes: dict[str, tuple[int, ...]]


NETWORKS = {
    "dcgan": Network("DCGAN, 1 D + 1 G on shared fakes", "dcgan_step", "dcgan", 5, {
        "batch": (8, 16, 32, 64, 128), "width": (16, 32, 64, 128), "size": (16, 32, 64, 128)}),
    "wgan_gp": Network("WGAN-GP, ResNet at 32×32, 5 D + 1 G", "wgan_gp", "wgan_gp", 3, {
        "batch": (8, 16, 32, 64), "critic": (16, 32, 64, 128)}),
}  # fmt: skip
SMALL = {"batch": (4, 8), "width": (4, 8), "size": (16, 32), "critic": (2, 4)}
"""What `--quick` measures of an axis."""

SWEEPS = {f"{name}_{WORDS[axis].split()[0]}": (name, axis) for name, net in NETWORKS.items() for axis in net.axes}
"""Names for `--only` -> a network and one of its axes."""


@dataclass(frozen=True)
class Setting:
    """Full or quick: where the axes cross, and how far they reach."""

    middle: Scale
    quick: bool

    def values(self, name: str, axis: str) -> tuple[int, ...]:
        return SMALL[axis] if self.quick else NETWORKS[name].axes[axis]

    def pairs(self, name: str) -> int:
        return 2 if self.quick else NETWORKS[name].pairs

    def points(self, name: str, axis: str) -> Iterator[tuple[int, str, Scale]]:
        """Value, key and scale of every point of a sweep."""
        for value in self.values(name, axis):
            scale = replace(self.middle, **{axis: value})
            words = (f"{WORDS[one].split()[0]} {getattr(scale, one)}" for one in NETWORKS[name].axes)
            yield value, f"{name}, {', '.join(words)}", scale


FULL_SETTING = Setting(replace(FULL, seconds=0.5), quick=False)
QUICK_SETTING = Setting(replace(QUICK, size=16), quick=True)


@lru_cache
def checked(kind: str, scale: Scale) -> dict[str, float]:
    """That both sides compute the same update; ends the program if they don't."""
    found = largest_difference(kind, scale)
    if not found["difference"] <= LARGEST_DIFFERENCE:
        sys.exit(f"the {kind} loops don't compute the same update: after 5 rounds weights differ by {found}")
    return found


def point(name: str, key: str, scale: Scale, setting: Setting, bar: Progress) -> Row:
    """Both sides at one size."""
    network, machine = NETWORKS[name], environment("cpu")
    narrow = {one.name: min(getattr(scale, one.name), NARROW.get(one.name, 2**31)) for one in fields(scale)}
    found = {
        "date": datetime.date.today().isoformat(),
        "torch": machine["torch"],
        "git": machine.get("git"),
        "load_average": os.getloadavg()[0],
        "equality": checked(network.kind, Scale(**narrow)),
    }
    contest = replace(CONTESTS[network.contest], title=key, target=None)
    return found | measured(contest, scale, setting.pairs(name), bar, probe_batch=setting.middle.batch)


# ---------------------------------------------------------------- the points on disk


def opened(path: Path) -> dict[str, Row]:
    """The points that are there."""
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text())["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{path} can't be read as results of this benchmark ({error!r}): move it away, or give another --out.")


def stored(path: Path, rows: dict[str, Row]) -> None:
    results = {"benchmark": "scaling", "machine": environment("cpu"), "rows": rows}
    write_whole(path, (json.dumps(results, indent=1) + "\n").encode())


def fill(path: Path, setting: Setting, only: list[str], again: bool, bar: Progress) -> dict[str, Row]:
    """Measure what is missing, write after each point, and give all points."""
    rows, done = opened(path), set[str]()
    wanted = [(SWEEPS[sweep][0], key, scale) for sweep in only for _, key, scale in setting.points(*SWEEPS[sweep])]
    for name, key, scale in wanted:
        there = key in rows and rows[key]["torch"] == torch.__version__
        if key in done or (there and not again):
            continue
        rows[key] = point(name, key, scale, setting, bar)
        done.add(key)
        stored(path, rows)
    print(f"{len(done)} points measured, {len({k for _, k, _ in wanted}) - len(done)} were there", file=sys.stderr)
    return rows


def curve(rows: dict[str, Row], setting: Setting, sweep: str) -> dict[int, Row]:
    """The points of a sweep that are there, by value."""
    return {value: rows[key] for value, key, _ in setting.points(*SWEEPS[sweep]) if key in rows}


# ---------------------------------------------------------------- the table


def arrow(row: Row, what: str, form: str) -> str:
    return " → ".join(format(row["sides"][side][what], form) for side in SIDES)


def table(found: dict[int, Row], axis: str) -> str:
    """A line a value."""
    head = (WORDS[axis], "images/s", "GFLOP a round", "of the kernel's rate", "ratio", "kernel, GFLOP/s", "load",
            "measured")  # fmt: skip
    lines = [head, ("---",) * len(head)]
    for value, row in found.items():
        ratio, kernel = row["sides"]["ganforge"]["ratio"], row["probe_gflops"]
        lines.append((
            str(value), arrow(row, "images_per_second", ",.4g"), arrow(row, "gflop", ",.4g"),
            arrow(row, "share_of_probe", ".0%"),
            f"{ratio['of_medians']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})",
            f"{kernel['median']:.0f} ({kernel['min']:.0f} to {kernel['max']:.0f})",
            f"{row['load_average']:.1f}", row["date"],
        ))  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fixed(setting: Setting, name: str, axis: str) -> str:
    """What stays as it is along an axis."""
    rest = (f"{WORDS[one]} {getattr(setting.middle, one)}" for one in NETWORKS[name].axes if one != axis)
    return ", ".join(rest)


def markdown(rows: dict[str, Row], setting: Setting) -> str:
    machine = environment("cpu")
    parts = ["# How our step and the plain loop scale", "`python benchmarks/scaling.py`; plain loop → ours."]
    for sweep, (name, axis) in SWEEPS.items():
        if found := curve(rows, setting, sweep):
            title = f"## {NETWORKS[name].title}: by {WORDS[axis]} ({fixed(setting, name, axis)})"
            parts += [title, table(found, axis)]
    far = max(row["equality"]["difference"] for row in rows.values())
    pairs = ", ".join(f"{net.contest} {setting.pairs(name)}" for name, net in NETWORKS.items())
    return "\n\n".join([
        *parts,
        f"Ratios are of medians over interleaved pairs ({pairs}), in parentheses the least and the largest of single "
        "pairs; above 1 ours is faster. Width is the channels of DCGAN's largest feature map and of the residual "
        "networks. The kernel is a 3×3 convolution 128→128 at 32 × 32 and the batch of "
        f"{setting.middle.batch}, measured between the pairs; load is the machine's load average before the point.",
        f"The same update: after 5 rounds in float64 (batch 8, 16 channels at most) weights differ by {far:.1e} at "
        "most.",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, torch {machine['torch']}.",
    ]) + "\n"  # fmt: skip


# ---------------------------------------------------------------- the pictures


def draw_sweep(column: list[Any], found: dict[int, Row], axis: str) -> None:
    """Images a second, the ratio with its range, and shares of the kernel's rate, one below the other."""
    from matplotlib.ticker import LogLocator, NullLocator

    speed, ratio, share = column
    values = list(found)
    for side, (label, colour) in SIDES.items():
        look = {"color": colour, "marker": "o", "markersize": 4, "label": label}
        speed.plot(values, [row["sides"][side]["images_per_second"] for row in found.values()], **look)
        share.plot(values, [100 * row["sides"][side]["share_of_probe"] for row in found.values()], **look)
    ratios = [row["sides"]["ganforge"]["ratio"] for row in found.values()]
    middles = [r["of_medians"] for r in ratios]
    spans = [[m - min(m, r["min"]) for m, r in zip(middles, ratios, strict=True)],
             [max(m, r["max"]) - m for m, r in zip(middles, ratios, strict=True)]]  # fmt: skip
    ratio.axhline(1, linestyle=":", color="0.5")
    ratio.errorbar(values, middles, yerr=spans, color=FAKE, marker="o", markersize=4, capsize=3)
    speed.set(title=f"by {WORDS[axis]}", yscale="log")
    speed.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    speed.yaxis.set_major_formatter("{x:g}")
    speed.yaxis.set_minor_locator(NullLocator())
    ratio.set(ylim=(0, None))
    share.set(ylim=(0, None), xlabel=WORDS[axis])
    for axes in column:
        axes.set_xscale("log", base=2)
        axes.set_xticks(values, labels=[str(value) for value in values])
        axes.xaxis.set_minor_locator(NullLocator())


def picture(rows: dict[str, Row], setting: Setting, name: str) -> Any | None:
    """A column an axis; None where nothing of the network is measured."""
    sweeps = [(axis, curve(rows, setting, sweep)) for sweep, (one, axis) in SWEEPS.items() if one == name]
    sweeps = [(axis, found) for axis, found in sweeps if found]
    if not sweeps:
        return None
    import matplotlib as mpl

    count = len(sweeps)
    figure, axes = panels(count, 3, width=3.3, height=2.2, sharey="row")
    with mpl.rc_context(style()):
        for place, (axis, found) in enumerate(sweeps):
            draw_sweep(axes[place::count], found, axis)
        for first, label in zip(axes[::count], LABELS, strict=True):
            first.set_ylabel(label)
        axes[0].legend()
        figure.suptitle(NETWORKS[name].title, x=0.01, ha="left", fontsize=11)
    return figure


def few_colours(png: Path) -> bytes:
    """The picture with a palette, for the documentation."""
    data = BytesIO()
    image = Image.open(png).convert("RGB").quantize(SHADES, dither=Image.Dither.NONE)
    image.save(data, format="png", optimize=True)
    return data.getvalue()


def pictures(rows: dict[str, Row], setting: Setting, stem: Path, figures: Path | None) -> list[Path]:
    """PNG and SVG of every network beside the results, and the PNG in the documentation."""
    written = []
    for name in NETWORKS:
        if (figure := picture(rows, setting, name)) is None:
            continue
        written += save(figure, stem.parent / f"{stem.name}-{name}.png")
        if figures is not None:
            figures.mkdir(parents=True, exist_ok=True)
            written.append(figures / f"scaling-{name}.png")
            write_whole(written[-1], few_colours(written[-3]))
    return written


# ---------------------------------------------------------------- the command


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SWEEPS, default=list(SWEEPS), metavar="SWEEP",
                        help=f"of {', '.join(SWEEPS)}; by default all")  # fmt: skip
    parser.add_argument("--again", action="store_true", help="measure points anew that are there")
    parser.add_argument("--quick", action="store_true", help="tiny networks and samples: checks the program, no speed")
    parser.add_argument("--out", type=Path, help="folder of the results (benchmarks/results)")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    try:
        require_matplotlib()
    except GanforgeError as error:
        sys.exit(str(error))
    torch.manual_seed(0)
    setting = QUICK_SETTING if given.quick else FULL_SETTING
    out, figures = given.out or RESULTS, None if given.out or given.quick else FIGURES
    stem = out / f"scaling{'-quick' if given.quick else ''}-{slug(environment('cpu'))}"
    out.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        rows = fill(stem.with_suffix(".json"), setting, given.only, given.again, bar)
    words = markdown(rows, setting)
    write_whole(stem.with_suffix(".md"), words.encode())
    print(words)
    paths = [stem.with_suffix(".json"), stem.with_suffix(".md"), *pictures(rows, setting, stem, figures)]
    print("written:", *paths, file=sys.stderr)


if __name__ == "__main__":
    main()
