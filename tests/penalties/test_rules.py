"""Penalties that have no meaning beside another part are refused, with the reason and the remedy."""

import pytest

from ganforge.errors import RecipeError
from ganforge.networks import dcgan
from ganforge.penalties import PENALTIES
from ganforge.plan import build
from ganforge.recipe import Recipe, load_recipe, override

DCGAN = ["generator=dcgan", "generator.width=4", "discriminator=dcgan", "discriminator.width=4"]


@pytest.mark.parametrize("norm", ["spectral", "spectral_conv"])
def test_clipping_and_spectral_norm(tiny_recipe: Recipe, norm: str) -> None:
    words = (
        r"penalties\.weight_clipping: spectral norm divides .* leave one out: discriminator\.norm=none or "
        r"penalties\.weight_clipping=none"
    )
    with pytest.raises(RecipeError, match=words):
        build(override(tiny_recipe, [*DCGAN, f"discriminator.norm={norm}", "penalties.weight_clipping.limit=0.1"]))


@pytest.mark.parametrize("setting", ["weight_clipping.limit=0.1", "orthogonal.weight=0.1"])
def test_penalties_of_weights_and_layers_that_are_orthonormal_anyhow(setting: str) -> None:
    name = setting.split(".")[0]
    words = rf"penalties\.{name}: this discriminator's layers are orthonormal .*; set penalties\.{name}=none"
    with pytest.raises(RecipeError, match=words):
        build(override(load_recipe("points_ring_8"), ["discriminator=lipschitz", f"penalties.{setting}"]))


def test_orthogonal_and_a_discriminator_without_matrices() -> None:
    settings = ["generator=affine", "discriminator=affine"]
    words = r"penalties\.orthogonal: this discriminator has no weight matrix .*; set penalties\.orthogonal=none"
    with pytest.raises(RecipeError, match=words):
        build(override(load_recipe("points_ring_8"), [*settings, "penalties.orthogonal.weight=1"]))
    build(override(load_recipe("points_ring_8"), [*settings, "penalties.weight_clipping.limit=1"]))


@pytest.mark.parametrize("name", [name for name, row in PENALTIES.items() if not row().of_classes])
@pytest.mark.parametrize("norm", dcgan.NORMS)
def test_only_penalties_on_slopes_are_refused_beside_batch_norm(tiny_recipe: Recipe, name: str, norm: str) -> None:
    sections = {**override(tiny_recipe, [*DCGAN, f"discriminator.norm={norm}"]).sections, "penalties": {name: {}}}
    slope = name in ("r1", "r2", "gradient_penalty", "dragan")
    if (slope and norm == "batch") or (name == "weight_clipping" and norm.startswith("spectral")):
        words = "set discriminator.norm=none or spectral" if slope else "discriminator.norm=none or penalties"
        with pytest.raises(RecipeError, match=words):
            build(Recipe("tiny", sections))
    else:
        build(Recipe("tiny", sections))


@pytest.mark.parametrize("name", [name for name, row in PENALTIES.items() if not row().of_classes])
def test_penalties_through_which_games_side_by_side_would_see_each_other(tiny_recipe: Recipe, name: str) -> None:
    """Those of the whole batch, of all weights and of running means; the others play along."""
    sections = {**override(tiny_recipe, ["train.seeds=2", "discriminator.dropout=0"]).sections, "penalties": {name: {}}}
    if name in ("dragan", "orthogonal", "lecam"):
        with pytest.raises(RecipeError, match=rf"train\.seeds = 2 .* penalties\.{name} would let them see each other"):
            build(Recipe("tiny", sections))
    else:
        build(Recipe("tiny", sections))
