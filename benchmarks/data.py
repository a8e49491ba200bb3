"""How fast a folder of JPEGs is packed, against the bare decoder, and read from the pack, against a loader by PIL.

    python benchmarks/data.py                          # 5,000 synthetic pictures, two minutes on two quiet cores
    python benchmarks/data.py --from PATH              # made from the pictures of a data set
    python benchmarks/data.py --quick --out quick      # few and small, seconds: does it run?

Sides take turns, A B A B ...; a ratio is one of medians. The bare decoder is Pillow in as many processes as there are
cores (in threads small files would be slower): every file opened, decoded, turned to RGB, and dropped. Packing is all
of it: finding the files, decoding, resizing, writing, summing, and waiting for the disk; as they are, without resizing.
The loader by PIL does for each image what tutorials do: open, decode, resize with antialiasing, normalise, and stack
batches of 64, on one thread; ours is the stream that a run reads, shuffled and mirrored. All files are in the disk's
cache.
"""

import argparse
import datetime
import io
import json
import random
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from step import slug

from ganforge.data import ImageStream, Source, open_source
from ganforge.data.workers import in_order
from ganforge.io import environment
from ganforge.io.disk import write_whole
from ganforge.io.pack import write_pack

HEAD = ("what", "against", "theirs", "ours", "ratio", "target")
BATCH = 64


@dataclass(frozen=True)
class Contest:
    """Two ways of going through images.

    Attributes:
        against: the other way.
        target: the ratio that was set.
        ours, theirs: the two ways; each returns how many images it went through.
    """

    against: str
    target: float
    ours: Callable[[], int]
    theirs: Callable[[], int]


# ---------------------------------------------------------------- the files


def synthetic(place: int) -> Image.Image:
    """A smooth picture in colour, unlike any other."""
    noise = np.random.default_rng(place).integers(0, 256, (16, 16, 3), np.uint8)
    return Image.fromarray(noise)


def drawn(source: Source) -> Callable[[int], Image.Image]:
    """The pictures of a data set, one after the other, and again."""

    def picture(place: int) -> Image.Image:
        pixels = source.train.read(torch.tensor([place % len(source.train)]))[0]
        return Image.fromarray(pixels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())

    return picture


def written(folder: Path, picture: Callable[[int], Image.Image], count: int, side: int) -> list[Path]:
    """JPEGs of these pictures, enlarged to that many pixels each side."""
    folder.mkdir()
    files = [folder / f"{place:06d}.jpg" for place in range(count)]
    for place, file in enumerate(files):
        buffer = io.BytesIO()
        picture(place).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "jpeg", quality=90)
        file.write_bytes(buffer.getvalue())
    return files


# ---------------------------------------------------------------- contests


def packing(files: list[Path], size: int) -> Contest:
    folder, target = files[0].parent, files[0].parent.with_name("pack")

    def decode(job: int) -> None:
        for file in files[job * BATCH : (job + 1) * BATCH]:
            with Image.open(file) as image:
                image.convert("RGB")

    def bare() -> int:
        for _ in in_order(decode, -(-len(files) // BATCH)):
            pass
        return len(files)

    def packed() -> int:
        source = open_source(source=str(folder), size=size, channels=3, held_out=0, memory=0.0, cache=0.0)
        write_pack(source, target)
        return len(source.train)

    return Contest("the bare decoder, all cores", 1.0, packed, bare)


def reading(files: list[Path], size: int, passes: int) -> Contest:
    pack = files[0].parent.with_name("pack")
    if not pack.exists():
        packing(files, size).ours()
    source, order = open_source(source=str(pack), held_out=0), random.Random(0)
    stream = ImageStream(source.train, batch=BATCH, device="cpu", seed=0)

    def loaded(file: Path) -> torch.Tensor:
        with Image.open(file) as image:
            small = image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(small)).permute(2, 0, 1).float().div_(127.5).sub_(1)

    def by_pil() -> int:
        some = order.sample(files, max(BATCH, len(files) // 5 // BATCH * BATCH))
        batches = [torch.stack([loaded(file) for file in some[at : at + BATCH]]) for at in range(0, len(some), BATCH)]
        return sum(map(len, batches))

    def by_stream() -> int:
        return sum(len(stream.next().x) for _ in range(passes * len(files) // BATCH))

    return Contest("a loader by PIL, image by image", 20.0, by_stream, by_pil)


def measured(title: str, contest: Contest, pairs: int) -> dict[str, Any]:
    """Images a second of both sides, by turns, after one turn of each that doesn't count."""
    rates: dict[str, list[float]] = {"theirs": [], "ours": []}
    for turn in range(pairs + 1):
        for side, run in (("theirs", contest.theirs), ("ours", contest.ours)):
            start = time.perf_counter()
            count = run()
            if turn:
                rates[side].append(count / (time.perf_counter() - start))
    medians = {side: statistics.median(values) for side, values in rates.items()}
    ratio = medians["ours"] / medians["theirs"]
    return {
        "title": title, "against": contest.against, "images_per_second": rates, "medians": medians, "ratio": ratio,
        "target": contest.target, "passed": ratio >= contest.target,
    }  # fmt: skip


# ---------------------------------------------------------------- the report


def row(found: dict[str, Any]) -> tuple[str, ...]:
    theirs, ours = (f"{found['medians'][side]:,.0f} images/s" for side in ("theirs", "ours"))
    target = f"{found['target']:g}: {'pass' if found['passed'] else 'FAIL'}"
    return found["title"], found["against"], theirs, ours, f"{found['ratio']:.2f}", target


def markdown(results: dict[str, Any]) -> str:
    lines = [HEAD, ("---",) * len(HEAD), *(row(found) for found in results["contests"].values())]
    machine, files = results["machine"], results["files"]
    return "\n\n".join([
        f"# A folder of JPEGs: packing it and reading the pack, {results['date']}",
        f"`{results['command']}`",
        "\n".join("| " + " | ".join(line) + " |" for line in lines),
        f"{files['count']:,} JPEGs of {files['side']}×{files['side']}, {files['bytes'] / 2**20:,.0f} MiB, from "
        f"{files['from']}; packed at {files['size']}×{files['size']}.",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, torch {machine['torch']}; Pillow "
        f"{PIL.__version__}.",
    ]) + "\n"  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", metavar="PATH", help="pictures of this data set; default: synthetic")
    parser.add_argument("--count", type=int, default=5_000, help="JPEGs (default 5000)")
    parser.add_argument("--side", type=int, default=256, help="their height and width (default 256)")
    parser.add_argument("--size", type=int, default=64, help="height and width in the pack (default 64)")
    parser.add_argument("--pairs", type=int, default=5, help="turns of each side (default 5)")
    parser.add_argument("--quick", action="store_true", help="200 files of 64 pixels: checks the program, no speed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    given = parser.parse_args()
    if given.quick:
        given.count, given.side, given.size, given.pairs = 200, 64, 32, 1
    found = {}
    with tempfile.TemporaryDirectory() as home:
        print(f"writing {given.count:,} JPEGs ...", file=sys.stderr)
        picture = drawn(open_source(source=given.source)) if given.source else synthetic
        files = written(Path(home) / "jpegs", picture, given.count, given.side)
        weight = sum(file.stat().st_size for file in files)
        for name, title, contest in (
            ("packing_as_is", f"packing at {given.side}×{given.side}, as they are", packing(files, given.side)),
            ("packing", f"packing at {given.size}×{given.size}", packing(files, given.size)),
            ("reading", "batches of a run from the pack", reading(files, given.size, passes=10)),
        ):
            print(f"{title} ...", file=sys.stderr)
            found[name] = measured(title, contest, given.pairs)
    results = {
        "benchmark": "data", "command": shlex.join(["python", "benchmarks/data.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(), "machine": environment("cpu"),
        "files": {"count": given.count, "side": given.side, "size": given.size, "bytes": weight,
                  "from": given.source or "synthetic pictures"}, "contests": found,
    }  # fmt: skip
    stem = given.out / f"data{'-quick' if given.quick else ''}-{slug(results['machine'])}"
    write_whole(stem.with_suffix(".json"), (json.dumps(results, indent=1) + "\n").encode())
    write_whole(stem.with_suffix(".md"), markdown(results).encode())
    table = Table(*HEAD)
    for one in found.values():
        table.add_row(*row(one))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    main()
