"""What `ganforge bench` does."""

from pathlib import Path

from ganforge import view
from ganforge.bench import modes, sampling
from ganforge.bench.page import COLUMNS, LEGEND, cells, markdown, published
from ganforge.errors import RecipeError
from ganforge.io.disk import write_whole
from ganforge.sample import load

__all__ = ["bench_modes", "bench_sample"]


def bench_modes(
    remedies: list[str], sets: list[str], *, steps: int, seeds: int, quick: bool, out: Path | None, as_json: bool
) -> None:
    """Measure mode coverage, write each row as it comes, and show all rows of these steps.

    Raises:
        RecipeError: for a name that is none, and for a quick measurement that would be kept among real ones.
    """
    if quick and out is not None:
        raise RecipeError(
            f"--quick plays smaller networks and claims nothing, so it isn't written to {out}; leave out one"
        )
    sets = list(dict.fromkeys(sets))
    steps, settings = (modes.QUICK_STEPS, modes.QUICK) if quick else (steps, ())
    wanted = [modes.Job(r, s, steps, 0, seeds) for r in dict.fromkeys(remedies or modes.REMEDIES) for s in sets]
    for job in wanted:
        modes.planned(job.remedy, job.set, steps=1, seed=0, seeds=1, settings=settings)  # a wrong name ends it here
    rows = [] if out is None else modes.read(out)
    jobs = modes.missing(wanted, rows)
    with view.bar("playing", float(sum(job.steps * job.seeds for job in jobs)) or 1.0) as advance:
        for job in jobs:
            rows += modes.new_rows(modes.measured(job, settings=settings, progress=advance), rows)
            if out is not None:
                write_whole(out, "".join(row.line for row in rows).encode())
                write_whole(out.with_suffix(".md"), markdown(modes.summary(rows)).encode())
    keys = {(job.remedy, job.set, job.steps) for job in wanted}
    lines = list(modes.summary([row for row in rows if (row.remedy, row.set, row.steps) in keys]))
    beside = [] if quick else published(sets)
    view.table(COLUMNS, [*(cells(line) for line in lines), *beside], lines, as_json=as_json)
    if not as_json:
        view.say(LEGEND)


def bench_sample(path: Path, batches: str, *, pairs: int, device: str, as_json: bool) -> None:
    """Measure how fast a generator makes samples.

    Raises:
        RecipeError: for batches that are no whole numbers.
    """
    try:
        sizes = [int(word) for word in batches.split(",")]
    except ValueError:
        raise RecipeError(f"--batches {batches!r} are no whole numbers; give for instance 1,64,256") from None
    sampler = load(path, device=device)
    with view.bar(f"timing {sampler.name}", float(len(sizes))) as advance:
        rows = sampling.speeds(sampler, sizes, pairs=pairs, progress=advance)
    view.table(sampling.COLUMNS, [sampling.cells(row) for row in rows], [row.line for row in rows], as_json=as_json)
