"""Judging: what a record says, and that the figures tell good from bad."""

import math

import pytest
import torch
from torch import Tensor, nn

from ganforge.comparison import compare
from ganforge.crowd import Album, crowd, reference
from ganforge.data import Array, Source, open_source
from ganforge.errors import DataError
from ganforge.evaluate import evaluate, extractor_name, quick_distance
from ganforge.features import Extractor, extractor
from ganforge.sample import Sampler
from ganforge.subject import Subject


class Memory(nn.Module):
    """A generator that has learnt pictures by heart and recites them in order, whatever the latents."""

    z_dim = 1

    def __init__(self, pictures: Tensor) -> None:
        super().__init__()
        self.pictures = nn.Parameter(pictures / 127.5 - 1, requires_grad=False)
        self.position = 0

    def forward(self, z: Tensor) -> Tensor:
        self.position += len(z)
        return self.pictures[self.position - len(z) : self.position]


def reciting(pictures: Tensor) -> Sampler:
    return Sampler(Memory(pictures), name="memory", shape=pictures.shape[1:], images=7)


@pytest.fixture(scope="module")
def mnist() -> Source:
    return open_source(source="mnist")


@pytest.fixture(scope="module")
def judge() -> Extractor:
    return extractor("mnist")


def test_the_record_fixes_its_protocol_and_carries_the_floor(mnist: Source, judge: Extractor) -> None:
    seen: list[float] = []
    copies = mnist.train.read(torch.arange(600))
    record = evaluate(reciting(copies), mnist, judge, samples=500, progress=seen.append)
    assert record["protocol"] == "mnist_500_test"
    assert record["samples"] == record["floor_samples"] == 500
    assert record["extractor"] == {"name": "mnist", "weights": judge.digest}
    assert record["images"] == 7
    assert sum(seen) == pytest.approx(1)
    assert record["figures"].keys() == record["floor"].keys()
    assert sum(record["figures"]["shares"].values()) == pytest.approx(1)
    for name in ("precision", "recall", "coverage"):  # real images against real images
        assert record["figures"][name] == pytest.approx(record["floor"][name], abs=0.06)


def test_noise_scores_worse_than_the_floor_in_everything(mnist: Source, judge: Extractor) -> None:
    noise = torch.randint(0, 256, (500, 1, 28, 28), dtype=torch.uint8)
    record = evaluate(reciting(noise), mnist, judge, samples=500)
    assert record["figures"]["frechet_distance"] > 20 * record["floor"]["frechet_distance"]
    for name in ("precision", "recall", "coverage"):
        assert record["figures"][name] < 0.1


def test_one_digit_only_keeps_precision_and_loses_recall_and_shares(mnist: Source, judge: Extractor) -> None:
    labels = mnist.train.labels
    assert labels is not None
    ones = mnist.train.read((labels == 1).nonzero().flatten()[:500])
    real = reference(mnist, "test", judge, 500)
    figures = compare(real=real, fake=crowd([ones], judge, count=500), subject=Subject.of(judge))
    assert figures["precision"] > 0.8
    assert figures["recall"] < 0.3
    assert figures["shares"]["1"] > 0.95


def test_a_quick_judgement_agrees_with_the_full_one(mnist: Source, judge: Extractor) -> None:
    copies = mnist.train.read(torch.arange(500))
    quick = quick_distance(reciting(copies), reference(mnist, "test", judge, 500), judge)
    full = evaluate(reciting(copies), mnist, judge, samples=500)["figures"]
    assert quick == pytest.approx({name: full[name] for name in quick})


def test_a_split_that_is_not_there_is_said(mnist: Source, judge: Extractor) -> None:
    bare = Source(name="bare", train=mnist.train)
    with pytest.raises(DataError, match="bare has no split 'test'; it has: train"):
        reference(bare, "test", judge, 100)


def test_training_images_against_themselves_never_stand_on_both_sides(mnist: Source, judge: Extractor) -> None:
    few = Source(name="few", train=Array(mnist.train.read(torch.arange(600))))
    record = evaluate(reciting(mnist.train.read(torch.arange(600, 1200))), few, judge, split="train", samples=400)
    assert record["floor_samples"] == 200
    assert record["floor"]["frechet_distance"] > 0.01
    record = evaluate(reciting(mnist.train.read(torch.arange(600, 1200))), few, judge, split="train", samples=600)
    assert record["floor_samples"] == 0
    assert record["floor"]["frechet_distance"] is None


def test_figures_that_need_more_images_are_left_open(mnist: Source, judge: Extractor) -> None:
    few = Source(name="few", train=mnist.train, held_out=Array(mnist.train.read(torch.arange(3))))
    record = evaluate(reciting(mnist.train.read(torch.arange(10))), few, judge, split="held_out", samples=100)
    assert record["figures"]["frechet_distance"] is not None
    assert record["figures"]["kernel_distance"] is None
    assert record["figures"]["precision"] is None


def test_many_classes_are_counted_and_not_listed() -> None:
    source = open_source(source="stacked_mnist")
    judge = extractor(extractor_name(source, None))
    images = source.test.read(torch.arange(400))
    one = images[:1].expand(400, -1, -1, -1).contiguous()
    many, single = (compare(real=crowd([images], judge, count=400), fake=crowd([fakes], judge, count=400),
                            subject=Subject.of(judge)) for fakes in (images, one))  # fmt: skip
    assert "shares" not in many
    assert 300 < many["classes_found"] < 400  # of 400 draws of 1,000
    assert single["classes_found"] == 1
    assert single["class_divergence"] == pytest.approx(math.log(1000))


def test_an_album_recites_every_image_once(mnist: Source) -> None:
    album = Album(mnist)
    assert album.most == 60_000
    seen = torch.cat(list(album.batches(range(600))))
    assert len(seen) == len(seen.unique(dim=0)) == 600
    part = torch.cat(list(album.batches(range(500))))
    assert torch.equal(part, seen[:500])


def test_an_album_is_judged_with_as_many_real_images(mnist: Source, judge: Extractor) -> None:
    few = Album(Source("few", mnist.train.part(slice(0, 200)), mnist.held_out.part(slice(0, 100)), mnist.test))
    record = evaluate(few, mnist, judge, samples=500)
    assert record["samples"] == 300
    assert record["protocol"] == "mnist_300_test"
    assert record["figures"]["frechet_distance"] == pytest.approx(record["floor"]["frechet_distance"], rel=0.5)
