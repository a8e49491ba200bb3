"""Dropout: the right share, the right expectation, fresh masks, and nothing in evaluation."""

import pytest
import torch

from ganforge.layers import Dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_the_share_and_the_expectation_are_right(p: float) -> None:
    y = Dropout(p)(torch.ones(1000, 1003))
    dropped = (y == 0).double().mean().item()
    assert dropped == pytest.approx(p, abs=5 * (p * (1 - p) / y.numel()) ** 0.5 + 1 / 65536)
    assert y.double().mean().item() == pytest.approx(1, abs=5 * (p / (1 - p) / y.numel()) ** 0.5)
    assert y[y != 0].unique().numel() == 1


def test_entries_are_dropped_independently_of_their_neighbours() -> None:
    kept = (Dropout(0.5)(torch.ones(1_000_000)) != 0).double() - 0.5
    for distance in (1, 2, 3, 4, 8, 64):
        correlation = (kept[distance:] * kept[:-distance]).mean().item() / 0.25
        assert abs(correlation) < 5 / 1000


def test_masks_are_new_each_time_and_follow_the_seed() -> None:
    layer, x = Dropout(0.3), torch.ones(64)
    torch.manual_seed(3)
    first, second = layer(x), layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_the_gradient_passes_where_the_value_does() -> None:
    x = torch.ones(1000, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_dtype_stays_and_evaluation_changes_nothing(dtype: torch.dtype) -> None:
    x = torch.randn(10, 3, dtype=dtype)
    layer = Dropout(0.3)
    assert layer(x).dtype == dtype
    assert torch.equal(layer.eval()(x), x)


def test_a_share_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="isn't in"):
        Dropout(1.0)
