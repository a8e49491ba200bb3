"""Which recipe makes the best digits in three minutes of two cores?

    python benchmarks/recipes.py                    # every candidate at its full budget, about an hour on two cores
    python benchmarks/recipes.py --share 0.3 --only r1 hinge

Each candidate trains for about as many images as two quiet cores show it in three minutes (estimated from the speed of
its network on an AMD EPYC), then its averaged generator is judged on 10,000 held-out training images: the test split
plays no part in the choice.
Two candidates run side by side, a thread each. Rows are added to the results as they come: a stopped search goes on.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

HERE = Path(__file__).parent
NETWORK = "from 4×4"  # what the rows' networks were: DCGAN for 28 pixels began at 7×7 once, two levels instead of three
NOTES = (
    "Made by `python benchmarks/recipes.py`, a thread each; judged on 10,000 held-out training images. Image "
    "counts are estimates of what two cores show in the budget. Rows 'from 7×7' are of a DCGAN that began there for 28 "
    "pixels, with one level less; its code is gone, and the present one begins at 4×4."
)
FIGURES = ("frechet_distance", "precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class Candidate:
    """A few settings on top of `dcgan_mnist_28`, and the images that three minutes of two cores allow them."""

    why: str
    images: int
    settings: tuple[str, ...] = ()


def adam(g: float, d: float, beta1: float = 0.5, beta2: float = 0.999) -> tuple[str, ...]:
    """Adam for both players."""
    return tuple(
        f"optimizer.{p}.{k}={v}"
        for p, lr in (("generator", g), ("discriminator", d))
        for k, v in (("lr", lr), ("beta1", beta1), ("beta2", beta2))
    )


BASE = ("generator.z_dim=64", "generator.width=32", "discriminator.width=32", "train.batch=64", "ema.half_life=10000")
NO_NORM = ("discriminator.norm=none",)
R1 = (*NO_NORM, "penalties.r1.every=4")
PAIR = ("objective=relativistic_pairing", *NO_NORM)


def decaying(g: float, d: float | None = None) -> tuple[str, ...]:
    """Both learning rates along a cosine to a twentieth at the end of the run."""
    return tuple(
        f'optimizer.{p}.lr={{schedule="cosine", start={start}, end={start / 20}, images=@IMAGES@}}'
        for p, start in (("generator", g), ("discriminator", d or g))
    )


CANDIDATES = {
    "base": Candidate("DCGAN as published, width 32, batch 64", 210_000, adam(2e-4, 2e-4)),
    "no_ema": Candidate("without the average", 210_000, (*adam(2e-4, 2e-4), "ema.half_life=0")),
    "fast": Candidate("learning rates five times higher", 210_000, adam(1e-3, 1e-3)),
    "fast_ttur": Candidate("the same, the discriminator slower", 210_000, adam(1e-3, 3e-4)),
    "faster": Candidate("rates ten times higher", 210_000, adam(2e-3, 2e-3)),
    "faster_decay": Candidate("the same, cosine decay", 210_000, (*adam(2e-3, 2e-3), *decaying(2e-3))),
    "batch_32": Candidate("batch 32, rates five times higher", 190_000, (*adam(1e-3, 1e-3), "train.batch=32")),
    "batch_32_faster": Candidate("batch 32, rates ten times higher", 190_000, (*adam(2e-3, 2e-3), "train.batch=32")),
    "narrow": Candidate(
        "width 16", 450_000, (*adam(2e-3, 2e-3), "generator.width=16", "discriminator.width=16")
    ),
    "beta0": Candidate("no momentum", 210_000, adam(1e-3, 1e-3, 0.0, 0.99)),
    "pairing_bn": Candidate(
        "relativistic pairing, batch norm in D", 210_000, (*adam(1e-3, 1e-3), "objective=relativistic_pairing")
    ),
    "batch_128": Candidate("batch 128, rates twice as high", 215_000, (*adam(4e-4, 4e-4), "train.batch=128")),
    "wide": Candidate("width 64", 80_000, (*adam(4e-4, 4e-4), "generator.width=64", "discriminator.width=64")),
    "smooth": Candidate("one-sided label smoothing", 210_000, (*adam(5e-4, 5e-4), "objective.label_smoothing=0.9")),
    "least_squares": Candidate("least squares", 210_000, (*adam(5e-4, 5e-4), "objective=least_squares")),
    "hinge_sn": Candidate(
        "hinge, spectral norm", 195_000, (*adam(5e-4, 1e-3), "objective=hinge", "discriminator.norm=spectral")
    ),
    "r1": Candidate("R1, lazily, no norm in D", 190_000, (*adam(5e-4, 5e-4), *R1, "penalties.r1.gamma=1.0")),
    "r1_ttur": Candidate("R1, D twice as fast", 190_000, (*adam(5e-4, 1e-3), *R1, "penalties.r1.gamma=1.0")),
    "r1_beta0": Candidate(
        "R1, no momentum", 190_000, (*adam(1e-3, 1e-3, 0.0, 0.99), *R1, "penalties.r1.gamma=1.0")
    ),
    "r1_beta0_faster": Candidate(
        "R1, no momentum, rates twice as high", 190_000, (*adam(2e-3, 2e-3, 0.0, 0.99), *R1, "penalties.r1.gamma=1.0")
    ),
    "r1_beta0_weak": Candidate(
        "weak R1, no momentum", 190_000, (*adam(1e-3, 1e-3, 0.0, 0.99), *R1, "penalties.r1.gamma=0.1")
    ),
    "r1_beta0_b32": Candidate(
        "R1, no momentum, batch 32", 160_000,
        (*adam(1e-3, 1e-3, 0.0, 0.99), *R1, "penalties.r1.gamma=1.0", "train.batch=32"),
    ),
    "r1_decay": Candidate(
        "R1, no momentum, cosine decay", 190_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *R1, "penalties.r1.gamma=1.0"),
    ),
    "r1_decay_faster": Candidate(
        "the same from 5e-3", 190_000,
        (*adam(5e-3, 5e-3, 0.0, 0.99), *decaying(5e-3), *R1, "penalties.r1.gamma=1.0"),
    ),
    "r1_decay_strong": Candidate(
        "the same, R1 ten times stronger", 190_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *R1, "penalties.r1.gamma=10.0"),
    ),
    "r1_decay_b32": Candidate(
        "the same, batch 32", 160_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *R1, "penalties.r1.gamma=1.0", "train.batch=32"),
    ),
    "r1_decay_z16": Candidate(
        "the same, 16 latents", 190_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *R1, "penalties.r1.gamma=1.0", "generator.z_dim=16"),
    ),
    "r1_shared": Candidate(
        "R1 every 8th step, cosine decay, shared fakes", 230_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *NO_NORM, "penalties.r1.gamma=1.0", "penalties.r1.every=8",
         "game.fakes=shared"),
    ),
    "r1_shared_b32": Candidate(
        "the same, batch 32", 200_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *NO_NORM, "penalties.r1.gamma=1.0", "penalties.r1.every=8",
         "game.fakes=shared", "train.batch=32"),
    ),
    "r1_weak_decay": Candidate(
        "weak R1, cosine decay", 190_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *R1, "penalties.r1.gamma=0.1"),
    ),
    "r1_decay_48": Candidate(
        "R1, cosine decay, width 48", 105_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *R1, "penalties.r1.gamma=0.3", "generator.width=48",
         "discriminator.width=48"),
    ),
    "r1_decay_24": Candidate(
        "R1, cosine decay, width 24", 260_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *R1, "penalties.r1.gamma=0.3", "generator.width=24",
         "discriminator.width=24"),
    ),
    "r1_decay_8": Candidate(
        "R1 every 8th step", 205_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *NO_NORM, "penalties.r1.every=8", "penalties.r1.gamma=0.3"),
    ),
    "r1_decay_wide_g": Candidate(
        "the same, the generator twice as wide", 130_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *R1, "penalties.r1.gamma=1.0", "generator.width=64"),
    ),
    "r1_decay_wide_g_b32": Candidate(
        "the same, batch 32", 130_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3), *R1, "penalties.r1.gamma=1.0", "generator.width=64",
         "train.batch=32"),
    ),
    "r1_decay_ttur": Candidate(
        "the generator half as fast", 190_000,
        (*adam(1e-3, 2e-3, 0.0, 0.99), *decaying(1e-3, 2e-3), *R1, "penalties.r1.gamma=1.0"),
    ),
    "r1_decay_g_faster": Candidate(
        "the generator twice as fast", 190_000,
        (*adam(4e-3, 2e-3, 0.0, 0.99), *decaying(4e-3, 2e-3), *R1, "penalties.r1.gamma=1.0"),
    ),
    "bn_decay": Candidate(
        "batch norm in D, no momentum, cosine decay", 210_000, (*adam(2e-3, 2e-3, 0.0, 0.99), *decaying(2e-3))
    ),
    "beta0_faster": Candidate("no momentum, rates ten times higher", 210_000, adam(2e-3, 2e-3, 0.0, 0.99)),
    "r1_faster_weak": Candidate(
        "weak R1, no momentum, higher rates", 190_000,
        (*adam(2e-3, 2e-3, 0.0, 0.99), *R1, "penalties.r1.gamma=0.1"),
    ),
    "pairing": Candidate(
        "relativistic pairing with R1 and R2", 130_000,
        (*adam(1e-3, 1e-3, 0.0, 0.99), *PAIR, "penalties.r1.every=2", "penalties.r2.every=2"),
    ),
}  # fmt: skip


def row(name: str, candidate: Candidate, seed: int, share: float) -> dict:
    """Train a candidate in a process of its own, and its figures."""
    images = int(candidate.images * share)
    words = [s.replace("@IMAGES@", str(images)) for s in (*BASE, *candidate.settings)]
    words += [f"train.images={images}", f"train.seed={seed}"]
    result = subprocess.run(
        [sys.executable, __file__, "--one", json.dumps(words)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    if result.returncode:
        return {
            "name": name,
            "network": NETWORK,
            "seed": seed,
            "share": share,
            "failed": result.stderr.strip().splitlines()[-1],
        }
    return {
        "name": name,
        "network": NETWORK,
        "seed": seed,
        "share": share,
        "images": images,
        **json.loads(result.stdout),
    }


def one(words: list[str]) -> dict:
    """The figures of one candidate on held-out images."""
    from ganforge.evaluate import evaluate
    from ganforge.features import extractor
    from ganforge.plan import build
    from ganforge.recipe import load_recipe, override
    from ganforge.sample import Sampler, settled
    from ganforge.train import TrainState, train

    plan = build(override(load_recipe("dcgan_mnist_28"), words))
    state = TrainState.start(plan)
    for _ in train(plan, state):
        pass
    G = settled(state.ema, batch=plan.training.batch)
    sampler = Sampler(G, name="candidate", shape=plan.source.shape)
    record = evaluate(sampler, plan.source, extractor("mnist"), split="held_out")
    shares = record["figures"]["shares"].values()
    figures = {k: round(record["figures"][k], 4) for k in FIGURES}
    return figures | {
        "least_share": min(shares),
        "most_share": max(shares),
        "floor": record["floor"]["frechet_distance"],
    }


def why(name: str) -> str:
    """What a candidate is, where it still is one."""
    return CANDIDATES[name].why if name in CANDIDATES else ""


def table(rows: list[dict]) -> str:
    """The rows as Markdown, best first; means over seeds are for the reader's eye to take."""
    done = sorted((r for r in rows if "failed" not in r), key=lambda r: (-r["share"], r["frechet_distance"]))
    columns = ("network", "candidate", "what", "budget", "images", "seed", *FIGURES, "shares")
    lines = ["| " + " | ".join(c.replace("_", " ") for c in columns) + " |", "|---" * len(columns) + "|"]
    for r in done:
        cells = [
            r["network"],
            r["name"],
            why(r["name"]),
            f"{180 * r['share']:.0f} s",
            f"{r['images']:,}",
            str(r["seed"]),
        ]
        cells += [f"{r[k]:.2f}" for k in FIGURES] + [f"{r['least_share']:.1%} to {r['most_share']:.1%}"]
        lines.append("| " + " | ".join(cells) + " |")
    failed = [f"- {r['name']} (seed {r['seed']}): {r['failed']}" for r in rows if "failed" in r]
    return "\n".join(lines + ([""] + failed if failed else []))


def main() -> None:
    """Search, or train the one candidate that a child process was started for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(CANDIDATES), help="names of candidates")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--share", type=float, default=1.0, help="share of the three-minute budget")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "recipes")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(json.loads(options.one))))
        return
    file = options.out.with_suffix(".json")
    rows = json.loads(file.read_text()) if file.exists() else []
    known = {(r["name"], r["seed"], r["share"]) for r in rows if r["network"] == NETWORK}
    todo = [(n, s) for s in options.seeds for n in options.only if (n, s, options.share) not in known]
    with ThreadPoolExecutor(2) as pool:
        jobs = pool.map(lambda job: row(job[0], CANDIDATES[job[0]], job[1], options.share), todo)
        for done in track(jobs, total=len(todo), description="searching"):
            rows.append(done)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(rows, indent=1))
    text = f"# {str(__doc__).splitlines()[0]}\n\n{NOTES}\n\n"
    options.out.with_suffix(".md").write_text(text + table(rows) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
