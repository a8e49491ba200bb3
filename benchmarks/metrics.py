"""How much faster our metrics are than the packages that others report with, on the same features, and what they hold.

    python benchmarks/metrics.py                       # about 15 minutes on two quiet cores
    python benchmarks/metrics.py --only manifold kid   # some of it
    python benchmarks/metrics.py --quick --out quick   # small sets, seconds: does it run?

Sides take turns in one process, A B A B ...; a ratio is one of medians. scipy and prdc come with the extra `dev`;
torch-fidelity, for the kernel distance, and pytorch-fid, for the Fréchet distance, do not: `pip install --no-deps
torch-fidelity pytorch-fid torchvision`, then `pip install tqdm`. Memory is the most that a process of its own held
beyond its features.

Of the kernel distance over subsets, nine tenths are matrix products, and NumPy's BLAS takes half of a symmetric one as
we do: at its float32 there is next to nothing to gain. But that is off by some 1e-4 of the value, ours by 1e-7; for the
same precision it has to be given features in float64 (`kid_double`).
"""

import argparse
import contextlib
import datetime
import importlib
import io
import json
import multiprocessing
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from same_update import high_water
from step import slug
from torch import Tensor

from ganforge.features import RunningGaussian
from ganforge.io import environment
from ganforge.io.disk import write_whole
from ganforge.metrics import frechet_distance, kernel_distance_subsets, manifold_scores

DIM = 2048
HEAD = ("what", "against", "theirs", "ours", "ratio", "target", "agreement", "our memory")


def features(count: int, *, seed: int, spread: float = 1.0) -> Tensor:
    """Features like a classifier's: non-negative, correlated, of slowly falling variance, (count, 2048) float32."""
    mix = torch.randn(256, DIM, generator=torch.Generator().manual_seed(99)) * torch.linspace(1, 0.1, 256)[:, None] / 16
    rng = torch.Generator().manual_seed(seed)
    made = torch.empty(count, DIM)
    for part in made.split(5000):
        part.copy_(spread * torch.randn(len(part), 256, generator=rng) @ mix)
        part += 0.1 * torch.randn(part.shape, generator=rng)
    return made.relu_()


def statistics_of(x: Tensor) -> Any:
    running = RunningGaussian(DIM)
    for part in x.split(5000):
        running.update(part)
    return running.result()


# ---------------------------------------------------------------- the packages


def by_sqrtm(real: Any, fake: Any) -> float:
    """The reference form: scipy's root of the product of the covariances."""
    from scipy.linalg import sqrtm

    S, T = real.covariance.numpy(), fake.covariance.numpy()
    shift = float((real.mean - fake.mean).square().sum())
    return shift + float(np.trace(S) + np.trace(T) - 2 * np.trace(sqrtm(S @ T).real))


def by_prdc(real: Tensor, fake: Tensor) -> list[float]:
    import prdc

    with contextlib.redirect_stdout(io.StringIO()):
        found = prdc.compute_prdc(real.numpy(), fake.numpy(), nearest_k=3)
    return [float(found[key]) for key in ("precision", "recall", "density", "coverage")]


@lru_cache
def declare_operators() -> torch.library.Library:
    """What torchvision's Python side looks for at import, and no CPU build has; others import it, we never call it."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


@lru_cache
def optional(name: str) -> Any:
    """A module of a package that the extra `dev` doesn't bring; None where it isn't installed."""
    declare_operators()
    try:
        return importlib.import_module(name)
    except Exception:
        return None


def by_pytorch_fid(module: Any, real: Any, fake: Any) -> float:
    S, T = (side.covariance.numpy() for side in (real, fake))
    m, n = (side.mean.numpy() for side in (real, fake))
    with contextlib.redirect_stdout(io.StringIO()):  # it says when the product is singular
        return float(module.calculate_frechet_distance(m, S, n, T))


def by_torch_fidelity(module: Any, real: Tensor, fake: Tensor, subsets: int, size: int) -> float:
    found = module.kid_features_to_metric(real, fake, kid_subsets=subsets, kid_subset_size=size, verbose=False)
    return float(found["kernel_inception_distance_mean"])


# ---------------------------------------------------------------- contests


@dataclass(frozen=True)
class Contest:
    """Two ways to one figure.

    Attributes:
        against: the package.
        target: the ratio that was set; None for none.
        pairs: samples of each side.
        ours, theirs: the two ways; each gives one number or several.
        memory: (work, features) for a process of its own, or None.
    """

    against: str
    target: float | None
    pairs: int
    ours: Callable[[], Any]
    theirs: Callable[[], Any] | None
    memory: tuple[str, int] | None = None


def frechet(count: int, target: float) -> Contest:
    real, fake = (statistics_of(features(count, seed=s, spread=1 - 0.05 * s)) for s in (0, 1))
    return Contest("scipy's sqrtm", target, 3, lambda: frechet_distance(real=real, fake=fake),
                   lambda: by_sqrtm(real, fake))  # fmt: skip


def frechet_pytorch_fid(count: int, pairs: int = 3) -> Contest | None:
    module = optional("pytorch_fid.fid_score")
    if module is None:
        return None
    real, fake = (statistics_of(features(count, seed=s, spread=1 - 0.05 * s)) for s in (0, 1))
    return Contest("pytorch-fid", None, pairs, lambda: frechet_distance(real=real, fake=fake),
                   lambda: by_pytorch_fid(module, real, fake))  # fmt: skip


def manifold(count: int, target: float | None) -> Contest:
    real, fake = (features(count, seed=s, spread=1 - 0.05 * s) for s in (0, 1))
    theirs = None if target is None else lambda: by_prdc(real, fake)
    return Contest("prdc", target, 3 if target else 1, lambda: list(manifold_scores(real=real, fake=fake, k=3)), theirs,
                   ("manifold", count))  # fmt: skip


def kid(count: int, target: float, subsets: int, size: int, *, precise: bool = False) -> Contest | None:
    module = optional("torch_fidelity.metric_kid")
    if module is None:
        return None
    real, fake = (features(count, seed=s, spread=1 - 0.05 * s) for s in (0, 1))
    theirs = (real.double(), fake.double()) if precise else (real, fake)
    return Contest(
        "torch-fidelity in float64" if precise else "torch-fidelity", target, 3,
        lambda: kernel_distance_subsets(real=real, fake=fake, subsets=subsets, size=size).value,
        lambda: by_torch_fidelity(module, *theirs, subsets, size), ("kid", count))  # fmt: skip


FULL: dict[str, tuple[str, Callable[[], Contest | None]]] = {
    "frechet": ("Fréchet distance, full rank (10,000 of 2048)", lambda: frechet(10_000, 8.0)),
    "frechet_singular": ("Fréchet distance, singular (1,000 of 2048)", lambda: frechet(1_000, 4.0)),
    "pytorch_fid": ("Fréchet distance, full rank (10,000 of 2048)", lambda: frechet_pytorch_fid(10_000)),
    "pytorch_fid_singular": ("Fréchet distance, singular (1,000 of 2048)", lambda: frechet_pytorch_fid(1_000)),
    "manifold": ("precision, recall, density, coverage, 10,000 × 10,000", lambda: manifold(10_000, 4.0)),
    "manifold_50k": ("precision, recall, density, coverage, 50,000 × 50,000", lambda: manifold(50_000, None)),
    "kid": ("kernel distance, 50,000, 100 subsets of 1,000", lambda: kid(50_000, 1.7, 100, 1000)),
    "kid_double": ("the same, to a millionth of its value", lambda: kid(50_000, 1.7, 100, 1000, precise=True)),
    "kid_2k": ("kernel distance, 2,000, 100 subsets of 1,000", lambda: kid(2_000, 5.0, 100, 1000)),
}
QUICK: dict[str, tuple[str, Callable[[], Contest | None]]] = {
    "frechet": ("Fréchet distance, singular (50 of 2048)", lambda: frechet(50, 4.0)),
    "pytorch_fid": ("Fréchet distance, singular (50 of 2048)", lambda: frechet_pytorch_fid(50, pairs=1)),
    "manifold": ("precision, recall, density, coverage, 300 × 300", lambda: manifold(300, 4.0)),
    "kid": ("kernel distance, 300, 5 subsets of 20", lambda: kid(300, 1.7, 5, 20)),
    "kid_double": ("the same, to a millionth of its value", lambda: kid(300, 1.7, 5, 20, precise=True)),
}


def held(work: str, count: int) -> float:
    """MiB that a metric holds beyond its features; to be called in a process of its own."""
    real, fake = (features(count, seed=s) for s in (0, 1))
    run: dict[str, Callable[..., Any]] = {
        "manifold": manifold_scores,
        "kid": lambda **sides: kernel_distance_subsets(**sides, subsets=3, size=min(count, 1000) // 2),
    }
    run[work](real=real[:1000], fake=fake[:1000])  # libraries and their threads
    before = high_water()
    run[work](real=real, fake=fake)
    return (high_water() - before) / 2**20


def measured(title: str, contest: Contest) -> dict[str, Any]:
    """Samples of both sides by turns, what they say, and our memory."""
    seconds: dict[str, list[float]] = {"theirs": [], "ours": []}
    said: dict[str, Any] = {}
    for _ in range(contest.pairs):
        for side, run in (("theirs", contest.theirs), ("ours", contest.ours)):
            if run is not None:
                start = time.perf_counter()
                said[side] = run()
                seconds[side].append(time.perf_counter() - start)
    medians = {side: statistics.median(values) for side, values in seconds.items() if values}
    ratio = medians["theirs"] / medians["ours"] if "theirs" in medians else None
    memory = None
    if contest.memory is not None:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            memory = pool.submit(held, *contest.memory).result()
    return {
        "title": title, "against": contest.against, "seconds": seconds, "medians": medians, "ratio": ratio,
        "target": contest.target, "passed": ratio >= contest.target if ratio and contest.target else None,
        "values": said, "difference": difference(said), "memory_mib": memory,
    }  # fmt: skip


def difference(said: dict[str, Any]) -> float | None:
    """The largest relative difference between what both sides say."""
    if len(said) < 2:
        return None
    a, b = (np.atleast_1d(said[side]) for side in ("ours", "theirs"))
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-300)))


# ---------------------------------------------------------------- the report


def row(found: dict[str, Any]) -> tuple[str, ...]:
    def seconds(side: str) -> str:
        return f"{found['medians'][side]:.3g} s" if side in found["medians"] else ""

    target = "" if found["target"] is None else f"{found['target']:g}: {'pass' if found['passed'] else 'FAIL'}"
    return (
        found["title"], found["against"] if found["ratio"] else "", seconds("theirs"), seconds("ours"),
        f"{found['ratio']:.1f}" if found["ratio"] else "", target,
        "" if found["difference"] is None else f"{found['difference']:.1e}",
        "" if found["memory_mib"] is None else f"{found['memory_mib']:,.0f} MiB",
    )  # fmt: skip


def markdown(results: dict[str, Any]) -> str:
    lines = [HEAD, ("---",) * len(HEAD), *(row(found) for found in results["contests"].values())]
    machine = results["machine"]
    words = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return "\n\n".join([
        f"# Our metrics against the packages that others report with, {results['date']}",
        f"`{results['command']}`",
        "\n".join("| " + " | ".join(line) + " |" for line in lines),
        "Agreement is the largest relative difference of what both say. Memory is beyond the features themselves.",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, torch {machine['torch']}; {words}.",
    ]) + "\n"  # fmt: skip


def installed(names: tuple[str, ...]) -> dict[str, str]:
    """The versions of those that are there."""
    found = {}
    for name in names:
        with contextlib.suppress(Exception):
            found[name] = version(name)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=FULL, metavar="CONTEST", help=f"of {', '.join(FULL)}")
    parser.add_argument("--quick", action="store_true", help="small sets: checks the program, no speed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    given = parser.parse_args()
    contests, found = QUICK if given.quick else FULL, {}
    for name in [n for n in contests if n in (given.only or contests)]:
        title, make = contests[name]
        print(f"{title} ...", file=sys.stderr)
        if (contest := make()) is None:
            print("  left out: its package isn't installed (see --help)", file=sys.stderr)
            continue
        found[name] = measured(title, contest)
    results = {
        "benchmark": "metrics", "command": shlex.join(["python", "benchmarks/metrics.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(), "machine": environment("cpu"),
        "versions": installed(("scipy", "prdc", "torch-fidelity", "pytorch-fid")), "contests": found,
    }  # fmt: skip
    stem = given.out / f"metrics{'-quick' if given.quick else ''}-{slug(results['machine'])}"
    write_whole(stem.with_suffix(".json"), (json.dumps(results, indent=1) + "\n").encode())
    write_whole(stem.with_suffix(".md"), markdown(results).encode())
    table = Table(*HEAD)
    for one in found.values():
        table.add_row(*row(one))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    main()
