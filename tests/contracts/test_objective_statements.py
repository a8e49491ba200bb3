"""What every row states, held against a discriminator that is trained on it and against finite differences.

All rows alike: a tabular discriminator starts from logits 0 and follows its row's d. Where the optimum is infinite
(`f_total_variation`) it has to end on the right side, and the value to within 1e-6; the hinge's lies in the corners of
[-1, 1]; a Wasserstein critic is one that can't but be 1-Lipschitz, and is compared with the Kantorovich potential.
"""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from objective_rows import PLAIN, ROWS, densities, drawn, each, positioned_pairs, trained
from scipy import stats
from torch import Tensor

from ganforge.errors import TheoryError
from ganforge.objectives import OBJECTIVES, Objective, agreement, trained_logits
from ganforge.objectives.agreement import along_simplex, expected, generator_slope, ideal_logits, lipschitz_critic
from ganforge.theory import game_value, generator_gradient

each_row = each(ROWS)
Case = tuple[Tensor, Tensor, Tensor]


@each_row
@trained
@given(case=positioned_pairs())
def test_a_trained_discriminator_agrees_with_its_row(row: Objective, case: Case) -> None:
    reached = agreement(row, *case)
    assert reached.logit < 1e-4
    assert reached.value < 1e-6
    assert (reached.gradient is None) == row.follows.text.startswith("none")
    assert reached.gradient is None or reached.gradient < 1e-4


@each_row
@drawn
@given(case=positioned_pairs())
def test_the_game_is_worth_what_the_row_states(row: Objective, case: Case) -> None:
    """(a), at the stated optimum."""
    p, q, points = case
    assert row.value.of is not None
    worth = expected(row.payoff, p, q, ideal_logits(row, p, q, points))
    assert abs(worth - row.value.of(p, q, points)) < 1e-12 * (1 + abs(worth))


def finite_differences(of, p: Tensor, q: Tensor, points: Tensor) -> Tensor:
    """Central differences of a divergence along q's neighbouring pairs of masses, which stay on the simplex."""
    step = 1e-5 * float(q.min())
    moves = step * (torch.eye(len(q), dtype=torch.float64)[:-1] - torch.eye(len(q), dtype=torch.float64)[1:])
    return torch.stack([(of(p, q + move, points) - of(p, q - move, points)) / (2 * step) for move in moves])


@each_row
@drawn
@given(case=positioned_pairs())
def test_the_generator_follows_what_the_row_states(row: Objective, case: Case) -> None:
    """(b), by autograd and by central differences, against the slope at the optimal discriminator held still."""
    p, q, points = case
    if row.follows.of is None:
        assert row.follows.text.startswith("none")
        return
    ours = generator_slope(row, p, q, ideal_logits(row, p, q, points))
    moving = q.clone().requires_grad_()
    (stated,) = torch.autograd.grad(row.follows.of(p, moving, points), moving)
    scale = 1 + ours.abs().max()
    assert (ours - along_simplex(stated)).abs().max() < 1e-11 * scale
    differences = finite_differences(row.follows.of, p, q, points)
    assert (differences - (ours[:-1] - ours[1:])).abs().max() < 1e-6 * scale


@each_row
@drawn
@given(case=positioned_pairs())
def test_there_is_nothing_to_follow_at_equality(row: Objective, case: Case) -> None:
    p, _, points = case
    assert generator_slope(row, p, p, row.optimal_logit(p, p)).abs().max() < 1e-12
    if row.follows.of is not None:
        slopes = finite_differences(row.follows.of, p, p, points)
        assert slopes.abs().max() < 1e-5  # also where there is a kink: it is symmetric


@each({name: row for name, row in ROWS.items() if "smoothed" not in name})
@drawn
@given(case=positioned_pairs())
def test_what_is_followed_ends_at_zero(row: Objective, case: Case) -> None:
    p, _, points = case
    if row.follows.of is not None:
        assert abs(row.follows.of(p, p, points)) < 1e-12


@each_row
@drawn
@given(case=positioned_pairs())
def test_what_is_followed_is_a_divergence(row: Objective, case: Case) -> None:
    p, q, points = case
    if row.follows.of is not None:
        assert row.follows.of(p, q, points) > row.follows.of(p, p, points)


@each(PLAIN)
@drawn
@given(case=positioned_pairs())
def test_link_and_level_read_the_density_ratio(row: Objective, case: Case) -> None:
    p, q, _ = case
    logits = row.optimal_logit(p, q)
    if row.probability is not None:
        assert (row.probability(logits) - p / (p + q)).abs().max() < 1e-12
    if row.level is not None:
        assert torch.equal(logits > row.level, p > q)
        assert torch.all(row.optimal_logit(p, p) == row.level)


def test_a_row_that_lies_is_caught() -> None:
    """The check can fail: each statement in turn is replaced by another row's."""
    p, q = torch.tensor([[0.5, 0.5], [0.7, 0.3]], dtype=torch.float64)
    honest, other = OBJECTIVES["minimax"](), OBJECTIVES["f_kl"]()
    assert agreement(replace(honest, optimal_logit=other.optimal_logit), p, q).logit == pytest.approx(1, abs=1e-6)
    assert agreement(replace(honest, value=other.value), p, q).value > 1
    assert (agreement(replace(honest, follows=other.follows), p, q).gradient or 0) > 0.1


def test_infinite_optima_and_corners() -> None:
    p, q = torch.tensor([[0.5, 0.1, 0.4], [0.2, 0.3, 0.5]], dtype=torch.float64)
    assert trained_logits(OBJECTIVES["hinge"](), p, q).tolist() == pytest.approx([1, -1, -1], abs=1e-9)
    far = trained_logits(OBJECTIVES["f_total_variation"](), p, q)
    assert (torch.tanh(far) / 2).tolist() == pytest.approx([0.5, -0.5, -0.5], abs=1e-9)
    wrong = Objective(
        **{**OBJECTIVES["f_total_variation"]().__dict__, "optimal_logit": lambda p, q: (q - p) * torch.inf}
    )
    assert agreement(wrong, p, q).logit == float("inf")


@drawn
@given(case=positioned_pairs())
def test_the_trained_critic_is_lipschitz_and_reaches_scipys_distance(case: Case) -> None:
    p, q, points = case
    row = OBJECTIVES["wasserstein"]()
    critic = trained_logits(row, p, q, points)
    gaps = (points - points.T).abs()
    assert ((critic[:, None] - critic).abs() <= gaps + 1e-12).all()
    x = points[:, 0].numpy()
    exact = stats.wasserstein_distance(x, x, p.numpy(), q.numpy())
    assert float(expected(row.payoff, p, q, critic)) == pytest.approx(exact, abs=1e-9)
    assert row.value.of is not None
    assert float(row.value.of(p, q, points)) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_w1_in_the_plane_and_its_slope(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    points = torch.randn(6, 2, generator=rng, dtype=torch.float64)
    p, q = densities(seed)
    row = OBJECTIVES["wasserstein"]()
    assert row.value.of is not None
    cost = stats.wasserstein_distance_nd(points.numpy(), points.numpy(), p.numpy(), q.numpy())
    assert float(row.value.of(p, q, points)) == pytest.approx(cost, abs=1e-9)
    ours = generator_slope(row, p, q, ideal_logits(row, p, q, points))
    differences = finite_differences(row.value.of, p, q, points)
    assert (differences - (ours[:-1] - ours[1:])).abs().max() < 1e-6


@each({name: row for name, row in ROWS.items() if not row.lipschitz})
@drawn
@given(case=positioned_pairs())
def test_theory_says_the_same(row: Objective, case: Case) -> None:
    """`ganforge.theory`, which knows no statement, computes both from the losses and the optimal logit."""
    p, q, _ = case
    assert row.value.of is not None
    assert game_value(row, p, q) == pytest.approx(float(row.value.of(p, q)), abs=1e-11)
    ideal = row.optimal_logit(p, q)
    assert (generator_gradient(row, p, q) - generator_slope(row, p, q, ideal)).abs().max() < 1e-11


def test_w1_asks_for_points() -> None:
    p = torch.tensor([0.5, 0.5], dtype=torch.float64)
    row = OBJECTIVES["wasserstein"]()
    assert row.value.of is not None
    with pytest.raises(TheoryError, match="where the masses lie"):
        row.value.of(p, p)
    for points, words in ((None, "none"), (torch.zeros(2, 2, dtype=torch.float64), r"\(2, 2\)")):
        with pytest.raises(TheoryError, match=words):
            lipschitz_critic(p, points)
