"""Recipes: what they read, what they refuse, and in which words."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from ganforge.errors import RecipeError
from ganforge.objectives import Objective, hinge
from ganforge.plan import build
from ganforge.recipe import (
    Recipe,
    load_recipe,
    nearest,
    override,
    recipe_names,
    resolve,
    to_toml,
)
from ganforge.sections import SECTIONS, tunable


def own_objective(*, margin: Annotated[float, Field(gt=0, description="the hinge's margin")] = 1.0) -> Objective:
    """An objective from outside the package."""
    return hinge()


def mistakes(recipe: Recipe, *settings: str) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as caught:
        resolve(override(recipe, settings))
    return caught.value.mistakes


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_ships_is_valid_and_says_what_it_is(name: str) -> None:
    parts = resolve(load_recipe(name))
    assert parts["train"].values["images"] > 0
    text = (Path(__file__).parents[1] / "src/ganforge/recipes" / f"{name}.toml").read_text()
    assert text.startswith("# ")


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_written_in_full_reads_back_the_same(name: str) -> None:
    parts = resolve(override(load_recipe(name), ["ema.ramp=none", "penalties.r1.gamma=2", "train.clip=1.5"]))
    again = resolve(Recipe(name, tomllib.loads(to_toml(parts))))
    assert again == parts
    assert again["ema"].values["ramp"] is None


def test_every_tunable_parameter_has_help_and_a_default() -> None:
    for section in SECTIONS.values():
        for function in (*section.functions, *(section.table or {}).values()):
            for name, (hint, default) in tunable((function,)).items():
                assert any(getattr(m, "description", None) for m in hint.__metadata__), (
                    f"{function.__name__}.{name} has no help"
                )
                assert default is not ..., f"{function.__name__}.{name} has no default"


def test_a_schedule_stands_where_a_number_does() -> None:
    setting = 'optimizer.generator.lr={schedule="cosine", start=2e-4, end=1e-5, images=1000}'
    parts = resolve(override(load_recipe(), [setting]))
    again = resolve(Recipe("x", tomllib.loads(to_toml(parts))))
    assert again["optimizer.generator"] == parts["optimizer.generator"]


def test_all_mistakes_are_reported_at_once_each_with_its_remedy() -> None:
    found = mistakes(
        load_recipe(), "objective=hing", "train.bach=3", "train.batch=-1", "generator.widht=3", "penalties.r1.gama=1",
        "optimiser.lr=3", "optimizer.generator.lr=abc", "penalties.r3.x=1", "optimizer.critic.lr=1", "ema=3",
        "penalties.r2=5", "optimizer.discriminator.lr=-1",
    )  # fmt: skip
    text = "\n".join(found)
    for words in (
        "'hing'; did you mean 'hinge'", "no parameter 'bach'; did you mean 'batch'", "train.batch = -1",
        "'widht'; did you mean 'width'", "'gama'; did you mean 'gamma'", "'optimiser'; did you mean 'optimizer",
        "optimizer.generator.lr = 'abc'", "no 'r3'", "optimizer.critic",
        "ema = 3: it is a table of keys", "as in penalties.r1.gamma=1",
        "optimizer.discriminator.lr = -1",
    ):  # fmt: skip
        assert words in text
    assert len(found) >= 10


def test_a_setting_without_an_equals_sign_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"'train\.batch' is no setting; write it as key=value"):
        override(load_recipe(), ["train.batch"])


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'mlp_mnist'; did you mean 'mlp_mnist_28'"):
        load_recipe("mlp_mnist")


def test_broken_recipe_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="can't be read"):
        load_recipe(str(tmp_path / "none.toml"))
    bad = tmp_path / "bad.toml"
    bad.write_text("[train\nbatch=3")
    with pytest.raises(RecipeError, match="not valid TOML"):
        load_recipe(str(bad))


def test_a_section_by_its_name_alone_starts_from_that_names_defaults() -> None:
    recipe = override(load_recipe(), ["objective.label_smoothing=0.9", "objective=hinge"])
    assert resolve(recipe)["objective"].values == {"name": "hinge"}
    assert mistakes(override(load_recipe(), ["objective.label_smoothing=0.9"]), "objective.name=hinge")


def test_an_import_path_stands_wherever_a_name_does() -> None:
    recipe = override(load_recipe(), [f"objective={__name__}.own_objective", "objective.margin=2"])
    part = resolve(recipe)["objective"]
    assert part.values == {"name": f"{__name__}.own_objective", "margin": 2.0}
    assert part().name == "hinge"
    assert "no parameter 'margn'; did you mean 'margin'" in mistakes(recipe, "objective.margn=1")[0]
    assert "can't be imported" in mistakes(load_recipe(), "objective=no.such.thing")[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["discriminator.norm=batch"], "discriminator.norm=none"),
        (["train.d_steps=2", "game.fakes=shared"], "train.d_steps=1 or game.fakes=fresh"),
        (["train.batch=10", "train.accumulate=3"], "choose a divisor"),
        (["train.batch=60000"], "more than the 50000 training images"),
        (["train.device=abacus"], "can't be used here"),
    ],
)
def test_combinations_that_cannot_work_are_refused(settings: list[str], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        build(override(load_recipe(), settings))


def test_a_network_that_cannot_make_the_size_says_which_it_can(tiny_recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match="48"):
        build(override(tiny_recipe, ["generator=dcgan", "data.size=48"])).networks()


def test_nearest_is_silent_when_nothing_is_near() -> None:
    assert nearest("zzz", ["batch"]) == ""


def drifting(*, eps: float = 0.5) -> Objective:
    """A plain function from outside, its parameter not annotated for ganforge."""
    assert eps == 0.25
    return hinge()


def test_keyword_parameters_of_outside_functions_are_keys_without_annotation() -> None:
    resolve(override(load_recipe(), [f"objective={__name__}.drifting", "objective.eps=0.25"]))["objective"]()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["objective=torch.nn.Linear"], "can't stand here"),
        (["objective=math.pi"], "is no function"),
        (["generator=[1]"], "there is no"),
        (["optimizer.generator=torch.optim.RMSprop"], "no keyword parameter 'lr'"),
        (["discriminator=torch.nn.Identity"], "discriminator"),
    ],
)
def test_what_cannot_stand_where_it_is_put_is_said(settings: list[str], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        build(override(load_recipe("mlp_mnist_28"), settings))


def test_the_first_mentioned_public_names_are_functions_whatever_was_imported_first() -> None:
    code = "import ganforge.evaluate, ganforge.run, ganforge; from ganforge import train; assert callable(train); "
    code += "assert callable(ganforge.evaluate); assert callable(ganforge.load)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_penalty_is_taken_out_by_none() -> None:
    recipe = override(load_recipe("dcgan_mnist_28"), ["penalties.r1=none", "penalties.r2=none"])
    assert resolve(recipe)["penalties"] == {}
