"""Points through the same run as images: ticks, pictures, figures, resumption, samples on disk."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import TINY_SETTINGS
from ganforge.crowd import crowd, reference
from ganforge.data import TOYS, open_source
from ganforge.errors import RecipeError
from ganforge.evaluate import choosing_metric, evaluate, extractor_name, quick_distance
from ganforge.features import extractor
from ganforge.io.checkpoint import load_checkpoint
from ganforge.io.folder import RunFolder
from ganforge.plan import build
from ganforge.recipe import Recipe, load_recipe, override
from ganforge.run import begin, continued
from ganforge.sample import load, save_samples
from ganforge.train import train

TINY = Recipe(
    "tiny_points",
    {
        **TINY_SETTINGS,
        "data": {"source": "ring", "sigma": 0.05, "held_out": 200},
        "generator": {"name": "points", "hidden": [16]},
        "discriminator": {"name": "points", "hidden": [16], "norm": "spectral"},
        "judge": {"every": 192, "samples": 100, "final": 200},
    },
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    path = tmp_path_factory.mktemp("runs") / "whole"
    list(begin(TINY, path, command=["ganforge", "train"]).play())
    return path


def state(path: Path) -> dict[str, torch.Tensor]:
    latest = RunFolder.open(path).latest()
    assert latest is not None
    return load_checkpoint(latest)[0]["state"]


def pictures(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in RunFolder.open(path).samples()}


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_a_run_of_points_leaves_what_a_run_of_images_does(whole: Path) -> None:
    folder = RunFolder.open(whole)
    assert [t["images"] for t in folder.records("ticks")] == [96, 192, 288, 384, 480]
    *judged, final = folder.records("evaluations")
    assert {"modes_found", "mode_quality", "sliced_distance", "frechet_distance"} <= judged[0]["figures"].keys()
    assert final["protocol"] == "points_200_test"
    assert final["extractor"] == {"name": "points", "weights": "none"}
    assert final["floor"]["modes_found"] == 8
    assert final["floor"]["mode_quality"] > 0.95
    assert "classifier_score" not in final["figures"]
    best = json.loads((whole / "best.json").read_text())
    assert best["figure"] == min(r["figures"]["mode_distance"] for r in judged)
    page = (whole / "report.html").read_text()
    assert "Sliced Wasserstein distance" in page
    assert page.count("data:image/png;base64,") == 6


@pytest.mark.parametrize("rounds", [1, 14, 23])
def test_a_run_of_points_goes_on_bit_for_bit(whole: Path, tmp_path: Path, rounds: int) -> None:
    path, turn = tmp_path / "stopped", iter(range(1000))
    list(begin(TINY, path, command=[]).play(stop=lambda: next(turn) >= rounds))
    assert int(RunFolder.open(path).checkpoints()[-1].name) < 480
    list(continued(path).play())
    mine, theirs = state(path), state(whole)
    assert mine.keys() == theirs.keys()
    assert [k for k in mine if not torch.equal(mine[k], theirs[k])] == []
    assert pictures(path) == pictures(whole)


def test_pictures_of_a_run_have_one_frame_and_change(whole: Path) -> None:
    sizes = {size(p) for p in RunFolder.open(whole).samples()}
    assert sizes == {(512, 512)}
    assert len(set(pictures(whole).values())) == 6


def test_samples_are_float_and_the_outputs_agree(whole: Path, tmp_path: Path) -> None:
    sampler = load(whole)
    points = sampler.sample([4, 2])
    assert points.dtype == torch.float32
    assert points.shape == (2, 2)
    for name in ("a.npy", "a.csv", "a.png"):
        save_samples(sampler, [4, 2], tmp_path / name, batch=1, progress=print)
    array = np.load(tmp_path / "a.npy")
    assert array.dtype == np.float32
    assert np.abs(array - points.numpy()).max() < 1e-6
    with (tmp_path / "a.csv").open() as file:
        header, *rows = list(csv.reader(file))
    assert header == ["seed", "x1", "x2"]
    assert [int(row[0]) for row in rows] == [4, 2]
    assert (np.array([row[1:] for row in rows], np.float32) == array).all()
    assert size(tmp_path / "a.png") == (512, 512)
    with pytest.raises(RecipeError, match=r"points go into \.png"):
        save_samples(sampler, [1], tmp_path / "folder", batch=1, progress=print)


def test_the_quick_judgement_of_points_agrees_with_the_full_one(whole: Path) -> None:
    source, judge, sampler = TOYS["ring"](held_out=200), extractor("points"), load(whole)
    real = reference(source, "test", judge, 200)
    record = evaluate(sampler, source, judge, samples=200)
    quick = quick_distance(sampler, real, judge, mixture=source.mixture)
    assert quick.keys() <= record["figures"].keys()
    fakes = crowd([sampler.sample(range(200))], judge, count=200)
    assert torch.equal(fakes.features, sampler.sample(range(200)))
    assert fakes.logits.shape == (200, 0)


@pytest.mark.parametrize(("source", "chosen"), [("ring", "mnist"), ("mnist", "points")])
def test_a_judge_of_the_other_kind_is_refused(source: str, chosen: str) -> None:
    parts = build(override(TINY, [f"data={source}", "generator=mlp", "discriminator=mlp"]))  # fmt: skip
    with pytest.raises(RecipeError, match=f"judge.extractor = '{chosen}' can't judge {source}"):
        extractor_name(parts.source, chosen)


@pytest.mark.parametrize(
    ("data", "chosen", "metric"),
    [
        ("mnist", None, "frechet_distance"),
        ("moons", None, "sliced_distance"),
        ("ring", None, "mode_distance"),
        ("ring", "kernel_distance", "kernel_distance"),
    ],
)
def test_a_checkpoint_is_chosen_by_what_is_known_of_the_data(data: str, chosen: str | None, metric: str) -> None:
    source = open_source() if data == "mnist" else TOYS[data](held_out=10)
    assert choosing_metric(source, chosen) == metric


@pytest.mark.parametrize("toy", sorted(set(TOYS) - {"drawing"}))
def test_every_toy_can_be_played(toy: str) -> None:
    (tick,) = train(override(TINY, [f"data={toy}", "train.images=96", "discriminator.norm=none"]))
    assert all(np.isfinite(value) for value in tick.figures.values())


def test_the_affine_game_moves_the_mean_towards_the_data() -> None:
    """Non-saturating, D = σ(x): the generator's first gradient in μ is -E[1 - σ(z)], so plain descent moves μ up."""
    settings = ["data=one_gaussian", "generator=affine", "discriminator=affine", "optimizer.generator=sgd",
                "optimizer.discriminator=sgd", "optimizer.generator.lr=.05", "optimizer.discriminator.lr=.05",
                "train.batch=2000", "train.images=800000", "train.tick=800000", "ema.half_life=0"]  # fmt: skip
    (tick,) = train(override(TINY, settings))
    G = tick.state.players["generator"]
    assert G.mean.item() == pytest.approx(2.0, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "modes", "quality"), [("points_ring_8", 8, 0.9), ("points_grid_25", 25, 0.8)])
def test_the_recipes_find_every_mode(name: str, modes: int, quality: float, tmp_path: Path) -> None:
    list(begin(load_recipe(name), tmp_path / "run", command=[]).play())
    final = RunFolder.open(tmp_path / "run").records("evaluations")[-1]["figures"]
    assert final["modes_found"] == modes
    assert final["mode_quality"] > quality
