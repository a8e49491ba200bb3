"""lerp and slerp: ends, norms, angles, and the degenerate pairs."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganforge.latent import lerp, slerp

drawn = settings(max_examples=50, deadline=None, derandomize=True, database=None)
SHARES = [-0.5, 0.0, 1e-9, 0.25, 0.5, 0.9, 1.0, 1.5]


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def angle(a: Tensor, b: Tensor) -> Tensor:
    """By the arc sine of half the chord: another formula than the code's."""
    u, v = a / a.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True)
    return 2 * ((u - v).norm(dim=-1) / 2).clamp(max=1).asin()


@pytest.mark.parametrize("walk", [lerp, slerp])
@pytest.mark.parametrize("dim", [1, 2, 64, 512])
def test_both_ends(walk: object, dim: int) -> None:
    a, b = normal(2, 5, dim)
    if dim == 1:
        a, b = a.abs(), b.abs()
    assert torch.allclose(walk(a, b, 0), a, rtol=1e-12, atol=1e-14)  # type: ignore[operator]
    assert torch.allclose(walk(a, b, 1), b, rtol=1e-12, atol=1e-14)  # type: ignore[operator]


def test_lerp_is_exact_at_both_ends() -> None:
    a, b = normal(2, 5, 64) * torch.tensor([1e-8, 1e8], dtype=torch.float64)[:, None, None]
    assert torch.equal(lerp(a, b, 0.0), a)
    assert torch.equal(lerp(a, b, 1.0), b)


@pytest.mark.parametrize("t", SHARES)
@pytest.mark.parametrize("dim", [2, 64, 512])
def test_slerp_keeps_the_norm_and_turns_steadily(t: float, dim: int) -> None:
    a, b = normal(2, 20, dim)
    b = b * (a.norm(dim=-1, keepdim=True) / b.norm(dim=-1, keepdim=True))
    z = slerp(a, b, t)
    assert (z.norm(dim=-1) / a.norm(dim=-1) - 1).abs().max() < 1e-12  # the promise is 1e-6
    whole = angle(a, b)
    turned = torch.minimum((abs(t) * whole), 2 * math.pi - abs(t) * whole)
    assert torch.allclose(angle(a, z), turned, atol=1e-7)


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0, 1))
@drawn
def test_slerp_interpolates_unequal_norms(first: float, second: float, t: float) -> None:
    a, b = (length * z / z.norm() for length, z in zip((first, second), normal(2, 64), strict=True))
    assert slerp(a, b, t).norm().item() == pytest.approx((1 - t) * first + t * second, rel=1e-12)


def test_it_is_shoemakes_formula_for_equal_norms() -> None:
    a, b = normal(2, 10, 3)
    a, b = a / a.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True)
    omega = (a * b).sum(-1, keepdim=True).acos()
    expected = (torch.sin(0.7 * omega) * a + torch.sin(0.3 * omega) * b) / torch.sin(omega)
    assert torch.allclose(slerp(a, b, 0.3), expected, atol=1e-12)


def test_quarter_turn() -> None:
    z = slerp(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 4.0]), 0.5)
    assert torch.allclose(z, torch.tensor([3.0, 3.0]) / math.sqrt(2))


@pytest.mark.parametrize("walk", [lerp, slerp])
def test_shares_broadcast(walk: object) -> None:
    a, b = normal(2, 3, 8)
    strip = walk(a[0], b[0], torch.linspace(0, 1, 5))  # type: ignore[operator]
    assert strip.shape == (5, 8)
    each = walk(a, b, torch.tensor([0.0, 0.5, 1.0]))  # type: ignore[operator]
    assert each.shape == (3, 8)
    assert torch.allclose(each[1], walk(a[1], b[1], 0.5))  # type: ignore[operator]
    sheet = walk(a, b, torch.linspace(0, 1, 5)[:, None])  # type: ignore[operator]
    assert sheet.shape == (5, 3, 8)
    assert torch.allclose(sheet[:, 0], strip)
    assert walk(a.float(), b.float(), 0.5).dtype == torch.float32  # type: ignore[operator]


@pytest.mark.parametrize("apart", [0.0, 1e-300, 1e-16, 1e-12, 1e-8, 1e-4])
def test_nearly_parallel_vectors_are_interpolated_linearly(apart: float) -> None:
    a = normal(64)
    b = 2 * a + apart * normal(64, seed=1)
    z = slerp(a, b, 0.5)
    assert torch.allclose(z, 1.5 * a, rtol=0, atol=10 * apart + 1e-13)
    assert z.norm().item() == pytest.approx((a.norm() + b.norm()).item() / 2, rel=1e-13)


@pytest.mark.parametrize("apart", [0.0, 1e-300, 1e-16, 1e-12, 1e-8, 1e-4])
@pytest.mark.parametrize("dim", [2, 3, 64])
def test_nearly_opposite_vectors_turn_at_full_length(apart: float, dim: int) -> None:
    a = normal(dim)
    b = -a + apart * normal(dim, seed=1)
    steps = slerp(a, b, torch.linspace(0, 1, 11, dtype=torch.float64))
    assert torch.allclose(steps.norm(dim=-1), a.norm().expand(11), rtol=1e-3 if apart > 1e-8 else 1e-7)
    assert torch.allclose(angle(steps[:-1], steps[1:]), torch.full((10,), math.pi / 10).double(), atol=1e-3)
    assert torch.allclose(steps[-1], b, rtol=1e-12, atol=1e-13)


def test_opposite_vectors_turn_through_the_farthest_axis() -> None:
    a = torch.tensor([3.0, 0.1, 1.0], dtype=torch.float64)
    middle = slerp(a, -a, 0.5)
    axis = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    across = axis - (axis @ a) * a / a.square().sum()
    assert torch.allclose(middle, a.norm() * across / across.norm(), atol=1e-14)


def test_opposite_numbers_pass_through_zero() -> None:
    assert slerp(torch.tensor([2.0]), torch.tensor([-2.0]), 0.5).abs().item() < 1e-6
    assert slerp(torch.tensor([2.0]), torch.tensor([-2.0]), 1.0).item() == pytest.approx(-2)


def test_zero_takes_the_others_direction() -> None:
    a, zero = normal(8), torch.zeros(8, dtype=torch.float64)
    assert torch.allclose(slerp(zero, a, 0.25), 0.25 * a)
    assert torch.allclose(slerp(a, zero, 0.25), 0.75 * a)
    assert torch.equal(slerp(zero, zero, 0.5), zero)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_lengths_whose_squares_leave_float64(scale: float) -> None:
    a, b = normal(2, 8)
    assert torch.allclose(slerp(scale * a, scale * b, 0.3) / scale, slerp(a, b, 0.3), rtol=1e-12)


def test_slerp_is_differentiable() -> None:
    a, b = normal(2, 3, 5)
    t = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    assert torch.autograd.gradcheck(slerp, (a.requires_grad_(), b.requires_grad_(), t.requires_grad_()))
