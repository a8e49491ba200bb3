"""How many of Stacked MNIST's thousand modes a small network keeps, and how evenly, by the images that it has seen.

    python benchmarks/stacked.py runs/stacked --minutes 60   # goes on where it stopped; the curve so far is written
    python benchmarks/stacked.py runs/stacked --minutes 5 train.images=100000 generator.width=8

The run is an ordinary one of the recipe `dcgan_stacked_28`: `ganforge evaluate`, `sample` and `doctor` take it. Modes
are counted among 26,000 samples by the embedded classifier, a digit a channel, and the divergence is KL(generated‖
uniform). What the curve shows is on as many samples of other seeds; the figures at the end are the run's final ones.

Published (the networks differ): DCGAN 78.9 modes and 4.50, PacDCGAN4 1000 and .07 (Lin et al. 2018, arXiv:1712.04086,
table 3), R3GAN 1000 and .029 (Huang et al. 2024, arXiv:2501.05441).
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from ganforge.experiments.frame.plots import panels, save
from ganforge.io.machine import environment
from ganforge.recipe import load_recipe, override
from ganforge.run import Judgement, Run, begin, continued

RESULTS = Path(__file__).parent / "results" / "stacked"
RECIPE = "dcgan_stacked_28"
FLOOR = 999 / (2 * 26_000)  # what counting 26,000 draws of 1,000 equal classes gives


def opened(path: Path, settings: list[str]) -> Run:
    """The run, begun or taken up."""
    if path.exists():
        return continued(path, settings=settings)
    return begin(override(load_recipe(RECIPE), settings), path, command=["benchmarks/stacked.py", str(path)])


def play(run: Run, minutes: float) -> None:
    """Train for so long; judgements are printed as they come."""
    start = time.monotonic()
    for event in run.play(lambda: time.monotonic() - start > 60 * minutes):
        if isinstance(event, Judgement):
            figures = event.record["figures"]
            words = f"{figures['classes_found']:.0f} modes, KL {figures['class_divergence']:.4f}"
            print(f"{event.record['images']:>10,} images  {words}{'  (final)' if event.final else ''}", flush=True)


def record(run: Run) -> dict[str, Any]:
    """The curve, the final figures if it came to its end, and the minutes spent in training, without the judgements."""
    names = ("classes_found", "class_divergence", "frechet_distance")
    return {
        "recipe": run.plan.toml,
        "machine": {
            k: v for k, v in environment(run.plan.device).items() if k in ("cpu", "threads", "device", "torch")
        },
        "minutes": round(run.state.seconds / 60, 1),
        "images": run.state.images,
        "curve": [{"images": j["images"]} | {n: j["figures"][n] for n in names} for j in run.judgements],
        "final": {n: run.final["figures"][n] for n in names} if run.final else None,
    }


def picture(found: dict[str, Any]) -> None:
    """Modes and divergence over images seen."""
    figure, (left, right) = panels(2, width=5.0)
    images = [row["images"] / 1e6 for row in found["curve"]]
    left.plot(images, [row["classes_found"] for row in found["curve"]])
    left.set(title="modes of 1,000", xlabel="million images seen", ylim=(0, 1050))
    right.plot(images, [row["class_divergence"] for row in found["curve"]])
    right.axhline(FLOOR, linestyle=":", color="0.5", label="a perfect sampler")
    right.set(title="KL(generated‖uniform), nats", xlabel="million images seen", yscale="log")
    right.legend()
    save(figure, RESULTS)


def main() -> None:
    """Play for so long, then write what is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--minutes", type=float, default=120.0, help="stop, and save, after so many")
    parser.add_argument("settings", nargs="*", help="KEY=VALUE of the recipe")
    options = parser.parse_intermixed_args()
    run = opened(options.run, options.settings)
    play(run, options.minutes)
    found = record(run)
    RESULTS.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    picture(found)
    print({k: found[k] for k in ("minutes", "images", "final")})


if __name__ == "__main__":
    main()
