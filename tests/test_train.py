"""The loop: its updates against plain ones in float64, what it counts, what it skips, what survives."""

import subprocess
import sys
import textwrap
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from ganforge.batch import Batch
from ganforge.errors import DivergenceError
from ganforge.games import Moment, NoiseGame
from ganforge.objectives import OBJECTIVES
from ganforge.optimizers import OPTIMIZERS, masked_step
from ganforge.penalties import PENALTIES
from ganforge.plan import Plan, build
from ganforge.recipe import Recipe, override
from ganforge.settings import Averaging
from ganforge.state import TrainState, figures_of
from ganforge.train import average, largest_batch, play_round, train


@pytest.fixture
def _float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


PLAIN = sorted(name for name, row in PENALTIES.items() if not row().of_classes)  # the others need labels


def plan_of(recipe: Recipe, *settings: str) -> Plan:
    return build(override(recipe, settings))


def weights(state: TrainState) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in state.tensors().items()}


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    assert [k for k in a if not torch.equal(a[k], b[k])] == []


@dataclass
class Fixed:
    """A stream of given batches."""

    batches: list[Tensor]
    position: int = 0

    def next(self) -> Batch:
        x = self.batches[self.position]
        self.position += 1
        return Batch(x, torch.zeros(len(x), dtype=torch.int64))


def dcgan_example_step(G: nn.Module, D: nn.Module, opt_g, opt_d, real: Tensor, z: Tensor) -> None:
    """The public DCGAN example's order of operations, with its own losses: shared fakes, D on each half apart."""
    ones, zeros, bce = torch.ones(len(real)), torch.zeros(len(real)), nn.BCELoss()
    D.zero_grad()
    bce(torch.sigmoid(D(real)), ones).backward()
    fake = G(z)
    bce(torch.sigmoid(D(fake.detach())), zeros).backward()
    opt_d.step()
    G.zero_grad()
    bce(torch.sigmoid(D(fake)), ones).backward()
    opt_g.step()


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("kind", ["dcgan", "mlp"])
def test_the_step_is_the_same_mathematical_update_as_the_public_examples(tiny_recipe: Recipe, kind: str) -> None:
    settings = {"dcgan": ["generator.width=4", "discriminator.width=4"], "mlp": ["discriminator.dropout=0"]}[kind]
    names = [f"generator={kind}", f"discriminator={kind}", "game.fakes=shared"]
    plan = plan_of(tiny_recipe, *names, *settings)
    state = TrainState.start(plan)
    G, D = plan.networks()["generator"], plan.networks()["discriminator"]
    opt_g, opt_d = plan.optimizer("generator", G), plan.optimizer("discriminator", D)
    rng = torch.Generator().manual_seed(plan.training.seed + 2)
    batches = [torch.rand(16, 1, 16, 16) * 2 - 1 for _ in range(5)]
    stream = Fixed(batches)
    for real in batches:
        play_round(plan, state, stream)
        dcgan_example_step(G, D, opt_g, opt_d, real, torch.randn(16, G.z_dim, generator=rng))
    for mine, theirs in ((state.players["generator"], G), (state.players["discriminator"], D)):
        assert max((a - b).abs().max() for a, b in zip(mine.parameters(), theirs.parameters(), strict=True)) < 1e-9
        start = plan.networks()["generator" if mine is state.players["generator"] else "discriminator"]
        assert max((a - b).abs().max() for a, b in zip(mine.parameters(), start.parameters(), strict=True)) > 1e-5


@pytest.mark.usefixtures("_float64")
def test_accumulated_pieces_give_the_whole_batchs_update(tiny_recipe: Recipe) -> None:
    plain = ["discriminator.dropout=0", "game.fakes=shared"]
    results = []
    for pieces in (1, 4):
        plan = plan_of(tiny_recipe, *plain, f"train.accumulate={pieces}")
        state = TrainState.start(plan)
        torch.manual_seed(1)
        z = torch.randn(3, 16, 4)
        plan = replace(plan, game=HandedNoise(plan.game, list(z.reshape(-1, 16 // pieces, 4))))
        stream = Fixed([torch.rand(16, 1, 16, 16) for _ in range(3)])
        for _ in range(3):
            play_round(plan, state, stream)
        results.append([p.detach() for p in state.players["generator"].parameters()])
    assert max((a - b).abs().max() for a, b in zip(*results, strict=True)) < 1e-12


@dataclass
class HandedNoise:
    """A noise game that takes its latents from a list; a shared pass needs one list entry a piece."""

    game: NoiseGame
    z: list[Tensor]
    max_d_steps: int | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self.__dict__["game"], name)

    def discriminator(self, players, batch, moment):
        z = self.z.pop(0)
        handed = {**players, "generator": Handed(players["generator"], z)}
        return self.game.discriminator(handed, batch, moment)

    def generator(self, players, batch, moment, fakes):
        return self.game.generator(players, batch, moment, fakes)


class Handed(nn.Module):
    """A generator that gets the given latents, whatever it is asked for."""

    def __init__(self, G: nn.Module, z: Tensor) -> None:
        super().__init__()
        self.G, self.z, self.z_dim = G, z, G.z_dim

    def forward(self, z: Tensor) -> Tensor:
        return self.G(self.z)


def test_the_generators_turn_computes_no_weight_gradient_of_the_discriminator(tiny_recipe: Recipe) -> None:
    plan = plan_of(tiny_recipe)
    state = TrainState.start(plan)
    batch, moment = plan.stream(position=0).next(), Moment(state.rng)
    move = plan.game.generator(state.players, batch, moment, None)
    sum(t.mean() for t in move.terms.values()).backward()
    assert all(p.grad is None for p in state.players["discriminator"].parameters())
    assert all(p.requires_grad for p in state.players["discriminator"].parameters())
    assert all(p.grad is not None for p in state.players["generator"].parameters())


def test_fresh_fakes_carry_no_graph_and_shared_ones_serve_both(tiny_recipe: Recipe) -> None:
    for kind, expected in (("fresh", False), ("shared", True)):
        plan = plan_of(tiny_recipe, f"game.fakes={kind}")
        state = TrainState.start(plan)
        move = plan.game.discriminator(state.players, plan.stream(position=0).next(), Moment(state.rng))
        assert (move.fakes is not None and move.fakes.x.requires_grad) == expected


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("penalty", [None, *PLAIN])
def test_every_objective_and_penalty_trains_on_every_turn(
    tiny_recipe: Recipe, objective: str, penalty: str | None
) -> None:
    settings = [f"objective={objective}", *penalised(penalty, every=2)]
    plan = plan_of(tiny_recipe, *settings)
    (tick,) = list(train(replace(plan, training=replace(plan.training, images=96))))
    assert tick.figures["skipped"] == 0
    assert all(v == v for v in tick.figures.values())  # no NaN
    if penalty and PENALTIES[penalty]().term:
        assert tick.figures[f"loss_discriminator_{penalty}"] >= 0


def penalised(name: str | None, *, every: int) -> list[str]:
    """The settings that switch a penalty on; a projection has no interval."""
    if name is None:
        return []
    return [f"penalties.{name}.every={every}" if PENALTIES[name]().term else f"penalties.{name}.limit=0.05"]


def test_images_seen_count_every_discriminator_step(tiny_recipe: Recipe) -> None:
    plan = plan_of(tiny_recipe, "train.d_steps=3", "train.images=96")
    (tick,) = list(train(plan))
    assert tick.images == 96
    assert tick.state.turns == {"discriminator": 6, "generator": 2}
    assert tick.state.position == 96


def test_learning_rates_follow_their_schedules(tiny_recipe: Recipe) -> None:
    plan = plan_of(tiny_recipe, 'optimizer.generator.lr={schedule="linear", start=1e-3, end=0, images=480}')
    seen = [(t.images, t.figures["lr_generator"]) for t in train(plan)]
    assert seen == [(i, pytest.approx(1e-3 * (1 - i / 480))) for i in (96, 192, 288, 384, 480)]


def test_gradients_are_clipped_to_the_given_norm(tiny_recipe: Recipe) -> None:
    plan = plan_of(tiny_recipe, "train.clip=1e-9", "optimizer.generator=sgd", "optimizer.generator.lr=1")
    start = plan.networks()["generator"]
    state = TrainState.start(plan)
    play_round(plan, state, plan.stream(position=0))
    moved = torch.cat([(a - b).flatten() for a, b in zip(start.parameters(), state.players["generator"].parameters(),
                                                         strict=True)])  # fmt: skip
    assert 0 < moved.norm() <= 1.1e-8  # weights near .1 move by multiples of 7e-9


def test_the_average_has_the_half_life_that_it_states() -> None:
    ema, G = nn.Linear(1, 1), nn.Linear(1, 1)
    nn.init.zeros_(ema.weight), nn.init.ones_(G.weight)
    for step in range(10):  # ten updates of ten images each are one half-life
        average(ema, G, Averaging(half_life=100.0, ramp=None), seen=(step + 1) * 10, new=10)
    assert ema.weight.item() == pytest.approx(0.5)
    average(ema, G, Averaging(half_life=0.0, ramp=None), seen=110, new=10)
    assert ema.weight.item() == 1.0


def test_a_young_average_is_ramped_up() -> None:
    ema, G = nn.Linear(1, 1), nn.Linear(1, 1)
    nn.init.zeros_(ema.weight), nn.init.ones_(G.weight)
    average(ema, G, Averaging(half_life=1e9, ramp=0.1), seen=100, new=10)
    assert ema.weight.item() == pytest.approx(0.5)


def poisoned(plan: Plan, turns: set[int]) -> Plan:
    """The plan with a discriminator loss that is NaN on the given turns."""

    @dataclass
    class Poisoned:
        game: NoiseGame
        max_d_steps: int | None = None

        def __getattr__(self, name: str) -> object:
            return getattr(self.__dict__["game"], name)

        def discriminator(self, players, batch, moment):
            move = self.game.discriminator(players, batch, moment)
            factor = float("nan") if moment.turn in turns else 1.0
            return replace(move, terms={k: v * factor for k, v in move.terms.items()})

        def generator(self, players, batch, moment, fakes):
            return self.game.generator(players, batch, moment, fakes)

    return replace(plan, game=Poisoned(plan.game))


def test_an_update_that_is_not_finite_is_left_out_and_counted(tiny_recipe: Recipe) -> None:
    plan = poisoned(plan_of(tiny_recipe), {1})
    state, stream = TrainState.start(plan), plan.stream(position=0)
    play_round(plan, state, stream)
    before = {k: v for k, v in weights(state).items() if k.startswith(("discriminator.", "optimizer.discriminator."))}
    play_round(plan, state, stream)
    after = weights(state)
    assert_same(before, {k: after[k] for k in before})
    tick = next(train(plan, state))
    assert tick.figures["skipped"] == 1
    assert tick.figures["loss_discriminator"] == tick.figures["loss_discriminator"]


def test_three_in_a_row_end_the_run_and_leave_finite_weights(tiny_recipe: Recipe) -> None:
    plan = poisoned(plan_of(tiny_recipe), {2, 3, 4})
    state = TrainState.start(plan)
    with pytest.raises(
        DivergenceError, match=r"discriminator's gradient.*optimizer\.discriminator\.lr \(now 0\.0002\)"
    ):
        list(train(plan, state))
    assert all(v.isfinite().all() for n in state.players.values() for v in n.state_dict().values())


def test_two_in_a_row_do_not(tiny_recipe: Recipe) -> None:
    plan = poisoned(plan_of(tiny_recipe), {2, 3, 5, 6})
    assert sum(t.figures["skipped"] for t in train(plan)) == 4


@pytest.mark.parametrize("settings", [[], ["generator=dcgan", "generator.width=4", "discriminator=dcgan",
                                           "discriminator.width=4", "discriminator.norm=spectral",
                                           "penalties.r1.every=2", "data.flip=true", "train.d_steps=2"]])  # fmt: skip
def test_a_game_taken_apart_and_put_together_goes_on_bit_for_bit(tiny_recipe: Recipe, settings: list[str]) -> None:
    plan = plan_of(tiny_recipe, *settings)
    whole = TrainState.start(plan)
    ticks = [t.figures for t in train(plan, whole)]
    first, rounds = TrainState.start(plan), iter(range(100))
    seen = [t.figures for t in train(plan, first, stop=lambda: next(rounds) >= 17)]
    torch.manual_seed(99)  # the caller's own randomness is nobody's business
    second = TrainState.start(plan)
    second.restore(
        {k: v.clone(memory_format=torch.contiguous_format) for k, v in first.tensors().items()}, first.record()
    )
    seen += [t.figures for t in train(plan, second)]
    assert_same(weights(whole), weights(second))
    timing = ("seconds", "images_per_second")
    strip = [[{k: v for k, v in f.items() if k not in timing} for f in run] for run in (ticks, seen)]
    assert strip[0] == strip[1]


def test_training_leaves_the_callers_randomness_alone(tiny_recipe: Recipe) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    list(train(tiny_recipe))
    assert torch.equal(torch.rand(3), expected)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tiny_recipe: Recipe) -> None:
    runs = [list(train(plan_of(tiny_recipe, f"train.seed={seed}")))[-1].figures["loss_generator"] for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_the_trial_of_batch_sizes_finds_one_that_plays(tiny_recipe: Recipe) -> None:
    assert largest_batch(plan_of(tiny_recipe)) == 8


def test_out_of_memory_ends_in_a_sentence_with_a_batch_that_fits() -> None:
    # Of points: convolutions may end in a signal, since what oneDNN allocates itself it does not always check.
    code = """
        import resource, torch
        torch.set_num_threads(1)
        from ganforge.errors import MemoryLimitError
        from ganforge.plan import build
        from ganforge.recipe import load_recipe, override
        from ganforge.train import train
        settings = ["train.batch=1048576", "generator.hidden=[64]", "discriminator.hidden=[64]"]
        plan = build(override(load_recipe("points_ring_8"), settings))
        plan.networks()
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 700 * 2**20,) * 2)
        try:
            next(train(plan))
        except MemoryLimitError as error:
            print(error)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert "out of memory on cpu at train.batch = 1048576; a batch of " in result.stdout, result.stderr
    assert "set train.accumulate=" in result.stdout


@pytest.mark.parametrize(
    ("norm", "penalty"),
    [
        (norm, penalty)
        for norm in ("none", "spectral", "spectral_conv")
        for penalty in (None, *PLAIN)
        if norm == "none" or penalty is None or not PENALTIES[penalty]().project
    ],
)
def test_gradients_lie_in_memory_as_their_weights_do(tiny_recipe: Recipe, norm: str, penalty: str | None) -> None:
    """torch's fused kernels read both in memory order and say nothing where the orders differ."""
    settings = ["generator=dcgan", "generator.width=4", "discriminator=dcgan", "discriminator.width=4",
                f"discriminator.norm={norm}", "optimizer.discriminator.lr=1e-2"]  # fmt: skip
    plan = plan_of(tiny_recipe, *settings, *penalised(penalty, every=1))
    fused, plain = TrainState.start(plan), TrainState.start(plan)
    for player, optimizer in plain.optimizers.items():
        group = optimizer.param_groups[0]
        plain.optimizers[player] = torch.optim.Adam(group["params"], betas=group["betas"], foreach=False)
    for state in (fused, plain):
        stream = plan.stream(position=0)
        for _ in range(3):
            play_round(plan, state, stream)
    for a, b in zip(fused.players["discriminator"].parameters(), plain.players["discriminator"].parameters(),
                    strict=True):  # fmt: skip
        assert torch.allclose(a, b, atol=1e-4)


def test_a_gradient_laid_out_otherwise_is_laid_out_again() -> None:
    weight = nn.Parameter(torch.randn(4, 3, 4, 4).to(memory_format=torch.channels_last))
    twin = nn.Parameter(weight.detach().clone())
    gradient = torch.randn(4, 3, 4, 4)
    fused, plain = torch.optim.Adam([weight], fused=True), torch.optim.Adam([twin], foreach=False)
    for _ in range(3):
        weight.grad, twin.grad = gradient.clone(memory_format=torch.contiguous_format), gradient.clone()
        masked_step(fused, bad=torch.zeros(()), lr=1e-2)
        for group in plain.param_groups:
            group["lr"] = 1e-2
        plain.step()
    assert torch.allclose(weight, twin, atol=1e-6)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimiser_leaves_a_bad_first_step_out_without_a_trace(name: str) -> None:
    extra = {"momentum": 0.9} if name == "sgd" else {}
    results = []
    for bads in ((1, 0, 0), (0, 0)):
        weight = nn.Parameter(torch.ones(64))
        optimizer = OPTIMIZERS[name]([weight], lr=0.1, **extra)
        for bad in bads:
            weight.grad = torch.full((64,), float("nan") if bad else 1.0)
            masked_step(optimizer, bad=torch.tensor(float(bad)), lr=0.1)
        results.append(weight.detach())
    assert torch.equal(*results)
    assert (results[0] < 1).all()


ADAMS = {
    "adam": lambda p: OPTIMIZERS["adam"](p, lr=0.1),
    "adamw": lambda p: OPTIMIZERS["adamw"](p, lr=0.1),
    "amsgrad": lambda p: torch.optim.Adam(p, amsgrad=True, fused=True),
    "maximize": lambda p: torch.optim.Adam(p, maximize=True, fused=True),
    "weight decay in the gradient": lambda p: torch.optim.Adam(p, weight_decay=0.1, fused=True),
    "decoupled weight decay": lambda p: torch.optim.Adam(p, weight_decay=0.1, decoupled_weight_decay=True, fused=True),
}


@pytest.mark.parametrize("name", ADAMS)
def test_the_short_way_to_the_fused_kernel_gives_the_bits_of_the_long_one(name: str) -> None:
    torch.manual_seed(0)
    shapes = [(64, 32), (64,), (3, 4, 2, 2)]
    short = [nn.Parameter(torch.randn(s)) for s in shapes]
    long = [nn.Parameter(p.detach().clone()) for p in short]
    mine, theirs = ADAMS[name](short), ADAMS[name](long)
    for turn in range(6):
        bad = torch.tensor(float(turn == 3))
        for a, b in zip(short, long, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        masked_step(mine, bad=bad, lr=0.1 / (turn + 1))
        theirs.param_groups[0]["lr"] = 0.1 / (turn + 1)
        theirs.found_inf = bad
        theirs.step()
    assert all(torch.equal(a, b) for a, b in zip(short, long, strict=True))
    steps = [[o.state[p]["step"].item() for p in ps] for o, ps in ((mine, short), (theirs, long))]
    assert steps == [[5.0] * 3] * 2
    assert all(p.grad is None for p in short)


def test_signals_of_a_tick_are_what_their_names_say(tiny_recipe: Recipe) -> None:
    plan = plan_of(tiny_recipe, "game.fakes=shared", "train.images=96", "train.tick=96")
    losses = []
    state = TrainState.start(plan)
    with plan.stream(position=0) as stream, state.randomness(plan.device):
        for _ in range(6):
            play_round(plan, state, stream)
            losses += [t.figures["loss_generator"].item() for t in state.unread if t.player == "generator"]
            state.fold()
    (tick,) = list(train(plan))
    assert tick.figures["band_loss_generator"] == pytest.approx(torch.tensor(losses).std(correction=0).item(), rel=1e-3)
    assert 0 <= tick.figures["accuracy"] <= 1
    assert tick.bad == ""


def test_figures_of_turns_are_the_means_whatever_is_read_together(tiny_recipe: Recipe) -> None:
    lazy = ("penalties.r1={gamma=1, every=3}", "game.fakes=shared")  # turns with the penalty's term, and without
    turns = []
    for settings in (lazy, (*lazy, "train.accumulate=2"), (*lazy, "train.batch=4")):
        plan = plan_of(tiny_recipe, *settings)
        state = TrainState.start(plan)
        with plan.stream(position=0) as stream, state.randomness(plan.device):
            for _ in range(4):
                play_round(plan, state, stream)
        turns += state.unread
    together = figures_of(turns)
    assert [figures_of([turn])[0] for turn in turns] == [pytest.approx(row, rel=1e-5) for row in together]
    assert sum("loss_discriminator_r1" in row for row in together) == 6
    for turn, row in zip(turns, together, strict=True):
        plain = {k: torch.cat(pieces).double() for k, pieces in (turn.signals | turn.terms).items()}
        assert {k: row[k] for k in plain} == pytest.approx({k: x.mean().item() for k, x in plain.items()}, rel=1e-4)
        if turn.player == "discriminator":
            assert row["d_fake"] == pytest.approx(plain["fake_logits"].sigmoid().mean().item(), rel=1e-5)
        assert row[f"loss_{turn.player}"] == turn.figures[f"loss_{turn.player}"].item()


@pytest.mark.parametrize("objective", ["non_saturating", "relativistic_pairing"])
def test_accuracy_counts_sides_or_pairs_and_ties_half(objective: str) -> None:
    game = NoiseGame(OBJECTIVES[objective]())
    real, fake = torch.tensor([1.0, 2.0, 0.0, 3.0]), torch.tensor([-1.0, 1.0, 0.0, 2.0])
    seen = game.beliefs({"real_logits": real, "fake_logits": fake})
    right = {"non_saturating": [1, 0.5, 0.5, 0.5], "relativistic_pairing": [1, 1, 0.5, 1]}[objective]
    assert seen["accuracy"].tolist() == right
    assert torch.equal(seen["real_logits"], real)
