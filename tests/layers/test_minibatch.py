"""Layers that see the rest of the batch: closed forms, and the networks that end in them."""

import math

import pytest
import torch
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.layers import MINIBATCH, MinibatchDiscrimination, MinibatchStdDev, mixes_samples
from ganforge.plan import build
from ganforge.recipe import Recipe, load_recipe, override
from ganforge.train import train

F64 = torch.float64
MIXING = [name for name in MINIBATCH if name != "none"]
SHAPES = [(6,), (3, 2, 2)]


def made(name: str, shape: tuple[int, ...]) -> nn.Module:
    return MINIBATCH[name](shape).to(F64)


def batch(count: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(0), dtype=F64)


@pytest.mark.parametrize("name", MINIBATCH)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_the_input_comes_first_and_is_not_touched(name: str, shape: tuple[int, ...], count: int) -> None:
    layer, x = made(name, shape), batch(count, shape)
    y = layer(x)
    assert y.shape == (count, shape[0] + layer.extra, *shape[1:])
    assert torch.equal(y[:, : shape[0]], x)
    maps = y[:, shape[0] :].reshape(count, layer.extra, math.prod(shape[1:]))
    assert (maps == maps[..., :1]).all()
    assert y.isfinite().all()
    assert mixes_samples(layer) is (name != "none")


def found(layer: nn.Module, x: Tensor) -> Tensor:
    """The appended features of each sample."""
    return layer(x)[:, x.shape[1] :].flatten(2)[..., 0] if x.ndim > 2 else layer(x)[:, x.shape[1] :]


@pytest.mark.parametrize("shape", SHAPES)
def test_identical_samples(shape: tuple[int, ...]) -> None:
    x = batch(1, shape).expand(8, *shape)
    assert found(made("stddev", shape), x) == pytest.approx(torch.full((8, 1), 1e-4).numpy(), rel=1e-6)
    assert torch.allclose(found(made("discrimination", shape), x), torch.ones(8, 16, dtype=F64))


def test_a_batch_of_one_has_nobody_to_be_like() -> None:
    x = batch(1, (6,))
    assert found(made("stddev", (6,)), x).item() == pytest.approx(1e-4)
    assert torch.equal(found(made("discrimination", (6,)), x), torch.zeros(1, 16, dtype=F64))


def test_the_spread_of_two_points_is_half_their_distance() -> None:
    x = torch.tensor([[0.0, 1.0, 5.0], [4.0, 1.0, 3.0]], dtype=F64)
    expected = ((4 + 1e-8) ** 0.5 + 1e-4 + (1 + 1e-8) ** 0.5) / 3
    assert found(MinibatchStdDev((3,)), x).flatten().tolist() == pytest.approx([expected] * 2)


@pytest.mark.parametrize(
    ("count", "group", "size"), [(8, 4, 4), (6, 4, 3), (10, 4, 2), (7, 4, 1), (4, 8, 4), (9, 3, 3)]
)
def test_groups_are_of_the_largest_size_that_divides_the_batch(count: int, group: int, size: int) -> None:
    x = batch(count, (5,))
    spread = found(MinibatchStdDev((5,), group=group), x)[:, 0]
    for sample in range(count):
        members = [m for m in range(count) if m % (count // size) == sample % (count // size)]
        assert len(members) == size
        variance = x[members].numpy().var(0)
        assert spread[sample].item() == pytest.approx(((variance + 1e-8) ** 0.5).mean())


def test_two_clusters_see_their_own_half_of_the_batch() -> None:
    """Far apart in every projection: the others of one's own cluster count 1 each, the rest nothing."""
    layer = MinibatchDiscrimination((2,), kernels=3, dim=4).to(F64)
    nn.init.constant_(layer.T, 1.0)
    x = torch.tensor([[0.0, 0.0]] * 3 + [[50.0, 50.0]] * 5, dtype=F64)
    assert torch.allclose(found(layer, x)[:3], torch.full((3, 3), 2 / 7, dtype=F64))
    assert torch.allclose(found(layer, x)[3:], torch.full((5, 3), 4 / 7, dtype=F64))


def test_closeness_is_the_exponential_of_the_distance_in_the_projection() -> None:
    layer = MinibatchDiscrimination((3,), kernels=2, dim=2).to(F64)
    x = batch(4, (3,))
    T = layer.T.detach().numpy().reshape(3, 2, 2)
    M = [[[sum(float(x[i, f]) * T[f, k, d] for f in range(3)) for d in range(2)] for k in range(2)] for i in range(4)]
    for i in range(4):
        for k in range(2):
            near = [math.exp(-sum(abs(a - b) for a, b in zip(M[i][k], M[j][k], strict=True))) for j in range(4)]
            assert found(layer, x)[i, k].item() == pytest.approx((sum(near) - near[i]) / 3)


def test_the_order_of_the_batch_does_not_matter() -> None:
    layer, x = made("discrimination", (6,)), batch(8, (6,))
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(layer(x[order]), layer(x)[order])
    whole, x = MinibatchStdDev((6,), group=8), batch(8, (6,))
    assert torch.allclose(whole(x[order]), whole(x)[order])
    within_groups = torch.tensor([4, 1, 6, 3, 0, 5, 2, 7])  # members lie B/G apart: 0-4, 2-6 change places
    layer = MinibatchStdDev((6,), group=2)
    assert torch.allclose(layer(x[within_groups]), layer(x)[within_groups])


@pytest.mark.parametrize("name", MIXING)
@pytest.mark.parametrize("count", [1, 4])
def test_derivatives_of_both_orders(name: str, count: int) -> None:
    layer, x = made(name, (3, 2, 2)), batch(count, (3, 2, 2)).requires_grad_()
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_the_gradient_is_finite_where_all_samples_are_the_same() -> None:
    for name in MIXING:
        x = torch.ones(4, 6, dtype=F64, requires_grad=True)
        made(name, (6,))(x).sum().backward()
        assert x.grad.isfinite().all()


@pytest.mark.parametrize("kind", MIXING)
@pytest.mark.parametrize("name", ["mlp", "dcgan"])
def test_discriminators_of_images_train_with_it(tiny_recipe: Recipe, name: str, kind: str) -> None:
    settings = [f"discriminator={name}", f"discriminator.minibatch={kind}", "train.images=96"]
    (tick,) = train(override(tiny_recipe, settings))
    assert tick.figures["skipped"] == 0
    weights = tick.state.players["discriminator"].state_dict()
    assert all(weight.isfinite().all() for weight in weights.values())
    assert any("minibatch.T" in key for key in weights) is (kind == "discrimination")


@pytest.mark.parametrize("kind", MIXING)
def test_discriminators_of_points_train_with_it(kind: str) -> None:
    settings = ["penalties.r1=none", f"discriminator.minibatch={kind}", "train.images=2000", "train.device=cpu"]
    (tick,) = train(override(load_recipe("points_ring_8"), settings))
    assert tick.figures["skipped"] == 0


@pytest.mark.parametrize("kind", MIXING)
@pytest.mark.parametrize("penalty", ["r1", "r2", "gradient_penalty"])
def test_gradient_penalties_are_refused_beside_it(tiny_recipe: Recipe, kind: str, penalty: str) -> None:
    settings = [f"discriminator.minibatch={kind}", f"penalties.{penalty}.every=1"]
    with pytest.raises(RecipeError, match=rf"penalties\.{penalty}: .*discriminator\.minibatch=none"):
        build(override(tiny_recipe, settings))
