"""What recording costs: the share of a step by torch's profiler, cheap signals of every step apart from looks.

    python benchmarks/recording.py                    # three recipes, 500 steps each: some minutes on two quiet cores
    python benchmarks/recording.py points_ring_8 --steps 100

Recording is what a game does for its trace and for nothing else: what D believes, the figures put by, their sums, the
line of a tick. The norm of the gradients isn't counted, as updates that aren't finite are left out by it whoever looks
on. A look (`run.probe`) is one call every few ticks; its share is that of a run of the recipe, as it stands.
"""

import argparse
import datetime
import importlib
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from ganforge.arithmetic import at_work
from ganforge.games.noise import NoiseGame
from ganforge.io import environment
from ganforge.io.disk import write_whole
from ganforge.plan import build
from ganforge.probe import Probe
from ganforge.recipe import load_recipe, override
from ganforge.state import TrainState

RECIPES = ("points_ring_8", "mlp_mnist_28", "dcgan_mnist_28")
training = importlib.import_module("ganforge.train")  # the module; the package has the function of that name
STEP, RECORDING = "a step", "recording"
PARTS = ((training, "note"), (NoiseGame, "beliefs"), (TrainState, "fold"), (training, "read_tick"))


def named(function: Callable[..., Any], within: list[bool]) -> Callable[..., Any]:
    """The function, under a name in the profile, unless it is called within another of that name."""

    def ranged(*args: Any, **options: Any) -> Any:
        if within:
            return function(*args, **options)
        within.append(True)
        try:
            with record_function(RECORDING):
                return function(*args, **options)
        finally:
            within.pop()

    return ranged


def shares(name: str, steps: int) -> tuple[float, float, float]:
    """Milliseconds a step, the share of it that is recording, and that of looks in a run of the recipe."""
    plan = build(override(load_recipe(name), ["train.device=cpu"]))
    state = TrainState.start(plan)
    within = list[bool]()
    patches = [patch.object(owner, part, named(getattr(owner, part), within)) for owner, part in PARTS]
    rounds = max(1, steps // (plan.training.d_steps + plan.training.g_steps))
    seen = plan.training.batch * plan.training.d_steps  # images, in a round
    with plan.stream(position=0) as stream, at_work(plan.speed, plan.device):
        for _ in range(20):
            training.play_round(plan, state, stream)
        state.fold()
        for each in patches:
            each.start()
        try:
            with profile(activities=[ProfilerActivity.CPU]) as profiler:
                for _ in range(rounds):
                    with record_function(STEP):
                        training.play_round(plan, state, stream)
                        if state.images % plan.training.tick < seen:
                            training.read_tick(plan, state)
                with record_function(STEP):
                    state.fold()
        finally:
            for each in patches:
                each.stop()
    times = {event.key: event.cpu_time_total / 1e3 for event in profiler.key_averages()}
    step, look = times[STEP] / rounds, looking(plan, state)
    between = plan.recording.probe * plan.training.tick / seen * step  # milliseconds from one look to the next
    return step, times[RECORDING] / times[STEP], look / (look + between)


def looking(plan: Any, state: TrainState) -> float:
    """Milliseconds of one look, after the first, which reads the real samples."""
    probe = Probe(plan)
    probe.look(state)
    with profile(activities=[ProfilerActivity.CPU]) as profiler, record_function(STEP):
        probe.look(state)
    return float(next(event.cpu_time_total for event in profiler.key_averages() if event.key == STEP)) / 1e3


def main() -> None:
    """The table, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=list(RECIPES), metavar="RECIPE")
    parser.add_argument("--steps", type=int, default=500, help="updates under the profiler, of either player (500)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the result")
    given = parser.parse_args()
    machine, command = environment("cpu"), shlex.join(["python", "benchmarks/recording.py", *sys.argv[1:]])
    lines = [
        f"# What recording costs, {datetime.date.today().isoformat()}",
        "",
        f"`{command}`: {machine['cpu']}, {machine['cores']} cores, {torch.get_num_threads()} threads, torch "
        f"{machine['torch']}; {given.steps} updates under torch's profiler, whose own cost is on both sides.",
        "",
        "| recipe | milliseconds a round | recording | looks, in a run of the recipe |",
        "|---|---|---|---|",
    ]
    for name in given.recipes:
        step, recording, looks = shares(name, given.steps)
        lines.append(f"| `{name}` | {step:.2f} | {recording:.2%} | {looks:.2%} |")
        print(lines[-1], flush=True)
    write_whole(given.out / "recording.md", ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
