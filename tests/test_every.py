"""All checkpoints of a run: rows that are never taken twice, a table, a plot."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from conftest import TINY_SETTINGS
from ganforge import commands, every
from ganforge.errors import CheckpointError, DataError, RecipeError
from ganforge.every import comparable, plot, read_rows
from ganforge.recipe import Recipe, override
from ganforge.run import begin


@pytest.fixture(scope="module")
def run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with all of its checkpoints."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    recipe = Recipe("tiny", {**TINY_SETTINGS, "data": {"source": str(tiny_data)}})
    list(begin(override(recipe, ["run.keep=9", "run.checkpoint=192"]), path, command=["ganforge", "train"]).play())
    return path


@pytest.fixture
def judgements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The checkpoints that were judged."""
    seen: list[str] = []
    before = every.judged

    def judged(path: Path, *args: Any, **options: Any) -> dict[str, Any]:
        seen.append(path.name)
        return before(path, *args, **options)

    monkeypatch.setattr(every, "judged", judged)
    return seen


def evaluate(what: Path | str, against: str | None = None, **options: Any) -> None:
    rest = {"split": None, "samples": 100, "metrics": None, "extractor": None, "bootstrap": 0, "cache": True}
    rest |= {"every": True, "out": None, "device": "cpu", "as_json": True}
    commands.evaluate(str(what), against, **(rest | options))


def test_rows_a_table_and_a_plot_and_nothing_is_done_twice(
    run: Path, tmp_path: Path, judgements: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rows.jsonl"
    evaluate(run, out=out)
    rows = json.loads(capsys.readouterr().out)
    assert rows == read_rows(out)
    assert [row["images"] for row in rows] == [192, 384, 480]
    assert all(row["run"] == "tiny" and row["protocol"] == "mnist_30_held_out" for row in rows)
    assert rows[0]["figures"] != rows[-1]["figures"]
    with Image.open(tmp_path / "rows.png") as picture:
        assert picture.width > 400
    assert len(judgements) == 3
    evaluate(run, out=out, as_json=False, metrics="frechet_distance,recall")
    shown = capsys.readouterr()
    assert len(judgements) == 3
    assert shown.out.split("\n")[0].split() == ["images", "seen", "frechet", "distance", "recall"]
    assert "real data" in shown.out
    assert f"plot: {tmp_path / 'rows.png'}" in shown.err.replace("\n", "")


def test_what_is_lacking_is_done_and_what_is_there_stays(run: Path, tmp_path: Path, judgements: list[str]) -> None:
    out = tmp_path / "rows.jsonl"
    evaluate(run, out=out, metrics="recall")
    lines = out.read_text().splitlines(keepends=True)
    out.write_text("".join(lines[:-1]))
    evaluate(run, out=out, metrics="recall")
    assert len(judgements) == 4
    evaluate(run, out=out, metrics="frechet_distance", bootstrap=3)
    assert len(judgements) == 7
    assert all(row["figures"].keys() == {"recall", "frechet_distance"} for row in read_rows(out))
    assert all(row["intervals"].keys() == {"frechet_distance"} for row in read_rows(out))


def test_other_weights_and_another_protocol_are_judged_anew(run: Path, tmp_path: Path, judgements: list[str]) -> None:
    out = tmp_path / "rows.jsonl"
    evaluate(run, out=out, metrics="recall")
    evaluate(run, out=out, metrics="recall", split="train")
    assert len(judgements) == 6
    assert len(read_rows(out)) == 6
    rows = read_rows(out)
    assert [r["split"] for r in comparable(rows, run="tiny", like=rows[0])] == [rows[0]["split"]] * 3
    other = tmp_path / "tiny"
    shutil.copytree(run, other)
    shutil.rmtree(other / "checkpoints" / "000000192")
    shutil.copytree(run / "checkpoints" / "000000480", other / "checkpoints" / "000000192")
    evaluate(other, out=out, metrics="recall")
    assert judgements[6:] == ["000000192"]
    assert len(read_rows(out)) == 6  # the row of the weights that lay there before is gone


def test_a_checkpoint_that_is_broken_is_named_and_left_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    chosen = json.loads((run / "best.json").read_text())["images"]
    left = [images for images in (192, 384, 480) if images != chosen]
    weights = other / "checkpoints" / f"{left.pop(0):09d}" / "generator.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    evaluate(other, metrics="recall")
    shown = capsys.readouterr()
    assert [row["images"] for row in json.loads(shown.out)] == sorted([chosen, *left])
    assert "generator.safetensors is altered" in shown.err.replace("\n", " ")
    assert (other / "every.jsonl").exists()
    assert (other / "every.png").exists()


def test_without_matplotlib_there_is_a_table_and_a_sentence(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    evaluate(run, out=tmp_path / "rows.jsonl", metrics="recall")
    assert "no plot: plots need matplotlib" in capsys.readouterr().err
    assert not (tmp_path / "rows.png").exists()


def test_a_band_is_drawn_where_there_are_intervals() -> None:
    rows = [
        {"images": i, "figures": {"frechet_distance": 9 - i}, "floor": {"frechet_distance": 1.0},
         "intervals": {"frechet_distance": [8 - i, 10 - i]}} for i in (1, 2)
    ]  # fmt: skip
    (axis,) = plot(rows).axes
    assert len(axis.collections) == 1
    assert len(axis.lines) == 2


def test_wrong_uses_are_sentences(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="mnist is no run"):
        evaluate("mnist", "mnist")
    with pytest.raises(RecipeError, match=r"--out .* is for the rows of --every; add it"):
        evaluate(run, every=False, out=tmp_path / "rows.jsonl")
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n")
    with pytest.raises(DataError, match=r"line 1 of .*broken\.jsonl is no judgement of a checkpoint"):
        evaluate(run, out=broken)
