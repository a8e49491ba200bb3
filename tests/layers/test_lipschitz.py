"""Orthonormal layers and GroupSort: exact, differentiable, and never stretching."""

import itertools

import pytest
import torch
from torch import Tensor

from ganforge.layers import GroupSort, OrthonormalLinear

SHAPES = [(2, 128), (128, 128), (128, 1), (784, 128), (16, 64), (3, 3), (1, 4)]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def trained(shape: tuple[int, int], dtype: torch.dtype = torch.float32) -> OrthonormalLinear:
    """A layer whose free matrix is anything but orthonormal."""
    layer = OrthonormalLinear(*shape).to(dtype)
    with torch.no_grad():
        layer.raw.copy_(torch.randn(layer.raw.shape, generator=torch.Generator().manual_seed(1)) * 3 + 0.5)
    return layer


def error(weight: Tensor) -> float:
    """How far the shorter side is from orthonormal, computed in float64."""
    weight = weight.detach().double()
    short = weight if weight.shape[0] <= weight.shape[1] else weight.T
    return (short @ short.T - torch.eye(len(short), dtype=torch.float64)).abs().max().item()


@each_shape
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 5e-15)], ids=str)
def test_orthonormal_to_rounding(shape: tuple[int, int], dtype: torch.dtype, tolerance: float) -> None:
    assert error(OrthonormalLinear(*shape).to(dtype).weight) < tolerance
    assert error(trained(shape, dtype).weight) < tolerance
    assert trained(shape, dtype).weight.shape == (shape[1], shape[0])


def test_even_from_a_matrix_with_tiny_singular_values() -> None:
    layer = trained((64, 64), torch.float64)
    u, _, v = torch.linalg.svd(layer.raw.detach())
    with torch.no_grad():
        layer.raw.copy_(u @ torch.logspace(0, -10, 64, dtype=torch.float64).diag() @ v)
    assert error(layer.weight) < 5e-15


def test_an_orthonormal_matrix_is_its_own_factor() -> None:
    layer = OrthonormalLinear(8, 8).double()
    with torch.no_grad():
        layer.raw.copy_(torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))[0])
    assert torch.allclose(layer.weight, layer.raw, atol=1e-14)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)], ids=str)
def test_gradients_against_finite_differences(shape: tuple[int, int]) -> None:
    layer = trained(shape, torch.float64)
    x = torch.randn(2, shape[0], dtype=torch.float64, requires_grad=True)

    def f(raw: Tensor, bias: Tensor, x: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"raw": raw, "bias": bias}, (x,))

    inputs = tuple(w.detach().clone().requires_grad_() for w in (layer.raw, layer.bias)) + (x,)
    assert torch.autograd.gradcheck(f, inputs)
    assert torch.autograd.gradgradcheck(f, inputs)


@each_shape
def test_distances_are_never_stretched(shape: tuple[int, int]) -> None:
    layer = trained(shape)
    x, other = torch.randn(2, 200, shape[0], generator=torch.Generator().manual_seed(2))
    ratio = (layer(x) - layer(other)).norm(dim=1) / (x - other).norm(dim=1)
    assert ratio.max() <= 1 + 1e-5
    if shape[0] <= shape[1]:
        assert ratio.min() >= 1 - 1e-5


def test_autocast_leaves_the_weight_in_its_own_precision() -> None:
    layer = trained((16, 16))
    exact = layer.weight
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.weight, exact)
        assert layer(torch.randn(2, 16)).dtype == torch.bfloat16


def test_one_and_the_same_seed_one_and_the_same_layer() -> None:
    torch.manual_seed(5)
    first = OrthonormalLinear(4, 6)
    torch.manual_seed(5)
    assert torch.equal(first.weight, OrthonormalLinear(4, 6).weight)


@pytest.mark.parametrize("group", [2, 3, 6, 12])
def test_groups_come_out_sorted(group: int) -> None:
    x = torch.randn(5, 7, 12, dtype=torch.float64)
    out = GroupSort(group)(x)
    groups = x.unflatten(-1, (group, -1))
    assert torch.allclose(out.unflatten(-1, (group, -1)), groups.sort(-2).values, atol=1e-14)


def test_the_quick_pair_is_minimum_and_maximum() -> None:
    x = torch.randn(100, 8)
    low, high = x.chunk(2, 1)
    expected = torch.cat((torch.minimum(low, high), torch.maximum(low, high)), 1)
    assert torch.allclose(GroupSort()(x), expected, atol=1e-6)


@pytest.mark.parametrize("group", [2, 4])
def test_the_gradient_is_a_permutation(group: int) -> None:
    x = torch.randn(8, dtype=torch.float64)
    x[:2] = x[4]  # ties
    jacobian = torch.autograd.functional.jacobian(GroupSort(group), x)
    assert torch.equal(jacobian @ jacobian.T, torch.eye(8, dtype=torch.float64))
    assert set(jacobian.flatten().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("group", [2, 3])
def test_groupsort_is_1_lipschitz(group: int) -> None:
    x = torch.randn(50, 6, dtype=torch.float64)
    out = GroupSort(group)(x)
    for i, j in itertools.combinations(range(50), 2):
        assert (out[i] - out[j]).norm() <= (x[i] - x[j]).norm() * (1 + 1e-12)


def test_what_cant_be_sorted_says_so() -> None:
    with pytest.raises(ValueError, match="a group of 1 features has nothing to sort: choose 2 or more"):
        GroupSort(1)
    with pytest.raises(ValueError, match="7 features can't be sorted in groups of 2"):
        GroupSort()(torch.zeros(3, 7))
    with pytest.raises(ValueError, match="8 features can't be sorted in groups of 3"):
        GroupSort(3)(torch.zeros(3, 8))
