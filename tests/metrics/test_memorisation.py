"""Copies are found, inventions are not, and a fresh draw lies where theory says."""

import pytest
import torch

from ganforge.errors import DataError
from ganforge.metrics import closeness, memorisation, memorisation_penalty, nearest_several, nearest_training


@pytest.mark.parametrize("D", [5, 130])
def test_the_nearest_training_image(D: int) -> None:
    rng = torch.Generator().manual_seed(D)
    training, fake = torch.randn(300, D, generator=rng), torch.randn(200, D, generator=rng)
    distance, index = nearest_training(training=training, fake=fake)
    expected = torch.cdist(fake.double(), training.double(), compute_mode="donot_use_mm_for_euclid_dist").min(1)
    torch.testing.assert_close(distance, expected.values)
    assert torch.equal(index, expected.indices)


@pytest.mark.parametrize("D", [3, 130])
def test_the_nearest_few_training_images(D: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganforge.metrics.neighbours.CELLS", 1000)
    rng = torch.Generator().manual_seed(D)
    training, fake = torch.randn(90, D, generator=rng) + 5, torch.randn(70, D, generator=rng) + 5
    distance, index = nearest_several(training=training, fake=fake, count=5)
    plain = (fake.double()[:, None] - training.double()[None]).norm(dim=2).sort(1)
    torch.testing.assert_close(distance, plain.values[:, :5], rtol=1e-12, atol=0.0)
    assert torch.equal(index, plain.indices[:, :5])
    assert nearest_several(training=training[:3], fake=fake, count=5)[1].shape == (70, 3)


def test_copies_lie_nearer_than_a_neighbour_and_others_do_not() -> None:
    rng = torch.Generator().manual_seed(0)
    training, fresh = torch.randn(400, 3, generator=rng), torch.randn(400, 3, generator=rng)
    assert (closeness(training=training, fake=training[:50] + 1e-4) < 0.5).all()
    assert (closeness(training=training, fake=fresh) < 1).double().mean() == pytest.approx(0.5, abs=0.1)
    assert (closeness(training=training, fake=fresh * 9) > 1).double().mean() > 0.9
    authentic = (closeness(training=training, fake=fresh) > 1).double().mean()
    assert memorisation(training=training, fake=fresh).authenticity == authentic


def test_among_equals_it_is_the_first() -> None:
    training = torch.randn(3, 100, generator=torch.Generator().manual_seed(0)).repeat(4, 1)
    distance, index = nearest_training(training=training, fake=training)
    assert distance.eq(0).all()
    assert index.tolist() == [0, 1, 2] * 4


def test_copies_are_not_authentic() -> None:
    training = torch.randn(400, 70, generator=torch.Generator().manual_seed(0))
    found = memorisation(training=training, fake=training[:100])
    assert found.authenticity == 0
    assert found.cosine_distance == pytest.approx(0, abs=1e-12)


def test_fresh_draws_on_a_line_are_authentic_a_third_of_the_time() -> None:
    """The fresh point's nearest one is the nearer of two (rate 2), that one's neighbour on the far side lies at rate 1:
    it is nearer with probability 1 / (1 + 2)."""
    rng = torch.Generator().manual_seed(0)
    training, fresh = torch.rand(4_000, 1, generator=rng), torch.rand(4_000, 1, generator=rng)
    assert memorisation(training=training, fake=fresh).authenticity == pytest.approx(1 / 3, abs=0.025)  # 3 σ and more
    assert memorisation(training=training, fake=fresh + 8).authenticity == 1


def test_the_cosine_distance_is_the_definition() -> None:
    rng = torch.Generator().manual_seed(0)
    training, fake = torch.randn(50, 6, generator=rng), torch.randn(40, 6, generator=rng)
    cosines = torch.nn.functional.cosine_similarity(fake[:, None].double(), training[None].double(), dim=2)
    expected = 1 - cosines.abs().max(1).values.mean()
    assert memorisation(training=training, fake=fake).cosine_distance == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.filterwarnings("ignore")  # torchmetrics' own imports
def test_agrees_with_torchmetrics() -> None:
    mifid = pytest.importorskip("torchmetrics.image.mifid", exc_type=Exception)
    rng = torch.Generator().manual_seed(0)
    training, fake = torch.rand(90, 12, generator=rng).double(), torch.rand(80, 12, generator=rng).double()
    theirs = float(mifid._compute_cosine_distance(fake, training, cosine_distance_eps=1.0))
    assert memorisation(training=training, fake=fake).cosine_distance == pytest.approx(theirs, rel=1e-9)


def test_the_penalty() -> None:
    assert memorisation_penalty(cosine_distance=0.1, threshold=0.1) == 1.0
    assert memorisation_penalty(cosine_distance=0.0999, threshold=0.1) == pytest.approx(10.01, rel=1e-3)


def test_too_few_training_images() -> None:
    with pytest.raises(DataError, match="two or more training images; there are 1"):
        memorisation(training=torch.zeros(1, 3), fake=torch.zeros(5, 3))
    with pytest.raises(DataError, match="no training images"):
        nearest_training(training=torch.zeros(0, 3), fake=torch.zeros(5, 3))
