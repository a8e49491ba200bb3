"""DINOv2's transformer gives what timm's gives with the same weights; it is found where it is said to be."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganforge import commands
from ganforge.errors import CheckpointError, DataError, RecipeError
from ganforge.features import DinoFeatures, Extractor, extractor, weights
from ganforge.features.dinov2 import loaded, pillow_bicubic, positions

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts/golden_dinov2.py"))
GOLDEN = json.loads((ROOT / "tests/golden/dinov2.json").read_text())


@pytest.fixture(scope="module")
def drawn() -> dict[str, Tensor]:
    return SCRIPT["random_weights"](GOLDEN["seed"])


@pytest.fixture(scope="module")
def file(drawn: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.save(drawn, path)
    return path


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_features_are_those_of_timms_transformer(drawn: dict[str, Tensor]) -> None:
    with torch.inference_mode():
        found = loaded(drawn)(SCRIPT["prepared"]())
    theirs = torch.tensor(GOLDEN["features"])
    assert float((found - theirs).norm() / theirs.norm()) < 1e-5


def test_positions_keep_their_token_and_their_corners() -> None:
    ramp = torch.arange(37.0).view(37, 1, 1).expand(37, 37, 1).reshape(1, 37 * 37, 1)
    found = positions(torch.cat([torch.full((1, 1, 1), -5.0), ramp], 1))
    assert found.shape == (1, 257, 1)
    assert found[0, 0] == -5
    rows = found[0, 1:].view(16, 16)
    torch.testing.assert_close(rows, rows[:, :1].expand(-1, 16))
    wanted = (torch.arange(1.0, 15.0) + 0.5) * 37 / 16.1 - 0.5  # by 37/16 the last would be .2 away
    torch.testing.assert_close(rows[1:15, 0], wanted, rtol=0, atol=0.06)
    assert positions(found) is found


def test_what_it_says_of_itself_and_what_it_takes(file: Path) -> None:
    judge = DinoFeatures(file)
    assert isinstance(judge, Extractor)
    assert judge.name == f"dinov2_width128@{judge.digest[:8]}"
    assert judge.digest in repr(judge)
    x = noise(3, 1, 28, 28)
    assert judge(x).features.shape == (3, judge.dim)
    torch.testing.assert_close(judge(x).features, judge(x.float() / 127.5 - 1).features)
    assert judge(x[:0]).features.shape == (0, judge.dim)
    with pytest.raises(DataError, match="6 channels"):
        judge(noise(1, 6, 8, 8))
    clean = DinoFeatures(file, resize="clean")
    assert clean.name.startswith("dinov2_width128_clean@")
    assert (
        0 < float((clean(x).features - judge(x).features).abs().max()) < 0.5
    )  # but for the rounding they are the same


def test_the_resizing_is_chosen_and_named_in_the_result(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GANFORGE_DINOV2", str(file))
    np.save(tmp_path / "a.npy", noise(20, 28, 28, 3).numpy())
    rest = {"split": "train", "samples": 5, "metrics": "frechet_distance", "bootstrap": 0, "cache": False}
    more = {"every": False, "out": None, "scorecard": None, "device": "cpu", "as_json": True}
    found = {}
    for resize in (None, "legacy", "clean"):
        options = {"extractor": "dinov2", "resize": resize}
        commands.evaluate(str(tmp_path / "a.npy"), str(tmp_path / "a.npy"), **rest, **more, **options)
        found[resize] = json.loads(capsys.readouterr().out)
    assert [r["extractor"]["resize"] for r in found.values()] == ["legacy", "legacy", "clean"]
    assert found[None]["figures"] == found["legacy"]["figures"] != found["clean"]["figures"]
    assert found["clean"]["protocol"].startswith("dinov2_width128_clean@")
    assert extractor("dinov2_clean", resize="clean").name == extractor("dinov2_clean").name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "clip",
            "nothing to 'clip', which has one way; two have inception, inception_pt, .*dinov2_clean",
        ),
        ("mnist", "resize = 'legacy' means nothing to 'mnist'"),
        ("my.package:judge", "which resizes by itself: leave it out"),
        ("dinov2_clean", "resize = 'legacy' contradicts 'dinov2_clean', which says resize = 'clean'"),
        ("dinov3", "did you mean 'dinov2'"),
    ],
)
def test_a_resizing_that_there_is_not_is_a_sentence(name: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        extractor(name, resize="legacy")


def test_legacy_resizing_is_pillows_of_a_whole_picture() -> None:
    x = noise(1, 3, 40, 300)
    picture = Image.fromarray(x[0].permute(1, 2, 0).numpy()).resize((224, 224), Image.Resampling.BICUBIC)
    assert torch.equal(pillow_bicubic(x.float(), 224)[0].permute(1, 2, 0), torch.tensor(np.array(picture)).float())


def test_alpha_is_laid_on_white(file: Path) -> None:
    judge, x = DinoFeatures(file), noise(2, 3, 30, 30)
    clear = torch.cat([x, torch.zeros_like(x[:, :1])], 1)
    assert torch.equal(judge.adapted(clear), judge.adapted(torch.full_like(x, 255)))
    assert torch.equal(judge.adapted(torch.cat([x, torch.full_like(x[:, :1], 255)], 1)), judge.adapted(x))


def test_where_it_is_found(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(weights.DINOV2_VARIABLE, raising=False)
    with pytest.raises(
        CheckpointError, match=r"aren't here; get https://.*ganforge/dinov2_vitl14_pre.* GANFORGE_DINOV2"
    ):
        extractor("dinov2")
    monkeypatch.setenv(weights.DINOV2_VARIABLE, str(file))
    by_variable = extractor("dinov2_clean")
    monkeypatch.delenv(weights.DINOV2_VARIABLE)
    kept = tmp_path / "ganforge/dinov2_vitl14_pretrain.pth"
    kept.parent.mkdir()
    kept.write_bytes(file.read_bytes())
    assert extractor("dinov2_clean").name == by_variable.name


def test_wrong_weights_and_a_wrong_resizing_are_sentences(file: Path, drawn: dict[str, Tensor]) -> None:
    with pytest.raises(RecipeError, match="no resize = 'cleen'; it is legacy or clean"):
        DinoFeatures(file, resize="cleen")
    for broken in ({}, {"pos_embed": drawn["pos_embed"]}, drawn | {"norm.bias": torch.zeros(3)}):
        with pytest.raises(CheckpointError, match="no weights of DINOv2"):
            loaded(broken)
