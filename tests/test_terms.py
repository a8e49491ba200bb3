"""Terms on the generator's side: by hand, in closed form, by finite differences."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.games.noise import NoiseGame
from ganforge.moment import Moment
from ganforge.networks.mlp import Discriminator
from ganforge.objectives import non_saturating
from ganforge.plan import build
from ganforge.recipe import Recipe, override
from ganforge.schedules import Schedule
from ganforge.terms import TERMS, Scene, Term, feature_matching, historical_averaging, mode_seeking
from ganforge.train import train

F64 = torch.float64
FADING = Schedule.parsed({"schedule": "linear", "start": 1.0, "end": 0.0, "images": 100})


class Linear(nn.Module):
    """G(z) = A·z."""

    z_dim = 3

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.A = nn.Parameter(scale * torch.eye(3, dtype=F64))

    def forward(self, z: Tensor) -> Tensor:
        return z @ self.A.T


class OutOfReach(nn.Module):
    """A discriminator from outside that shows no hidden layers."""

    def __init__(self, *, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor, y: Any = None) -> Tensor:
        return (x * self.w).flatten(1).sum(1)


PLAIN = [name for name, row in TERMS.items() if not row().of_classes]  # the others need labels


def scene(G: nn.Module, term: Term, *, images: int = 0, seed: int = 0, **given: Any) -> Scene:
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(len(given.get("fake", range(6))), 3, generator=rng, dtype=F64)
    known = {
        "fake": G(z),
        "real": torch.randn(6, 3, generator=rng, dtype=F64),
        "features": lambda x, y: [x, x.square()],
    }
    return Scene(nn.Identity(), G, z, **{**known, **given}, rng=rng, images=images, memory=term.memory(G))


def test_features_are_matched_in_their_means() -> None:
    real = torch.tensor([[1.0, 2.0], [3.0, 6.0]], dtype=F64)
    fake = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=F64, requires_grad=True)
    given = {"real": real, "fake": fake}
    first, last = feature_matching(layer=0), feature_matching(weight=3.0)
    # means (2, 4) and (0, 1); of the squares (5, 20) and (0, 1)
    assert first.term(scene(Linear(), first, **given)).tolist() == [(2**2 + 3**2) / 2]
    assert last.term(scene(Linear(), last, **given)).tolist() == [3 * (5**2 + 19**2) / 2]
    first.term(scene(Linear(), first, **given)).sum().backward()
    assert fake.grad.tolist() == [[-1.0, -1.5], [-1.0, -1.5]]  # 2·(0 - 2)/2 features/2 samples, 2·(1 - 4)/2/2


def test_matched_features_are_those_of_the_game_packed() -> None:
    game = NoiseGame(non_saturating(), terms=(feature_matching(),), pack=2)
    D, x = Discriminator(shape=(4,), hidden=(5, 3), dropout=0.0), torch.randn(6, 2)
    features = game.features(D, x, moment=Moment(torch.Generator()))
    expected = D.full(x.reshape(3, 4)).features
    assert [f.shape for f in features] == [(3, 5), (3, 3)]
    assert all(torch.equal(a, b) for a, b in zip(features, expected, strict=True))


def test_the_average_is_over_all_weights_so_far() -> None:
    """With θ = 1, 2, ..., t the mean is (t + 1)/2, and the term ((t - 1)/2)² for each of the three on the diagonal."""
    G, term = Linear(), historical_averaging(weight=2.0)
    memory = term.memory(G)
    for t in range(1, 8):
        with torch.no_grad():
            G.A.copy_(t * torch.eye(3, dtype=F64))
        now = scene(G, term)
        now.memory = memory
        value = term.term(now)
        assert value.tolist() == pytest.approx([2 * 3 * ((t - 1) / 2) ** 2], abs=1e-10)
        (gradient,) = torch.autograd.grad(value.sum(), G.A)
        assert torch.allclose(gradient, 2 * (t - 1) * torch.eye(3, dtype=F64), atol=1e-10)
    assert torch.allclose(memory["mean.A"], 4 * torch.eye(3, dtype=F64))
    assert memory["turns"].item() == 7


def test_the_average_draws_an_orbit_inwards() -> None:
    """min over a, max over b of a·b: simultaneous steps spiral outwards, and inwards with the term on both."""

    def radius(weight: float) -> float:
        a, b = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(0.0))
        holders = [nn.ParameterDict({"x": p}) for p in (a, b)]
        term = historical_averaging(weight=weight)
        memories = [term.memory(h) for h in holders]
        for _ in range(400):
            losses = []
            for p, h, m, sign in ((a, holders[0], memories[0], 1), (b, holders[1], memories[1], -1)):
                spot = Scene(h, h, torch.zeros(1, 1), torch.zeros(1), torch.zeros(1), list, torch.Generator(), 0, m)
                loss = sign * (a * b) + term.term(spot).sum()
                losses.append(torch.autograd.grad(loss, p)[0])
            with torch.no_grad():
                for p, g in zip((a, b), losses, strict=True):
                    p -= 0.05 * g
        return float(torch.hypot(a, b).detach())

    assert radius(0.0) > 1.5
    assert radius(0.5) < 0.5


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_modes_are_sought_by_the_inverse_of_the_slope(scale: float, weight: float) -> None:
    """G(z) = a·z: apart a·d for latents d apart, so 1/(a + ε), whatever the latents."""
    term = mode_seeking(weight=weight, eps=0.1)
    assert term.term(scene(Linear(scale), term)).tolist() == pytest.approx([weight / (scale + 0.1)] * 6)


def test_a_collapsed_generator_costs_one_over_eps() -> None:
    term = mode_seeking(eps=0.2)
    values = term.term(scene(Linear(0.0), term))
    assert values.tolist() == [5.0] * 6


def test_partners_are_fresh_and_their_gradient_reaches_the_generator() -> None:
    G, term = Linear(), mode_seeking()
    with torch.no_grad():
        G.A += 0.3 * torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=F64)
    assert not torch.equal(term.term(scene(G, term, seed=1)), term.term(scene(G, term, seed=2)))
    (gradient,) = torch.autograd.grad(term.term(scene(G, term)).sum(), G.A)
    values = []
    for move in (1e-6, -2e-6):
        with torch.no_grad():
            G.A[1, 2] += move
        values.append(term.term(scene(G, term)).sum().item())
    assert gradient[1, 2].item() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("name", PLAIN)
def test_weights_may_be_scheduled_over_images(name: str) -> None:
    def value(weight: Any, images: int) -> Tensor:
        G, term = Linear(), TERMS[name](weight=weight)
        at = scene(G, term, images=images)
        if name == "historical_averaging":  # something to be away from
            at.memory["mean.A"] += 1
            at.memory["turns"] += 3
        return term.term(at)

    assert torch.allclose(value(FADING, 25), 0.75 * value(1.0, 0))
    assert value(FADING, 100).abs().max() == 0
    assert value(1.0, 0).abs().max() > 0


@pytest.mark.parametrize("name", PLAIN)
def test_a_run_goes_through(tiny_recipe: Recipe, name: str) -> None:
    (tick,) = train(override(tiny_recipe, [f"terms.{name}.weight=.5", "train.images=96"]))
    assert tick.figures["skipped"] == 0
    assert tick.figures[f"loss_generator_{name}"] != 0  # the latents' spread counts as a gain


@pytest.mark.parametrize("layer", [-3, 2, 7])
def test_a_layer_that_is_not_there_is_said(tiny_recipe: Recipe, layer: int) -> None:
    settings = [f"terms.feature_matching.layer={layer}", "discriminator.hidden=[8, 4]"]
    with pytest.raises(
        RecipeError, match=rf"layer = {layer}: this discriminator shows 2 hidden layers; choose .* -2 to 1"
    ):
        build(override(tiny_recipe, settings))


@pytest.mark.parametrize("layer", [-2, -1, 0, 1])
def test_every_layer_that_is_there_may_be_matched(tiny_recipe: Recipe, layer: int) -> None:
    build(override(tiny_recipe, [f"terms.feature_matching.layer={layer}", "discriminator.hidden=[8, 4]"]))


def test_a_discriminator_that_shows_nothing_is_said(tiny_recipe: Recipe) -> None:
    settings = [f"discriminator={__name__}.OutOfReach", "terms.feature_matching.weight=1"]
    with pytest.raises(RecipeError, match="shows no hidden layers; give it a method full"):
        build(override(tiny_recipe, settings))
