"""A user's own extractor, by its import path or as an ONNX file, stands wherever an extractor's name does."""

import base64
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ganforge.commands import evaluate
from ganforge.errors import CheckpointError, RecipeError
from ganforge.features import ModuleFeatures, PointFeatures, extractor
from ganforge.recipe import Recipe, override
from ganforge.run import begin

HERE = __name__
# GlobalAveragePool and Flatten of x, made by onnx.helper at opset 13: of any batch and size, and of two 8 x 8 images.
POOL = (
    "CAgSADplChkKAXgSAXAiEUdsb2JhbEF2ZXJhZ2VQb29sCg8KAXASAXkiB0ZsYXR0ZW4SAWdaHgoBeBIZChcIARITCgMSAUIKAggDCgMSAUgKAxIBV2IU"
    "CgF5Eg8KDQgBEgkKAxIBQgoCCANCBAoAEA0="
)
PAIR = (
    "CAgSADphChkKAXgSAXAiEUdsb2JhbEF2ZXJhZ2VQb29sCg8KAXASAXkiB0ZsYXR0ZW4SAWdaGwoBeBIWChQIARIQCgIIAgoCCAMKAggICgIICGITCgF5"
    "Eg4KDAgBEggKAggCCgIIA0IECgAQDQ=="
)


class Means(nn.Module):
    """The mean of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def linear(device: str = "cpu") -> nn.Module:
    """A network with weights, told of the device."""
    with torch.device(device):
        return nn.Sequential(nn.Flatten(), nn.Linear(16 * 16, 4))


ready = Means()
made = PointFeatures()
number = 3


def nothing() -> None:
    """No extractor."""


def failing() -> nn.Module:
    """A broken factory."""
    raise ValueError("no weights today")


def flat() -> nn.Module:
    """Not features."""
    return nn.Identity()


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("path", [f"{HERE}.Means", f"{HERE}:Means", f"{HERE}.ready"])
def test_a_module_or_its_class_by_an_import_path(path: str) -> None:
    images = noise(130, 3, 8, 8)
    judge = extractor(path)
    assert (judge.name, judge.digest, judge.classes) == (path, "none", ())
    torch.testing.assert_close(judge(images).features, images.float().mean((2, 3)) / 127.5 - 1)
    assert judge(images).logits.shape == (130, 0)


def test_a_function_that_makes_one_and_its_weights_in_the_name() -> None:
    first, second = extractor(f"{HERE}:linear"), extractor(f"{HERE}:linear")
    assert first.digest != second.digest
    assert first.name == f"{HERE}:linear@{first.digest[:8]}"
    assert isinstance(first, ModuleFeatures)
    assert ModuleFeatures("again", first.module).digest == first.digest


def test_a_ready_extractor_is_taken_as_it_is() -> None:
    assert extractor(f"{HERE}.made") is made
    assert extractor("ganforge.features.PointFeatures").name == "points"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "gives NoneType, which extracts nothing"),
        ("failing", r"can't be called \(ValueError: no weights today\)"),
        ("number", "is no function but 3"),
        ("absent", "can't be imported"),
    ],
)
def test_what_is_no_extractor_is_a_sentence(name: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        extractor(f"{HERE}:{name}")


def test_a_module_that_gives_no_features_is_a_sentence() -> None:
    with pytest.raises(RecipeError, match=r"flat' gives torch\.float32 \(2, 3, 4, 4\) where features \(B, D\)"):
        extractor(f"{HERE}.flat")(noise(2, 3, 4, 4))
    rows = ModuleFeatures("rows", nn.Flatten(0, 2))
    with pytest.raises(RecipeError, match="gives 24 rows for 2 images"):
        rows(noise(2, 3, 4, 4))


@pytest.mark.parametrize("name", ["vgg", "weights/vgg.pth", "my module.net", "2.5"])
def test_an_unknown_name_says_what_else_there_is(name: str) -> None:
    with pytest.raises(
        RecipeError, match=r"there are mnist, .*inception_clean, .*points, and your own: package\.module"
    ):
        extractor(name)
    with pytest.raises(RecipeError, match=r"'inceptoin'; did you mean 'inception'\?$"):
        extractor("inceptoin")


def test_a_run_is_judged_by_it(tiny_recipe: Recipe, tmp_path: Path) -> None:
    run = begin(override(tiny_recipe, [f"judge.extractor={HERE}:Means"]), tmp_path / "run", command=[])
    assert run.protocol.startswith(f"{HERE}:Means_")
    with pytest.raises(RecipeError, match="can't be imported"):
        begin(override(tiny_recipe, ["judge.extractor=no.such.thing"]), tmp_path / "other", command=[])


def test_images_are_judged_by_it_on_the_command_line(tiny_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(tiny_data)
    options = {"split": None, "metrics": None, "out": None, "scorecard": None, "device": "cpu", "as_json": True}
    evaluate(data, data, samples=100, extractor=f"{HERE}:linear", bootstrap=0, cache=False, every=False, **options)
    assert f'"protocol": "{HERE}:linear@' in capsys.readouterr().out


@pytest.fixture
def model(tmp_path: Path) -> Callable[[str, str], str]:
    """The path of an ONNX file."""

    def written(name: str, text: str) -> str:
        (tmp_path / name).write_bytes(base64.b64decode(text))
        return str(tmp_path / name)

    return written


def test_an_onnx_file_is_an_extractor(model: Callable[[str, str], str]) -> None:
    pytest.importorskip("onnxruntime", exc_type=ImportError)
    images, judge = noise(70, 3, 8, 8), extractor(model("pool.onnx", POOL))
    assert judge.name == f"pool.onnx@{judge.digest[:8]}"
    torch.testing.assert_close(judge(images).features, images.float().mean((2, 3)) / 127.5 - 1, rtol=1e-4, atol=1e-5)
    assert judge(noise(2, 1, 5, 9)).features.shape == (2, 3)
    assert judge(images[:0]).features.shape == (0, 3)


def test_an_onnx_file_may_fix_its_batch_and_size(model: Callable[[str, str], str]) -> None:
    pytest.importorskip("onnxruntime", exc_type=ImportError)
    images = noise(5, 1, 16, 16)
    found = extractor(model("pair.onnx", PAIR))(images).features
    assert found.shape == (5, 3)
    torch.testing.assert_close(found[:, 0], found[:, 2])


def test_weights_beside_an_onnx_file_are_part_of_its_digest(model: Callable[[str, str], str]) -> None:
    pytest.importorskip("onnxruntime", exc_type=ImportError)
    path = model("pool.onnx", POOL)
    alone = extractor(path).digest
    Path(f"{path}.data").write_bytes(b"weights")
    assert len(extractor(path).digest) == len(alone) == 12
    assert extractor(path).digest != alone


def test_broken_onnx_files_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.onnx' can't be read"):
        extractor(str(tmp_path / "absent.onnx"))
    pytest.importorskip("onnxruntime", exc_type=ImportError)
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"broken\.onnx' holds no ONNX model"):
        extractor(str(tmp_path / "broken.onnx"))


def test_without_onnxruntime_the_extra_is_named(
    model: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RecipeError, match=r"pip install 'ganforge\[onnx\]'"):
        extractor(model("pool.onnx", POOL))
