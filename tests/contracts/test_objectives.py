"""Every row of the table: elementwise, finite as far as it says, and minimal where it says."""

import inspect
import math

import pytest
import torch
from objective_rows import ROWS, densities, each
from torch import Tensor

from ganforge.objectives import OBJECTIVES, Objective, Statement, least_squares, minimax, non_saturating
from ganforge.objectives.agreement import expected

INFINITE = ("wasserstein", "f_total_variation")  # the minimum lies there
FLOAT32 = 100.0  # what rows without exponentials promise

each_row = each(ROWS)
each_bounded_row = each({name: row for name, row in ROWS.items() if name not in INFINITE})
each_smooth_row = each({name: row for name, row in ROWS.items() if name not in (*INFINITE, "hinge")})
each_exponential_row = each({name: row for name, row in ROWS.items() if row.logit_range < FLOAT32})


def optimum(row: Objective, p: Tensor, q: Tensor) -> Tensor:
    return row.optimal_logit(p, q).detach()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_rows_state_what_they_are(name: str) -> None:
    row = OBJECTIVES[name]()
    assert row.name == name
    assert row.optimum
    assert row.citation
    assert OBJECTIVES[name].__doc__
    assert 80 < row.logit_range <= FLOAT32
    assert row.level is None or not row.paired
    for statement in (row.value, row.follows):
        assert isinstance(statement, Statement)
        assert (statement.of is None) == statement.text.startswith("none")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_parameter_is_a_key_with_help(name: str) -> None:
    for parameter in inspect.signature(OBJECTIVES[name]).parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        (field,) = parameter.annotation.__metadata__
        assert field.description


@each_row
def test_losses_are_elementwise_on_any_shape(row: Objective) -> None:
    real, fake = torch.randn(2, 3, 4, 5)
    for loss in (row.d, row.g):
        whole = loss(real=real, fake=fake)
        assert whole.shape == (3, 4, 5)
        assert torch.equal(whole[1, 2, 3], loss(real=real[1, 2, 3], fake=fake[1, 2, 3]))


@each_row
def test_the_generator_reads_real_logits_only_if_paired(row: Objective) -> None:
    fake = torch.randn(4, requires_grad=True)
    real = torch.randn(4, requires_grad=True)
    row.g(real=real, fake=fake).sum().backward()
    assert (real.grad is not None) == row.paired
    if not row.paired:
        assert torch.equal(row.g(fake=fake), row.g(real=real, fake=fake))


@each_row
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("side", ["d", "g"])
def test_finite_at_the_ends_of_the_range(row: Objective, side: str, dtype: torch.dtype) -> None:
    ends = torch.tensor([-row.logit_range, 0.0, row.logit_range])
    real, fake = (logits.flatten().to(dtype).requires_grad_() for logits in torch.meshgrid(ends, ends, indexing="ij"))
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = getattr(row, side)(real=real, fake=fake)
    assert loss.dtype == torch.float32
    assert loss.isfinite().all()
    gradients = torch.autograd.grad(loss.sum(), [real, fake], allow_unused=True)
    assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)


@each_row
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_computed_in_float32(row: Objective, dtype: torch.dtype) -> None:
    real, fake = torch.meshgrid(torch.linspace(-60, 60, 9), torch.linspace(-60, 60, 9), indexing="ij")
    for loss in (row.d, row.g, row.payoff):
        half = loss(real=real.to(dtype), fake=fake.to(dtype))
        assert half.dtype == torch.float32
        assert torch.equal(half, loss(real=real.to(dtype).float(), fake=fake.to(dtype).float()))


@each_exponential_row
def test_not_finite_just_beyond_the_range(row: Objective) -> None:
    """The range is honest: nothing is clamped, and one further the loss or its slope overflows."""
    beyond = row.logit_range + 1
    ends = torch.tensor([-beyond, beyond])
    real, fake = (logits.flatten().requires_grad_() for logits in torch.meshgrid(ends, ends, indexing="ij"))
    loss = row.d(real=real, fake=fake)
    slopes = torch.autograd.grad(loss.sum(), [real, fake])
    assert not all(numbers.isfinite().all() for numbers in (loss, *slopes))


@each_row
def test_losses_are_finite_all_through_the_range(row: Objective) -> None:
    logits = torch.linspace(-row.logit_range, row.logit_range, 257)
    real, fake = (x.flatten().requires_grad_() for x in torch.meshgrid(logits, logits, indexing="ij"))
    for loss in (row.d, row.g, row.payoff):
        value = loss(real=real, fake=fake)
        slopes = torch.autograd.grad(value.sum(), [real, fake], allow_unused=True)
        assert all(numbers.isfinite().all() for numbers in (value, *slopes) if numbers is not None)


@each_bounded_row
@pytest.mark.parametrize("seed", range(5))
def test_the_optimal_logit_is_a_minimum(row: Objective, seed: int) -> None:
    p, q = densities(seed)
    logits = optimum(row, p, q)
    lowest = expected(row.d, p, q, logits)
    rng = torch.Generator().manual_seed(seed)
    for scale in (1e-4, 0.1, 3.0):
        moved = logits + scale * torch.randn(len(p), generator=rng, dtype=torch.float64)
        assert expected(row.d, p, q, moved) >= lowest - 1e-12


@each_smooth_row
@pytest.mark.parametrize("seed", range(5))
def test_the_optimal_logit_is_stationary(row: Objective, seed: int) -> None:
    p, q = densities(seed)
    logits = optimum(row, p, q).requires_grad_()
    (slope,) = torch.autograd.grad(expected(row.d, p, q, logits), logits)
    assert slope.abs().max() < 1e-12


@pytest.mark.parametrize("name", INFINITE)
def test_optima_that_are_infinite_where_densities_differ(name: str) -> None:
    p, q = torch.tensor([0.5, 0.2, 0.3]), torch.tensor([0.2, 0.5, 0.3])
    assert OBJECTIVES[name]().optimal_logit(p, q).tolist() == [math.inf, -math.inf, 0.0]


@pytest.mark.parametrize(
    "name", ["minimax", "non_saturating", "relativistic_pairing", "f_kl", "f_reverse_kl", "f_hellinger", "f_js"]
)
def test_optimal_logits_where_one_density_vanishes(name: str) -> None:
    p, q = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert OBJECTIVES[name]().optimal_logit(p, q).tolist() == [math.inf, -math.inf]


def slope(row: Objective, logit: float, dtype: torch.dtype = torch.float32) -> float:
    fake = torch.tensor([logit], dtype=dtype, requires_grad=True)
    return float(torch.autograd.grad(row.g(fake=fake).sum(), fake)[0])


def test_opposite_gradient_profiles() -> None:
    assert slope(ROWS["non_saturating"], -20) == pytest.approx(-1, abs=1e-6)
    assert slope(ROWS["minimax"], -20) == pytest.approx(0, abs=1e-6)
    assert slope(ROWS["minimax"], 20) == pytest.approx(-1, abs=1e-6)
    assert slope(ROWS["non_saturating"], 0) == slope(ROWS["minimax"], 0) == -0.5
    assert slope(ROWS["wasserstein"], -20) == slope(ROWS["hinge"], -20) == -1


def test_softplus_is_exact_in_float64() -> None:
    logit = torch.tensor([20.5], dtype=torch.float64)
    assert float(ROWS["minimax"].g(fake=logit)) == pytest.approx(-math.log1p(math.exp(20.5)), abs=1e-14)


@pytest.mark.parametrize("build", [minimax, non_saturating])
def test_smoothing_moves_the_real_target_only(build) -> None:
    real, fake = torch.randn(2, 8, dtype=torch.float64)
    plain, smoothed = build(), build(label_smoothing=0.9)
    flipped = plain.d(real=-real, fake=fake)
    assert torch.allclose(smoothed.d(real=real, fake=fake), 0.9 * plain.d(real=real, fake=fake) + 0.1 * flipped)
    assert torch.equal(smoothed.g(fake=fake), plain.g(fake=fake))


def test_the_link_of_least_squares() -> None:
    row = least_squares(a=-1.0, b=1.0, c=1.0)
    assert row.probability is not None
    assert row.level == 0
    assert row.probability(torch.tensor([-1.0, 0.0, 1.0])).tolist() == [0, 0.5, 1]
    assert least_squares(a=1.0, b=1.0).probability is None
