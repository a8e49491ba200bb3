"""Penalties and projections of the weights, against their equations."""

import pytest
import torch
from torch import Tensor, nn

from ganforge.layers import SpectralNorm
from ganforge.penalties import Context, orthogonal, weight_clipping


def context(D: nn.Module) -> Context:
    blank = torch.zeros(3, 4)
    return Context(D, blank, blank, blank[:, 0], blank[:, 0], None, torch.Generator(), 0)


def rotation(rows: int, columns: int) -> Tensor:
    return nn.init.orthogonal_(torch.empty(rows, columns, dtype=torch.float64))


def linear(weight: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0]).double()
    layer.weight.data = weight
    return layer


def test_clipping_brings_back_what_lies_outside_and_leaves_the_rest() -> None:
    D = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    before = [p.detach().clone() for p in D.parameters()]
    with torch.no_grad():
        weight_clipping(limit=0.2).project(D)
    for old, new in zip(before, D.parameters(), strict=True):
        inside = old.abs() <= 0.2
        assert torch.equal(new[inside], old[inside])
        assert torch.equal(new[~inside], 0.2 * old[~inside].sign())
    assert any((old.abs() > 0.2).any() for old in before)


@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (5, 3), (4, 4)])
def test_orthogonal_is_a_sum_over_singular_values(rows: int, columns: int) -> None:
    """‖WWᵀ - I‖² = Σ (σ² - 1)², over as many σ as the smaller side has."""
    weight = torch.randn(rows, columns, dtype=torch.float64)
    found = orthogonal(weight=0.5).term(context(linear(weight)))
    expected = (torch.linalg.svdvals(weight) ** 2 - 1).square().sum() / 2
    assert torch.allclose(found, expected.expand(3))
    assert orthogonal().term(context(linear(rotation(rows, columns)))).max() < 1e-25


def test_off_the_diagonal_the_lengths_of_rows_are_free() -> None:
    lengths = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)[:, None]
    D = linear(lengths * rotation(3, 5))
    assert orthogonal(weight=1.0, diagonal=False).term(context(D)).max() < 1e-25
    assert torch.allclose(orthogonal(weight=1.0).term(context(D))[0], torch.tensor(9.0 + 64.0, dtype=torch.float64))
    tilted = linear(torch.tensor([[1.0, 0, 0], [0.5, 1, 0]], dtype=torch.float64))
    assert orthogonal(weight=1.0, diagonal=False).term(context(tilted))[0].item() == pytest.approx(2 * 0.25)


@pytest.mark.parametrize("diagonal", [True, False])
def test_its_gradient_is_that_of_biggans_equation(diagonal: bool) -> None:
    """4·(WWᵀ - I)W, or 4·(WWᵀ ⊙ (1 - I))W."""
    D = linear(torch.randn(3, 5, dtype=torch.float64))
    W, eye = D.weight.detach(), torch.eye(3, dtype=torch.float64)
    (found,) = torch.autograd.grad(orthogonal(weight=1.0, diagonal=diagonal).term(context(D)).mean(), D.weight)
    assert torch.allclose(found, 4 * (W @ W.T - eye if diagonal else W @ W.T * (1 - eye)) @ W)


def test_a_kernel_counts_as_the_matrix_of_its_outputs_and_biases_not_at_all() -> None:
    conv = nn.Conv2d(2, 3, 4).double()
    found = orthogonal(weight=1.0).term(context(nn.Sequential(conv, nn.BatchNorm2d(3))))[0]
    expected = (torch.linalg.svdvals(conv.weight.flatten(1)) ** 2 - 1).square().sum()
    assert torch.allclose(found, expected)


def test_it_goes_with_spectral_norm_on_the_raw_weight() -> None:
    norm = SpectralNorm(nn.Linear(5, 3))
    found = orthogonal(weight=1.0).term(context(norm))
    assert torch.allclose(found, orthogonal(weight=1.0).term(context(norm.layer)))
