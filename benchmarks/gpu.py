"""The training step on a GPU: float32, TF32, bf16, compiled, against plain loops there, and as a share of its peak.

    python benchmarks/gpu.py                       # on a GPU: about five minutes
    python benchmarks/gpu.py --only dcgan sngan    # some of the cases
    python benchmarks/gpu.py --quick --out quick   # tiny networks on whatever there is: does it run?

All ways of a case take turns, A B C A B C ...; a ratio is one of medians, to the plain loop with torch's defaults. The
plain loops are those of `classic.py` and `classic_residual.py`, their data on the GPU; BigGAN has none, its base is our
own float32. A step is a round of the game: five discriminator steps and one of the generator where the paper says so.
Peaks are the makers' figures for dense products: https://www.nvidia.com/en-us/data-center/h100/ and .../h200/.
"""

import argparse
import datetime
import itertools
import json
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import classic
import classic_residual
import torch
from contests import D_STEPS
from plans import FULL, QUICK, Scale, biggan_plan, critic_plan, dcgan_plan, random_images
from step import flops
from torch import Tensor

from ganforge.arithmetic import at_work, compiled, halves
from ganforge.io import environment
from ganforge.io.disk import write_whole
from ganforge.plan import Plan, twice_differentiated
from ganforge.settings import Speed
from ganforge.state import TrainState
from ganforge.train import play_round

HOPPER = {"float32": 67e3, "tf32": 494e3, "bf16": 989e3}
PEAKS = {"H100": HOPPER, "H200": HOPPER}
"""GFLOP/s of dense products, by a part of the device's name."""

Run = Callable[[int], None]
Sync = Callable[[], None]


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        plan: a scale and settings -> ours.
        plain: a scale, the device -> a plain loop of the same game; None: there is none.
    """

    plan: Callable[..., Plan]
    plain: Callable[[Scale, torch.device], Run] | None


def batches_on(device: torch.device, size: int, batch: int) -> Any:
    """Float batches on the device, without end."""
    real = torch.from_numpy(random_images(size)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    return itertools.cycle(real.contiguous().to(device).split(batch))


def plain_dcgan(scale: Scale, device: torch.device) -> Run:
    G, D = classic.dcgan_generator(scale.width).to(device), classic.dcgan_discriminator(scale.width).to(device)
    opt_g, opt_d, log = classic.adam(G), classic.adam(D), []
    batches = batches_on(device, 64, scale.batch)

    def rounds(count: int) -> None:
        for real in itertools.islice(batches, count):
            classic.dcgan_fresh_step(G, D, opt_g, opt_d, real, log)

    return rounds


def plain_residual(name: str) -> Callable[[Scale, torch.device], Run]:
    def made(scale: Scale, device: torch.device) -> Run:
        G, D = (network.to(device) for network in classic_residual.networks(name, scale.critic))
        opt_g, opt_d, log = classic_residual.adam(G), classic_residual.adam(D), []
        batches = batches_on(device, 32, scale.batch)

        def rounds(count: int) -> None:
            for _ in range(count):
                reals: list[Tensor] = list(itertools.islice(batches, D_STEPS[name]))
                classic_residual.ROUNDS[name](G, D, opt_g, opt_d, reals, log)

        return rounds

    return made


def biggan(scale: Scale, *settings: str) -> Plan:
    quick = ("generator.width=4", "discriminator.width=4", "train.batch=4") if scale == QUICK else ()
    return biggan_plan(32 if scale == QUICK else 128, *quick, *settings)


CASES = {
    "dcgan": Case(lambda scale, *s: dcgan_plan(scale, "game.fakes=fresh", *s), plain_dcgan),
    "sngan": Case(lambda scale, *s: critic_plan("sngan", scale, *s), plain_residual("sngan")),
    "wgan_gp": Case(lambda scale, *s: critic_plan("wgan_gp", scale, *s), plain_residual("wgan_gp")),
    "biggan": Case(biggan, None),
}


def ways(plan: Plan, device: torch.device) -> dict[str, Speed]:
    """The ways in which this device can play the game."""
    precisions = ["float32", *(["tf32"] if device.type == "cuda" else []), *(["bf16"] if halves(device) else [])]
    found = {precision: Speed(precision=precision) for precision in precisions}
    if device.type == "cuda" and not twice_differentiated(plan):
        found |= {f"{name}, compiled": replace(speed, compile=True) for name, speed in found.items()}
    return found


def ours(plan: Plan, speed: Speed) -> Run:
    """Rounds of ours."""
    state, stream = TrainState.start(plan), plan.stream(position=0)
    compiled(state.players, speed, plan.device)

    def rounds(count: int) -> None:
        with at_work(speed, plan.device):
            for _ in range(count):
                play_round(plan, state, stream)

    return rounds


def seconds_a_round(run: Run, sync: Sync, rounds: int) -> float:
    sync()
    start = time.perf_counter()
    run(rounds)
    sync()
    return (time.perf_counter() - start) / rounds


def measured(name: str, scale: Scale, device: torch.device, pairs: int) -> dict[str, Any]:
    """Samples of all ways by turns, and what follows."""
    case, sync = CASES[name], torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    plan = case.plan(scale, f"train.device={device}")
    runs = {} if case.plain is None else {"plain loop": case.plain(scale, device)}
    speeds = ways(plan, device)
    runs |= {way: ours(plan, speed) for way, speed in speeds.items()}
    warm_up = {way: seconds_a_round(run, sync, 3) * 3 for way, run in runs.items()}
    work = {way: flops(run) for way, run in runs.items() if "compiled" not in way}
    rounds = max(1, round((0.01 if scale == QUICK else 0.5) / min(seconds_a_round(r, sync, 2) for r in runs.values())))
    samples: dict[str, list[float]] = {way: [] for way in runs}
    for _ in range(pairs):
        for way, run in runs.items():
            samples[way].append(seconds_a_round(run, sync, rounds))
    base, images = next(iter(samples)), plan.training.batch * plan.training.d_steps
    return {
        "images_a_round": images,
        "rounds_a_sample": rounds,
        "loading_share": loading(plan, sync) / statistics.median(samples[list(speeds)[-1]]),
        "ways": {
            way: line(way, values, samples[base], images, work.get(way.removesuffix(", compiled"), 0.0), device)
            | {"warm_up_seconds": warm_up[way]}
            for way, values in samples.items()
        },
    }


def loading(plan: Plan, sync: Sync) -> float:
    """Seconds that a round's batches take by themselves."""
    stream = plan.stream(position=0)
    stream.next()

    def batches(count: int) -> None:
        for _ in range(count * plan.training.d_steps):
            stream.next()

    return seconds_a_round(batches, sync, 20)


def line(
    way: str, values: list[float], base: list[float], images: int, gflop: float, device: torch.device
) -> dict[str, Any]:
    median = statistics.median(values)
    ratios = [b / v for b, v in zip(base, values, strict=True)]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    peak = next((p[way.split(",")[0]] for part, p in PEAKS.items() if part in name and way.split(",")[0] in p), None)
    return {
        "seconds": {"median": median, "min": min(values), "max": max(values), "samples": values},
        "images_per_second": images / median,
        "ratio": {"of_medians": statistics.median(base) / median, "min": min(ratios), "max": max(ratios)},
        "gflop": gflop,
        "share_of_peak": None if peak is None else gflop / median / peak,
    }


def markdown(results: dict[str, Any]) -> str:
    head = "| case | way | ms a round | images/s | ratio | of the peak | loading |\n|---|---|---|---|---|---|---|"
    rows = []
    for name, case in results["cases"].items():
        for way, found in case["ways"].items():
            share = "" if found["share_of_peak"] is None else f"{found['share_of_peak']:.1%}"
            ratio = found["ratio"]
            rows.append(
                f"| {name} | {way} | {1e3 * found['seconds']['median']:.3g} | {found['images_per_second']:,.0f} | "
                f"{ratio['of_medians']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f}) | {share} | "
                f"{case['loading_share']:.1%} |"
            )
    machine = results["machine"]
    return "\n".join(
        [f"# The step on {results['device']}, {results['date']}", "", f"`{results['command']}`", "", head, *rows, "",
         "Ratios are of medians to the first way of a case. Loading: the share that a round's batches take of our last "
         f"way's round. torch {machine['torch']}, Python {machine['python']}.", ""]
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="some of the cases")
    parser.add_argument("--pairs", type=int, default=9, help="samples of each way (9)")
    parser.add_argument("--quick", action="store_true", help="tiny networks, two samples: checks the program, no speed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not given.quick:
        parser.error("there is no GPU here; --quick tries the program on this CPU")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU"
    results = {
        "benchmark": "gpu",
        "command": shlex.join(["python", "benchmarks/gpu.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "device": name,
        "machine": environment(str(device)),
        "cases": {
            case: measured(case, QUICK if given.quick else FULL, device, 2 if given.quick else given.pairs)
            for case in given.only
        },
    }
    words = "-".join(name.lower().split())
    stem = given.out / f"{'gpu-quick' if given.quick else 'gpu'}-{words}"
    write_whole(stem.with_suffix(".json"), (json.dumps(results, indent=1) + "\n").encode())
    write_whole(stem.with_suffix(".md"), markdown(results).encode())
    print(markdown(results))


if __name__ == "__main__":
    main()
