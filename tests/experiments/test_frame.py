"""Performing experiments: seeds, jobs, verdicts, what is written, and what the command line says."""

import json
import re
import subprocess
from pathlib import Path

import pytest

import terminal
from ganforge.experiments.frame import Outcome, Trial, load_experiment, perform, write_index, write_outcome

SHORT = ["rounds=20", "batch=50", "paths=false", "quadratic_rounds=20"]


def ganforge(*words: str) -> subprocess.CompletedProcess[str]:
    return terminal.ganforge("experiment", *words)


def outcome(*shown: bool) -> Outcome:
    experiment = load_experiment("one-gaussian")
    figures = {"mean": 2.0, "sigma": 0.3, "accuracy": 0.5, "lowest_sigma": 0.1, "highest_sigma": 2.0,
               "quadratic_sigma": 0.5, "row": [1, 2]}  # fmt: skip
    trials = [Trial(seed, figures | {"sigma": seed / 10}, {"the sky is blue": good}) for seed, good in enumerate(shown)]
    return Outcome(experiment, experiment.settings(), trials, seconds=1.0)


def test_four_of_five_seeds_make_a_verdict() -> None:
    four, three = outcome(True, True, False, True, True), outcome(True, True, False, False, True)
    assert four.shown
    assert four.verdict.startswith("shown in 4 of 5 seeds: the mean arrives at 2.00")
    assert not three.shown
    assert three.verdict == "not shown, because in 2 of 5 seeds it does not hold that the sky is blue (seed 2)"
    assert four.medians["sigma"] == 0.2
    assert "row" not in four.medians


def test_figures_depend_on_the_seed_alone_and_not_on_the_jobs() -> None:
    experiment = load_experiment("one-gaussian")
    wanted = {experiment.name: experiment.settings(SHORT)}
    done: list[float] = []
    (alone,) = perform(wanted, seeds=[0, 1], jobs=1, progress=done.append)
    (together,) = perform(wanted, seeds=[0, 1], jobs=2, progress=done.append)
    assert [t.figures for t in alone.trials] == [t.figures for t in together.trials]
    assert alone.trials[0].figures != alone.trials[1].figures
    assert done == [1.0] * 4


def test_what_is_written(tmp_path: Path) -> None:
    experiment = load_experiment("one-gaussian")
    (found,) = perform({experiment.name: experiment.settings(SHORT)}, seeds=[0], jobs=1)
    page = write_outcome(found, tmp_path / experiment.name, command=["ganforge", "experiment", "one-gaussian"])
    record = json.loads((page.parent / "figures.json").read_text())
    assert record["trials"][0]["figures"]["main"]["mean"][0] == 0
    assert record["settings"]["rounds"] == 20
    text = page.read_text()
    assert f"<h1>{experiment.title}</h1>" in text
    linked = set(re.findall(r'(?:src|href)="([^"]+)"', text))
    assert linked
    assert all((page.parent / name.strip("'")).exists() for name in linked)
    index = write_index([found], tmp_path)
    assert all((tmp_path / name).exists() for name in re.findall(r'(?:src|href)="([^"]+)"', index.read_text()))


def test_the_command_prints_figures_and_a_verdict(tmp_path: Path) -> None:
    result = ganforge("one-gaussian", *SHORT, "--seeds", "1", "--jobs", "1", "--out", str(tmp_path), "--json")
    record = json.loads(result.stdout)
    assert record["experiment"] == "one-gaussian"
    assert not record["shown"]  # twenty rounds lead nowhere
    assert result.returncode == 1
    assert Path(record["page"]).exists()


def test_without_a_name_they_are_listed() -> None:
    result = ganforge()
    assert result.returncode == 0
    assert "one-gaussian" in result.stdout
    assert "Ring: eight modes" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["one-gausian"], "no experiment 'one-gausian'; did you mean 'one-gaussian'"),
        (["one-gaussian", "ronds=3"], "no key 'ronds'; did you mean 'rounds'"),
        (["one-gaussian", "rounds=-3"], "rounds = -3: input should be greater than or equal to 1"),
        (["one-gaussian", "rounds"], "'rounds' is no setting; write it as key=value"),
        (["rounds=3"], "'rounds=3' is a setting of no experiment"),
        (["--all", "one-gaussian"], "leave out 'one-gaussian' or --all"),
        (["one-gaussian", "--quick", "--full"], "contradict each other"),
    ],
)
def test_a_mistake_gets_a_sentence(words: list[str], message: str) -> None:
    result = ganforge(*words)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
