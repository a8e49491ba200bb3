"""Stacked MNIST: a thousand modes, evenly drawn, each image three digits of one split."""

import pytest
import torch

from ganforge.data import Array, open_source
from ganforge.data.stacked import stacked
from ganforge.errors import DataError
from ganforge.features import extractor, extractor_for
from ganforge.metrics import class_coverage


@pytest.fixture(scope="module")
def digits() -> Array:
    labels = torch.arange(10).repeat(7)[torch.randperm(70, generator=torch.Generator().manual_seed(0))]
    return Array((labels * 20)[:, None, None, None].expand(-1, 1, 28, 28).to(torch.uint8), labels)


def test_an_image_is_what_its_label_says(digits: Array) -> None:
    found = stacked(digits, 500, seed=3)
    named = torch.stack([found.labels // 100, found.labels // 10 % 10, found.labels % 10], 1)
    assert torch.equal(found.tensor[:, :, 5, 5].long() // 20, named)


def test_digits_are_uniform_by_class_even_where_the_data_is_not(digits: Array) -> None:
    uneven = digits.part(torch.cat([digits.labels.argsort(), (digits.labels == 4).nonzero()[:, 0].repeat(9)]))
    found = stacked(uneven, 20_000, seed=0)
    shares = torch.bincount(found.labels // 100, minlength=10) / 20_000
    assert (shares - 0.1).abs().max() < 4 * (0.1 * 0.9 / 20_000) ** 0.5


def test_every_digit_of_a_class_has_its_turn(digits: Array) -> None:
    marked = Array(torch.arange(70, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 28, 28), digits.labels)
    assert len(stacked(marked, 2_000, seed=0).tensor.unique()) == 70


def test_a_missing_digit_is_refused(digits: Array) -> None:
    with pytest.raises(DataError, match="all ten digits"):
        stacked(digits.part((digits.labels != 7).nonzero()[:, 0]), 10, seed=0)


def test_the_seed_decides(digits: Array) -> None:
    first, again, other = (stacked(digits, 50, seed=s).labels for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_one_channel_is_refused() -> None:
    with pytest.raises(DataError, match="channels=1"):
        open_source(source="stacked_mnist", channels=1)


def test_its_parts_share_no_digit_and_its_classifier_reads_them() -> None:
    source = open_source(source="stacked_mnist")
    assert [len(split) for split in (source.train, source.held_out, source.test)] == [128_000, 26_000, 26_000]
    judge = extractor(source.extractor)
    sample = source.test.read(torch.arange(2_000))
    answers = judge(sample)
    right = (answers.logits.argmax(1) == source.test.labels[:2_000]).double().mean()
    assert right > 0.97  # three digits, each read right 99.3 times of 100
    assert len(judge.classes) == len(source.classes) == 1000
    single = extractor("mnist")(sample[:, 1:2])
    torch.testing.assert_close(answers.features[:, single.features.shape[1] : 2 * single.features.shape[1]],
                               single.features)  # fmt: skip


def test_a_perfect_sampler_has_the_divergence_that_counting_gives() -> None:
    source = open_source(source="stacked_mnist")
    logits = torch.nn.functional.one_hot(source.test.labels, 1000).float()
    found, divergence = class_coverage(logits=logits)
    assert found == 1000
    assert divergence == pytest.approx(999 / 52_000, rel=0.15)  # Miller's bias of an entropy: (K - 1) / 2N


def test_other_images_of_three_channels_keep_their_extractor() -> None:
    assert extractor_for((3, 28, 28)) == "cifar10"
