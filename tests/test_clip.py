"""CLIP's image tower gives what transformers' gives with the same weights; it is found where it is said to be."""

import hashlib
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from ganforge.errors import CheckpointError, DataError
from ganforge.features import ClipFeatures, Extractor, extractor, weights
from ganforge.features.clip import DEVIATION, MEAN, fitted, loaded

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts/golden_clip.py"))
GOLDEN = json.loads((ROOT / "tests/golden/clip.json").read_text())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network in a file as it is published: texts' tower, scale and numbers of places lie in it too."""
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    more = {"text_model.embeddings.token_embedding.weight": torch.ones(2, 2), "logit_scale": torch.tensor(4.6)}
    more |= {"vision_model.embeddings.position_ids": torch.arange(50)[None], "text_projection.weight": torch.ones(2, 2)}
    save_file(SCRIPT["random_weights"](32) | more, path)
    return path


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("patch", [14, 32])
def test_features_are_those_of_transformers(patch: int) -> None:
    with torch.inference_mode():
        found = loaded(SCRIPT["random_weights"](patch, GOLDEN["seed"]))(SCRIPT["prepared"]())
    theirs = torch.tensor(GOLDEN["features"][str(patch)])
    assert float((found - theirs).norm() / theirs.norm()) < 1e-5


def test_what_it_says_of_itself_and_what_it_takes(file: Path) -> None:
    judge = ClipFeatures(file)
    assert isinstance(judge, Extractor)
    assert judge.name == f"clip_width128_patch32@{judge.digest[:8]}"
    assert judge.digest in repr(judge)
    x = noise(3, 1, 28, 28)
    assert judge(x).features.shape == (3, 48)
    torch.testing.assert_close(judge(x).features, judge(x.float() / 127.5 - 1).features)
    assert judge(x[:0]).features.shape == (0, 48)
    with pytest.raises(DataError, match="6 channels"):
        judge(noise(1, 6, 8, 8))


def test_images_are_fitted_as_published(file: Path) -> None:
    """The short side by Pillow's bicubic, of the long one the middle."""
    x = noise(1, 3, 40, 301)
    picture = Image.fromarray(x[0].permute(1, 2, 0).numpy())
    wide = np.asarray(picture.resize((1685, 224), Image.Resampling.BICUBIC))  # 301·224/40 = 1685.6
    middle = torch.tensor(wide[:, 730:954].copy()).permute(2, 0, 1).float()
    assert torch.equal(fitted(x.float())[0], middle)
    seen = ClipFeatures(file).adapted(x)[0]
    wanted = (middle / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
    torch.testing.assert_close(seen, wanted)


def test_alpha_is_laid_on_white(file: Path) -> None:
    judge, x = ClipFeatures(file), noise(2, 3, 224, 224)
    clear = torch.cat([x, torch.zeros_like(x[:, :1])], 1)
    assert torch.equal(judge.adapted(clear), judge.adapted(torch.full_like(x, 255)))
    assert torch.equal(judge.adapted(torch.cat([x, torch.full_like(x[:, :1], 255)], 1)), judge.adapted(x))


def test_where_it_is_found(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(weights.CLIP.variable, raising=False)
    monkeypatch.setattr(weights, "CLIP", weights.CLIP._replace(url=(tmp_path / "nowhere").as_uri()))
    with pytest.raises(CheckpointError, match=r"can't be fetched .*ganforge/clip-vit-large-patch14.* GANFORGE_CLIP"):
        extractor("clip")
    monkeypatch.setenv(weights.CLIP.variable, str(file))
    assert "@" in extractor("clip").name
    monkeypatch.delenv(weights.CLIP.variable)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "CLIP", weights.CLIP._replace(url=file.as_uri(), digest=digest))
    assert extractor("clip").name == "clip_width128_patch32"
    assert (tmp_path / "ganforge/clip-vit-large-patch14.safetensors").read_bytes() == file.read_bytes()


def test_wrong_weights_are_a_sentence() -> None:
    drawn = SCRIPT["random_weights"](32)
    key = "vision_model.encoder.layers.1.mlp.fc1.bias"
    for broken in ({}, {k: v for k, v in drawn.items() if k != key}, drawn | {key: torch.zeros(3)}):
        with pytest.raises(CheckpointError, match="no weights of CLIP"):
            loaded(broken)
