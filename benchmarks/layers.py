"""The halving and doubling convolutions of `ganforge.layers.strided`, each way by turns with torch's.

    python benchmarks/layers.py          # about two minutes on two quiet cores
    python benchmarks/layers.py --quick  # two samples: does it run?

Both ways are measured also where the layer takes torch's, so that the table shows whether the choice is right.
Milliseconds, medians of interleaved samples.
"""

import argparse
import datetime
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from ganforge.io import environment
from ganforge.io.disk import write_whole
from ganforge.layers import strided

Convolution = Callable[[Tensor, Tensor], Tensor]


def torch_halving(x: Tensor, w: Tensor) -> Tensor:
    return F.conv2d(x, w, stride=2, padding=1)


def torch_doubling(x: Tensor, w: Tensor) -> Tensor:
    return F.conv_transpose2d(x, w, stride=2, padding=1)


def halving_product(x: Tensor, w: Tensor) -> Tensor:
    return strided._product(x, w, doubles=False)


def doubling_product(x: Tensor, w: Tensor) -> Tensor:
    return strided._product(x, w, doubles=True)


def blocks(x: Tensor, w: Tensor) -> Tensor:
    return strided._by_blocks(x, w, None)


WAYS: dict[str, tuple[Convolution, Convolution, bool]] = {
    "halving, as products": (torch_halving, halving_product, False),
    "doubling, as products": (torch_doubling, doubling_product, True),
    "doubling, by blocks": (torch_doubling, blocks, True),
}
CASES = [  # the way; channels of the smaller map, of the larger, side of the smaller, batch
    *((way, *size) for size in [(512, 256, 4, 64), (512, 512, 4, 64), (256, 128, 4, 64), (512, 256, 4, 8),
                                (256, 128, 7, 64), (256, 128, 8, 64), (1024, 512, 8, 16)]
      for way in ("halving, as products", "doubling, as products")),
    *(("doubling, by blocks", *size) for size in [(64, 3, 32, 64), (64, 1, 14, 64), (128, 64, 16, 64)]),
]  # fmt: skip
ASKED = {"forward": (), "and the input's gradient": (0,), "and the weights' too": (0, 1)}


def milliseconds(ways: tuple[Convolution, Convolution], given: list[Tensor], g: Tensor, samples: int) -> list[str]:
    """Of each of `ASKED`, torch's and ours."""
    found = []
    for asked in ASKED.values():
        took: list[list[float]] = [[], []]
        for sample in range(samples + 1):
            for way, times in zip(ways, took, strict=True):
                start = time.perf_counter()
                with torch.set_grad_enabled(bool(asked)):
                    y = way(*given)
                if asked:
                    torch.autograd.grad(y, [given[i] for i in asked], g)
                if sample:  # the first warms up
                    times.append((time.perf_counter() - start) * 1e3)
        found.append(" → ".join(f"{statistics.median(times):.1f}" for times in took))
    return found


def line(case: tuple[str, int, int, int, int], samples: int) -> str:
    """A row of the table."""
    name, small, large, side, batch = case
    *ways, doubles = WAYS[name]
    layout = torch.channels_last
    maps = [torch.randn(batch, small, side, side), torch.randn(batch, large, 2 * side, 2 * side)]
    x, g = (part.contiguous(memory_format=layout) for part in (maps if doubles else maps[::-1]))
    w = torch.randn(small, large, 4, 4).contiguous(memory_format=layout)
    assert torch.allclose(ways[0](x, w), ways[1](x, w), atol=0.01), case
    found = milliseconds((ways[0], ways[1]), [x.requires_grad_(), w.requires_grad_()], g, samples)
    return f"| {name} | {small} at {side} × {side}, {large} at {2 * side} × {2 * side} | {batch} | " + " | ".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two samples each, of two cases")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the result")
    given = parser.parse_args()
    cases, machine = CASES[-2:] if given.quick else CASES, environment("cpu")
    rows = [line(case, 2 if given.quick else 15) for case in track(cases, "layers", disable=not sys.stderr.isatty())]
    words = "\n".join([
        f"# Halving and doubling convolutions, torch's → ours, {datetime.date.today().isoformat()}",
        "",
        f"`python benchmarks/layers.py`: {machine['cpu']}, {machine['cores']} cores, {torch.get_num_threads()} "
        f"threads, torch {machine['torch']}; milliseconds.",
        "",
        "| layer | maps | batch | " + " | ".join(ASKED) + " |",
        "|" + "---|" * (3 + len(ASKED)),
        *(row + " |" for row in rows),
        "",
    ])  # fmt: skip
    write_whole(given.out / ("layers-quick.md" if given.quick else "layers.md"), words.encode())
    print(words)


if __name__ == "__main__":
    main()
