"""Our figures beside those of torch-fidelity, pytorch-fid, clean-fid and prdc on the same features."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganforge.features import RunningGaussian
from ganforge.metrics import (
    classifier_score,
    frechet_distance,
    kernel_distance_subsets,
    manifold_scores,
)

HERE = Path(__file__).parents[1]
GOLDEN: dict[str, Any] = json.loads((HERE / "golden/metrics.json").read_text())
SPEC = importlib.util.spec_from_file_location("golden_metrics", HERE.parent / "scripts/golden_metrics.py")
assert SPEC is not None
assert SPEC.loader is not None
SCRIPT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(SCRIPT)


@pytest.fixture(params=list(GOLDEN["cases"]))
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    figures = GOLDEN["cases"][request.param]
    N, M, D = figures["shape"]
    made = {"real": SCRIPT.features(N, D, seed=1), "fake": SCRIPT.features(M, D, seed=2, spread=0.9)}
    return figures | {side: torch.from_numpy(x) for side, x in made.items()}


def statistics(x: Tensor) -> Any:
    running = RunningGaussian(x.shape[1])
    running.update(x)
    return running.result()


def test_frechet(case: dict[str, Any]) -> None:
    """Theirs is off by 1e-7 where covariances are singular: rounding under a root."""
    ours = frechet_distance(real=statistics(case["real"]), fake=statistics(case["fake"]))
    for package, theirs in case["frechet"].items():
        assert ours == pytest.approx(theirs, rel=1e-6), package


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_kernel_subsets(case: dict[str, Any], dtype: torch.dtype) -> None:
    subsets, size = GOLDEN["subsets"]
    ours = kernel_distance_subsets(real=case["real"].to(dtype), fake=case["fake"].to(dtype), subsets=subsets, size=size)
    assert list(ours) == pytest.approx(case["kernel_subsets"], rel=1e-9 if dtype == torch.float64 else 1e-5)


def test_classifier_score(case: dict[str, Any]) -> None:
    ours = classifier_score(logits=case["fake"][:, :10], splits=10)
    assert list(ours) == pytest.approx(case["classifier_score"], rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_precision_recall_density_coverage(case: dict[str, Any], dtype: torch.dtype) -> None:
    ours = manifold_scores(real=case["real"].to(dtype), fake=case["fake"].to(dtype), k=3)
    assert ours._asdict() == pytest.approx(case["prdc"], rel=1e-12)
    assert [ours.precision, ours.recall] == pytest.approx(case["precision_recall"], rel=1e-6)
