"""Every row of `PENALTIES`: zero on its ideal, per sample, lazy as eager, the right gradient, in every precision."""

import copy
from collections.abc import Callable

import pytest
import torch
from tests.waiting import NoWaiting
from torch import Tensor, nn

from ganforge.games import Moment
from ganforge.penalties import PENALTIES, Context, Penalty
from ganforge.plan import Plan, build
from ganforge.recipe import Recipe, override
from ganforge.sections import tunable
from ganforge.state import TrainState
from ganforge.train import play_round

SHAPE = (1, 8, 8)
STEP = 1e-5
PLAIN = {name: row for name, row in PENALTIES.items() if not row().of_classes}  # the others need labels
WITH_TERM = [name for name, row in PLAIN.items() if row().term is not None]
PROJECTIONS = [name for name, row in PLAIN.items() if row().project is not None]
each_penalty = pytest.mark.parametrize("name", PLAIN)
each_term = pytest.mark.parametrize("name", WITH_TERM)


class Linear(nn.Module):
    """D(x) = w·x + 3."""

    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return (x.flatten(1) * self.w).sum(1) + 3


class Curved(nn.Module):
    """A smooth discriminator, steep enough that no penalty is content with it."""

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(2)
        self.conv, self.head = nn.Conv2d(1, 3, 3, padding=1), nn.Linear(192, 1)
        for part in (self.conv, self.head):
            part.weight.data.normal_(0, 0.4, generator=rng)
            part.bias.data.normal_(0, 0.4, generator=rng)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.head(self.conv(x).tanh().flatten(1)).flatten()


class UpperHalf(nn.Module):
    """A generator whose latents show in the inner pixels of the upper half alone."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(4))
        weight *= torch.zeros(SHAPE).index_fill(1, torch.tensor([2, 3]), 1.0)
        self.weight = nn.Parameter(weight)

    def forward(self, z: Tensor) -> Tensor:
        return inner(torch.tensordot(z, self.weight, 1))


def inner(x: Tensor) -> Tensor:
    """Images with a rim of zeros, wide enough that no shift of the defaults loses anything."""
    return nn.functional.pad(x[..., 1:-1, 1:-1], (1, 1, 1, 1))


def constant() -> nn.Module:
    return Linear(torch.zeros(64))


def unit_slope() -> nn.Module:
    return Linear(nn.functional.normalize(torch.randn(64), dim=0))


def brightness() -> nn.Module:
    """The same for an image and all that a shift and a mirroring make of it."""
    return Linear(torch.ones(64))


def lower_half() -> nn.Module:
    """Blind to what the generator's latents change."""
    return Linear(torch.randn(8, 8).index_fill(0, torch.arange(4), 0.0).flatten())


class Orthonormal(nn.Module):
    """One layer with orthonormal rows, and another with orthonormal columns."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 12))
        for part in (self.net[1], self.net[3]):
            nn.init.orthogonal_(part.weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.net(x).sum(1)


IDEALS: dict[str, Callable[[], nn.Module]] = {
    "r1": constant,
    "r2": constant,
    "gradient_penalty": unit_slope,
    "dragan": unit_slope,
    "orthogonal": Orthonormal,
    "consistency": brightness,
    "balanced_consistency": brightness,
    "latent_consistency": lower_half,
    "lecam": constant,
}


def context(
    D: nn.Module, penalty: Penalty, *, count: int = 4, dtype: torch.dtype = torch.float64, start: int = 0
) -> Context:
    """Samples number `start` on, of images and latents that are always the same; randomness from the same seed."""
    rng = torch.Generator().manual_seed(5)
    real = inner(torch.randn(256, *SHAPE, generator=rng, dtype=dtype))[start : start + count].requires_grad_()
    z = torch.randn(256, 3, generator=rng, dtype=dtype)[start : start + count]
    G = UpperHalf().to(dtype)
    fake = G(z).detach().requires_grad_()
    rng.manual_seed(7 + start)
    D = D.to(dtype)
    return Context(D, real, fake, D(real), D(fake), None, rng, 0, penalty.memory(), G=G, z=z)


def values(name: str, at: Context, **settings: float) -> Tensor:
    term = PENALTIES[name](**settings).term
    assert term is not None
    return term(at)


def test_every_term_has_an_ideal() -> None:
    assert set(IDEALS) == set(WITH_TERM)
    assert set(WITH_TERM) | set(PROJECTIONS) == set(PLAIN)


@each_penalty
def test_rows_state_what_they_are(name: str) -> None:
    row = PENALTIES[name]
    penalty = row(every=4) if "every" in tunable((row,)) else row()
    assert penalty.name == name
    assert penalty.every == (4 if penalty.term else 1)
    assert penalty.inputs <= {"real", "fake"}
    assert "arXiv:" in row.__doc__


@each_term
@pytest.mark.parametrize("count", [1, 4, 16, 64])
def test_the_ideal_discriminator_is_not_penalised_at_any_batch_size(name: str, count: int) -> None:
    penalty = PENALTIES[name]()
    term = values(name, context(IDEALS[name](), penalty, count=count))
    assert term.shape == (count,)
    assert term.abs().max() < 1e-13  # the ideals' weights are rounded to float32


@each_term
def test_another_discriminator_is_penalised(name: str) -> None:
    term = values(name, context(Curved(), PENALTIES[name](), count=64))
    assert term.min() >= 0
    assert term.mean() > 1e-3


@each_term
def test_the_mean_over_samples_is_the_same_whatever_the_batch_size(name: str) -> None:
    means = []
    for count in (1, 4, 16, 64):
        penalty = PENALTIES[name]()
        kept = steady(penalty)
        found = []
        for start in range(0, 256, count):
            at = context(Curved(), penalty, count=count, start=start)
            at.memory = copy.deepcopy(kept)
            found.append(values(name, at).detach().mean())
        means.append(float(torch.stack(found).mean()))
    assert means == pytest.approx([means[-1]] * 4, rel=0.25)


def steady(penalty: Penalty) -> dict[str, Tensor]:
    """A penalty's memory after many batches."""
    assert penalty.term is not None
    at = context(Curved(), penalty, count=256)
    for _ in range(100 if at.memory else 0):
        penalty.term(at)
    return at.memory


@each_term
def test_weights_get_the_gradient_that_finite_differences_see(name: str) -> None:
    settings = {"decay": 1 - 1e-12} if name == "lecam" else {}  # its anchors are constants to the gradient
    D, penalty = Curved().double(), PENALTIES[name](**settings)
    kept = steady(PENALTIES[name]())

    def value() -> Tensor:
        at = context(D, penalty)
        at.memory = copy.deepcopy(kept)
        return values(name, at, **settings).sum()

    weights = list(D.parameters())
    gradients = torch.autograd.grad(value(), weights, allow_unused=True)
    assert any(g is not None and g.abs().max() > 1e-5 for g in gradients)
    for weight, gradient in zip(weights, gradients, strict=True):
        for place in (0, weight.numel() // 2, weight.numel() - 1):
            found = []
            for step in (STEP, -2 * STEP):
                with torch.no_grad():
                    weight.view(-1)[place] += step
                found.append(value().item())
            with torch.no_grad():
                weight.view(-1)[place] += STEP
            slope = 0.0 if gradient is None else float(gradient.flatten()[place])
            assert slope == pytest.approx((found[0] - found[1]) / (2 * STEP), rel=1e-5, abs=1e-6)


@each_term
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_under_autocast_terms_are_finite_and_in_float32(name: str, dtype: torch.dtype) -> None:
    penalty, D = PENALTIES[name](), Curved()
    plain = values(name, context(D, penalty, count=64, dtype=torch.float32)).mean()
    with torch.autocast("cpu", dtype):
        at = context(D, penalty, count=64, dtype=torch.float32)
        assert at.real_logits.dtype == dtype
        term = values(name, at)
    assert term.dtype == torch.float32
    assert term.isfinite().all()
    assert term.mean().item() == pytest.approx(plain.item(), rel=0.1)
    gradients = torch.autograd.grad(term.mean(), list(D.parameters()), allow_unused=True)
    assert all(g is None or g.isfinite().all() for g in gradients)


@each_term
def test_logits_of_a_thousand_make_no_half_precision_infinity(name: str) -> None:
    penalty, D = PENALTIES[name](), Linear(torch.full((64,), 300.0))
    with torch.autocast("cpu", torch.float16):
        at = context(D, penalty, dtype=torch.float32)
        at.real_logits, at.fake_logits = at.real_logits.half(), at.fake_logits.half()
        at.judge = lambda x, y: D(x).half()
        if name == "orthogonal":
            at.D = nn.Linear(64, 64)
        assert values(name, at).isfinite().all()


@each_term
def test_a_flat_discriminator_gives_no_nan(name: str) -> None:
    D = Orthonormal() if name == "orthogonal" else constant()
    term = values(name, context(D, PENALTIES[name]()))
    gradients = torch.autograd.grad(term.sum(), list(D.parameters()), allow_unused=True)
    assert term.isfinite().all()
    assert all(g is None or g.isfinite().all() for g in gradients)


def test_the_watch_over_waiting_can_fail() -> None:
    for wait in (lambda x: x.item(), lambda x: x[x > 0], lambda x: 1 if x.sum() > 0 else 0):
        with pytest.raises(AssertionError, match="waits for the device"), NoWaiting():
            wait(torch.ones(1))


@each_term
def test_no_term_waits_for_the_device(name: str) -> None:
    penalty, D = PENALTIES[name](), Curved()
    at = context(D, penalty, dtype=torch.float32)
    with NoWaiting():
        torch.autograd.grad(values(name, at).sum(), list(D.parameters()), allow_unused=True)


class Deaf(nn.Module):
    """A discriminator that must not be asked behind the game's back."""

    def __init__(self, D: nn.Module) -> None:
        super().__init__()
        self.inside = D

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        raise AssertionError("D was asked directly")


@each_term
def test_the_discriminator_is_asked_as_the_game_asks(name: str) -> None:
    penalty, D = PENALTIES[name](), Curved()
    at = context(D, penalty)
    expected = values(name, at)
    at = context(D, penalty)
    at.D, at.judge = Deaf(D), D
    assert torch.equal(values(name, at), expected)


@pytest.mark.parametrize("name", PROJECTIONS)
def test_a_projection_done_twice_is_done_once(name: str) -> None:
    penalty, D = PENALTIES[name](), Curved()
    before = [p.detach().clone() for p in D.parameters()]
    with torch.no_grad():
        penalty.project(D)
        once = [p.clone() for p in D.parameters()]
        penalty.project(D)
    assert not all(torch.equal(a, b) for a, b in zip(before, once, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(once, D.parameters(), strict=True))


# In a game


def planned(recipe: Recipe, name: str, *settings: str, **keys: object) -> Plan:
    tables = {**recipe.sections, "penalties": {name: keys}}
    return build(override(Recipe("tiny", tables), ["discriminator.dropout=0", *settings]))


def moved(plan: Plan, *, turn: int = 0) -> dict[str, Tensor]:
    """The terms of the discriminator's move in a new game, always with the same batch and noise."""
    state = TrainState.start(plan)
    moment = Moment(state.rng, images=0, turn=turn, memory=state.memory)
    return plan.game.discriminator(state.players, plan.stream(position=0).next(), moment).terms


@each_term
def test_a_lazy_penalty_costs_in_the_mean_over_turns_what_an_eager_one_does(tiny_recipe: Recipe, name: str) -> None:
    eager, lazy = planned(tiny_recipe, name), planned(tiny_recipe, name, every=3)
    costs = [(moved(eager, turn=turn)[name], moved(lazy, turn=turn).get(name)) for turn in range(6)]
    assert [cost is not None for _, cost in costs] == [True, False, False] * 2
    mean = sum(cost for _, cost in costs if cost is not None) / 6
    assert torch.allclose(mean, sum(cost for cost, _ in costs) / 6, rtol=1e-6)


@each_penalty
def test_packs_are_penalised_one_by_one(tiny_recipe: Recipe, name: str) -> None:
    plan = planned(tiny_recipe, name, "game.pack=2")
    state = TrainState.start(plan)
    moment = Moment(state.rng, memory=state.memory)
    batch = plan.stream(position=0).next()
    terms = plan.game.discriminator(state.players, batch, moment).terms
    assert (name in terms) == (name in WITH_TERM)
    if name in terms:
        assert terms[name].shape == (len(batch.x) // 2,)
        assert terms[name].isfinite().all()
        terms[name].mean().backward()
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in state.players["discriminator"].parameters())
    assert all(p.grad is None for p in state.players["generator"].parameters())


@each_penalty
def test_memory_survives_bit_for_bit_and_the_game_goes_on_the_same(tiny_recipe: Recipe, name: str) -> None:
    plan = planned(tiny_recipe, name)
    state, again = TrainState.start(plan), TrainState.start(plan)
    fresh = {k: v.clone() for k, v in state.memory.get(name, {}).items()}
    for _ in range(3):
        play_round(plan, state, plan.stream(position=state.position))
    again.restore({k: v.clone() for k, v in state.tensors().items()}, state.record())
    assert all(torch.equal(v, again.memory[name][k]) for k, v in state.memory[name].items())
    assert all(not torch.equal(v, fresh[k]) for k, v in state.memory[name].items())
    for one in (state, again):
        play_round(plan, one, plan.stream(position=one.position))
    kept, other = state.tensors(), again.tensors()
    assert kept.keys() == other.keys()
    assert [k for k in kept if not torch.equal(kept[k], other[k])] == []


def test_some_penalty_keeps_a_memory() -> None:
    assert [name for name, row in PENALTIES.items() if row().memory()] == ["lecam"]
