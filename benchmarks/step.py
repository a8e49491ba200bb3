"""Is our training step faster than the classic one, by how much, and is it the same update?

    python benchmarks/step.py                         # about half an hour on two quiet cores
    python benchmarks/step.py --only sngan mlp_step   # some of the contests
    python benchmarks/step.py --epoch-images 6000     # a tenth of the epochs: 6 minutes less
    python benchmarks/step.py --quick --out quick     # tiny networks, a quarter of a minute: does it run?

The loops of `classic.py` and `classic_residual.py` against ganforge's own rounds (`contests.py`, `plans.py`), in one
process, taking turns: A B A B ... A ratio is one of medians over all samples; its range is that of single pairs. Ours
is timed as a run plays it: shuffling, normalisation, the averaged generator, gradient norms and the watch for values
that aren't finite included; the classic steps do none of these. Before that, five rounds in float64 of each show that
both compute the same update (`same_update.py`). Peak memory is measured in a process for each side.
"""

import argparse
import datetime
import json
import multiprocessing
import os
import re
import shlex
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from contests import CONTESTS, Contest, Run
from plans import FULL, QUICK, Scale
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from same_update import KINDS, largest_difference, peak_memory
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganforge.io import environment
from ganforge.io.disk import write_whole

LARGEST_DIFFERENCE = 1e-9  # of weights in float64, between two orders of the same sums
HEAD = ("contest", "side", "seconds a unit", "images/s", "GFLOP", "of the kernel's rate", "ratio to classic",
        "target", "peak memory")  # fmt: skip


# ---------------------------------------------------------------- timing


def timed(run: Run, units: int) -> float:
    """Seconds a unit."""
    start = time.perf_counter()
    run(units)
    return (time.perf_counter() - start) / units


def units_for(runs: list[Run], seconds: float) -> int:
    """Units that take the fastest side so many seconds; all sides are warm then."""
    for run in runs:
        run(1)
    return max(1, round(seconds / min(timed(run, 2) for run in runs)))


class Probe:
    """A convolution as a reference: its speed, and how steady it is, says how fast and quiet the machine is."""

    def __init__(self, batch: int) -> None:
        layout = torch.channels_last
        self.conv = torch.nn.Conv2d(128, 128, 3, padding=1).to(memory_format=layout).requires_grad_(False)
        self.x = torch.randn(batch, 128, 32, 32).contiguous(memory_format=layout)
        self.gflop = 2 * batch * 128 * 128 * 9 * 32 * 32 / 1e9
        self.conv(self.x)

    def __call__(self) -> float:
        """GFLOP/s."""
        return self.gflop / timed(lambda n: self.conv(self.x), 1)


def measured(
    contest: Contest, scale: Scale, pairs: int, bar: Progress, *, probe_batch: int | None = None
) -> dict[str, Any]:
    """Samples of all sides by turns, and what follows from them; the reference has the contest's batch or its own."""
    pairs = min(pairs, contest.most_pairs or pairs)
    task = bar.add_task(contest.title, total=pairs * len(contest.sides))
    runs = {name: make(scale) for name, make in contest.sides.items()}
    units = units_for(list(runs.values()), scale.seconds) if contest.calibrated else 1
    probe = Probe(probe_batch or scale.batch)
    samples: dict[str, list[float]] = {name: [] for name in runs}
    probes = []
    work = {name: flops(run) for name, run in runs.items()}
    for _ in range(pairs):
        probes.append(probe())
        for name, run in runs.items():
            samples[name].append(timed(run, units))
            bar.advance(task)
    found = summary(
        contest, samples, images=contest.images(scale), target=None if scale.width < FULL.width else contest.target
    )
    for name, side in found["sides"].items():
        rate = work[name] / side["seconds"]["median"]
        side |= {"gflop": work[name], "share_of_probe": rate / statistics.median(probes)}
    return found | {"units_a_sample": units, "probe_gflops": spread(probes)}


class Flops(TorchDispatchMode):
    """Counts as torch's own counter does; that one's hooks on modules forbid penalties' first-order gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.overloadpacket not in flop_registry:
            with self:  # in inference mode, operations arrive whole
                parts = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if parts is NotImplemented else parts
        out = func(*args, **kwargs)
        self.total += flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)
        return out


def flops(run: Run) -> float:
    """GFLOP of convolutions and matrix products in a unit; two for a multiplication and a sum."""
    with Flops() as counter:
        run(1)
    return counter.total / 1e9


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(contest: Contest, samples: dict[str, list[float]], *, images: int, target: float | None) -> dict[str, Any]:
    """Medians, ratios of medians, ranges of the ratios of pairs, and whether the promise is kept."""
    first, second = list(samples)[:2]
    sides = {}
    for name, values in samples.items():
        ratios = [a / b for a, b in zip(samples[first], values, strict=True)]
        ratio = statistics.median(samples[first]) / statistics.median(values)
        sides[name] = {
            "seconds": spread(values) | {"samples": values},
            "images_per_second": images / statistics.median(values),
            "ratio": spread(ratios) | {"of_medians": ratio},
        }
    passed = None if target is None else sides[second]["ratio"]["of_medians"] >= target
    return {
        "title": contest.title, "unit": contest.unit, "images": images, "pairs": len(samples[first]),
        "sides": sides, "target": target, "passed": passed,
    }  # fmt: skip


# ---------------------------------------------------------------- memory and equality


def memory(names: list[str], scale: Scale, bar: Progress) -> dict[str, Any]:
    """Peak MiB of every side of the named contests, each in a process of its own; and of the imports alone."""
    jobs = [(None, None)] + [(name, side) for name in names for side in CONTESTS[name].sides]
    task = bar.add_task("peak memory", total=len(jobs))
    found: dict[str, Any] = {name: {} for name in names}
    for name, side in jobs:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            peak = pool.submit(peak_memory, name, side, scale).result()
        if name is None:
            found["imports"] = peak
        else:
            found[name][side] = peak
        bar.advance(task)
    return found


def equality(scale: Scale, bar: Progress) -> dict[str, dict[str, float]]:
    """That both sides compute the same update; ends the program if they don't."""
    task = bar.add_task("the same update, in float64", total=len(KINDS))
    found = {}
    for kind in KINDS:
        found[kind] = largest_difference(kind, scale)
        bar.advance(task)
        if not found[kind]["difference"] <= LARGEST_DIFFERENCE:
            sys.exit(f"the {kind} loops don't compute the same update: after 5 rounds weights differ by {found[kind]}")
    return found


# ---------------------------------------------------------------- the report


def verdict(contest: dict[str, Any]) -> str:
    if contest["target"] is None:
        return ""
    return f"{contest['target']:.2f}: {'pass' if contest['passed'] else 'FAIL'}"


def rows(results: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table, a line a side."""
    lines = []
    for name, contest in results["contests"].items():
        for place, (side, found) in enumerate(contest["sides"].items()):
            seconds, ratio = found["seconds"], found["ratio"]
            peak = results["memory"].get(name, {}).get(side)
            lines.append(
                (
                    contest["title"] if place == 0 else "",
                    side,
                    f"{seconds['median']:.4g} ({seconds['min']:.4g} to {seconds['max']:.4g})",
                    f"{found['images_per_second']:,.0f}",
                    f"{found['gflop']:,.4g}",
                    f"{found['share_of_probe']:.0%}",
                    f"{ratio['of_medians']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})" if place else "1",
                    verdict(contest) if place == 1 else "",
                    "" if peak is None else f"{peak:,.0f} MiB",
                )
            )
    return lines


def sentences(results: dict[str, Any]) -> list[str]:
    """What stands below the table."""
    machine, settings = results["machine"], results["settings"]
    probes = [c["probe_gflops"] for c in results["contests"].values()]
    least, most = min(p["min"] for p in probes), max(p["max"] for p in probes)
    speed = statistics.median(p["median"] for p in probes)
    equal = "; ".join(f"{k} {e['difference']:.1e} (moved by {e['moved']:.1e})" for k, e in results["equality"].items())
    return [
        f"Ratios are of medians over {settings['pairs']} interleaved samples (the loading: 3 at most), in parentheses "
        "the least and the largest of single pairs; above 1 ours is faster. An epoch has "
        f"{settings['epoch_images']:,} images.",
        f"The same update: largest difference between the two sides' weights after 5 rounds in float64: {equal}.",
        f"Peak memory is a process's own; with the imports alone it is {results['memory']['imports']:,.0f} MiB.",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, torch {machine['torch']}, "
        f"Python {machine['python']}. Load average at the start {results['load_average']:.1f}; meanwhile a 3×3 "
        f"convolution 128→128 ran at {speed:.0f} ({least:.0f} to {most:.0f}) GFLOP/s.",
    ]


def markdown(results: dict[str, Any]) -> str:
    table = ["| " + " | ".join(line) + " |" for line in (HEAD, ("---",) * len(HEAD), *rows(results))]
    head = [f"# Our step against the classic loops, {results['date']}", f"`{results['command']}`"]
    return "\n\n".join([*head, "\n".join(table), *sentences(results)]) + "\n"


def show(results: dict[str, Any]) -> None:
    """The table on standard output."""
    table = Table(*HEAD)
    for line in rows(results):
        table.add_row(*line)
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    for sentence in sentences(results):
        console.print(sentence, highlight=False)


def slug(machine: dict[str, Any]) -> str:
    """A machine as part of a file's name."""
    words = f"{machine['cpu']} {machine['cores']} cores {machine['threads']} threads".lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")


def write(results: dict[str, Any], out: Path) -> list[Path]:
    """The JSON and the Markdown file."""
    kind = "step-quick" if results["settings"]["quick"] else "step"
    stem = out / f"{kind}-{slug(results['machine'])}"
    texts = {
        stem.with_suffix(".json"): json.dumps(results, indent=1) + "\n",
        stem.with_suffix(".md"): markdown(results),
    }
    for path, text in texts.items():
        write_whole(path, text.encode())
    return list(texts)


# ---------------------------------------------------------------- the command


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, help="samples of each side (9; with --quick 2)")
    parser.add_argument("--epoch-images", type=int, help="images in an epoch, at most 60,000 (60,000)")
    parser.add_argument("--only", nargs="+", choices=CONTESTS, default=list(CONTESTS), metavar="CONTEST",
                        help=f"of {', '.join(CONTESTS)}; by default all")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="tiny networks and samples: checks the program, no speed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    given = parser.parse_args()
    if (given.pairs or 9) < 1 or not 0 < (given.epoch_images or 60_000) <= 60_000:
        parser.error(f"--pairs {given.pairs} --epoch-images {given.epoch_images}: give 1 or more, and 60000 at most")
    return given


def results_of(given: argparse.Namespace, bar: Progress) -> dict[str, Any]:
    """Everything measured."""
    scale, pairs = (QUICK, given.pairs or 2) if given.quick else (FULL, given.pairs or 9)
    scale = replace(scale, epoch_images=given.epoch_images or scale.epoch_images)
    remembered = [] if given.quick else [name for name in given.only if CONTESTS[name].target]
    return {
        "benchmark": "step",
        "command": shlex.join(["python", "benchmarks/step.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": environment("cpu"),
        "load_average": os.getloadavg()[0],
        "settings": {"pairs": pairs, "quick": given.quick, **asdict(scale)},
        "memory": memory(remembered, scale, bar),
        "equality": equality(scale, bar),
        "contests": {name: measured(CONTESTS[name], scale, pairs, bar) for name in given.only},
    }


def main() -> None:
    given = arguments()
    torch.manual_seed(0)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        results = results_of(given, bar)
    paths = write(results, given.out)
    show(results)
    print("written:", *paths, file=sys.stderr)


if __name__ == "__main__":
    main()
