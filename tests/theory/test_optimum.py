"""The optimal discriminator, the value of the game there and the generator's gradient, against closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganforge import theory
from ganforge.errors import TheoryError
from ganforge.objectives import OBJECTIVES, Objective, least_squares, minimax, non_saturating, wasserstein
from ganforge.theory import Gaussian, game_value, generator_gradient, optimal_discriminator

P, Q = [0.5, 0.5], [0.7, 0.3]


drawn = settings(max_examples=50, deadline=None, derandomize=True, database=None)


@st.composite
def pairs(draw: st.DrawFn, least: float = 0.0) -> tuple[Tensor, Tensor]:
    n = draw(st.integers(2, 9))
    mass = st.one_of(st.just(least), st.floats(1e-3, 1))
    p, q = (torch.tensor(draw(st.lists(mass, min_size=n, max_size=n)), dtype=torch.float64) for _ in range(2))
    p[0] += 0.1
    q[1] += 0.1
    return p / p.sum(), q / q.sum()


def test_the_worked_figures() -> None:
    best = optimal_discriminator(minimax(), P, Q)
    assert best.tolist() == pytest.approx([0.416667, 0.625], abs=5e-7)
    assert game_value(minimax(), P, Q) == pytest.approx(-math.log(4) + 2 * 0.021006, abs=2e-6)
    assert optimal_discriminator(minimax(), P, P).tolist() == [0.5, 0.5]
    assert game_value(minimax(), P, P) == pytest.approx(-1.386294, abs=5e-7)


@given(pairs())
@drawn
def test_minimax_is_2_jsd_less_log_4(pair: tuple[Tensor, Tensor]) -> None:
    assert abs(game_value(minimax(), *pair) - (2 * theory.jsd(*pair) - math.log(4))) < 1e-12


@given(pairs())
@drawn
def test_the_optimal_discriminator_is_p_over_p_plus_q(pair: tuple[Tensor, Tensor]) -> None:
    p, q = pair
    best = optimal_discriminator(non_saturating(), p, q)
    some = p + q > 0
    assert torch.allclose(best[some], (p / (p + q))[some], rtol=1e-12)
    assert best[~some].isnan().all()


def test_densities_at_points_need_not_sum_to_one() -> None:
    x = torch.linspace(-3, 3, 7)
    p, q = Gaussian(1.0, 1.0).prob(x), Gaussian(-1.0, 1.0).prob(x)
    logit = optimal_discriminator(minimax(), p, q).logit()
    assert torch.allclose(logit, 2 * x.double(), atol=1e-12)


def test_rows_without_a_link_give_logits() -> None:
    assert optimal_discriminator(OBJECTIVES["hinge"](), [0.2, 0.8], [0.8, 0.2]).tolist() == [-1, 1]
    assert optimal_discriminator(wasserstein(), [0.2, 0.8], [0.8, 0.2]).tolist() == [-math.inf, math.inf]


def test_disjoint_supports_have_no_gradient_but_a_value() -> None:
    p, q = [0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.9, 0.1]
    assert optimal_discriminator(minimax(), p, q).tolist() == [1, 1, 0, 0]
    assert game_value(minimax(), p, q) == 0  # 2 log 2 - log 4
    assert generator_gradient(minimax(), p, q).tolist() == [0, 0, 0, 0]
    assert game_value(least_squares(), p, q) == pytest.approx(0.5)


def test_an_outcome_without_any_mass_changes_nothing() -> None:
    for build in OBJECTIVES.values():
        row = build()
        assert game_value(row, [*P, 0.0], [*Q, 0.0]) == pytest.approx(game_value(row, P, Q), rel=1e-14)
        if not row.lipschitz:
            gradient = generator_gradient(row, [*P, 0.0], [*Q, 0.0])
            assert torch.allclose(gradient, torch.cat((generator_gradient(row, P, Q), torch.zeros(1))), rtol=1e-12)


def test_wasserstein_without_its_constraint_is_unbounded() -> None:
    assert game_value(wasserstein(), P, Q) == math.inf
    assert game_value(wasserstein(), P, P) == 0


def row_of(name: str) -> Objective:
    return OBJECTIVES[name]()


BOUNDED = [name for name, build in OBJECTIVES.items() if not build().lipschitz]


@pytest.mark.parametrize("name", [name for name in BOUNDED if row_of(name).value.of])
@given(pair=pairs(least=1e-3))
@drawn
def test_every_row_has_the_value_that_it_states(name: str, pair: tuple[Tensor, Tensor]) -> None:
    row = row_of(name)
    assert row.value.of is not None
    assert game_value(row, *pair) == pytest.approx(row.value.of(*pair).item(), rel=1e-10, abs=1e-12)


def tangent(gradient: Tensor) -> Tensor:
    return gradient - gradient.mean()


SMOOTH = [name for name in BOUNDED if row_of(name).follows.of and name not in ("hinge", "f_total_variation")]


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("seed", range(4))
def test_every_generator_follows_what_it_states_by_finite_differences(name: str, seed: int) -> None:
    row = row_of(name)
    assert row.follows.of is not None
    rng = torch.Generator().manual_seed(seed)
    p, q = torch.rand(2, 6, generator=rng, dtype=torch.float64) + 0.1
    p, q = p / p.sum(), q / q.sum()
    step = 1e-6 * torch.eye(6, dtype=torch.float64)
    slopes = torch.stack([(row.follows.of(p, q + e) - row.follows.of(p, q - e)) / 2e-6 for e in step])
    found = generator_gradient(row, p, q)
    assert abs(found.sum().item()) < 1e-12
    assert torch.allclose(found, tangent(slopes), atol=1e-7)


def test_a_generator_without_samples_at_an_outcome_learns_nothing_there() -> None:
    gradient = generator_gradient(non_saturating(), [0.2, 0.3, 0.5], [0.5, 0.5, 0.0])
    assert gradient[2] == 0
    assert gradient[0] > 0 > gradient[1]
    assert abs(gradient.sum().item()) < 1e-15


def test_infinite_losses_stay_infinite() -> None:
    gradient = generator_gradient(non_saturating(), [0.5, 0.5, 0.0], [0.25, 0.25, 0.5])
    assert gradient.tolist() == [0, 0, math.inf]


BAD = {
    "value": (lambda: game_value(minimax(), [0.5, 0.6], P), r"sum to 1\.1, not to 1"),
    "gradient": (lambda: generator_gradient(minimax(), P, [1.0]), r"Distributions of 2 and 1 probabilities"),
    "shapes": (lambda: optimal_discriminator(minimax(), P, [1.0]), r"Densities of shapes \(2,\) and \(1,\)"),
    "negative": (lambda: optimal_discriminator(minimax(), P, [-1.0, 0.5]), r"A density is -1: give finite values"),
    "nan": (lambda: optimal_discriminator(minimax(), P, [math.nan, 0.5]), r"A density is nan: give finite values"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case: str) -> None:
    compute, message = BAD[case]
    with pytest.raises(TheoryError, match=message) as caught:
        compute()
    assert "\n" not in str(caught.value)
