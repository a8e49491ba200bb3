"""Packing, unrolling, top-k and the generator's terms inside the noise game."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.games.noise import NoiseGame, best
from ganforge.games.packing import packed, unpacked
from ganforge.games.unrolling import unrolled
from ganforge.moment import Moment
from ganforge.objectives import non_saturating
from ganforge.optimizers import OPTIMIZERS, lookahead
from ganforge.plan import build
from ganforge.recipe import Recipe, override
from ganforge.train import TrainState, train


def points(*settings: str) -> Recipe:
    small = ["data.source=ring", "generator=points", "generator.hidden=[16]", "discriminator=points",
             "discriminator.hidden=[16]", "train.batch=32", "train.images=640", "train.tick=320"]  # fmt: skip
    return override(Recipe("tiny", {}), [*small, *settings])


def test_packs_put_members_side_by_side_and_back() -> None:
    x = torch.arange(24.0).reshape(6, 2, 1, 2)
    packs = packed(x, 3)
    assert packs.shape == (2, 6, 1, 2)
    assert torch.equal(packs[1, 2:4], x[4])
    assert torch.equal(unpacked(packs, 3), x)


def test_a_packed_discriminator_sees_packs_and_r1_is_one_packs() -> None:
    plan = build(points("game.pack=4", "penalties.r1.gamma=2"))
    state = TrainState.start(plan)
    D = state.players["discriminator"]
    assert D.blocks[0][0].in_features == 8
    batch = plan.stream(position=0).next()
    move = plan.game.discriminator(state.players, batch, Moment(state.rng))
    assert move.terms["adversarial"].shape == move.terms["r1"].shape == (8,)
    x = batch.x.reshape(8, 8).requires_grad_()
    (slope,) = torch.autograd.grad(D(x).sum(), x)
    assert torch.allclose(move.terms["r1"], slope.square().sum(1))


def test_a_pack_that_does_not_divide_the_batch_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"game\.pack = 3 doesn't divide the 32 samples.*multiple of 3"):
        build(points("game.pack=3"))


def test_top_k_keeps_the_most_convincing() -> None:
    logits = torch.tensor([0.0, 3.0, -1.0, 2.0])
    assert sorted(best(logits * 10, logits, 0.5).tolist()) == [20.0, 30.0]
    assert best(logits, logits, 1.0) is logits
    assert best(logits, logits, 0.01).tolist() == [3.0]


class Slope(nn.Module):
    """D(x) = a·x + b·x²."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(-0.2, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (self.a * x + self.b * x.square()).flatten()


def real_steps(optimizer: str, D: nn.Module, fake: Tensor, real: Tensor, steps: int) -> None:
    """What unrolling imagines, done with the optimiser itself."""
    game, own = non_saturating(), OPTIMIZERS[optimizer](D.parameters(), lr=0.05)
    for _ in range(steps):
        own.zero_grad()
        game.d(real=D(real), fake=D(fake)).mean().backward()
        own.step()


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("steps", [1, 3])
def test_the_imagined_discriminator_is_the_one_that_the_optimiser_makes(optimizer: str, steps: int) -> None:
    D, game = Slope(), non_saturating()
    real = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    fake = torch.linspace(1, 2, 5, dtype=torch.float64)[:, None].requires_grad_()

    def loss(judge: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        return game.d(real=judge(real), fake=judge(x)).mean()

    def through(x: Tensor) -> Tensor:
        """The generator's loss against the discriminator that answers to x."""
        own = OPTIMIZERS[optimizer](D.parameters(), lr=0.05)
        moment = Moment(torch.Generator(), lookahead=lambda player: lookahead(own, lr=0.05))
        later = unrolled(D, lambda judge: loss(judge, x), moment, steps=steps)
        return game.g(fake=later(x)).mean()

    (gradient,) = torch.autograd.grad(through(fake), fake)
    for i in range(len(fake)):
        values = []
        for sign in (1, -1):
            moved, twin = fake.detach().clone(), Slope()
            moved[i] += sign * 1e-5
            real_steps(optimizer, twin, moved, real, steps)
            values.append(game.g(fake=twin(moved)).mean().item())
        assert gradient[i].item() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-4, abs=1e-8)


DEVICES = [
    ["game.unroll=2"],
    ["game.unroll=2", "game.pack=2", "optimizer.discriminator=sgd"],
    ["game.top_k=.5"],
    ["terms.feature_matching.weight=.1"],
    ["game.fakes=shared", "terms.mode_seeking.weight=.1"],
    ["terms.historical_averaging.weight=1e-3"],
    ["discriminator.minibatch=stddev"],
    ["discriminator.minibatch=discrimination", "game.pack=2"],
    ["augment.instance_noise.sigma=.2"],
]


@pytest.mark.parametrize("settings", DEVICES)
def test_every_device_trains_and_goes_on_bit_for_bit(settings: list[str]) -> None:
    plan = build(points(*settings))
    whole = TrainState.start(plan)
    (*_, last) = list(train(plan, whole))
    assert last.figures["skipped"] == 0
    first, rounds = TrainState.start(plan), iter(range(100))
    list(train(plan, first, stop=lambda: next(rounds) >= 7))
    second = TrainState.start(plan)
    second.restore({k: v.clone() for k, v in first.tensors().items()}, first.record())
    list(train(plan, second))
    a, b = whole.tensors(), second.tensors()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_the_discriminator_itself_does_not_move_when_the_generator_looks_ahead() -> None:
    plan = build(points("game.unroll=3"))
    state = TrainState.start(plan)
    D = state.players["discriminator"]
    before = {k: v.clone() for k, v in D.state_dict().items()}
    moment = state.moment(plan, "generator")
    move = plan.game.generator(state.players, plan.stream(position=0).next(), moment, None)
    sum(t.mean() for t in move.terms.values()).backward()
    assert all(torch.equal(v, before[k]) for k, v in D.state_dict().items())
    assert all(p.grad is None for p in D.parameters())
    assert all(p.grad is not None for p in state.players["generator"].parameters())


def test_instance_noise_blurs_what_the_discriminator_sees_and_not_the_fakes() -> None:
    plan = build(points("augment.instance_noise.sigma={schedule='linear', start=1.0, end=0.0, images=100}"))
    game = plan.game
    assert isinstance(game, NoiseGame)
    x = torch.zeros(20_000, 2)
    rng = torch.Generator().manual_seed(0)
    assert game.view(x, Moment(rng)).std().item() == pytest.approx(1.0, abs=0.02)
    assert game.view(x, Moment(rng, images=50)).std().item() == pytest.approx(0.5, abs=0.01)
    assert torch.equal(replace(game, augmentations=()).view(x, Moment(rng)), x)
