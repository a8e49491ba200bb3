"""A round's parts: several generator updates, and a latent that is uniform."""

import pytest
import torch
from tests.waiting import NoWaiting

from ganforge.errors import RecipeError
from ganforge.networks.points import Generator
from ganforge.plan import build
from ganforge.recipe import Recipe, override
from ganforge.train import TrainState, average, play_discriminator, play_round, update

RING = Recipe(
    "ring",
    {
        "data": {"source": "ring"},
        "generator": {"name": "points", "hidden": [8]},
        "discriminator": {"name": "points", "hidden": [8], "norm": "spectral"},
        "train": {"batch": 16, "device": "cpu"},
    },
)


def test_a_round_is_its_updates_one_after_another() -> None:
    plan = build(override(RING, ["train.d_steps=2", "train.g_steps=3"]))
    whole, parts = TrainState.start(plan), TrainState.start(plan)
    with plan.stream(position=0) as stream:
        play_round(plan, whole, stream)
    with plan.stream(position=0) as stream:
        for _ in range(2):
            pieces = play_discriminator(plan, parts, stream)
        for _ in range(3):
            update(plan, parts, "generator", pieces)
        average(parts.ema, parts.players["generator"], plan.averaging, seen=32, new=32)
        parts.position = stream.position
    assert whole.turns == {"generator": 3, "discriminator": 2}
    assert whole.images == whole.position == 32
    a, b = whole.tensors(), parts.tensors()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_shared_pass_serves_one_update_of_the_generator() -> None:
    with pytest.raises(RecipeError, match=r"train\.g_steps = 2"):
        build(override(RING, ["train.g_steps=2", "game.fakes=shared"]))


def test_a_uniform_latent_is_even_between_minus_one_and_one() -> None:
    torch.manual_seed(0)
    normal, uniform = (Generator(shape=(2,), hidden=(8,), latent=name) for name in ("normal", "uniform"))
    uniform.load_state_dict(normal.state_dict())
    z = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0))
    u = 2 * torch.distributions.Normal(0.0, 1.0).cdf(z) - 1
    assert torch.allclose(uniform(z), normal(u), atol=1e-5)
    assert abs(float(u.var()) - 1 / 3) < 0.01


GAMES = {
    "plain": [],
    "shared": ["game.fakes=shared"],
    "five to one": ["train.d_steps=5"],
    "in pieces": ["train.accumulate=2"],
    "clipped": ["train.clip=1.0", "optimizer.generator=sgd"],
    "packed": ["game.pack=2"],
    "unrolled": ["game.unroll=2"],
    "the best half": ["game.top_k=0.5"],
    "least squares, penalised": ["objective=least_squares", "penalties.gradient_penalty.weight=1.0"],
    "relativistic": ["objective=relativistic_pairing", "penalties.r1.gamma=1.0", "penalties.r2.gamma=1.0"],
    "hinge, spectral norm": ["objective=hinge", "discriminator=sngan", "discriminator.width=4", "data.size=32"],
    "a weight that decays": ["optimizer.discriminator=adamw"],
    "adaptive augmentation": ["augment.ada.target=0.6"],
    "classes": ["game.labels=data", "generator.labels=embedding"],
    "a class head": ["game.labels=data", "discriminator.labels=auxiliary", "penalties.auxiliary_classifier.real=1.0",
                     "terms.auxiliary_classifier.weight=1.0"],
    "labels left out": ["game.labels=balanced", "game.label_dropout=0.1"],
}  # fmt: skip


@pytest.mark.parametrize("settings", GAMES.values(), ids=GAMES)
def test_a_round_never_waits_for_the_device(settings: list[str]) -> None:
    """Ticks read the device, rounds don't; the first round, in which the optimisers make their moments, may."""
    small = ["generator=mlp", "generator.hidden=[8]", "discriminator=mlp", "discriminator.hidden=[8]",
             "data.source=mnist", "train.batch=8", "train.device=cpu"]  # fmt: skip
    plan = build(override(Recipe("small", {}), [*small, *settings]))
    state = TrainState.start(plan)
    with plan.stream(position=0) as stream:
        play_round(plan, state, stream)
        with NoWaiting():
            for _ in range(2):
                play_round(plan, state, stream)
    assert state.turns["generator"] == 3
