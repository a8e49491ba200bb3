"""Conditional games: who is told which label, in every part of a game, and what a seed stands for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganforge.batch import Batch
from ganforge.errors import CheckpointError, DataError, RecipeError
from ganforge.labels import check_classes, check_same, codes
from ganforge.plan import Plan, build
from ganforge.probe import Probe
from ganforge.recipe import Recipe, override
from ganforge.sample import Sampler, settled
from ganforge.train import TrainState, train

SETTINGS = ["game.labels=data", "discriminator.dropout=0", "train.images=96"]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 images of 16 × 16 whose grey says their class, of three that are not equally many."""
    y = np.repeat([0, 1, 2], [200, 120, 80])
    x = np.broadcast_to((40 + 80 * y)[:, None, None], (400, 16, 16)).astype(np.uint8)
    path = tmp_path_factory.mktemp("labelled") / "greys.npz"
    np.savez(path, x=x + np.random.default_rng(0).integers(0, 8, x.shape, dtype=np.uint8), y=y)
    return path


@pytest.fixture
def recipe(tiny_recipe: Recipe, labelled: Path) -> Recipe:
    return override(tiny_recipe, [f"data={labelled}"])


def plan_of(recipe: Recipe, *settings: str) -> Plan:
    return build(override(recipe, [*SETTINGS, *settings]))


class Spy(nn.Module):
    """A player that remembers which labels it was given."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.heard = inner, list[Tensor | None]()
        self.z_dim = getattr(inner, "z_dim", None)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Any:
        self.heard.append(y)
        return self.inner(x, y)

    def full(self, x: Tensor, y: Tensor | None = None) -> Any:
        self.heard.append(y)
        return self.inner.full(x, y)


def round_of(plan: Plan) -> tuple[dict[str, Spy], Batch]:
    """One turn of each player, watched."""
    state = TrainState.start(plan)
    spies = {name: Spy(network) for name, network in state.players.items()}
    batch, moment = plan.stream(position=0).next(), state.moment(plan, "generator")
    plan.game.discriminator(spies, batch, moment)
    plan.game.generator(spies, batch, moment, None)
    return spies, batch


@pytest.mark.parametrize(
    ("extra", "asked"), [([], 3), (["penalties.r1.gamma=1"], 3), (["penalties.gradient_penalty.weight=1"], 4)]
)
def test_fakes_are_asked_for_what_the_batch_shows(recipe: Recipe, extra: list[str], asked: int) -> None:
    """D hears of the real samples, of the fakes of both turns, and of a penalty's points between them."""
    spies, batch = round_of(plan_of(recipe, *extra))
    assert batch.y is not None
    assert all(torch.equal(y, batch.y) for y in spies["generator"].heard)
    heard = torch.cat([y for y in spies["discriminator"].heard if y is not None])
    assert torch.equal(heard, batch.y.repeat(asked))


def test_balanced_labels_are_uniform_whatever_the_data_hold(recipe: Recipe) -> None:
    plan = plan_of(recipe, "game.labels=balanced", "train.batch=300")
    spies, batch = round_of(plan)
    for y in spies["generator"].heard:
        assert y is not None
        shares = torch.bincount(y, minlength=3) / 300
        assert (shares - 1 / 3).abs().max() < 4 * (2 / 9 / 300) ** 0.5  # 4 σ
    assert torch.bincount(batch.y, minlength=3)[0] > 120  # type: ignore[arg-type]
    assert plan.labels is not None
    assert plan.labels.shares.tolist() == pytest.approx([1 / 3] * 3)  # type: ignore[union-attr]


def test_a_share_of_the_labels_is_left_out_for_both_players_alike(recipe: Recipe) -> None:
    spies, batch = round_of(plan_of(recipe, "game.label_dropout=.4", "train.batch=300"))
    asked, told = spies["generator"].heard[0], spies["discriminator"].heard[0]
    assert asked is not None
    assert told is not None
    out = asked < 0
    assert 0.4 - 4 * 0.0283 < out.float().mean().item() < 0.4 + 4 * 0.0283  # 4 σ
    assert torch.equal(asked[~out], batch.y[~out])  # type: ignore[index]
    assert torch.equal(told, torch.cat([asked, asked]))


@pytest.mark.parametrize("fakes", ["fresh", "shared"])
def test_a_pair_of_real_and_fake_is_told_one_label(recipe: Recipe, fakes: str) -> None:
    """Where logits are subtracted, a label that was left out is left out of both, in both turns."""
    plan = plan_of(recipe, "objective=relativistic_pairing", "game.label_dropout=.5", f"game.fakes={fakes}")
    state = TrainState.start(plan)
    spies = {name: Spy(network) for name, network in state.players.items()}
    batch, moment = plan.stream(position=0).next(), state.moment(plan, "generator")
    kept = plan.game.discriminator(spies, batch, moment).fakes
    spies["discriminator"].heard.clear()
    plan.game.generator(spies, batch, moment, kept)
    of_fakes, of_reals = spies["discriminator"].heard
    assert of_fakes is not None
    assert of_reals is not None
    assert torch.equal(of_fakes, of_reals)
    assert 0 < int((of_fakes < 0).sum()) < 16


def test_nobody_tells_the_discriminator_a_code(recipe: Recipe) -> None:
    heads = ["discriminator.labels=auxiliary", "penalties.auxiliary_classifier.real=0",
             "terms.auxiliary_classifier.weight=1"]  # fmt: skip
    plan = plan_of(recipe, "game.labels=code", "game.codes=4", *heads)
    spies, _ = round_of(plan)
    assert all(y is None for y in spies["discriminator"].heard)
    assert all(y is not None and int(y.max()) < 4 for y in spies["generator"].heard)
    first, *_, last = train(replace(plan, training=replace(plan.training, images=4800)))
    assert last.figures["loss_generator_auxiliary_classifier"] < first.figures["loss_generator_auxiliary_classifier"]


def test_r1_is_the_slope_at_the_label_that_was_told(recipe: Recipe) -> None:
    plan = plan_of(recipe, "penalties.r1.gamma=2", "discriminator.labels=concatenation")
    state = TrainState.start(plan)
    batch = plan.stream(position=0).next()
    move = plan.game.discriminator(state.players, batch, state.moment(plan, "discriminator"))
    x = batch.x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(state.players["discriminator"](x, batch.y).sum(), x)
    assert torch.allclose(move.terms["r1"], slope.flatten(1).square().sum(1), rtol=1e-5)


@pytest.mark.parametrize("penalty", ["dragan", "consistency", "balanced_consistency", "latent_consistency", "lecam",
                                     "orthogonal", "r2"])  # fmt: skip
@pytest.mark.parametrize("labels", ["projection", "concatenation"])
def test_every_penalty_plays_with_labels(recipe: Recipe, penalty: str, labels: str) -> None:
    terms = ["terms.feature_matching.weight=1", "terms.mode_seeking.weight=1", "terms.latent_spread.weight=.1"]
    plan = plan_of(recipe, f"penalties.{penalty}.every=2", f"discriminator.labels={labels}", *terms, "game.unroll=1")
    (tick,) = train(plan)
    assert tick.figures["skipped"] == 0
    assert tick.figures[f"loss_discriminator_{penalty}"] > 0


def test_an_auxiliary_classifier_learns_the_classes_and_teaches_them(recipe: Recipe) -> None:
    heads = ["discriminator.labels=auxiliary", "penalties.auxiliary_classifier.fake=0",
             "terms.auxiliary_classifier.weight=1", "train.images=9600", "train.tick=9600",
             "optimizer.generator.lr=1e-3", "optimizer.discriminator.lr=1e-3"]  # fmt: skip
    plan = plan_of(recipe, *heads)
    (tick,) = train(plan)
    G = settled(tick.state.ema, batch=16, labels=plan.labels)
    sampler = Sampler(G, name="greys", shape=(1, 16, 16), labels=plan.labels)
    y = torch.arange(60) % 3
    greys = sampler.sample(range(60), y=y).float().mean((1, 2, 3))
    told = (greys[:, None] - torch.tensor([44.0, 124.0, 204.0])).abs().argmin(1)
    assert (told == y).float().mean() > 0.9


def test_a_seed_has_a_label_of_its_own_by_the_shares_of_the_data(recipe: Recipe) -> None:
    plan = plan_of(recipe)
    labels = plan.labels
    assert labels is not None
    y = labels.of_seeds(range(4000))
    assert torch.equal(labels.of_seeds([17, 3999, 5]), y[[17, 3999, 5]])
    counts = torch.bincount(plan.source.train.labels)  # type: ignore[arg-type]
    assert labels.shares.tolist() == pytest.approx((counts / counts.sum()).tolist())  # type: ignore[union-attr]
    assert (torch.bincount(y) / 4000 - labels.shares).abs().max() < 4 * (0.25 / 4000) ** 0.5
    assert torch.bincount(labels.spread(9)).tolist() == [3, 3, 3]


def test_samples_of_a_class_a_mixture_and_their_refusals(recipe: Recipe) -> None:
    plan = plan_of(recipe)
    sampler = Sampler(plan.networks()["generator"], name="g", shape=(1, 16, 16), labels=plan.labels)
    z = torch.randn(2, sampler.z_dim)
    assert torch.equal(sampler.generate(z, torch.tensor([1, 2])), sampler.generate(z, torch.eye(3)[[1, 2]]))
    for y, words in (
        (torch.tensor([0, 3]), "label 3 is out of range; give class numbers from 0 to 2"),
        (torch.tensor([-1, 0]), "label -1 is out of range"),
        (torch.rand(2, 4), r"labels of shape \(2, 4\) don't fit"),
        (torch.full((2, 3), 0.5), r"\[0.5, 0.5, 0.5\] are no shares of classes"),
        (torch.tensor([[1.0, 0, 0], [1.5, -0.5, 0]]), r"\[1.5, -0.5, 0.0\] are no shares"),
        (torch.full((2, 3), float("nan")), "labels hold nan"),
        (torch.tensor([1]), r"labels of shape \(1,\) for 2 samples"),
        ([True, False], "type torch.bool don't fit"),
        (None, "this generator is conditional"),
    ):
        with pytest.raises(RecipeError, match=words):
            sampler.generate(z, y)
    for same in ([1, 2], np.array([1, 2], np.uint8), torch.tensor([1, 2], dtype=torch.int32)):
        assert torch.equal(sampler.sample([5, 6], y=same), sampler.sample([5, 6], y=torch.tensor([1, 2])))
    for wrong in (torch.randn(2, sampler.z_dim + 1), torch.randn(sampler.z_dim)):
        with pytest.raises(RecipeError, match=rf"don't fit g; give \(B, {sampler.z_dim}\)"):
            sampler.generate(wrong, torch.tensor([1, 2]))
    free = Sampler(build(override(recipe, [])).networks()["generator"], name="f", shape=(1, 16, 16))
    with pytest.raises(RecipeError, match="takes no labels"):
        free.generate(z, torch.tensor([0, 1]))


def test_the_probe_asks_with_labels_and_touches_nothing(recipe: Recipe) -> None:
    plan = plan_of(recipe)
    state = TrainState.start(plan)
    before = {name: value.clone() for name, value in state.tensors().items()}
    seen = Probe(plan).look(state)
    assert seen["labels"] == 3
    assert 0 <= seen["held_out_auc"] <= 1
    assert 0 <= seen["own_label"] <= 1
    assert abs(seen["asked_label"]) <= 2
    assert all(torch.equal(value, before[name]) for name, value in state.tensors().items())


def test_fakes_are_read_by_their_nearest_training_samples(recipe: Recipe) -> None:
    plan = plan_of(recipe)
    probe, D = Probe(plan), TrainState.start(plan).players["discriminator"]
    assert probe.asked is not None
    greys = ((40.0 + 80 * probe.asked + 4) / 127.5 - 1)[:, None, None, None].expand(-1, 1, 16, 16)
    assert probe.obedience(D, greys)["asked_label"] == pytest.approx(1)
    assert probe.obedience(D, greys.roll(64, 0))["asked_label"] < 0.3
    free = build(override(recipe, []))
    assert Probe(free).obedience(D, greys) == {}


def test_a_conditional_game_goes_on_bit_for_bit(recipe: Recipe) -> None:
    plan = plan_of(recipe, "game.labels=balanced", "game.label_dropout=.2", "train.images=192")
    *_, whole = train(plan)
    half = next(train(replace(plan, training=replace(plan.training, images=96))))
    again = TrainState.start(plan)
    again.restore({k: v.clone() for k, v in half.state.tensors().items()}, half.state.record())
    *_, resumed = train(plan, again)
    expected = whole.state.tensors()
    assert all(torch.equal(v, expected[k]) for k, v in resumed.state.tensors().items())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["game.pack=2"], "game.pack = 2: a pack has a label for each"),
        (["train.seeds=2"], "game.labels would let them see each other"),
        (["penalties.auxiliary_classifier.real=1"], "set discriminator.labels=auxiliary"),
        (["discriminator.labels=auxiliary"], "nobody teaches its class head"),
        (["game.labels=code"], "the code is for a class head to find"),
        (["game.labels=none", "game.label_dropout=.1"], "there are none; set game.labels=data"),
        (["generator.labels=batch_norm"], "mlp has no batch norm"),
        (["generator=pacgan", "discriminator=pacgan"], "can't use labels"),
    ],
)
def test_what_labels_cannot_do_is_said(recipe: Recipe, settings: list[str], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        plan_of(recipe, *settings)


def test_data_without_labels_or_with_one_class_are_refused(tiny_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no labels: sort its images"):
        build(override(tiny_recipe, ["game.labels=data"]))
    np.savez(tmp_path / "one.npz", x=np.zeros((50, 16, 16), np.uint8), y=np.zeros(50, np.int64))
    with pytest.raises(DataError, match="all labels of"):
        build(override(tiny_recipe, [f"data={tmp_path / 'one.npz'}", "game.labels=data"]))


def test_another_list_of_classes_is_no_way_to_go_on(recipe: Recipe) -> None:
    labels = plan_of(recipe).labels
    assert labels is not None
    check_same(labels, labels, name="greys")
    with pytest.raises(CheckpointError, match="the classes of greys aren't those"):
        check_same(labels, replace(labels, names=("a", "b", "c")), name="greys")


def test_a_judgement_takes_no_other_classes_for_its_own(recipe: Recipe) -> None:
    plan = plan_of(recipe)
    assert plan.labels is not None
    check_classes(plan.labels, plan.source)
    with pytest.raises(CheckpointError, match="aren't those that the generator learnt \\('a' is '0' now\\)"):
        check_classes(replace(plan.labels, names=("a", "b", "c")), plan.source)
    check_classes(codes(3), plan.source)
    check_classes(None, plan.source)
