"""The mode-coverage bench: the protocol as published, rows that are never measured twice, figures that follow."""

import json
import math
from pathlib import Path

import pytest

from ganforge.bench import modes
from ganforge.bench.page import markdown
from ganforge.errors import DataError, RecipeError
from ganforge.measuring import bench_modes


def row(seed: int, **figures: float) -> modes.Row:
    return modes.Row(**{"remedy": "none", "set": "ring", "seed": seed, "steps": 10, "modes": 8, "quality": 0.9,
                        "reverse_kl": 0.1, "seconds": 1.0} | figures)  # fmt: skip


def test_the_protocol_is_the_published_one() -> None:
    for name, count, sigma in (("ring", 8, 0.01), ("grid", 25, 0.05)):
        plan = modes.planned("none", name, steps=400_000, seed=0, seeds=1)
        mixture = plan.source.mixture
        assert mixture is not None
        assert len(mixture.means) == count
        assert mixture.sigmas.tolist() == pytest.approx([sigma] * count)
        assert len(plan.source.train) == 100_000
        assert plan.training.images == 400 * 100_000
        assert {p: plan.parts[f"optimizer.{p}"].values["beta1"] for p in plan.rates} == dict.fromkeys(plan.rates, 0.8)
        assert plan.rates == dict.fromkeys(plan.rates, 1e-4)
        G, D = plan.networks().values()
        assert [b[0].out_features for b in G.blocks] == [400] * 4
        assert [(b.linear.out_features, b.pieces) for b in D.blocks] == [(1000, 5)] * 3


@pytest.mark.parametrize("remedy", sorted(modes.REMEDIES))
def test_every_remedy_plays(remedy: str) -> None:
    job = modes.Job(remedy, "ring", 4, first=3, seeds=2)
    steps: list[float] = []
    rows = modes.measured(job, settings=modes.QUICK, progress=steps.append)
    assert [(r.seed, r.steps) for r in rows] == [(3, 4), (4, 4)]
    assert sum(steps) == 8
    assert all(0 <= r.quality <= 1 and 0 <= r.modes <= 8 and r.reverse_kl >= 0 for r in rows)


def test_only_what_is_missing_is_played() -> None:
    job = modes.Job("none", "ring", 10, first=0, seeds=6)
    left = modes.missing([job], [row(0), row(3), row(1, steps=99)])
    assert [(j.first, j.seeds) for j in left] == [(1, 2), (4, 2)]


def test_means_errors_and_the_worst_seed() -> None:
    (line,) = modes.summary([row(0, quality=0.8, modes=6), row(1, quality=1.0, modes=8)])
    assert line["quality"] == pytest.approx(0.9)
    assert line["quality_error"] == pytest.approx(math.sqrt(0.02) / math.sqrt(2))
    assert line["modes_worst"] == 6
    assert "| ring | none | 10 | 2 | 7.0 ± 1.0 (6.0) |" in markdown([line])


def test_rows_are_read_back_and_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    assert modes.read(path) == []
    path.write_text(row(0).line + row(1).line)
    assert modes.read(path) == [row(0), row(1)]
    path.write_text(row(0).line + '{"set": 1')
    with pytest.raises(DataError, match=r"rows\.jsonl, line 2"):
        modes.read(path)


@pytest.mark.parametrize(
    ("remedy", "name", "words"), [("pakc", "ring", "no remedy 'pakc'"), ("none", "rign", "no set")]
)
def test_a_wrong_name_is_named(remedy: str, name: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        modes.planned(remedy, name, steps=1, seed=0, seeds=1)


def test_the_command_goes_on_where_it_was_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.jsonl"
    for seeds in (2, 2, 3):
        before = out.read_text() if out.exists() else ""
        bench_modes(["none"], ["ring"], steps=4, seeds=seeds, quick=False, out=out, as_json=True)
        (line,) = json.loads(capsys.readouterr().out)
        assert (line["seeds"], line["steps"]) == (seeds, 4)
        assert out.read_text().startswith(before)
    assert out.read_text().count("\n") == 3
    assert "| ring | PacGAN4 (published) | 400,000 |  | 7.8 | 95.9% |" in out.with_suffix(".md").read_text()


def test_a_quick_measurement_is_shown_alone_and_never_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(modes, "QUICK_STEPS", 4)
    with pytest.raises(RecipeError, match="claims nothing"):
        bench_modes(["none"], ["ring"], steps=4, seeds=1, quick=True, out=tmp_path / "rows.jsonl", as_json=False)
    assert not list(tmp_path.iterdir())
    bench_modes(["none"] * 2, ["ring"] * 2, steps=4, seeds=1, quick=True, out=None, as_json=False)
    said = capsys.readouterr().out
    assert "published" not in said
    assert said.count("none") == 1


def test_a_row_of_other_types_is_quoted(tmp_path: Path) -> None:
    row, rows = modes.Row("none", "ring", 0, 20, 8, 0.9, 0.1, 1.0), tmp_path / "rows.jsonl"
    rows.write_text(row.line + row.line.replace('"modes": 8', '"modes": "many"'))
    with pytest.raises(DataError, match=r"line 2: .* is no row of this benchmark"):
        modes.read(rows)
    rows.write_text(row.line)
    assert modes.read(rows) == [row]
