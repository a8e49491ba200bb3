"""The command line as a user meets it: what it prints where, and its exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ganforge.recipe import load_recipe, recipe_names
from ganforge.run import begin
from terminal import ganforge


@pytest.fixture(scope="module")
def run(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    list(begin(load_recipe(str(tiny_file)), path, command=["ganforge", "train"]).play())
    return path


def test_help_teaches() -> None:
    command = [sys.executable, "-c", "from ganforge.cli import main; main()", "--help"]
    top = subprocess.run(command, capture_output=True, text=True, check=False)
    assert top.returncode == 0
    assert ganforge("--help").stdout.split()[3:] == top.stdout.split()[3:]  # the tests' way to call it is the users'
    assert all(verb in top.stdout for verb in ("train", "resume", "sample", "evaluate", "recipes", "recipe"))
    for verb in ("train", "resume", "sample", "evaluate", "recipes", "recipe"):
        assert len(ganforge(verb, "--help").stdout) > 200


def test_recipes_are_listed_and_a_recipe_is_a_recipe_file(tmp_path: Path) -> None:
    listed = json.loads(ganforge("recipes", "--json").stdout)
    assert sorted(listed) == recipe_names()
    text = ganforge("recipe", "mlp_mnist_28", "train.batch=64").stdout
    (tmp_path / "mine.toml").write_text(text)
    assert "batch = 64" in text
    again = json.loads(ganforge("recipe", str(tmp_path / "mine.toml"), "--json").stdout)
    assert again["train"]["batch"] == 64


def test_training_prints_results_on_stdout_and_progress_on_stderr(tiny_file: Path, tmp_path: Path) -> None:
    result = ganforge("train", str(tiny_file), "train.images=192", "--out", str(tmp_path / "a"), "--json")
    assert result.returncode == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["run"] == str(tmp_path / "a")
    assert {"figures", "floor", "protocol", "samples"} <= record.keys()
    assert "img/s" in result.stderr
    assert "best so far" in result.stderr


def test_without_out_runs_are_numbered(tiny_file: Path, tmp_path: Path) -> None:
    for _ in range(2):
        ganforge("train", str(tiny_file), "train.images=16", cwd=tmp_path)
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["tiny", "tiny-2"]


def test_a_finished_run_says_so_and_shows_its_figures(run: Path) -> None:
    result = ganforge("resume", str(run))
    assert result.returncode == 0
    assert "complete at 480 images" in result.stderr
    assert "frechet distance" in result.stdout


def test_evaluate_prints_a_table_or_json(run: Path) -> None:
    record = json.loads(ganforge("evaluate", str(run), "--json", "--samples", "100").stdout)
    assert record["protocol"] == "mnist_30_held_out"  # 30 images are held out
    table = ganforge("evaluate", str(run), "--samples", "100").stdout
    for name in ("frechet distance", "kernel distance", "precision", "recall", "density", "coverage", "floor"):
        assert name in table


def test_only_some_figures_every_checkpoint_and_a_scorecard(run: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    words = ("evaluate", str(run), "--metrics", "recall, frechet_distance", "--samples", "100", "--json")
    record = json.loads(ganforge(*words, "--scorecard", str(card), "--no-cache", "--bootstrap", "3").stdout)
    assert record["figures"].keys() == {"recall", "frechet_distance"}
    assert record["cached"] is False
    assert record["scorecard"] == str(card)
    assert "--scorecard" in card.read_text()
    rows = ganforge(*words, "--every", "--out", str(tmp_path / "rows.jsonl"))
    assert [row["images"] for row in json.loads(rows.stdout)] == sorted(
        int(path.name) for path in (run / "checkpoints").iterdir()
    )
    assert (tmp_path / "rows.png").exists()


def test_sample_prints_where_the_pictures_are(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    assert ganforge("sample", str(run), "--seeds", "0-3", "-o", str(out)).stdout.strip() == str(out)
    assert out.exists()
    singles = ganforge("sample", str(run), "--seeds", "1,2", "-o", str(tmp_path / "singles"))
    assert singles.stdout.strip() == str(tmp_path / "singles")
    assert len(list((tmp_path / "singles").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "quoted"),
    [
        (["train", "no_such_recipe"], "no recipe 'no_such_recipe'"),
        (["train", "mlp_mnist_28", "train.bach=3"], "did you mean 'batch'"),
        (["train", "--data", "/no/such/folder"], "/no/such/folder"),
        (["train", "mlp_mnist_28", "--device", "abacus"], "'abacus' can't be used here"),
        (["resume", "/no/such/run"], "/no/such/run is no run"),
        (["sample", "/no/such/run"], "/no/such/run is no run"),
        (["evaluate", "/no/such/run"], "/no/such/run is no run"),
        (["evaluate", "mnist", "mnist", "--metrics", "recal"], "no figure is called 'recal'; did you mean 'recall'?"),
        (["evaluate", "mnist", "mnist", "--metrics", "recall", "--bootstrap", "9"], "nothing to resample in recall"),
        (["recipe", "dcgan"], "no recipe 'dcgan'"),
        (["train", "--data", "mnist", "data.source=mnist"], "data.source is given twice"),
        (["train", "mlp_mnist_28", "--data", "naïve 😀 folder"], "'naïve 😀 folder'"),
        (["train", "mlp_mnist_28", "optimizer.generator.lr=-1"], "optimizer.generator.lr = -1"),
    ],
)
def test_a_users_mistake_is_a_sentence_not_a_traceback(words: list[str], quoted: str, tmp_path: Path) -> None:
    result = ganforge(*words, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert quoted in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_is_kept(run: Path, tiny_file: Path) -> None:
    before = (run / "ticks.jsonl").read_bytes()
    result = ganforge("train", str(tiny_file), "--out", str(run))
    assert result.returncode == 2
    assert "ganforge resume" in result.stderr
    assert (run / "ticks.jsonl").read_bytes() == before


def test_bad_seeds_and_foreign_checkpoints_are_sentences(run: Path, tmp_path: Path) -> None:
    assert "names no seeds" in ganforge("sample", str(run), "--seeds", "x").stderr
    for file in (run / "checkpoints").glob("*/checkpoint.json"):
        broken = tmp_path / file.parent.name
        broken.mkdir()
        (broken / "checkpoint.json").write_text(file.read_text()[:40])
        result = ganforge("sample", str(broken))
        assert result.returncode == 2
        assert str(broken) in result.stderr
        assert "Traceback" not in result.stderr


def test_import_paths_reach_modules_beside_the_user(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from ganforge.objectives import hinge as stern\n")
    shown = ganforge("recipe", "mlp_mnist_28", "objective=mine.stern", "--json", cwd=tmp_path)
    assert json.loads(shown.stdout)["objective"] == {"name": "mine.stern"}


def test_an_unknown_split_and_too_many_seeds_are_sentences(run: Path, tmp_path: Path) -> None:
    result = ganforge("evaluate", str(run), "--split", "name")
    assert result.returncode == 2
    assert "it has: held_out, train" in result.stderr
    assert "more than 10,000,000 seeds" in ganforge("sample", str(run), "--seeds", "0-99999999999").stderr
    assert "is a run's folder" in ganforge("sample", str(run), "--out", str(run)).stderr


def test_a_schedule_is_a_table_in_json() -> None:
    shown = json.loads(ganforge("recipe", "dcgan_mnist_28", "--json").stdout)
    assert shown["optimizer.generator"]["lr"]["schedule"] == "cosine"


def test_images_are_judged_against_images(run: Path, tmp_path: Path) -> None:
    assert ganforge("sample", str(run), "--seeds", "0-119", "--out", str(tmp_path / "made")).returncode == 0
    record = json.loads(ganforge("evaluate", str(tmp_path / "made"), "mnist", "--json", "--samples", "100").stdout)
    assert record["model"] == str(tmp_path / "made")
    assert record["protocol"] == "mnist_100_test"
    assert record["figures"]["frechet_distance"] > record["floor"]["frechet_distance"]
    alone = ganforge("evaluate", str(tmp_path / "made"))
    assert alone.returncode == 2
    assert f"say what they are judged against: ganforge evaluate {tmp_path / 'made'} REAL" in alone.stderr
