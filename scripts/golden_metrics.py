"""What the packages that others report with say of the same features: tests/golden/metrics.json.

    pip install torch==2.13.0 prdc scipy
    pip install --no-deps torch-fidelity pytorch-fid clean-fid torchvision
    pip install tqdm requests
    python scripts/golden_metrics.py

Run it again only when a package has a new version. The features follow from numpy's frozen `RandomState`, so a test
makes the same ones; torchvision is imported by these packages alone, and doesn't load beside a CPU torch unless two of
its operators are declared first.
"""

import contextlib
import io
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

OUT = Path(__file__).parents[1] / "tests/golden/metrics.json"
CASES = {  # real, fake, dimensions
    "full_rank": (600, 600, 96),
    "singular": (60, 80, 96),
    "uneven": (700, 300, 64),
}
SUBSETS, SIZE = 20, 50


def features(count: int, dim: int, *, seed: int, spread: float = 1.0) -> np.ndarray:
    """Non-negative, correlated and sparse like a classifier's, in float64."""
    mix = np.random.RandomState(99).standard_normal((16, dim)) / 4
    rng = np.random.RandomState(seed)
    return np.maximum(spread * rng.standard_normal((count, 16)) @ mix + 0.3 * rng.standard_normal((count, dim)), 0)


def declare_operators() -> torch.library.Library:
    """What torchvision's Python side looks for at import."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def judged(real: np.ndarray, fake: np.ndarray) -> dict[str, Any]:
    """Every package's figures for two sets of features."""
    from cleanfid.fid import frechet_distance
    from prdc import compute_prdc
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    x, y = torch.from_numpy(real), torch.from_numpy(fake)
    moments = [(f.mean(0), np.cov(f, rowvar=False)) for f in (real, fake)]
    statistics = [fid_features_to_statistics(f) for f in (x, y)]
    with contextlib.redirect_stdout(io.StringIO()):
        prdc = compute_prdc(real, fake, nearest_k=3)
    kid = kid_features_to_metric(x, y, kid_subsets=SUBSETS, kid_subset_size=SIZE, verbose=False)
    isc = isc_features_to_metric(y[:, :10], splits=10, shuffle=False)
    prc = prc_features_to_metric(y, x, prc_neighborhood=3, verbose=False)
    return {
        "frechet": {
            "torch-fidelity": fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"],
            "pytorch-fid": float(calculate_frechet_distance(*moments[0], *moments[1])),
            "clean-fid": float(frechet_distance(*moments[0], *moments[1])),
        },
        "kernel_subsets": [kid["kernel_inception_distance_mean"], kid["kernel_inception_distance_std"]],
        "classifier_score": [isc["inception_score_mean"], isc["inception_score_std"]],
        "precision_recall": [prc["precision"], prc["recall"]],
        "prdc": {key: float(value) for key, value in prdc.items()},
    }


def main() -> None:
    """Write the file."""
    library = declare_operators()
    cases = {
        name: judged(features(N, D, seed=1), features(M, D, seed=2, spread=0.9)) for name, (N, M, D) in CASES.items()
    }
    packages = ("torch-fidelity", "pytorch-fid", "clean-fid", "prdc", "scipy", "numpy", "torch")
    record = {
        "made_by": "scripts/golden_metrics.py",
        "versions": {p: version(p) for p in packages},
        "subsets": [SUBSETS, SIZE],
        "cases": {name: {"shape": CASES[name], **figures} for name, figures in cases.items()},
    }
    OUT.write_text(json.dumps(record, indent=1) + "\n")
    del library  # its declarations end with it


if __name__ == "__main__":
    main()
