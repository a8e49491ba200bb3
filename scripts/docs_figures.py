"""Performs every experiment and writes the figures of the documentation, docs/figures/NAME-PLOT.png.

    python scripts/docs_figures.py [--quick] [--only NAME ...]

Experiments run at their default settings over five seeds. The picture of docs/augmentation.md and the tables of
docs/objectives.md are made anew at the end, unless `--only` names experiments. Exit code 1 if a phenomenon was not
shown: its page would tell something else than its figure.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ganforge.experiments.frame import Outcome, experiment_names, load_experiment, perform
from ganforge.experiments.frame.plots import require_matplotlib, save
from ganforge.experiments.frame.stage import default_jobs
from ganforge.io.disk import write_whole

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs" / "figures"
LARGEST = 150_000  # bytes of a figure
COLOURS = (256, 128, 64, 32)  # of its palette, the first that is small enough


def small(picture: Path, folder: Path) -> bytes:
    """The picture with a palette, as PNG of fewer than 150 kB."""
    image = Image.open(picture).convert("RGB")
    target = folder / "small.png"
    for colours in COLOURS:
        image.quantize(colours, dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size < LARGEST:
            return target.read_bytes()
    raise SystemExit(
        f"{picture.name} has {target.stat().st_size:,} bytes with {colours} colours: make the plot smaller"
    )


def draw(outcome: Outcome) -> list[Path]:
    """Every plot of an experiment, NAME-PLOT.png."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    plots = outcome.plots()
    written = []
    with TemporaryDirectory() as folder:
        for plot, figure in plots.items():
            picture, _ = save(figure, Path(folder) / plot)
            written.append(FIGURES / f"{outcome.experiment.name}-{plot}.png")
            write_whole(written[-1], small(picture, Path(folder)))
    return written


def given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="write the figures of docs/")
    parser.add_argument("--quick", action="store_true", help="the experiments' quick settings")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=experiment_names(), help="these experiments alone")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="trials side by side, one thread each")
    return parser.parse_args()


def main() -> None:
    words, console = given(), Console(stderr=True)
    require_matplotlib()
    names = words.only or experiment_names()
    wanted = {name: load_experiment(name).settings(quick=words.quick) for name in names}
    columns = (TextColumn("experiments"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = True
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=words.seeds * len(names))
        trials = perform(wanted, seeds=range(words.seeds), jobs=words.jobs, progress=lambda n: bar.advance(task, n))
        for outcome in trials:
            sizes = ", ".join(f"{path.name} {path.stat().st_size / 1000:.0f} kB" for path in draw(outcome))
            bar.console.print(f"{outcome.experiment.name}: {outcome.verdict}\n  {sizes}", markup=False, highlight=False)
            shown = shown and outcome.shown
    if not words.only:
        for script in ("augmentation_figure.py", "objective_table.py"):
            subprocess.run([sys.executable, str(ROOT / "scripts" / script)], check=True)
    sys.exit(0 if shown else 1)


if __name__ == "__main__":
    main()
