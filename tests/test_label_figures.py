"""Figures of conditional generators: against counts by hand, and the manifold's recall class by class."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganforge.commands import evaluate, sample, tradeoff
from ganforge.crowd import Crowd, reference
from ganforge.data import open_source
from ganforge.errors import DataError, RecipeError
from ganforge.features import PixelFeatures
from ganforge.features import extractor as feature_extractor
from ganforge.gan_train import classification_accuracy_score
from ganforge.label_figures import class_purity, class_recalls, label_accuracy, label_figures, real_labels, sentences
from ganforge.labels import codes, labels_of
from ganforge.metrics import manifold_scores
from ganforge.sample import Sampler


def test_accuracy_counts_what_was_read_as_asked() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0]])
    assert label_accuracy(logits, torch.tensor([0, 1, 1])) == pytest.approx(2 / 3)


def test_codes_are_judged_by_the_classes_that_they_became() -> None:
    logits = torch.eye(4)[[0, 0, 1, 3, 3, 3]]
    assert class_purity(logits, torch.tensor([2, 2, 2, 0, 0, 1])) == (pytest.approx(5 / 6), 2)
    source, classifier, labels = open_source(), feature_extractor("mnist"), codes(10)
    y = labels.of_seeds(range(60))
    fake = Crowd(torch.randn(60, 4), torch.eye(10)[(y + 3) % 5])
    real = Crowd(torch.randn(60, 4), torch.eye(10)[y])
    found = label_figures(labels, source, classifier, split="test", real=real, fake=fake)
    assert found == {"class_purity": 1.0, "classes_found": 5, "classes": 10}, "and no recall of digits by codes"
    assert sentences(found) == [
        "a code is one class in 100.0 % of samples (by the classifier); 5 of 10 classes are some code's"
    ]


def test_recall_within_a_class_sees_a_collapse_that_the_whole_hides() -> None:
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(400, 2, generator=rng)
    y = torch.arange(400) % 2
    real[:, 0] += 20 * y
    fake = real + 0.01 * torch.randn(400, 2, generator=rng)
    fake[y == 1] = fake[y == 1][:1]  # one sample of class 1, again and again
    found = class_recalls(real=real, fake=fake, y_real=y, y_fake=y, classes=3)
    assert found[0] == pytest.approx(manifold_scores(real=real[y == 0], fake=fake[y == 0], k=3).recall)
    assert found[0] is not None
    assert found[0] > 0.95
    assert found[1] is not None
    assert found[1] < 0.05
    assert found[2] is None


def test_real_labels_stand_in_the_order_of_the_reference() -> None:
    source = open_source()
    extractor = PixelFeatures()
    real = reference(source, "test", extractor, 300)
    y = real_labels(source, "test", 300)
    assert y is not None
    labels = labels_of(source, balanced=False)
    index = torch.arange(10_000)[source.test.labels == y[0]]  # type: ignore[union-attr, index]
    nearest = torch.cdist(real.features[:1], extractor(source.test.read(index)).features).min()  # type: ignore[union-attr]
    assert nearest < 1e-6
    fake = Crowd(real.features, torch.empty(300, 0))
    found = label_figures(labels, source, extractor, split="test", real=real, fake=fake)
    assert "label_accuracy" not in found  # pixels know no classes
    assert found["least_class_recall"] == min(v for v in found["class_recall"].values() if v is not None)
    knows = Crowd(real.features, torch.eye(10)[labels.of_seeds(range(300))])
    classifier = feature_extractor("mnist")
    named = label_figures(labels, source, classifier, split="test", real=real, fake=knows)
    assert named["label_accuracy"] == 1
    other = replace(labels, names=tuple(f"sort {n}" for n in range(10)))  # ten classes, but not those that it knows
    assert "label_accuracy" not in label_figures(other, source, classifier, split="test", real=real, fake=knows)
    assert label_figures(None, source, extractor, split="test", real=real, fake=fake) == {}
    assert sentences({"label_accuracy": 0.5})[0].startswith("asked for a class")


def test_the_verbs_take_labels_and_truncation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ganforge.recipe import load_recipe, override
    from ganforge.run import begin

    small = ["generator.width=4", "discriminator.width=4", "train.images=64", "train.tick=64", "judge.samples=100",
             "judge.final=100", "run.grid=10", "train.device=cpu"]  # fmt: skip
    run = begin(override(load_recipe("cgan_mnist_28"), small), tmp_path / "run", command=["test"])
    for _ in run.play():
        pass
    how = {"batch": 64, "device": "cpu", "as_json": False}
    sample(tmp_path / "run", "0-2", tmp_path / "x.npy", labels="0-1,7", truncation=0.5, **how)  # type: ignore[arg-type]
    assert (tmp_path / "x.npy").stat().st_size == 128 + 9 * 784
    capsys.readouterr()
    settings = {"split": None, "samples": 200, "metrics": None, "extractor": None, "bootstrap": 0, "cache": False,
                "every": False, "out": None, "scorecard": None, "device": "cpu"}  # fmt: skip
    evaluate(str(tmp_path / "run"), None, **settings, as_json=False)  # type: ignore[arg-type]
    assert "asked for a class, it makes that class in" in capsys.readouterr().out
    evaluate(
        str(tmp_path / "run"), None, **settings | {"metrics": "classification_accuracy", "samples": 1500}, as_json=True
    )  # type: ignore[arg-type]
    record = json.loads(capsys.readouterr().out)
    assert record["figures"]["classification_accuracy"] < record["floor"]["classification_accuracy"]
    assert record["floor"]["classification_accuracy"] > 0.3  # after 9,000 digits, where a tenth is chance
    tradeoff(tmp_path / "run", thresholds=".5,inf", samples=200, out=tmp_path / "c.png", device="cpu", as_json=False)
    assert "recall" in capsys.readouterr().out
    with pytest.raises(RecipeError, match=r"c.gif' is no picture"):
        tradeoff(tmp_path / "run", thresholds=".5,1", samples=200, out=tmp_path / "c.gif", device="cpu", as_json=False)
    assert (tmp_path / "c.png").stat().st_size > 10_000


class Painter(nn.Module):
    """Makes a grey image that says its class, if it is honest; and one of a class of its own, if not."""

    z_dim = 2

    def __init__(self, honest: bool) -> None:
        super().__init__()
        self.honest, self.weight = honest, nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        told = y if self.honest else (z[:, 0].abs() * 1000).long() % 3
        return ((40.0 + 80.0 * told) / 127.5 - 1)[:, None, None, None].expand(-1, 1, 16, 16) + self.weight


def test_a_classifier_learns_from_an_honest_generator_and_not_from_another(tmp_path: Path) -> None:
    y = np.repeat([0, 1, 2], [200, 120, 80])
    x = np.broadcast_to((40 + 80 * y)[:, None, None], (400, 16, 16)).astype(np.uint8)
    np.savez(tmp_path / "greys.npz", x=x, y=y)
    source = open_source(source=str(tmp_path / "greys.npz"))
    labels = labels_of(source, balanced=True)
    scores = [
        classification_accuracy_score(
            Sampler(Painter(honest), name="p", shape=(1, 16, 16), labels=labels), source, split="held_out", images=3200
        )
        for honest in (True, False)
    ]
    assert scores[0].generated > 0.95
    assert scores[0].real > 0.95
    assert scores[1].generated < 0.75
    with pytest.raises(RecipeError, match="can't be asked for a class"):
        classification_accuracy_score(Sampler(Painter(True), name="p", shape=(1, 16, 16)), source)
    small = Sampler(Painter(True), name="p", shape=(1, 8, 8), labels=labels)
    with pytest.raises(DataError, match=r"has images of \(1, 16, 16\), and p makes \(1, 8, 8\)"):
        classification_accuracy_score(small, source, split="held_out")
    for wrong in ({"split": "tset"}, {"images": 10}):
        with pytest.raises(RecipeError, match="judge on one of test, held_out, train, after 64 or more"):
            classification_accuracy_score(small, source, **wrong)
