"""Penalties: per sample, and equal to finite differences in both derivatives."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganforge.penalties import PENALTIES, Context, Penalty, gradient_penalty, r1, r2
from ganforge.schedules import Schedule

STEP = 1e-5


class Linear(nn.Module):
    """D(x) = w·x + b."""

    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return (x.flatten(1) * self.w).sum(1) + 3


class Curved(nn.Module):
    """A smooth discriminator."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 1)).double()

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.net(x).flatten()


def context(D: nn.Module, *, count: int = 4, images: int = 0) -> Context:
    rng = torch.Generator().manual_seed(5)
    real, fake = torch.randn(2, count, 2, 2, 2, generator=rng, dtype=torch.float64)
    real, fake = real.requires_grad_(), fake.requires_grad_()
    return Context(D, real, fake, D(real), D(fake), None, rng.manual_seed(7), images)


def unit_slope() -> Tensor:
    w = torch.randn(8, dtype=torch.float64)
    return w / w.norm()


@pytest.mark.parametrize("count", [1, 4, 16, 64])
def test_a_perfect_critic_is_not_penalised_at_any_batch_size(count: int) -> None:
    term = gradient_penalty().term(context(Linear(unit_slope()), count=count))
    assert term.shape == (count,)
    assert term.abs().max() < 1e-25


@pytest.mark.parametrize("count", [1, 16])
@pytest.mark.parametrize("build", [r1, r2])
def test_zero_centred_penalties_of_a_linear_discriminator(build: Callable[..., Penalty], count: int) -> None:
    w = 3 * torch.randn(8, dtype=torch.float64)
    term = build(gamma=0.5).term(context(Linear(w), count=count))
    assert torch.allclose(term, (0.25 * w.square().sum()).expand(count))


def test_the_slope_is_pulled_to_the_target_from_one_side_or_both() -> None:
    steep, gentle = context(Linear(2 * unit_slope())), context(Linear(0.5 * unit_slope()))
    assert torch.allclose(gradient_penalty().term(steep), torch.full((4,), 10.0, dtype=torch.float64))
    assert torch.allclose(gradient_penalty().term(gentle), torch.full((4,), 2.5, dtype=torch.float64))
    assert gradient_penalty(one_sided=True).term(gentle).abs().max() == 0
    assert torch.allclose(gradient_penalty(one_sided=True).term(steep), torch.full((4,), 10.0, dtype=torch.float64))
    assert gradient_penalty(target=2.0).term(steep).abs().max() < 1e-25


def differences(D: nn.Module, x: Tensor) -> Tensor:
    """‖∇D‖² per sample by central differences."""
    columns = []
    for place in range(8):
        move = torch.zeros(8, dtype=torch.float64)
        move[place] = STEP
        move = move.view(1, 2, 2, 2)
        columns.append((D(x + move) - D(x - move)) / (2 * STEP))
    return torch.stack(columns, 1).square().sum(1)


def test_penalties_equal_finite_differences() -> None:
    D = Curved()
    at = context(D)
    assert torch.allclose(r1(gamma=0.7).term(context(D)), 0.35 * differences(D, at.real), rtol=1e-7)
    assert torch.allclose(r2(gamma=0.7).term(context(D)), 0.35 * differences(D, at.fake), rtol=1e-7)
    epsilon = torch.rand(4, 1, 1, 1, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    between = epsilon * at.real + (1 - epsilon) * at.fake
    expected = 10 * (differences(D, between.detach()).sqrt() - 1) ** 2
    assert torch.allclose(gradient_penalty().term(at), expected, rtol=1e-6)


@pytest.mark.parametrize("name", PENALTIES)
def test_weights_get_the_gradient_that_finite_differences_see(name: str) -> None:
    D, penalty = Curved(), PENALTIES[name]()
    weight = D.net[1].weight
    (gradient,) = torch.autograd.grad(penalty.term(context(D)).sum(), weight)
    for place in [(0, 0), (3, 5), (5, 7)]:
        values = []
        for step in (STEP, -STEP):
            with torch.no_grad():
                weight[place] += step
            values.append(penalty.term(context(D)).sum().item())
            with torch.no_grad():
                weight[place] -= step
        assert float(gradient[place]) == pytest.approx((values[0] - values[1]) / (2 * STEP), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_flat_discriminator_gives_no_nan(name: str) -> None:
    D = Linear(torch.zeros(8, dtype=torch.float64))
    term = PENALTIES[name]().term(context(D))
    (gradient,) = torch.autograd.grad(term.sum(), D.w)
    assert term.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", PENALTIES)
def test_rows_state_what_they_need(name: str) -> None:
    penalty = PENALTIES[name](every=4)
    assert penalty.name == name
    assert penalty.every == 4
    assert penalty.inputs <= {"real", "fake"}
    assert PENALTIES[name].__doc__


@pytest.mark.parametrize(("name", "key"), [("r1", "gamma"), ("r2", "gamma"), ("gradient_penalty", "weight")])
def test_strength_may_be_scheduled_over_images(name: str, key: str) -> None:
    fading = Schedule.parsed({"schedule": "linear", "start": 1, "end": 0, "images": 100})
    D = Linear(3 * unit_slope())
    scheduled, fixed = PENALTIES[name](**{key: fading}), PENALTIES[name](**{key: 0.75})
    assert torch.allclose(scheduled.term(context(D, images=25)), fixed.term(context(D)))
    assert scheduled.term(context(D, images=100)).abs().max() == 0


def test_interpolates_are_drawn_from_the_contexts_generator() -> None:
    D = Curved()
    assert torch.equal(gradient_penalty().term(context(D)), gradient_penalty().term(context(D)))
    other = context(D)
    other.rng.manual_seed(8)
    assert not torch.equal(gradient_penalty().term(context(D)), gradient_penalty().term(other))
