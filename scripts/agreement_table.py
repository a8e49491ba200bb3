"""Writes the table of docs/judging.md that says how far our figures lie from those of other packages.

    python scripts/agreement_table.py

What the packages say stands in tests/golden, made by scripts/golden_metrics.py on features that follow from a seed;
what we say is computed here. The table stands between two markers of the page; the rest of it is left alone.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from golden_metrics import features

from ganforge.features import RunningGaussian
from ganforge.metrics import classifier_score, frechet_distance, kernel_distance_subsets, manifold_scores

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "judging.md"
BEGIN, END = "<!-- agreement: made by scripts/agreement_table.py -->", "<!-- end of agreement -->"
HEAD = ("figure", "package", "version", "largest relative difference")


def statistics(x: torch.Tensor) -> Any:
    running = RunningGaussian(x.shape[1])
    running.update(x)
    return running.result()


def pairs(golden: dict[str, Any]) -> Iterator[tuple[str, str, float, float]]:
    """Figure, package, ours, theirs; for every case."""
    subsets, size = golden["subsets"]
    for case in golden["cases"].values():
        N, M, D = case["shape"]
        real, fake = (torch.from_numpy(features(n, D, seed=s, spread=w)) for n, s, w in ((N, 1, 1.0), (M, 2, 0.9)))
        distance = frechet_distance(real=statistics(real), fake=statistics(fake))
        for package, theirs in case["frechet"].items():
            yield "Fréchet distance", package, distance, theirs
        kernel = kernel_distance_subsets(real=real, fake=fake, subsets=subsets, size=size)
        score = classifier_score(logits=fake[:, :10], splits=10)
        for what, ours, theirs in (
            ("kernel distance over subsets", kernel, case["kernel_subsets"]),
            ("score of the classifier (Inception Score's formula)", score, case["classifier_score"]),
        ):
            yield from ((what, "torch-fidelity", a, b) for a, b in zip(ours, theirs, strict=True))
        manifold = manifold_scores(real=real.float(), fake=fake.float(), k=3)._asdict()
        for name, theirs in case["prdc"].items():
            yield "precision, recall, density, coverage (float32)", "prdc", manifold[name], theirs


def rows(golden: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    worst: dict[tuple[str, str], float] = {}
    for what, package, ours, theirs in pairs(golden):
        worst[what, package] = max(worst.get((what, package), 0.0), abs(ours - theirs) / abs(theirs))
    for (what, package), error in worst.items():
        yield what, package, golden["versions"][package], f"{error:.0e}" if error else "0"


def table(lines: Iterable[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (HEAD, ("---",) * len(HEAD), *lines))


def main() -> None:
    golden = json.loads((ROOT / "tests/golden/metrics.json").read_text())
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows(golden))}\n{END}{after}")


if __name__ == "__main__":
    main()
