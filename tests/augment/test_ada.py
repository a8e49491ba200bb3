"""ADA as a whole: nothing at p = 0, derivatives of both orders, the controller, and how it plays in a game."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from scipy import stats
from scripted import dice
from torch import Tensor, nn

from ganforge.augment import AUGMENTATIONS, Augmentation, ada, diff_augment
from ganforge.augment.ada import GROUPS, adjust
from ganforge.batch import Batch
from ganforge.errors import RecipeError
from ganforge.games.noise import NoiseGame
from ganforge.io.checkpoint import load_checkpoint, save_checkpoint
from ganforge.moment import Moment
from ganforge.networks.mlp import Generator
from ganforge.objectives import non_saturating
from ganforge.penalties import r1
from ganforge.plan import build
from ganforge.recipe import Recipe, override
from ganforge.state import TrainState
from ganforge.train import train

F64 = torch.float64
ALL = tuple(GROUPS)


def moment(
    *, seed: int = 0, turn: int = 0, images: int = 0, memory: dict[str, dict[str, Tensor]] | None = None
) -> Moment:
    return Moment(torch.Generator().manual_seed(seed), images, turn, memory or {})


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_nothing_happens_at_a_probability_of_0(channels: int, dtype: torch.dtype) -> None:
    x = torch.randn(5, channels, 12, 12, dtype=dtype)
    assert torch.equal(ada(groups=ALL, p=0.0).apply(x, moment()), x)
    controlled = ada(groups=ALL)
    assert torch.equal(controlled.apply(x, moment(memory={"ada": controlled.memory()})), x)


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_group_keeps_shape_and_type_and_changes_samples_each_on_its_own(name: str, channels: int) -> None:
    x = torch.randn(1, channels, 16, 12).expand(8, -1, -1, -1)
    y = GROUPS[name](x, dice(8, dtype=torch.float32))
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert y.isfinite().all()
    assert len({tuple(sample.flatten().tolist()) for sample in y}) > 4


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("p", [0.5, 1.0])
def test_derivatives_of_both_orders_group_by_group(name: str, p: float) -> None:
    x = torch.randn(2, 3, 5, 4, dtype=F64, requires_grad=True)

    def change(x: Tensor) -> Tensor:
        return GROUPS[name](x, dice(2, p, seed=5))

    assert torch.autograd.gradcheck(change, x)
    assert torch.autograd.gradgradcheck(change, x)


@pytest.mark.parametrize("channels", [1, 3])
def test_derivatives_of_both_orders_of_the_whole(channels: int) -> None:
    x = torch.randn(1, channels, 4, 4, dtype=F64, requires_grad=True)
    augmentation = ada(groups=ALL, p=0.8)

    def change(x: Tensor) -> Tensor:
        return augmentation.apply(x, moment(seed=3))

    assert torch.autograd.gradcheck(change, x)
    assert torch.autograd.gradgradcheck(change, x)


class Curved(nn.Module):
    """A smooth discriminator of 4×4 images."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 1)).double()

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.net(x).flatten()


@pytest.mark.parametrize("augmentation", [diff_augment(), ada(groups=ALL, p=0.9)], ids=lambda a: a.name)
def test_r1_through_an_augmentation_equals_finite_differences(augmentation: Augmentation) -> None:
    game = NoiseGame(non_saturating(), penalties=(r1(gamma=1.0),), augmentations=(augmentation,))
    D, x = Curved(), torch.randn(3, 1, 4, 4, dtype=F64)
    players = {"discriminator": D, "generator": Generator(shape=(1, 4, 4), z_dim=2, hidden=(4,)).double()}
    batch = Batch(x, torch.arange(3))

    def judged(x: Tensor) -> Tensor:
        """The game's own order of drawing: the latents, then the augmentation of the real samples."""
        start = moment(seed=4)
        torch.randn(3, 2, generator=start.rng, dtype=F64)
        return D(augmentation.apply(x, start))

    def penalty() -> Tensor:
        return game.discriminator(players, batch, moment(seed=4)).terms["r1"]

    step = 1e-5
    moves = torch.eye(16, dtype=F64).reshape(16, 1, 1, 4, 4) * step
    slopes = torch.stack([(judged(x + m) - judged(x - m)) / (2 * step) for m in moves]).detach()
    assert torch.allclose(penalty(), slopes.square().sum(0) / 2, rtol=1e-6)
    weight = D.net[1].weight
    (gradient,) = torch.autograd.grad(penalty().sum(), weight)
    values = []
    for move in (step, -2 * step):
        with torch.no_grad():
            weight[2, 5] += move
        values.append(penalty().sum().item())
    assert gradient.isfinite().all()
    assert gradient[2, 5].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("make", [diff_augment, lambda: ada(groups=ALL, p=0.7)])
def test_both_halves_of_a_batch_are_changed_alike_in_distribution(make: Callable[[], Augmentation]) -> None:
    frame = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = make().apply(frame.expand(3000, -1, -1, -1), moment(seed=2))
    real, fake = y[:1500], y[1500:]
    for figure in (lambda x: x.mean((1, 2, 3)), lambda x: x.std((1, 2, 3)), lambda x: x[:, 0, 1, 2]):
        assert stats.ks_2samp(figure(real).numpy(), figure(fake).numpy()).pvalue > 1e-4


def simulated(mean_sign: Callable[[float], float], *, steps: int, start: float = 0.0, speed: float = 2e4) -> float:
    """p after so many discriminator steps in which E[sign D(real)] depends on p as told."""
    augmentation, rng, batch = ada(speed=speed), torch.Generator().manual_seed(1), 64
    assert augmentation.watch is not None
    memory = {"ada": augmentation.memory()}
    memory["ada"]["p"].fill_(start)
    for turn in range(steps):
        share = (1 + mean_sign(memory["ada"]["p"].item())) / 2
        logits = torch.where(torch.rand(batch, generator=rng) < share, 1.0, -1.0) * 3
        augmentation.watch(logits, moment(turn=turn, images=turn * batch, memory=memory))
    return memory["ada"]["p"].item()


@pytest.mark.parametrize("goal", [0.2, 0.5, 0.8])
def test_the_controller_finds_the_p_at_which_the_target_is_met(goal: float) -> None:
    def overfitting(p: float) -> float:
        return min(1.0, 0.6 + 0.8 * (goal - p))

    assert simulated(overfitting, steps=3000) == pytest.approx(goal, abs=0.06)
    assert simulated(overfitting, steps=3000, start=1.0) == pytest.approx(goal, abs=0.06)


def test_p_goes_to_0_where_nothing_overfits_and_to_1_where_nothing_helps() -> None:
    assert simulated(lambda p: 0.3, steps=1500, start=0.7) == 0
    assert simulated(lambda p: 1.0, steps=1500) == 1


def test_p_rises_from_0_to_1_in_the_images_of_its_speed() -> None:
    for steps, expected in ((4, 0.0), (5, 256 / 2e4), (8, 256 / 2e4), (9, 512 / 2e4), (157, 156 * 64 / 2e4)):
        assert simulated(lambda p: 1.0, steps=steps) == pytest.approx(expected, rel=1e-5)


def test_pieces_of_a_batch_count_once_and_a_broken_logit_not_at_all() -> None:
    augmentation = ada(interval=1, speed=1000.0)
    assert augmentation.watch is not None
    memory = {"ada": augmentation.memory()}
    for turn, images in enumerate((0, 100, 200)):
        for sign in (1.0, -1.0, 1.0, 1.0, 1.0):  # five pieces, r = .6 would not be above the target, .65 would
            logits = torch.full((20,), sign)
            logits[:2] = float("nan")
            augmentation.watch(logits, moment(turn=turn, images=images, memory=memory))
    assert memory["ada"]["p"].item() == 0
    assert memory["ada"]["count"].item() == 100
    assert memory["ada"]["signs"].item() == 54
    adjust(memory["ada"], 250, target=0.5, speed=1000.0)
    assert memory["ada"]["p"].item() == pytest.approx(0.05)
    assert memory["ada"]["count"].item() == memory["ada"]["signs"].item() == 0


def test_a_fixed_p_has_no_controller() -> None:
    assert ada(p=0.3).watch is None
    assert ada(p=0.3).memory() == {}


@pytest.mark.parametrize(
    "settings",
    [
        ["augment.ada.speed=300", "game.pack=2", "penalties.r1.gamma=.1"],
        ["augment.diff_augment.policy=['colour', 'cutout']", "game.pack=2", "penalties.r1.gamma=.1"],
        ["augment.ada.p=.3", "augment.instance_noise.sigma=.1", "game.unroll=1"],
        ["augment.ada.speed=300", "train.accumulate=2", "train.d_steps=2", "terms.feature_matching.weight=1"],
    ],
)
def test_games_are_played_through_augmentations(tiny_recipe: Recipe, settings: list[str]) -> None:
    ticks = list(train(override(tiny_recipe, settings)))
    assert ticks[-1].images == 480
    assert all(tick.figures["skipped"] == 0 for tick in ticks)


def steered(recipe: Recipe, *settings: str) -> Recipe:
    """A run whose p moves: no real image is taken for real often enough, or every one is."""
    return override(recipe, ["augment.ada.speed=300", "augment.ada.target=-.9", *settings])


def test_p_counts_images_whatever_the_pack(tiny_recipe: Recipe) -> None:
    for pack in (1, 2):
        *_, last = train(steered(tiny_recipe, f"game.pack={pack}", "train.images=144"))
        assert last.images == 144  # 9 steps of 16; p was moved before the fifth and the ninth, by 64 images each
        assert last.state.memory["ada"]["p"].item() == pytest.approx(128 / 300, rel=1e-5)
        assert last.state.memory["ada"]["since"].item() == 128


def test_p_survives_a_checkpoint_bit_for_bit(tiny_recipe: Recipe, tmp_path: Path) -> None:
    plan = build(steered(tiny_recipe))
    first, *_, last = train(plan)
    assert first.state is last.state
    whole = {k: v.clone() for k, v in last.state.memory["ada"].items()}
    assert 0 < whole["p"] <= 1
    half = next(iter(train(plan)))
    save_checkpoint(tmp_path / "half", {"state": half.state.tensors()}, half.state.record())
    parts, record = load_checkpoint(tmp_path / "half", "state")
    state = TrainState.start(plan)
    state.restore(parts["state"], record)
    assert {k: v.item() for k, v in state.memory["ada"].items()} == {
        k: v.item() for k, v in half.state.memory["ada"].items()
    }
    *_, resumed = train(plan, state)
    for name, value in last.state.tensors().items():
        assert torch.equal(resumed.state.tensors()[name], value), name
    assert all(torch.equal(resumed.state.memory["ada"][k], v) for k, v in whole.items())


@pytest.mark.parametrize("name", [n for n in AUGMENTATIONS if n != "instance_noise"])
def test_points_are_refused_with_a_sentence(name: str) -> None:
    recipe = Recipe("points", {"data": {"source": "ring"}, "generator": {"name": "points"},
                               "discriminator": {"name": "points"}, "augment": {name: {}}})  # fmt: skip
    with pytest.raises(RecipeError, match=rf"augment\.{name}: changes pictures"):
        build(recipe)


def test_an_objective_that_decides_nothing_cannot_steer_p(tiny_recipe: Recipe) -> None:
    with pytest.raises(
        RecipeError, match=r"logits of this objective decide nothing; fix it, as by augment\.ada\.p=\.2"
    ):
        build(override(tiny_recipe, ["objective=wasserstein", "augment.ada.target=.6"]))
    build(override(tiny_recipe, ["objective=wasserstein", "augment.ada.p=.2"]))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("augment.ada.groups=['blit', 'warp']", "augment.ada.groups"),
        ("augment.ada.groups=[]", "augment.ada.groups"),
        ("augment.ada.p=1.5", "augment.ada.p = 1.5"),
        ("augment.diff_augment.policy=['color']", "augment.diff_augment.policy"),
    ],
)
def test_wrong_keys_are_sentences(tiny_recipe: Recipe, setting: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words.replace(".", r"\.").replace("[", r"\[")):
        build(override(tiny_recipe, [setting]))
