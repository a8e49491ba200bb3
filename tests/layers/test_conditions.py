"""How labels enter: against plain formulas, one-hot products and torch's own batch norm."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganforge.errors import RecipeError
from ganforge.layers import (
    Condition,
    ConditionalBatchNorm,
    LabelEmbedding,
    LabelNumbers,
    Output,
    advance,
    expect_labels,
    label_loss,
    reader,
)

CLASSES, VECTORS = Condition("class", 5), Condition("vector", 3)
OPTIONAL = Condition("class", 5, optional=True)


def test_an_embedding_is_a_product_with_one_hot_labels_and_a_mixture_of_rows() -> None:
    embed, y = LabelEmbedding(CLASSES, 7), torch.tensor([4, 0, 0, 2])
    assert torch.allclose(embed(y), F.one_hot(y, 5).float() @ embed.weight)
    shares = torch.rand(4, 5).softmax(1)
    assert torch.allclose(embed(shares), shares @ embed.weight)
    v = torch.randn(4, 3)
    linear = LabelEmbedding(VECTORS, 7)
    assert torch.allclose(linear(v), v @ linear.weight)


@pytest.mark.parametrize("kind", ["class", "vector"])
def test_what_has_no_label_has_a_row_of_its_own_and_a_gradient(kind: str) -> None:
    condition = Condition(kind, 5, optional=True)  # type: ignore[arg-type]
    embed = LabelEmbedding(condition, 2)
    assert embed.weight.shape == (6, 2)
    y = torch.tensor([-1, 3])
    if kind == "vector":
        y = torch.cat([torch.full((1, 5), math.nan), torch.eye(5)[3:4]])
    found = embed(y)
    assert torch.equal(found, embed.weight[[5, 3]])
    (slope,) = torch.autograd.grad(found.sum(), embed.weight)
    assert torch.equal(slope[:, 0], torch.tensor([0.0, 0, 0, 1, 0, 1]))
    numbers = LabelNumbers(condition)(y)
    assert torch.equal(numbers[:, :5], torch.stack([torch.zeros(5), torch.eye(5)[3]]))
    assert numbers[:, 5:].tolist() == ([[1.0], [0.0]] if kind == "vector" else [[], []])  # zeros are a vector too


def test_a_class_norm_begins_as_plain_batch_norm_and_scales_each_class_by_its_own_row() -> None:
    x, y = torch.randn(6, 4, 3, 3), torch.tensor([0, 1, 2, 3, 4, 0])
    norm, plain = ConditionalBatchNorm(4, CLASSES), nn.BatchNorm2d(4)
    assert torch.allclose(norm(x, y), plain(x), atol=1e-6)
    with torch.no_grad():
        norm.gain.weight.normal_()
        norm.bias.weight.normal_()
    expected = plain(x) * norm.gain.weight[y][:, :, None, None] + norm.bias.weight[y][:, :, None, None]
    assert torch.allclose(norm(x, y), expected, atol=1e-5)
    vectors = ConditionalBatchNorm(4, VECTORS)
    assert torch.allclose(vectors(x, torch.randn(6, 3)), plain(x), atol=1e-5)


def test_the_projection_adds_an_inner_product_over_all_places() -> None:
    h, y, logit = torch.randn(3, 4, 2, 2), torch.tensor([1, 4, 4]), torch.randn(3)
    head = reader("projection", CLASSES, 4)
    found = head.answer(Output([logit], [h]), y).logits[0]  # type: ignore[operator]
    rows = head.embedding.weight  # type: ignore[union-attr]
    expected = torch.stack([logit[i] + torch.dot(rows[y[i]], h[i].sum((1, 2))) for i in range(3)])  # type: ignore[index]
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_bounded_projection_has_norm_one() -> None:
    head = reader("projection", CLASSES, 4, spectral=True)
    advance(head.embedding, steps=200)  # type: ignore[arg-type]
    assert torch.linalg.matrix_norm(head.embedding.weight, 2).item() == pytest.approx(1, abs=1e-5)  # type: ignore[arg-type]


def test_numbers_stand_beside_vectors_and_as_channels_beside_images() -> None:
    beside = reader("concatenation", CLASSES, 4)
    y = torch.tensor([3, 1])
    assert torch.equal(beside(torch.ones(2, 2), y), torch.cat([torch.ones(2, 2), F.one_hot(y, 5)], 1))
    maps = beside(torch.zeros(2, 1, 4, 4), y)
    assert maps.shape == (2, 6, 4, 4)
    assert torch.equal(maps[:, 1:].amax((2, 3)), F.one_hot(y, 5).float())
    assert torch.equal(maps[:, 1:].amin((2, 3)), F.one_hot(y, 5).float())


def test_the_class_loss_is_cross_entropy_or_half_a_squared_error() -> None:
    aux, y = torch.randn(4, 5), torch.tensor([0, 4, 2, -1])
    expected = -aux.log_softmax(1)[range(3), y[:3]]
    assert torch.allclose(label_loss(aux, y), torch.cat([expected, torch.zeros(1)]))
    v = torch.randn(4, 5)
    normal = -torch.distributions.Normal(aux, 1.0).log_prob(v).sum(1) - 2.5 * math.log(2 * math.pi)
    assert torch.allclose(label_loss(aux, v), normal, atol=1e-5)
    assert label_loss(aux, None).tolist() == [0.0] * 4


def test_labels_come_where_they_are_used_and_only_there() -> None:
    y = torch.tensor([1])
    with pytest.raises(RecipeError, match="built without labels"):
        expect_labels(nn.Identity(), None, y)
    with pytest.raises(RecipeError, match="give it labels y, class of 5"):
        expect_labels(nn.Identity(), OPTIONAL, None)
    expect_labels(nn.Identity(), OPTIONAL, None, required=False)
