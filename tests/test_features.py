"""The embedded classifiers do what their files say, take any image, and statistics don't depend on the cutting."""

import gzip
import io
import os
import runpy
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ganforge.errors import CheckpointError, DataError, RecipeError
from ganforge.features import (
    Classifier,
    ClassifierFeatures,
    Extractor,
    RunningGaussian,
    extractor,
    extractor_for,
    load_classifier,
)

ASSETS = Path(str(files("ganforge"))) / "assets"
CIFAR10 = os.environ.get("GANFORGE_CIFAR10")  # a folder with test-*.parquet


def idx(name: str, offset: int, *shape: int) -> Tensor:
    data = gzip.decompress((ASSETS / "mnist" / name).read_bytes())
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=offset).reshape(-1, *shape).copy())


@pytest.fixture(scope="module")
def digits() -> Tensor:
    return idx("t10k-images-idx3-ubyte.gz", 16, 1, 28, 28)


@pytest.fixture(scope="module", params=["mnist", "cifar10", "stacked_mnist"])
def judge(request: pytest.FixtureRequest) -> Extractor:
    return extractor(request.param)


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def accuracy(judge: Extractor, images: Tensor, labels: Tensor) -> float:
    return float((judge(images).logits.argmax(1) == labels).double().mean())


def test_mnist_accuracy_is_the_stated_one(digits: Tensor) -> None:
    judge = extractor("mnist")
    right = accuracy(judge, digits, idx("t10k-labels-idx1-ubyte.gz", 8))
    assert right >= 0.993
    assert right == pytest.approx(judge.accuracy, abs=2e-4)  # fused convolutions may turn a close call


@pytest.mark.skipif(not CIFAR10, reason="GANFORGE_CIFAR10 names no folder of Parquet files")
def test_cifar10_accuracy_is_the_stated_one() -> None:
    from PIL import Image
    from pyarrow import parquet

    table = parquet.read_table(sorted(Path(str(CIFAR10)).glob("test-*.parquet")), columns=["img", "label"])
    images = [np.asarray(Image.open(io.BytesIO(row["bytes"])).convert("RGB")) for row in table["img"].to_pylist()]
    judge = extractor("cifar10")
    right = accuracy(
        judge, torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2), torch.tensor(table["label"].to_pylist())
    )
    assert right >= 0.85
    assert right == pytest.approx(judge.accuracy, abs=2e-4)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_what_a_classifier_says_of_itself(name: str) -> None:
    judge = extractor(name)
    assert judge.name == name
    assert len(judge.digest) == 12
    assert 64 <= judge.dim <= 128
    assert len(judge.classes) == 10
    assert judge.shape[0] == {"mnist": 1, "cifar10": 3}[judge.name]
    assert (ASSETS / "classifiers" / f"{judge.name}.safetensors").stat().st_size <= 2_000_000
    assert judge.digest in repr(judge)


def test_shapes_and_determinism(judge: Extractor) -> None:
    images = noise(5, *judge.shape)
    first, second = judge(images), extractor(judge.name)(images)
    assert first.features.shape == (5, judge.dim)
    assert first.logits.shape == (5, len(judge.classes))
    assert torch.equal(first.features, second.features)
    assert not first.features.requires_grad


def test_chunks_change_nothing(judge: Extractor) -> None:
    images = noise(300, *judge.shape)
    whole, halves = judge(images), [judge(images[:7]), judge(images[7:])]
    torch.testing.assert_close(whole.features, torch.cat([half.features for half in halves]), rtol=1e-4, atol=1e-4)


def test_bytes_and_floats_are_the_same_image(judge: Extractor) -> None:
    images = noise(4, *judge.shape)
    floats = images.float() / 127.5 - 1
    assert torch.equal(judge(images).features, judge(floats).features)
    torch.testing.assert_close(judge(images).features, judge(floats.double()).features)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28), (1, 64, 48), (3, 17, 90)])
def test_any_size_and_colour_is_taken(judge: Extractor, shape: tuple[int, int, int]) -> None:
    assert judge(noise(2, *shape)).features.isfinite().all()


def test_digits_are_read_in_colour_and_at_other_sizes(digits: Tensor) -> None:
    judge, labels = extractor("mnist"), idx("t10k-labels-idx1-ubyte.gz", 8)[:500]
    large = torch.nn.functional.interpolate(digits[:500].float() / 127.5 - 1, (64, 64), mode="bicubic")
    assert accuracy(judge, digits[:500].expand(-1, 3, -1, -1), labels) > 0.98
    assert accuracy(judge, large, labels) > 0.98


def test_luma_weighs_green_most() -> None:
    judge = extractor("mnist")
    red, green, blue = (judge.adapted(torch.eye(3)[i].view(1, 3, 1, 1).expand(1, 3, 28, 28)).mean() for i in range(3))
    assert float(red + green + blue) == pytest.approx(1)
    assert green > red > blue


def test_six_channels_are_refused(judge: Extractor) -> None:
    with pytest.raises(DataError, match="6 channels"):
        judge(noise(1, 6, 32, 32))


def test_no_images_are_no_features(judge: Extractor) -> None:
    assert judge(noise(0, *judge.shape)).features.shape == (0, judge.dim)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'cifar10'"):
        extractor("cifar")
    with pytest.raises(RecipeError, match="there are mnist, cifar10"):
        extractor("vgg")


def test_which_extractor_suits() -> None:
    assert extractor_for((1, 64, 64)) == "mnist"
    assert extractor_for((3, 32, 32)) == "cifar10"


def test_a_broken_file_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        load_classifier(path)
    path.write_bytes((ASSETS / "classifiers/mnist.safetensors").read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        load_classifier(path)


def test_folding_the_norms_changes_nothing() -> None:
    judge = extractor("mnist")
    network, facts = load_classifier(ASSETS / "classifiers/mnist.safetensors")
    assert isinstance(network, Classifier)
    assert facts["command"].startswith("python scripts/train_classifiers.py mnist")
    x = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(network.eval()(x).features, judge(x).features, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_statistics_do_not_depend_on_the_batch_size(size: int) -> None:
    x = torch.randn(1000, 6, generator=torch.Generator().manual_seed(0)) + torch.arange(6) * 100
    running = RunningGaussian(6)
    for chunk in x.split(size):
        running.update(chunk)
    result = running.result()
    assert result.count == 1000
    torch.testing.assert_close(result.mean, x.double().mean(0), rtol=1e-13, atol=0)
    torch.testing.assert_close(result.covariance, x.double().T.cov(), rtol=1e-11, atol=1e-13)


def test_a_far_mean_costs_no_digits() -> None:
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    running = RunningGaussian(3)
    for chunk in (x + 1e7).split(50):
        running.update(chunk)
    torch.testing.assert_close(running.result().covariance, x.T.cov(), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("cut", [0, 1, 40, 99])
def test_statistics_of_two_parts_are_merged_into_those_of_the_whole(cut: int) -> None:
    x = 1e4 + torch.randn(100, 5, generator=torch.Generator().manual_seed(0)).double()
    left, right = RunningGaussian(5), RunningGaussian(5)
    left.update(x[:cut])
    right.update(x[cut:])
    left.merge(right)
    found = left.result()
    assert found.count == 100
    torch.testing.assert_close(found.mean, x.mean(0), rtol=1e-14, atol=0)
    torch.testing.assert_close(found.covariance, x.T.cov(), rtol=1e-9, atol=1e-11)


def test_statistics_of_nothing_and_of_one() -> None:
    running = RunningGaussian(2)
    running.update(torch.zeros(0, 2))
    assert running.result().count == 0
    running.update(torch.ones(1, 2))
    result = running.result()
    assert result.count == 1
    assert not result.covariance.any()
    running.update(torch.zeros(1, 2))
    assert result.count == 1  # what was handed out stays as it was
    assert result.mean.tolist() == [1, 1]


def test_the_training_script_makes_what_the_extractor_reads(tmp_path: Path, digits: Tensor) -> None:
    """Two steps on a handful of digits: the file says how to build the network, and it is the one that was trained."""
    script = runpy.run_path(str(Path(__file__).parents[1] / "scripts/train_classifiers.py"))
    plan = script["Plan"](tuple("0123456789"), (1, 28, 28), (4, 8), epochs=1, learning_rate=0.1, shift=2, batch=32)
    split = script["Split"](digits[:64], torch.arange(64) % 10)
    network, path = Classifier(plan.shape, 10, plan.widths), tmp_path / "tiny.safetensors"
    script["train"](network, split, plan, torch.Generator().manual_seed(0))
    script["save"](path, network, plan, accuracy=script["accuracy"](network, split), command="none")
    judge = ClassifierFeatures("tiny", path)
    assert (judge.dim, judge.shape, judge.classes) == (8, (1, 28, 28), plan.classes)
    assert accuracy(judge, *split) == judge.accuracy


def test_augmented_images_keep_shape_and_range(digits: Tensor) -> None:
    script = runpy.run_path(str(Path(__file__).parents[1] / "scripts/train_classifiers.py"))
    rng, still = torch.Generator().manual_seed(0), script["shifted"]
    moved = script["augmented"](digits[:50], script["PLANS"]["mnist"], rng)
    assert moved.shape == (50, 1, 28, 28)
    assert -1 == moved.min() < moved.max() == 1
    assert torch.equal(still(digits[:50], 0, rng), digits[:50].float())


def test_alpha_is_laid_on_white() -> None:
    rng = torch.Generator().manual_seed(0)
    colour = torch.randint(256, (3, 3, 32, 32), generator=rng, dtype=torch.uint8)
    alpha = torch.zeros(3, 1, 32, 32, dtype=torch.uint8)
    judge = extractor("cifar10")
    opaque, clear = (torch.cat([colour, a], 1) for a in (alpha + 255, alpha))
    torch.testing.assert_close(judge(opaque).features, judge(colour).features)
    torch.testing.assert_close(judge(clear).features, judge(torch.full_like(colour, 255)).features)
    grey = extractor("mnist")
    torch.testing.assert_close(grey(opaque[:, 2:]).features, grey(colour[:, 2:]).features)


def test_pixels_are_judged_whatever_they_show() -> None:
    x = torch.arange(16.0).view(1, 1, 16, 1).expand(2, 6, 16, 16) / 8 - 1
    found = extractor("pixels")(x)
    assert found.features.shape == (2, 6 * 64)
    assert found.features[0, :64:8].tolist() == pytest.approx([(2 * i + 0.5) / 8 - 1 for i in range(8)])
    assert found.logits.shape == (2, 0)
    with pytest.raises(DataError, match=r"images with 6 channels.*judge\.extractor=pixels"):
        extractor("cifar10")(x)
