"""Where the time of a round goes, plain loops beside ours: torch's profiler, own time by kind of operation.

python benchmarks/profiles.py                    # the two slowest contests, about two minutes on two quiet cores
python benchmarks/profiles.py mlp_step --rounds 50
"""

import argparse
import datetime
import shlex
import sys
from pathlib import Path

import torch
from contests import CONTESTS, Run
from plans import FULL, QUICK
from torch.profiler import ProfilerActivity, profile

from ganforge.io import environment
from ganforge.io.disk import write_whole

KINDS: dict[str, tuple[str, ...]] = {
    "convolutions, backward": ("aten::convolution_backward", "aten::_convolution_double_backward"),
    "convolutions, forward and tangent": ("aten::mkldnn_convolution", "aten::_convolution", "aten::_slow_conv"),
    "products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::mv", "aten::dot"),
    "norms": ("aten::native_batch_norm", "aten::native_batch_norm_backward", "aten::batch_norm"),
    "kinks": ("aten::relu", "aten::clamp_min", "aten::threshold_backward", "aten::leaky_relu", "aten::tanh"),
    "pools and doublings": ("aten::avg_pool2d", "aten::upsample", "aten::_upsample"),
    "copies and fills": ("aten::copy_", "aten::fill_", "aten::zero_", "aten::cat"),
    "sums and products by entry": ("aten::add", "aten::mul", "aten::sub", "aten::div", "aten::sum", "aten::neg"),
    "optimisers": ("aten::_fused_adam", "aten::addcdiv", "aten::addcmul", "aten::lerp", "aten::sqrt", "aten::_foreach"),
}  # fmt: skip
"""Words with which the profiler's names begin, the first that fits."""


def kind_of(name: str) -> str:
    return next((kind for kind, words in KINDS.items() if name.startswith(words)), "all else")


def own_times(run: Run, rounds: int) -> dict[str, float]:
    """Milliseconds a round by kind; the profiler's own cost is in them."""
    run(1)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run(rounds)
    found = dict.fromkeys([*KINDS, "all else"], 0.0)
    for event in profiler.key_averages():
        found[kind_of(event.key)] += event.self_cpu_time_total / 1e3 / rounds
    return found


def table(title: str, sides: dict[str, dict[str, float]]) -> str:
    """A row a kind, a column a side."""
    rows = [f"| {kind} | " + " | ".join(f"{times[kind]:,.1f}" for times in sides.values()) + " |"
            for kind in [*KINDS, "all else"]]  # fmt: skip
    total = "| **all** | " + " | ".join(f"**{sum(times.values()):,.1f}**" for times in sides.values()) + " |"
    head = f"| milliseconds a round | {' | '.join(sides)} |\n|---|{'---|' * len(sides)}"
    return "\n".join([f"## {title}", "", head, *rows, total, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contests", nargs="*", default=["wgan_gp", "sngan"], metavar="CONTEST",
                        help=f"of {', '.join(CONTESTS)}")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=2, help="rounds under the profiler (2)")
    parser.add_argument("--quick", action="store_true", help="tiny networks: does it run?")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the result")
    given = parser.parse_args()
    if wrong := [name for name in given.contests if name not in CONTESTS]:
        parser.error(f"{wrong[0]!r} is no contest; choose from {', '.join(CONTESTS)}")
    machine, parts = environment("cpu"), []
    for name in given.contests:
        sides = {side: own_times(make(QUICK if given.quick else FULL), given.rounds)
                 for side, make in CONTESTS[name].sides.items()}  # fmt: skip
        parts.append(table(CONTESTS[name].title, sides))
    command, threads = shlex.join(["python", "benchmarks/profiles.py", *sys.argv[1:]]), torch.get_num_threads()
    head = [
        f"# Where a round's time goes, {datetime.date.today().isoformat()}",
        "",
        f"`{command}`: {machine['cpu']}, {machine['cores']} cores, {threads} threads, torch {machine['torch']}; the "
        "profiler's own cost included.",
        "",
    ]
    words = "\n".join([*head, *parts])
    write_whole(given.out / ("profiles-quick.md" if given.quick else "profiles.md"), words.encode())
    print(words)


if __name__ == "__main__":
    main()
