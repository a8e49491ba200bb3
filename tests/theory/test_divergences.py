"""Divergences of discrete distributions: the worked figures, other libraries, identities, zeros, and bad input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy as scipy_entropy
from torch import Tensor

from ganforge import theory
from ganforge.errors import TheoryError
from ganforge.theory import measures

P, Q = [0.5, 0.5], [0.7, 0.3]
M = [0.6, 0.4]
PAIRED = [
    "jsd",
    "kl",
    "neyman_chi2",
    "pearson_chi2",
    "reverse_kl",
    "squared_hellinger",
    "total_variation",
]
each_divergence = pytest.mark.parametrize("name", PAIRED)


drawn = settings(max_examples=50, deadline=None, derandomize=True, database=None)


@st.composite
def pairs(draw: st.DrawFn, zeros: bool = False) -> tuple[Tensor, Tensor]:
    """Two distributions over 2 to 12 outcomes, some of them impossible if `zeros`."""
    n = draw(st.integers(2, 12))
    mass = st.floats(1e-3, 1) if not zeros else st.one_of(st.just(0.0), st.floats(1e-3, 1))
    p, q = (torch.tensor(draw(st.lists(mass, min_size=n, max_size=n)), dtype=torch.float64) for _ in range(2))
    p[0] += 0.1
    q[1] += 0.1
    return p / p.sum(), q / q.sum()


def test_the_worked_figures() -> None:
    assert theory.kl(P, M) == pytest.approx(0.020411, abs=5e-7)
    assert theory.kl(Q, M) == pytest.approx(0.021601, abs=5e-7)
    assert theory.jsd(P, Q) == pytest.approx(0.021006, abs=5e-7)
    assert theory.jsd([1.0, 0.0], [0.0, 1.0]) == math.log(2)


@given(pairs(zeros=True))
@drawn
def test_other_libraries_agree(pair: tuple[Tensor, Tensor]) -> None:
    p, q = (x.numpy() for x in pair)
    assert theory.entropy(p) == pytest.approx(scipy_entropy(p), abs=1e-13)
    assert theory.kl(p, q) == pytest.approx(scipy_entropy(p, q), abs=1e-13)
    assert theory.reverse_kl(p, q) == pytest.approx(scipy_entropy(q, p), abs=1e-13)
    assert theory.jsd(p, q) == pytest.approx(np.nan_to_num(jensenshannon(p, q)) ** 2, abs=1e-13)


@given(pairs())
@drawn
def test_closed_forms_by_hand(pair: tuple[Tensor, Tensor]) -> None:
    p, q = pair
    assert theory.total_variation(p, q) == pytest.approx(float((p - q).clamp(min=0).sum()), abs=1e-13)
    assert theory.pearson_chi2(p, q) == pytest.approx(float((p * p / q).sum()) - 1, rel=1e-9, abs=1e-11)
    assert theory.neyman_chi2(p, q) == pytest.approx(float((q * q / p).sum()) - 1, rel=1e-9, abs=1e-11)
    assert theory.squared_hellinger(p, q) == pytest.approx(1 - float((p * q).sqrt().sum()), abs=1e-13)


@given(pairs(zeros=True))
@drawn
def test_known_inequalities(pair: tuple[Tensor, Tensor]) -> None:
    p, q = pair
    tv, hellinger, jsd, kl = (getattr(theory, n)(p, q) for n in ("total_variation", "squared_hellinger", "jsd", "kl"))
    assert hellinger <= tv + 1e-12
    assert tv <= math.sqrt(2 * hellinger) + 1e-12
    assert tv <= math.sqrt(kl / 2) + 1e-12  # Pinsker
    assert 0 <= jsd <= math.log(2) * tv + 1e-12  # Lin
    assert kl <= math.log1p(theory.pearson_chi2(p, q)) + 1e-12


@each_divergence
@given(pair=pairs(zeros=True))
@drawn
def test_zero_between_equals_and_never_nan(name: str, pair: tuple[Tensor, Tensor]) -> None:
    divergence = getattr(theory, name)
    assert divergence(pair[0], pair[0]) == pytest.approx(0, abs=1e-15)
    assert divergence(*pair) >= -1e-15
    assert divergence(*pair) == getattr(measures, name)(*pair).item()


INFINITE = {
    "kl": (math.inf, 1.0),
    "reverse_kl": (1.0, math.inf),
    "pearson_chi2": (math.inf, 1),
    "neyman_chi2": (1, math.inf),
}


@pytest.mark.parametrize("name", INFINITE)
def test_mass_where_the_other_has_none(name: str) -> None:
    p, q = [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]
    here, there = getattr(theory, name)(p, q), getattr(theory, name)(q, p)
    assert (here == math.inf, there == math.inf) == tuple(x == math.inf for x in INFINITE[name])


@pytest.mark.parametrize(("name", "value"), [("jsd", math.log(2)), ("total_variation", 1), ("squared_hellinger", 1)])
def test_disjoint_supports_are_finite_and_flat(name: str, value: float) -> None:
    for n in (2, 3, 7):
        p, q = np.zeros(2 * n), np.zeros(2 * n)
        p[:n], q[n:] = 1 / n, 1 / n
        assert getattr(theory, name)(p, q) == pytest.approx(value, abs=1e-15)


@each_divergence
def test_masses_below_the_normal_range_of_float64(name: str) -> None:
    tiny = 5e-324
    p, q = torch.tensor([[1.0, tiny, 0.0], [1.0, 0.0, tiny]], dtype=torch.float64)
    if name in INFINITE:
        assert getattr(measures, name)(p, q) == math.inf
    else:
        assert getattr(measures, name)(p, q).item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("rare", [1e-10, 1e-17, 1e-30, 1e-300])
def test_rare_outcomes(rare: float) -> None:
    p, q = torch.tensor([[1.0, rare], [rare, 1.0]], dtype=torch.float64)
    assert measures.jsd(p, q).item() == pytest.approx(math.log(2) + rare * math.log(rare), abs=2 * rare + 1e-15)
    assert measures.kl(p, q).item() == pytest.approx(-(1 - rare) * math.log(rare), rel=1e-14)
    assert measures.pearson_chi2(p, q).item() == pytest.approx((1 - rare) ** 2 * (1 / rare + 1), rel=1e-14)


@each_divergence
@given(pair=pairs(), factor=st.floats(1e-6, 1e6))
@drawn
def test_homogeneous_of_degree_one(name: str, pair: tuple[Tensor, Tensor], factor: float) -> None:
    measure = getattr(measures, name)
    p, q = pair
    expected = factor * measure(p, q).item()
    assert measure(factor * p, factor * q).item() == pytest.approx(expected, rel=1e-9, abs=1e-13 * factor)


@each_divergence
@pytest.mark.parametrize("seed", range(3))
def test_gradients_against_finite_differences(name: str, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    p, q = (torch.rand(2, 5, generator=rng, dtype=torch.float64) + 0.1).unbind()
    assert torch.autograd.gradcheck(getattr(measures, name), (p.requires_grad_(), q.requires_grad_()))


def test_entropy_of_certainty_and_of_ignorance() -> None:
    assert theory.entropy([0.0, 1.0, 0.0]) == 0
    assert theory.entropy([0.25] * 4) == pytest.approx(math.log(4), abs=1e-15)


@pytest.mark.parametrize("form", [list, tuple, np.asarray, torch.tensor], ids=["list", "tuple", "array", "tensor"])
def test_lists_arrays_and_tensors(form: object) -> None:
    assert theory.kl(form([0.5, 0.5]), form([0.25, 0.75])) == pytest.approx(math.log(2) - math.log(3) / 2, abs=1e-15)  # type: ignore[operator]


def test_single_precision_may_sum_to_one_as_it_can() -> None:
    p = torch.softmax(torch.randn(1000, generator=torch.Generator().manual_seed(0)), 0)
    assert abs(p.double().sum().item() - 1) > 0
    assert theory.entropy(p) > 0


BAD = {
    "negative": ([1.2, -0.2], r"A probability is -0\.2: probabilities can't be negative\."),
    "sum": ([0.5, 0.4], r"The probabilities sum to 0\.9, not to 1: divide them by their sum\."),
    "sum, barely": ([0.5, 0.5 + 1e-8], r"sum to 1\.00000001, not to 1"),
    "nan": ([0.5, math.nan], r"A probability is nan: give finite numbers\."),
    "inf": ([0.5, math.inf], r"A probability is inf: give finite numbers\."),
    "length": ([0.5, 0.25, 0.25], r"Distributions of 3 and 2 probabilities can't be compared"),
    "empty": ([], r"one or more numbers, not of shape \(0,\)"),
    "matrix": (np.eye(2), r"not of shape \(2, 2\)"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", PAIRED)
def test_bad_input_is_one_sentence(name: str, case: str) -> None:
    bad, message = BAD[case]
    with pytest.raises(TheoryError, match=message) as caught:
        getattr(theory, name)(bad, [0.5, 0.5])
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
