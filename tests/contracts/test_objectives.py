"""Every row of the table: elementwise, finite, and meaning what it says."""

import math

import pytest
import torch
from torch import Tensor

from ganforge.objectives import OBJECTIVES, Objective, least_squares, minimax, non_saturating

ROWS: dict[str, Objective] = {name: build() for name, build in OBJECTIVES.items()} | {
    "minimax, smoothed": minimax(label_smoothing=0.9),
    "non_saturating, smoothed": non_saturating(label_smoothing=0.9),
    "least_squares, Pearson": least_squares(a=-1.0, b=1.0, c=0.0),
    "least_squares, -1 1 2": least_squares(a=-1.0, b=1.0, c=2.0),
}


def each(rows: dict[str, Objective]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows.values(), ids=rows.keys())


each_row = each(ROWS)
each_bounded_row = each(
    {name: row for name, row in ROWS.items() if name != "wasserstein"}
)  # its minimum is at infinity
each_smooth_row = each({name: row for name, row in ROWS.items() if name not in ("wasserstein", "hinge")})  # a kink


def densities(seed: int, size: int = 6) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    p, q = torch.rand(2, size, generator=rng, dtype=torch.float64) + 0.05
    return p / p.sum(), q / q.sum()


def expected_d(row: Objective, p: Tensor, q: Tensor, logits: Tensor) -> Tensor:
    """E d over a real from p and a fake from q, drawn apart: what the discriminator minimises."""
    real, fake = torch.broadcast_tensors(logits[:, None], logits[None, :])
    return (p[:, None] * q[None, :] * row.d(real=real, fake=fake)).sum()


def expected_g(row: Objective, p: Tensor, q: Tensor, logits: Tensor) -> Tensor:
    real, fake = torch.broadcast_tensors(logits[:, None], logits[None, :])
    return (p[:, None] * q[None, :] * row.g(real=real, fake=fake)).sum()


def optimum(row: Objective, p: Tensor, q: Tensor) -> Tensor:
    return row.optimal_logit(p, q).detach()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_rows_state_what_they_are(name: str) -> None:
    row = OBJECTIVES[name]()
    assert row.name == name
    assert row.value
    assert row.follows
    assert row.citation
    assert OBJECTIVES[name].__doc__
    assert row.logit_range == 100
    assert row.level is None if row.paired else True


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


@each_bounded_row
@pytest.mark.parametrize("seed", range(5))
def test_the_optimal_logit_is_a_minimum(row: Objective, seed: int) -> None:
    p, q = densities(seed)
    logits = optimum(row, p, q)
    lowest = expected_d(row, p, q, logits)
    rng = torch.Generator().manual_seed(seed)
    for scale in (1e-4, 0.1, 3.0):
        moved = logits + scale * torch.randn(len(p), generator=rng, dtype=torch.float64)
        assert expected_d(row, p, q, moved) >= lowest - 1e-12


@each_smooth_row
@pytest.mark.parametrize("seed", range(5))
def test_the_optimal_logit_is_stationary(row: Objective, seed: int) -> None:
    p, q = densities(seed)
    logits = optimum(row, p, q).requires_grad_()
    (slope,) = torch.autograd.grad(expected_d(row, p, q, logits), logits)
    assert slope.abs().max() < 1e-12


def test_the_wasserstein_optimum_is_infinite_where_densities_differ() -> None:
    p, q = torch.tensor([0.5, 0.2, 0.3]), torch.tensor([0.2, 0.5, 0.3])
    assert OBJECTIVES["wasserstein"]().optimal_logit(p, q).tolist() == [math.inf, -math.inf, 0.0]


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "relativistic_pairing"])
def test_optimal_logits_where_one_density_vanishes(name: str) -> None:
    p, q = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert OBJECTIVES[name]().optimal_logit(p, q).tolist() == [math.inf, -math.inf]


# What the rows say in words, in numbers. Terms may be negative measures: smoothing makes unnormalised ones.


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p / q).log()).sum()


def jsd(p: Tensor, q: Tensor) -> Tensor:
    return (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2


def smoothed_jsd(p: Tensor, q: Tensor, s: float) -> Tensor:
    return kl(s * p, p + q) + kl((1 - s) * p + q, p + q)


def paired_jsd(p: Tensor, q: Tensor) -> Tensor:
    return jsd(torch.outer(p, q), torch.outer(q, p))


def regression(p: Tensor, q: Tensor, a: float, b: float, c: float) -> Tensor:
    m = (p + q) / 2
    return (c - a) * (b - a) * kl(p, m) - (b - a) ** 2 / 4 * ((p - m) ** 2 / m).sum()


FOLLOWS = {
    "minimax": lambda p, q: 2 * jsd(p, q),
    "minimax, smoothed": lambda p, q: smoothed_jsd(p, q, 0.9),
    "non_saturating": lambda p, q: kl(q, p) - 2 * jsd(p, q),
    "non_saturating, smoothed": lambda p, q: kl(q, p) - 2 * jsd(p, q),
    "least_squares": lambda p, q: regression(p, q, 0, 1, 1),
    "least_squares, Pearson": lambda p, q: regression(p, q, -1, 1, 0),
    "least_squares, -1 1 2": lambda p, q: regression(p, q, -1, 1, 2),
    "hinge": lambda p, q: (p - q).abs().sum(),
    "relativistic_pairing": lambda p, q: kl(q, p) - paired_jsd(p, q),
}


@pytest.mark.parametrize("name", FOLLOWS)
@pytest.mark.parametrize("seed", range(5))
def test_the_generator_follows_the_divergence_that_the_row_states(name: str, seed: int) -> None:
    p, q = densities(seed)
    q.requires_grad_()
    (ours,) = torch.autograd.grad(expected_g(ROWS[name], p, q, optimum(ROWS[name], p, q)), q)
    (stated,) = torch.autograd.grad(FOLLOWS[name](p, q), q)
    difference = ours - stated  # along the simplex, a constant is no gradient
    assert (difference - difference.mean()).abs().max() < 1e-12


VALUES = {
    "minimax": lambda p, q: 2 * jsd(p, q) - math.log(4),
    "minimax, smoothed": lambda p, q: smoothed_jsd(p, q, 0.9),
    "non_saturating": lambda p, q: 2 * jsd(p, q) - math.log(4),
    "hinge": lambda p, q: (p - q).abs().sum() - 2,
    "relativistic_pairing": lambda p, q: paired_jsd(p, q) - math.log(2),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("seed", range(5))
def test_the_discriminators_optimum_is_worth_what_the_row_states(name: str, seed: int) -> None:
    p, q = densities(seed)
    assert abs(-expected_d(ROWS[name], p, q, optimum(ROWS[name], p, q)) - VALUES[name](p, q)) < 1e-12


@pytest.mark.parametrize(("a", "b", "c"), [(0.0, 1.0, 1.0), (-1.0, 1.0, 0.0), (0.0, 2.0, 1.0)])
def test_the_value_of_least_squares_is_pearsons_for_its_coding_only(a: float, b: float, c: float) -> None:
    p, q = densities(0)
    logits = least_squares(a=a, b=b, c=c).optimal_logit(p, q)
    value = 0.5 * ((p + q) * (logits - c) ** 2).sum()
    assert abs(value - 0.5 * (((b - c) * p + (a - c) * q) ** 2 / (p + q)).sum()) < 1e-12
    pearson = 0.5 * ((p + q - 2 * q) ** 2 / (2 * q)).sum()
    chi = 0.5 * ((p + q - 2 * q) ** 2 / (p + q)).sum()  # χ² of 2q against p + q
    assert (abs(value - chi) < 1e-12) == (b - c == 1 and b - a == 2)
    assert abs(value - pearson) > 1e-6


def test_known_values() -> None:
    p, q = torch.tensor([0.5, 0.5], dtype=torch.float64), torch.tensor([0.7, 0.3], dtype=torch.float64)
    row = ROWS["minimax"]
    assert row.probability is not None
    assert [round(float(d), 4) for d in row.probability(row.optimal_logit(p, q))] == [0.4167, 0.625]
    equal = -expected_d(row, p, p, row.optimal_logit(p, p))
    assert float(equal) == pytest.approx(-math.log(4), abs=1e-12)


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
