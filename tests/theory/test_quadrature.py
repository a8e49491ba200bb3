"""Divergences of densities: the truth lies within the reported error, and the error is small."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

from ganforge.errors import TheoryError
from ganforge.theory import DIVERGENCES, Gaussian, Grid, Mixture, differential_entropy, divergence, measures

# Closed forms for two Gaussians N(a, s²) and N(b, r²) in one dimension.


def kl(a: float, s: float, b: float, r: float) -> float:
    return math.log(r / s) + (s * s + (a - b) ** 2) / (2 * r * r) - 0.5


def chi2(a: float, s: float, b: float, r: float) -> float:
    """∫ p²/q - 1, by completing the square; infinite unless 2r² > s²."""
    spread = 2 * r * r - s * s
    return r * r / (s * math.sqrt(spread)) * math.exp((a - b) ** 2 / spread) - 1 if spread > 0 else math.inf


def hellinger(a: float, s: float, b: float, r: float) -> float:
    spread = s * s + r * r
    return 1 - math.sqrt(2 * s * r / spread) * math.exp(-((a - b) ** 2) / (4 * spread))


def total_variation(a: float, s: float, b: float, r: float) -> float:
    """By the crossings of the two densities."""
    if s == r:
        return math.erf(abs(a - b) / s / math.sqrt(8))
    roots = np.roots(
        [r**2 - s**2, 2 * (b * s**2 - a * r**2), (a * r) ** 2 - (b * s) ** 2 - 2 * (s * r) ** 2 * math.log(r / s)]
    )
    low, high = sorted(roots.real)
    mass = [0.5 * (math.erf((high - m) / w / 2**0.5) - math.erf((low - m) / w / 2**0.5)) for m, w in ((a, s), (b, r))]
    return abs(mass[0] - mass[1])


CLOSED: dict[str, Callable[[float, float, float, float], float]] = {
    "kl": kl,
    "reverse_kl": lambda a, s, b, r: kl(b, r, a, s),
    "pearson_chi2": chi2,
    "neyman_chi2": lambda a, s, b, r: chi2(b, r, a, s),
    "squared_hellinger": hellinger,
    "total_variation": total_variation,
}
each_closed_form = pytest.mark.parametrize("name", CLOSED)
GAUSSIANS = [
    (0.0, 1.0, 3.0, 1.0),
    (0.0, 1.0, 1.0, 0.8),
    (1e5, 1.0, 1e5 + 1, 1.1),
    (0.0, 0.01, 5.0, 1.0),
    (0.0, 1.0, 100.0, 2.0),
    (-2.0, 3.0, 1.0, 0.5),
    (1.9, 1.29, -0.98, 0.923),  # p²/q is centred 140 standard deviations away
]


@each_closed_form
@pytest.mark.parametrize("case", GAUSSIANS, ids=str)
def test_the_closed_form_lies_within_the_error(name: str, case: tuple[float, float, float, float]) -> None:
    try:
        truth = CLOSED[name](*case)
    except OverflowError:
        truth = math.inf
    estimate = divergence(name, Gaussian(*case[:2]), Gaussian(*case[2:]))
    if truth == math.inf:
        assert estimate == (math.inf, 0)
        return
    assert abs(estimate.value - truth) <= estimate.error
    assert estimate.error <= (1e-4 if name == "total_variation" else 1e-9) * (1 + truth)


@each_closed_form
@given(
    st.floats(-3, 3), st.floats(0.3, 3), st.floats(-3, 3), st.floats(0.3, 3)
)  # widths apart by a factor of ten at most, so that the one grid suits both
@settings(deadline=None, derandomize=True, database=None, max_examples=40)
def test_the_closed_form_lies_within_the_error_of_coarser_grids_too(
    name: str, a: float, s: float, b: float, r: float
) -> None:
    truth = CLOSED[name](a, s, b, r)
    p, q = Gaussian(a, s), Gaussian(b, r)
    (low, high), width = Mixture([p, q], [0.5, 0.5]).box(9.0), min(s, r)
    for per_sigma in (3, 5, 9):
        cells = math.ceil((high - low).item() / width * per_sigma)
        estimate = divergence(name, p, q, Grid((low.item(),), (high.item(),), (cells,)))
        if estimate.value < math.inf and truth < 1e6:
            assert abs(estimate.value - truth) <= estimate.error + 1e-15


def ring(sigma: float, turn: float = 0.0) -> Mixture:
    angles = [turn + k * math.pi / 4 for k in range(8)]
    return Mixture([Gaussian([math.cos(t), math.sin(t)], sigma) for t in angles], [1 / 8] * 8)


Parts = list[tuple[float, float, float]]  # weight, mean, sigma
MIXTURES: list[tuple[Parts, Parts]] = [
    ([(0.7, 3.0, 0.4), (0.3, -3.0, 0.4)], [(1.0, 1.1, 1.8)]),
    ([(0.5, 0.0, 1.0), (0.5, 2.0, 0.3)], [(1.0, 0.5, 1.2)]),
    ([(1 / 6, float(k), 0.2) for k in range(6)], [(1 / 6, k + 0.5, 0.2) for k in range(6)]),
]
BOUNDS = [(-16, 18), (-16, 18), (-3, 9)]  # where both densities are above the smallest float64
INTEGRANDS: dict[str, Callable[[float, float], float]] = {
    "kl": special.rel_entr,
    "reverse_kl": lambda p, q: special.rel_entr(q, p),
    "jsd": lambda p, q: (special.rel_entr(p, (p + q) / 2) + special.rel_entr(q, (p + q) / 2)) / 2,
    "total_variation": lambda p, q: abs(p - q) / 2,
    "squared_hellinger": lambda p, q: (math.sqrt(p) - math.sqrt(q)) ** 2 / 2,
}


@pytest.mark.parametrize("name", INTEGRANDS)
@pytest.mark.parametrize("case", range(len(MIXTURES)))
def test_an_adaptive_integrator_agrees(name: str, case: int) -> None:
    def density(x: float, parts: Parts) -> float:
        return sum(w / s * math.exp(-(((x - m) / s) ** 2) / 2) for w, m, s in parts) / math.sqrt(2 * math.pi)

    def f(x: float) -> float:
        return INTEGRANDS[name](*(density(x, parts) for parts in MIXTURES[case]))

    low, high = BOUNDS[case]
    pieces = [integrate.quad(f, k, k + 1, epsabs=1e-11, epsrel=1e-11, limit=400) for k in range(low, high)]
    truth, missed = (sum(column) for column in zip(*pieces, strict=True))
    p, q = (Mixture([Gaussian(m, s) for _, m, s in parts], [w for w, _, _ in parts]) for parts in MIXTURES[case])
    estimate = divergence(name, p, q)
    assert missed < 1e-9
    assert abs(estimate.value - truth) <= estimate.error + missed + 1e-12  # 1e-12 lies beyond the bounds


def test_two_dimensions_by_closed_forms() -> None:
    p = Gaussian([0.0, 0.0], 1.0)
    q = Gaussian([1.0, -1.0], [[1.0, 0.5], [0.5, 1.5]])
    covariance = torch.tensor([[1.0, 0.5], [0.5, 1.5]], dtype=torch.float64)
    inverse, apart = covariance.inverse(), torch.tensor([1.0, -1.0], dtype=torch.float64)
    truth = (inverse.trace() + apart @ inverse @ apart - 2 + covariance.logdet()).item() / 2
    estimate = divergence("kl", p, q)
    assert abs(estimate.value - truth) <= estimate.error < 1e-11
    moved = divergence("total_variation", p, Gaussian([3.0, 4.0], 1.0))
    assert abs(moved.value - math.erf(5 / math.sqrt(8))) <= moved.error < 1e-2


def random_mixture(rng: torch.Generator) -> Mixture:
    """Three Gaussians in two dimensions, rotated and stretched by up to 4."""
    components = []
    for _ in range(3):
        stretch = torch.rand(2, generator=rng, dtype=torch.float64) * 1.5 + 0.5
        turn = torch.linalg.qr(torch.randn(2, 2, generator=rng, dtype=torch.float64))[0]
        mean = 2 * torch.randn(2, generator=rng, dtype=torch.float64)
        components.append(Gaussian(mean, turn @ stretch.square().diag() @ turn.T))
    weights = torch.rand(3, generator=rng, dtype=torch.float64) + 0.1
    return Mixture(components, weights / weights.sum())


@pytest.mark.parametrize("name", ["kl", "jsd", "total_variation"])
@pytest.mark.parametrize("seed", range(6))
def test_coarse_grids_in_two_dimensions_own_up_to_their_error(name: str, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    p, q = random_mixture(rng), random_mixture(rng)
    box = {"lower": (-26.0, -26.0), "upper": (26.0, 26.0)}
    fine = divergence(name, p, q, Grid(**box, cells=(1201, 1201)))
    for n in (265, 300, 353):
        coarse = divergence(name, p, q, Grid(**box, cells=(n, n)))
        assert abs(coarse.value - fine.value) <= coarse.error
        assert coarse.error > fine.error or coarse.error < 1e-9


def test_separable_pairs_multiply() -> None:
    """1 - H² is a product over independent coordinates."""
    p, q = Gaussian([0.0, 1.0], [[1.0, 0.0], [0.0, 0.25]]), Gaussian([1.0, 0.0], [[2.25, 0.0], [0.0, 0.25]])
    truth = 1 - (1 - hellinger(0, 1, 1, 1.5)) * (1 - hellinger(1, 0.5, 0, 0.5))
    estimate = divergence("squared_hellinger", p, q)
    assert abs(estimate.value - truth) <= estimate.error < 1e-11


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_ring_against_itself(name: str) -> None:
    estimate = divergence(name, ring(0.05), ring(0.05))
    assert abs(estimate.value) <= max(estimate.error, 1e-300) < 1e-11


def test_rings_that_miss_each_other() -> None:
    estimate = divergence("jsd", ring(0.02), ring(0.02, turn=math.pi / 8))
    assert estimate.value == pytest.approx(math.log(2), abs=1e-9)
    assert abs(estimate.value - math.log(2)) <= estimate.error + 1e-12


def test_disjoint_in_float64_is_right_and_not_nan() -> None:
    p, q = Gaussian(0.0, 1.0), Gaussian(1000.0, 1.0)
    assert p.prob(torch.tensor(1000.0)) == 0
    estimate = divergence("kl", p, q)
    assert abs(estimate.value - 500_000) <= estimate.error < 1e-4
    for name, value in (("jsd", math.log(2)), ("total_variation", 1), ("squared_hellinger", 1)):
        estimate = divergence(name, p, q)
        assert abs(estimate.value - value) <= estimate.error < 1e-8
    assert divergence("pearson_chi2", p, q).value == math.inf


def test_cells_as_masses_give_the_same() -> None:
    p, q = Gaussian(0.0, 1.0), Gaussian(1.0, 0.8)
    grid = Grid.over(p, q, reach=20.0)
    masses = [density.prob(grid.points()) * grid.cell[0] for density in (p, q)]
    for name in DIVERGENCES:
        expected = divergence(name, p, q, grid).value
        assert getattr(measures, name)(*masses).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("sigma", [0.01, 1.0, 30.0])
def test_differential_entropy(sigma: float) -> None:
    estimate = differential_entropy(Gaussian(5.0, sigma))
    assert abs(estimate.value - 0.5 * math.log(2 * math.pi * math.e * sigma**2)) <= estimate.error < 1e-9
    flat = differential_entropy(Gaussian([0.0, 1.0], [[1.0, 0.5], [0.5, 1.5]]))
    assert abs(flat.value - 0.5 * math.log((2 * math.pi * math.e) ** 2 * 1.25)) <= flat.error < 1e-11


def test_the_error_falls_with_the_cell() -> None:
    p, q = Gaussian(0.0, 1.0), Gaussian(1.0, 1.0)
    errors = [divergence("total_variation", p, q, Grid((-9,), (10,), (n,))).error for n in (100, 200, 400, 800)]
    ratios = [coarse / fine for coarse, fine in pairwise(errors)]
    assert errors[0] > 1e-3
    assert math.prod(ratios) == pytest.approx(64, rel=0.9)


BAD = {
    "coarse": (
        lambda: divergence("kl", Gaussian(0.0, 0.05), Gaussian(0.0, 1.0), Grid((-10,), (10,), (40,))),
        r"A grid of 40 cells, the largest 0\.5 long, is too coarse for a density of width 0\.05 "
        r"\(the estimate of its mass may be off by [\d.]+\): give 1000 cells or more",
    ),
    "small": (
        lambda: divergence("kl", Gaussian(0.0, 1.0), Gaussian(3.0, 1.0), Grid((-5,), (3,), (400,))),
        r"from \(-5,\) to \(3,\) holds 0\.99869\d of a density's mass: let it reach from \(-10\.0,\) to \(10\.0,\)",
    ),
    "widths": (
        lambda: divergence("kl", Gaussian([0.0, 0.0], 1e-4), Gaussian([0.0, 0.0], 1.0)),
        r"too coarse for a density of width 0\.0001 .* widths and distance are nearer",
    ),
    "tails": (
        lambda: divergence("pearson_chi2", Gaussian([0.0, 0.0], 1.0), Gaussian([0.0, 0.0], 0.7072)),
        r"tails of pearson_chi2 still hold [\d.e+]+ at 80 standard deviations",
    ),
    "name": (
        lambda: divergence("kld", Gaussian(0.0, 1.0), Gaussian(0.0, 1.0)),
        r"no divergence 'kld' .* kl, reverse_kl",
    ),
    "dimensions": (lambda: divergence("kl", Gaussian(0.0, 1.0), Gaussian([0.0, 0.0], 1.0)), r"of 1 and 2 dimensions"),
    "grid": (
        lambda: divergence("kl", Gaussian(0.0, 1.0), Gaussian(0.0, 1.0), Grid((0, 0), (1, 1), (9, 9))),
        r"A grid of 2 and densities of 1 and 1 dimensions don't fit",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case: str) -> None:
    compute, message = BAD[case]
    with pytest.raises(TheoryError, match=message) as caught:
        compute()
    assert "\n" not in str(caught.value)
