"""What directions change and what they leave alone, and how near inversion comes to images that nobody trained on.

    python benchmarks/latent.py runs/digits runs/cgan      # any runs on images; their own test images are inverted

Directions found without any label, measured on samples of seeds 0 to 999 that they weren't found with: for each the
change of image measures from -2σ to 2σ, and the share of moved samples that the embedded classifier, which had no part
in finding them, reads as before: over all steps, at the worse end, and at every step.

Inversion of 100 test images spread over the test split, started from seeds outside the comparison: nearer than the
nearest of 10,000 samples (seeds 0 to 9,999), in pixels and in the features of the embedded classifier, which isn't
optimised; there the nearest sample is the nearest in features.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganforge.edit.effects import effects
from ganforge.edit.encoder import held_out_error, trained_encoder
from ganforge.edit.inversion import inverted
from ganforge.edit.pictures import strips
from ganforge.edit.steering import steered
from ganforge.edit.unsupervised import METHODS
from ganforge.features import Extractor, extractor, extractor_for
from ganforge.io.images import grid, save_png
from ganforge.io.machine import environment
from ganforge.recipe import resolve
from ganforge.run import recipe_of
from ganforge.sample import Sampler, load

RESULTS = Path(__file__).parent / "results" / "latent"
IMAGES, SAMPLES = 100, 10_000
STEERED = ("stroke_width", "slant")
STEPS = [-2.0, -1.0, 0.0, 1.0, 2.0]


def measured_directions(
    sampler: Sampler, judge: Extractor, count: int, seeds: int
) -> tuple[list[dict[str, Any]], Tensor]:
    """What each direction without labels does, and the vectors."""
    parts = [(name, steered(sampler, name)) for name in STEERED]
    for way, find in METHODS.items():
        parts += [(f"{way} {i}", vector) for i, vector in enumerate(find(sampler, count).vectors)]
    names, vectors = [name for name, _ in parts], torch.stack([vector for _, vector in parts])
    return [effect.record for effect in effects(sampler, vectors, names, judge, seeds=range(seeds))], vectors


def nearest(targets: Tensor, samples: Tensor) -> Tensor:
    """The distance of each target from the nearest sample."""
    return torch.cdist(targets.flatten(1), samples.flatten(1)).min(1).values


def inversion(sampler: Sampler, judge: Extractor, path: Path) -> tuple[dict[str, Any], Tensor]:
    """How many of the test images are nearer than the nearest sample, and originals beside reconstructions."""
    test = resolve(recipe_of(path))["data"]().test
    real = test.read(torch.arange(IMAGES) * (len(test) // IMAGES))
    x = real.float() / 127.5 - 1
    encoder = trained_encoder(sampler)
    found = inverted(sampler, real, guess=encoder(x.to(sampler.device)).cpu())
    parts = [(part.float() / 127.5 - 1, judge(part).features) for part in sampler.batches(range(SAMPLES))]
    pool, pool_features = (torch.cat(column) for column in zip(*parts, strict=True))
    pixels = nearest(x, pool) / x[0].numel() ** 0.5
    features = nearest(judge(real).features, pool_features)
    apart = (judge(found.images).features - judge(real).features).norm(dim=1)
    record = {
        "images": IMAGES,
        "samples": SAMPLES,
        "nearer_in_pixels": float((found.pixel_distance < pixels).float().mean()),
        "nearer_in_features": float((apart < features).float().mean()),
        "pixel_distance": float(found.pixel_distance.mean()),
        "pixel_distance_of_nearest_sample": float(pixels.mean()),
        "feature_distance": float(apart.mean()),
        "feature_distance_of_nearest_sample": float(features.mean()),
        "encoder_error": held_out_error(encoder, sampler),
        "encoder_won": float((found.start == found.start.new_tensor(4)).float().mean()),
    }
    return record, torch.stack([real[:32], found.images[:32]], 1).flatten(0, 1)


def line(row: dict[str, Any]) -> str:
    """A direction in a line."""
    moved = ", ".join(
        f"{k} {row['changes'][k]:+.3g} ({row['in_deviations'][k]:+.2f} sd, {row['agreeing'][k]:.0%})"
        for k in STEERED
        if k in row["changes"]
    )
    kept = ", ".join(f"{row[k]:.3f}" for k in ("class_kept", "class_kept_at_ends", "class_kept_throughout"))
    return f"  {row['name']:<16} {moved}; class kept {kept}; features {row['feature_distance']:.2f}"


def main() -> None:
    """Measure each run, print as it goes, write everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=10, help="directions of each method")
    parser.add_argument("--seeds", type=int, default=1000, help="samples that are moved")
    parser.add_argument("--no-inversion", action="store_true", help="directions alone")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    for path in options.runs:
        sampler = load(path, device="cpu")
        judge = extractor(extractor_for(sampler.shape))
        print(f"{sampler.name} ({path})", flush=True)
        rows, vectors = measured_directions(sampler, judge, options.count, options.seeds)
        print("\n".join(map(line, rows)), flush=True)
        name = sampler.name.partition("@")[0]
        machine = {k: v for k, v in environment(sampler.device).items() if k in ("cpu", "threads", "torch")}
        record: dict[str, Any] = {"model": sampler.name, "machine": machine, "directions": rows}
        options.out.mkdir(parents=True, exist_ok=True)
        if not options.no_inversion:
            record["inversion"], picture = inversion(sampler, judge, path)
            print("\n".join(f"  {key}: {value:.4g}" for key, value in record["inversion"].items()), flush=True)
            save_png(options.out / f"{name}-inverted.png", grid(picture, 16), {"model": sampler.name})
        (options.out / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
        shown = strips(sampler, list(vectors[: len(STEERED)]), range(4), STEPS)
        save_png(options.out / f"{name}-steered.png", grid(shown, 20), {"model": sampler.name})


if __name__ == "__main__":
    main()
