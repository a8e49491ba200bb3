"""What the rows state, held against formulas that are written out here, and the known theorems and figures."""

import math

import pytest
import torch
from objective_rows import PLAIN, ROWS, densities
from torch import Tensor

from ganforge.objectives import OBJECTIVES, least_squares
from ganforge.objectives.agreement import expected, generator_slope

# Terms may be unnormalised measures: smoothing makes such.


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


def mao(p: Tensor, q: Tensor, a: float, b: float, c: float) -> Tensor:
    return 0.5 * (((b - c) * p + (a - c) * q) ** 2 / (p + q)).sum()


F_DIVERGENCES = {
    "f_kl": lambda p, q: (p * (p / q).log()).sum(),
    "f_reverse_kl": lambda p, q: (q * (q / p).log()).sum(),
    "f_pearson": lambda p, q: (p**2 / q).sum() - 1,
    "f_hellinger": lambda p, q: 2 - 2 * (p * q).sqrt().sum(),
    "f_total_variation": lambda p, q: (p - q).clamp(min=0).sum(),
    "f_js": lambda p, q: 2 * jsd(p, q),
}
FOLLOWS = F_DIVERGENCES | {
    "minimax": lambda p, q: 2 * jsd(p, q),
    "minimax, smoothed": lambda p, q: smoothed_jsd(p, q, 0.9),
    "non_saturating": lambda p, q: kl(q, p) - 2 * jsd(p, q),
    "non_saturating, smoothed": lambda p, q: 2 * kl((p + q) / 2, p),
    "least_squares": lambda p, q: regression(p, q, 0, 1, 1),
    "least_squares, Pearson": lambda p, q: regression(p, q, -1, 1, 0),
    "least_squares, -1 1 2": lambda p, q: regression(p, q, -1, 1, 2),
    "least_squares, 1 -1 -1": lambda p, q: regression(p, q, 1, -1, -1),
    "hinge": lambda p, q: (p - q).abs().sum(),
    "relativistic_pairing": lambda p, q: kl(q, p) - paired_jsd(p, q),
    "f_kl, alternative": lambda p, q: kl(q, p),
    "f_reverse_kl, alternative": lambda p, q: ((q**2 / p).sum() - 1) / 2,
    "f_pearson, alternative": lambda p, q: 2 * kl(p, q),
    "f_hellinger, alternative": lambda p, q: 2 / 3 * ((q**1.5 / p**0.5).sum() - 1),
    "f_js, alternative": lambda p, q: 2 * kl((p + q) / 2, p),
}
VALUES = F_DIVERGENCES | {
    "minimax": lambda p, q: 2 * jsd(p, q) - math.log(4),
    "minimax, smoothed": lambda p, q: smoothed_jsd(p, q, 0.9),
    "non_saturating": lambda p, q: 2 * jsd(p, q) - math.log(4),
    "non_saturating, smoothed": lambda p, q: smoothed_jsd(p, q, 0.9),
    "least_squares": lambda p, q: mao(p, q, 0, 1, 1),
    "least_squares, Pearson": lambda p, q: ((p + q - 2 * q) ** 2 / (p + q)).sum() / 2,
    "hinge": lambda p, q: (p - q).abs().sum() - 2,
    "relativistic_pairing": lambda p, q: paired_jsd(p, q) - math.log(2),
}


@pytest.mark.parametrize("name", FOLLOWS)
@pytest.mark.parametrize("seed", range(5))
def test_the_generator_follows_the_divergence_that_is_written_here(name: str, seed: int) -> None:
    p, q = densities(seed)
    ours = generator_slope(ROWS[name], p, q, ROWS[name].optimal_logit(p, q))
    (known,) = torch.autograd.grad(FOLLOWS[name](p, q.requires_grad_()), q)
    assert (ours - known + known.mean()).abs().max() < 1e-12
    stated = ROWS[name].follows.of
    if stated is not None:
        assert abs(stated(p, q) - FOLLOWS[name](p, q)) < 1e-13


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("seed", range(5))
def test_the_value_is_the_formula_that_is_written_here(name: str, seed: int) -> None:
    p, q = densities(seed)
    row = ROWS[name]
    assert abs(expected(row.payoff, p, q, row.optimal_logit(p, q)) - VALUES[name](p, q)) < 1e-12
    assert row.value.of is not None
    assert abs(row.value.of(p, q) - VALUES[name](p, q)) < 1e-12


def test_every_row_is_written_here() -> None:
    assert set(ROWS) - set(FOLLOWS) == {"wasserstein"}  # held against SciPy
    assert set(PLAIN) - set(VALUES) == {"wasserstein"}


@pytest.mark.parametrize(("a", "b", "c"), [(0.0, 1.0, 1.0), (-1.0, 1.0, 0.0), (0.0, 2.0, 1.0), (-1.0, 1.0, 1.0)])
def test_the_value_of_least_squares_is_pearsons_for_its_coding_only(a: float, b: float, c: float) -> None:
    p, q = densities(0)
    row = least_squares(a=a, b=b, c=c)
    value = expected(row.payoff, p, q, row.optimal_logit(p, q))
    assert abs(value - mao(p, q, a, b, c)) < 1e-12
    pearson = 0.5 * ((p + q - 2 * q) ** 2 / (p + q)).sum()
    agrees = bool(abs(value - pearson) < 1e-12)
    assert agrees == (b - c == 1 and b - a == 2) == ("the paper's Pearson" in row.value.text)


@pytest.mark.parametrize(("r", "divergence"), [(0.5, False), (0.64, False), (0.65, True), (1.0, True)])
def test_least_squares_follows_a_divergence_if_g_aims_far_enough(r: float, divergence: bool) -> None:
    """r·KL(p‖m) - χ²(p‖m)/4 is lowest for a rare atom that q misses; `none` is said where that is below 0."""
    assert (least_squares(a=0.0, b=1.0, c=r).follows.of is not None) == divergence
    rare = torch.logspace(-4, -0.1, 50, dtype=torch.float64)
    pairs = [(torch.stack([x, 1 - x]), torch.tensor([1e-12, 1 - 1e-12], dtype=torch.float64)) for x in rare]
    assert (min(regression(p, q, 0, 1, r) for p, q in pairs) >= 0) == divergence


def test_known_figures() -> None:
    p, q = torch.tensor([[0.5, 0.5], [0.7, 0.3]], dtype=torch.float64)
    row = ROWS["minimax"]
    assert row.probability is not None
    assert row.value.of is not None
    assert [round(float(d), 6) for d in row.probability(row.optimal_logit(p, q))] == [0.416667, 0.625]
    assert round(float(row.value.of(p, q) + math.log(4)) / 2, 6) == 0.021006
    assert round(float(row.value.of(p, p)), 6) == -1.386294
    apart, there = torch.eye(2, dtype=torch.float64)
    assert float(row.value.of(apart, there)) == pytest.approx(0, abs=1e-15)  # 2·log 2 - log 4


def test_the_js_form_is_minimax_and_a_constant() -> None:
    """Losses differ by log 4 and by log 2; slopes are the same to the bit."""
    real, fake = torch.randn(2, 64).mul(5).requires_grad_()
    ours, plain = PLAIN["f_js"], PLAIN["minimax"]
    for loss, other, constant in ((ours.d, plain.d, -math.log(4)), (ours.g, plain.g, math.log(2))):
        left, right = loss(real=real, fake=fake), other(real=real, fake=fake)
        assert torch.allclose(left, right + constant, atol=1e-6)
        assert torch.equal(torch.autograd.grad(left.sum(), fake)[0], torch.autograd.grad(right.sum(), fake)[0])
    alternative = ROWS["f_js, alternative"].g(fake=fake)
    (slope,) = torch.autograd.grad(alternative.sum(), fake)
    assert torch.equal(slope, torch.autograd.grad(PLAIN["non_saturating"].g(fake=fake).sum(), fake)[0])


GENERATORS = {
    "f_kl": lambda u: u * u.log(),
    "f_reverse_kl": lambda u: -u.log(),
    "f_pearson": lambda u: (u - 1) ** 2,
    "f_hellinger": lambda u: (u.sqrt() - 1) ** 2,
    "f_total_variation": lambda u: (u - 1).abs() / 2,
    "f_js": lambda u: u * u.log() - (1 + u) * ((1 + u) / 2).log(),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_the_generators_loss_is_the_fenchel_conjugate(name: str) -> None:
    """f*(T) = max over u of u·T - f(u), searched on a fine grid; every row whose name starts with f_ is here."""
    assert set(GENERATORS) == {name for name in OBJECTIVES if name.startswith("f_")}
    u = torch.logspace(-8, 8, 400_001, dtype=torch.float64)
    for v in (-1.9, -0.7, 0.0, 0.3, 1.0, 2.5):
        row, logit = PLAIN[name], torch.tensor([v], dtype=torch.float64)
        T = -row.d(real=logit, fake=logit) - row.g(fake=logit)  # d is f*(T) - T, g is -f*(T)
        searched = (u * T - GENERATORS[name](u)).max()
        assert float(-row.g(fake=logit)) == pytest.approx(float(searched), rel=1e-7, abs=1e-7)
