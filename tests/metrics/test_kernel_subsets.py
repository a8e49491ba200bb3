"""The kernel distance over subsets: the definition on each subset, whichever way it is taken."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ganforge.errors import DataError
from ganforge.metrics import kernel_distance, kernel_distance_subsets
from ganforge.metrics.kernel_subsets import all_at_once, one_by_one


def two_sets(N: int, M: int, D: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(N)
    return torch.randn(N, D, generator=rng).double() + 1, torch.rand(M, D, generator=rng).double()


@pytest.mark.parametrize(("N", "M", "D", "size"), [(40, 60, 3, 40), (700, 900, 5, 300), (300, 5000, 4, 30)])
def test_each_subset_is_estimated_by_the_definition(N: int, M: int, D: int, size: int) -> None:
    """`kernel_distance` takes all pairs of what it is given, so it is the definition on a subset."""
    real, fake = two_sets(N, M, D)
    rng, values = np.random.RandomState(7), []
    for _ in range(6):
        i, j = (rng.choice(n, size, replace=False) for n in (N, M))
        values.append(kernel_distance(real=real[i], fake=fake[j]).value)
    ours = kernel_distance_subsets(real=real, fake=fake, subsets=6, size=size, seed=7)
    assert list(ours) == pytest.approx([np.mean(values), np.std(values)], rel=1e-10)


def test_one_matrix_for_all_is_the_same_as_one_for_each() -> None:
    real, fake = two_sets(600, 530, 6)
    rng = torch.Generator().manual_seed(0)
    drawn, drawn_fake = (torch.stack([torch.randperm(n, generator=rng)[:300] for _ in range(4)]) for n in (600, 530))
    sides = real, fake, drawn, drawn_fake
    torch.testing.assert_close(all_at_once(*sides), one_by_one(*sides), rtol=1e-10, atol=0.0)


def test_single_precision_keeps_a_millionth() -> None:
    """Features with a large common part, and a distance that is a thousandth of the kernel."""
    rng = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(3000, 64, generator=rng) * 0.5 + 2 for _ in range(2))
    fake += 0.05
    single = kernel_distance_subsets(real=real, fake=fake, subsets=5, size=500)
    double = kernel_distance_subsets(real=real.double(), fake=fake.double(), subsets=5, size=500)
    assert single.value == pytest.approx(double.value, rel=1e-6)


@pytest.mark.parametrize(("subsets", "size"), [(0, 10), (3, 1), (3, 51)])
def test_subsets_that_cannot_be_drawn(subsets: int, size: int) -> None:
    with pytest.raises(DataError, match=f"{subsets} kernel subsets of {size} can't be drawn from 50 real"):
        kernel_distance_subsets(real=torch.zeros(50, 2), fake=torch.zeros(80, 2), subsets=subsets, size=size)
