"""Penalties on slopes: per sample, equal to finite differences, and in float32 under autocast."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganforge.penalties import PENALTIES, Context, Penalty, dragan, gradient_penalty, r1, r2
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


def test_dragan_looks_around_real_samples_only() -> None:
    D, at = Curved(), context(Curved(), count=64)
    at.D, at.fake = D, torch.full_like(at.fake, float("nan"))
    seen: list[Tensor] = []
    at.judge = lambda x, y: (seen.append(x.detach()), D(x))[1]
    term = dragan(spread=0.25).term(at)
    away = (seen[0] - at.real).detach().flatten(1) / at.real.std(unbiased=False)
    assert away.min() >= 0
    assert 0.2 < away.max() < 0.25
    part = away.max(1).values / 0.25  # close to each image's own part of the way
    assert part.min() < 0.15
    assert part.max() > 0.8
    assert torch.allclose(term, 10 * (differences(D, seen[0]).sqrt() - 1) ** 2, rtol=1e-5)


@pytest.mark.parametrize("build", [gradient_penalty, dragan])
def test_the_slope_at_points_of_their_own_is_the_float32_one_under_autocast(build: Callable[..., Penalty]) -> None:
    D = Curved().float()
    plain, half = as_float32(D), as_float32(D)
    expected = build().term(plain)
    with torch.autocast("cpu", torch.bfloat16):
        half.real_logits = D(half.real)
        assert half.real_logits.dtype == torch.bfloat16
        found = build().term(half)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


@pytest.mark.parametrize("build", [r1, r2])
def test_the_slope_of_half_precision_logits_is_squared_and_summed_in_float32(build: Callable[..., Penalty]) -> None:
    D = Wide().float()
    x = torch.randn(4, 4096)
    real, fake = x.clone().requires_grad_(), x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        term = build().term(Context(D, real, fake, D(real), D(fake), None, torch.Generator(), 0))
    weight = D.layer.weight.to(torch.bfloat16).float()
    assert term.dtype == torch.float32
    assert torch.allclose(term, (weight.square().sum() / 2).expand(4), rtol=1e-5)
    (gradient,) = torch.autograd.grad(term.mean(), D.layer.weight)
    assert torch.allclose(gradient, weight, rtol=1e-2)


class Wide(nn.Module):
    """One linear layer over many features."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4096, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layer(x).flatten()


def as_float32(D: nn.Module) -> Context:
    rng = torch.Generator().manual_seed(5)
    real, fake = torch.randn(2, 4, 2, 2, 2, generator=rng)
    return Context(D, real, fake, D(real), D(fake), None, rng.manual_seed(7), 0)


@pytest.mark.parametrize(
    ("name", "key"), [("r1", "gamma"), ("r2", "gamma"), ("gradient_penalty", "weight"), ("dragan", "weight")]
)
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
