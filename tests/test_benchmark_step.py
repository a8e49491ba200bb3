"""The benchmark of the step runs, writes what it says, and compares equal updates."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


KINDS = ["mlp", "dcgan", "dcgan_fresh", "sngan", "wgan_gp", "relativistic"]
CONTESTS = ["mlp_loading", "dcgan_fresh_step", "dcgan_sampling", "sngan"]


@pytest.fixture
def same_update(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import same_update

    return same_update


@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_compute_the_same_update(same_update: ModuleType, kind: str) -> None:
    from plans import QUICK

    assert kind in same_update.KINDS
    found = same_update.largest_difference(kind, QUICK)
    assert found["difference"] < 1e-9
    assert found["moved"] > 1e-4


def test_the_comparison_of_updates_can_fail(same_update: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from plans import QUICK

    plain = same_update.classic.adam
    monkeypatch.setattr(same_update.classic, "adam", lambda network: without_momentum(plain(network)))
    assert same_update.largest_difference("mlp", QUICK, rounds=2)["difference"] > 1e-6


def without_momentum(optimizer):
    optimizer.param_groups[0]["betas"] = (0.0, 0.999)
    return optimizer


def test_the_memory_of_a_side_is_that_of_its_process(same_update: ModuleType) -> None:
    from plans import QUICK

    before = same_update.high_water() / 2**20
    assert same_update.peak_memory("dcgan_fresh_step", "ganforge", QUICK) >= before - 1 > 50  # pages are counted late


def test_a_quick_run_writes_every_figure(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(BENCHMARKS / "step.py"), "--quick", "--out", str(tmp_path), "--only"]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *CONTESTS], capture_output=True, text=True, check=True, env=one_thread)
    (path,) = tmp_path.glob("step-*.json")
    results = json.loads(path.read_text())
    assert list(results["contests"]) == CONTESTS
    assert list(results["equality"]) == KINDS
    for name, contest in results["contests"].items():
        assert len(contest["sides"]) >= 2
        assert all(len(s["seconds"]["samples"]) == contest["pairs"] == 2 for s in contest["sides"].values())
        assert all((s["gflop"] > 0) == (name != "mlp_loading") for s in contest["sides"].values())
        ratio = contest["sides"]["ganforge"]["ratio"]
        assert 0 < ratio["min"] <= ratio["max"]
    assert results["memory"]["imports"] > 50
    assert max(e["difference"] for e in results["equality"].values()) < 1e-9
    assert "DCGAN, 64×64" in path.with_suffix(".md").read_text()
    assert "fresh fakes" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, path.with_suffix(".md").name]


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run the benchmark of scaling in this process; gives the points that are there then."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import scaling

    def run(*words: str) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["scaling.py", "--quick", "--out", str(tmp_path), "--only", *words])
        scaling.main()
        (path,) = tmp_path.glob("scaling-quick-*.json")
        return json.loads(path.read_text())["rows"]

    return run


def test_scaling_measures_what_is_missing_and_draws_all_of_it(
    scaling: Callable[..., dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = scaling("dcgan_size")
    assert list(first) == ["dcgan, batch 8, width 8, size 16", "dcgan, batch 8, width 8, size 32"]
    small, large = (row["sides"]["ganforge"]["gflop"] for row in first.values())
    assert large > 3 * small > 0
    both = scaling("dcgan_size", "dcgan_width")
    assert {name: both[name] for name in first} == first
    (new,) = set(both) - set(first)
    assert new == "dcgan, batch 8, width 4, size 16"
    assert max(row["equality"]["difference"] for row in both.values()) < 1e-9
    assert "by size of the images (batch 8, width 8)" in capsys.readouterr().out
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".md", ".png", ".svg"}
    again = scaling("dcgan_size", "--again")
    assert again[new] == both[new]
    assert all(again[name]["sides"] != first[name]["sides"] for name in first)


def test_scaling_leaves_a_file_alone_that_it_cannot_read(
    scaling: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    scaling("dcgan_width")
    (path,) = tmp_path.glob("*.json")
    path.write_text("[]")
    with pytest.raises(SystemExit, match="can't be read as results of this benchmark"):
        scaling("dcgan_width")
    assert path.read_text() == "[]"


def test_packages_are_not_installed_into_a_folder_of_other_things(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import peers

    (tmp_path / "pyvenv.cfg").write_text("somebody's environment")
    with pytest.raises(SystemExit, match="is a folder of other things"):
        peers.installed(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pyvenv.cfg"]


@pytest.mark.slow
@pytest.mark.network
def test_a_step_of_torchgan_is_the_same_update(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "peers.py"), "--quick"]
    folders = ["--env", str(tmp_path / "env"), "--out", str(tmp_path / "out")]
    subprocess.run([*command, *folders], capture_output=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    (path,) = (tmp_path / "out").glob("peers-quick-*.json")
    results = json.loads(path.read_text())
    assert results["equality"]["difference"] < 1e-9 < 1e-4 < results["equality"]["moved"]
    assert list(results["contest"]["sides"]) == ["torchgan", "ganforge", "plain loop"]
    assert "bias" in path.with_suffix(".md").read_text()


def test_the_program_for_gpus_runs_where_there_is_none(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--quick", "--out", str(tmp_path), "--only", "sngan"]
    subprocess.run(command, capture_output=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    (path,) = tmp_path.glob("gpu-quick-*.json")
    ways = json.loads(path.read_text())["cases"]["sngan"]["ways"]
    assert list(ways)[:2] == ["plain loop", "float32"]
    assert ways["float32"]["gflop"] > 0
    if not torch.cuda.is_available():
        assert subprocess.run(command[:2], capture_output=True).returncode == 2


def test_the_layers_benchmark_compares_both_ways(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "layers.py"), "--quick", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    rows = (tmp_path / "layers-quick.md").read_text().splitlines()[-2:]
    assert all(row.startswith("| doubling, by blocks |") and row.count(" → ") == 3 for row in rows)


def test_the_cost_of_recording_is_a_share_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import recording

    step, share, looks = recording.shares("points_ring_8", 8)
    assert step > 0
    assert 0 < share < 1
    assert 0 < looks < 1
    assert recording.training.note.__name__ == "note", "what was watched is itself again"
