"""Recipes: what they read, what they refuse, and in which words."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Annotated

import pytest
import torch
from pydantic import Field

from ganforge.data import TOYS, Source, endless
from ganforge.errors import DataError, RecipeError
from ganforge.objectives import Objective, hinge
from ganforge.plan import build
from ganforge.recipe import (
    Recipe,
    load_recipe,
    nearest,
    override,
    recipe_names,
    resolve,
    sourced,
    to_toml,
)
from ganforge.sections import SECTIONS, Part, tunable


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


def test_keys_of_points_beside_a_source_that_makes_none_say_so() -> None:
    found = mistakes(load_recipe("points_ring_8"), "data.source=zzz")
    assert any(sentence.startswith("data.source = 'zzz' is none of mixture, ") for sentence in found)
    (alone,) = mistakes(Recipe("x", {}), "train.name=x")  # a section without a table has nothing to choose
    assert alone.startswith("train.name: Training has no parameter 'name'")


def test_other_data_leave_behind_the_keys_of_those_before(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\n".join(f"{n},{n / 2}" for n in range(50)))
    ring = load_recipe("points_ring_8")
    source = resolve(sourced(ring, str(tmp_path / "x.csv")))["data"]()
    assert (len(source.train), source.shape) == (45, (2,))
    assert ring.sections["data"] == {"source": "ring", "sigma": 0.05}
    photos = Recipe("photos", {"data": {"source": "mnist", "size": 64, "flip": True, "siez": 3}})
    assert sourced(photos, "my_photos").sections["data"] == {"source": "my_photos", "size": 64, "flip": True}
    assert sourced(ring, None) == ring
    assert mistakes(sourced(ring, "os.nope"))[0].startswith("data.source: ")


def test_a_divergence_of_classes_needs_classes_in_equal_shares(tiny_recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match=r"judge\.metric = 'class_divergence' needs classes that are wanted in equal"):
        build(override(tiny_recipe, ["judge.metric=class_divergence"]))


def test_a_setting_without_an_equals_sign_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"'train\.batch' is no setting; write it as key=value"):
        override(load_recipe(), ["train.batch"])


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'mlp_mnist'; did you mean 'mlp_mnist_28'"):
        load_recipe("mlp_mnist")


def test_a_setting_of_both_players_is_each_players_where_it_has_none_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[optimizer.both]\nlr = 3e-4\nbeta1 = 0.0\n[optimizer.generator]\nlr = 1e-4\n")
    recipe = load_recipe(str(tmp_path / "own.toml"))
    parts = resolve(recipe)
    assert [parts[f"optimizer.{p}"].values["lr"] for p in ("generator", "discriminator")] == [1e-4, 3e-4]
    assert [parts[f"optimizer.{p}"].values["beta1"] for p in ("generator", "discriminator")] == [0.0, 0.0]
    parts = resolve(override(recipe, ["optimizer.both.lr=2e-4", "optimizer.discriminator.beta1=0.9"]))
    assert [parts[f"optimizer.{p}"].values["lr"] for p in ("generator", "discriminator")] == [2e-4, 2e-4]
    assert [parts[f"optimizer.{p}"].values["beta1"] for p in ("generator", "discriminator")] == [0.0, 0.9]
    with pytest.raises(RecipeError, match=r"optimizer\.generator\.name: there is no 3"):
        resolve(override(recipe, ["optimizer.both=3"]))


def test_a_list_is_asked_for_in_brackets() -> None:
    with pytest.raises(RecipeError, match="policy = 'colour': a list is asked for, in brackets"):
        resolve(override(load_recipe("mlp_mnist_28"), ["augment.diff_augment.policy=colour"]))


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
        (["train.batch=1", "discriminator.minibatch=discrimination", "penalties.r1=none"], "one at a time"),
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
        (["penalties.r1.gamma=inf"], "penalties.r1.gamma = inf: a finite number is asked for"),
        (["optimizer.generator.lr=inf"], "optimizer.generator.lr = inf: a finite number is asked for"),
        (["game.unroll=100000"], "game.unroll = 100000: input should be less than or equal to 100"),
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


def own_points(*, side: float = 1.0) -> Source:
    """A source from outside the package: a uniform square."""
    return endless("square", lambda count, rng: side * torch.rand(count, 2, generator=rng), dim=2, held_out=100)


def no_source() -> int:
    """A function from outside that gives something else."""
    return 3


def data_of(*settings: str) -> Part:
    return resolve(override(load_recipe("points_ring_8"), settings))["data"]


def test_a_toy_brings_its_own_keys_into_the_data_section() -> None:
    ring = {"source": "ring", "modes": 8, "radius": 1.0, "sigma": 0.05, "count": None, "held_out": 10_000}
    assert data_of().values == ring
    assert data_of("data=moons").values == {"source": "moons", "sigma": 0.1, "held_out": 10_000}
    assert data_of("data=grid", "data.sigma=.2")().mixture.sigmas[0].item() == pytest.approx(0.2)
    assert data_of("data=mnist").values.keys() == {
        *("source", "size", "channels", "held_out", "memory", "cache", "flip", "pairs", "domain", "fit", "filter")
    }


def test_a_key_of_images_is_no_key_of_points_and_the_other_way_round() -> None:
    recipe = load_recipe("points_ring_8")
    (flip,) = mistakes(recipe, "data.flip=true")
    assert flip.startswith("data.flip: ring has no parameter 'flip'; it has: modes, radius, sigma, count, held_out")
    (sigma,) = mistakes(recipe, "data.sigmaa=1")
    assert "did you mean 'sigma'" in sigma
    assert "open_source and ImageStream has no parameter 'modes'" in "\n".join(
        mistakes(load_recipe("mlp_mnist_28"), "data.modes=3")
    )
    (path,) = mistakes(recipe, "data=drawing")
    assert path.startswith("data.path is missing, and drawing needs it (an image file")


@pytest.mark.parametrize("name", sorted(TOYS))
def test_every_toy_is_written_in_full_and_read_back(name: str) -> None:
    recipe = override(
        load_recipe("points_ring_8"), [f"data={name}", *(["data.path=x.png"] if name == "drawing" else [])]
    )
    parts = resolve(recipe)
    text = to_toml(parts)
    assert resolve(Recipe("x", tomllib.loads(text)))["data"] == parts["data"]
    assert "one of mixture, one_gaussian" in text
    lines = [line for line in text.split("[data]")[1].split("[generator]")[0].splitlines() if " = " in line]
    assert all(line.split(" # ")[1] for line in lines)


def test_an_import_path_is_a_source_of_data() -> None:
    settings = [f"data={__name__}.own_points", "data.side=3"]
    plan = build(override(load_recipe("points_ring_8"), settings))
    assert 2.5 < float(plan.stream(position=0).next().x.max()) < 3
    assert tomllib.loads(plan.toml)["data"] == {"source": f"{__name__}.own_points", "side": 3.0}
    with pytest.raises(RecipeError, match=r"no_source' gave 3; it has to return a ganforge\.data\.Source"):
        build(override(load_recipe("points_ring_8"), [f"data={__name__}.no_source"]))
    with pytest.raises(RecipeError, match=r"data\.source: 'ganforge\.data\.circle' can't be imported"):
        build(override(load_recipe("points_ring_8"), ["data=ganforge.data.circle"]))


def test_what_lies_on_the_disk_is_a_path_and_not_an_import(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.tool").write_bytes(tiny_data.read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"the format of 'json\.tool' is unknown"):
        data_of("data=json.tool")()
    with pytest.raises(DataError, match=r"there is no data at 'photos\.of_cats'"):
        data_of("data=photos.of_cats")()
    with pytest.raises(DataError, match=r"there is no data at 'rings': did you mean 'ring'\?"):
        data_of("data=rings")()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["data=moons", "judge.metric=mode_distance"], "moons has none; set judge.metric=sliced_distance"),
        (
            ["data=mnist", "judge.metric=mode_distance", "generator=mlp", "discriminator=mlp"],
            "judge.metric = 'mode_distance' needs data whose modes are known, and mnist has none; set judge.metric=fre",
        ),
        (["data=mnist", "judge.metric=sliced_distance", "generator=mlp", "discriminator=mlp"], "is a figure of points"),
        (["generator=dcgan"], "dcgan is for images, not for points"),
        (["data=one_gaussian", "generator=affine", "train.batch=2000000"], "train.batch = 2000000 is more than"),
    ],
)
def test_points_and_images_are_not_mixed_up(settings: list[str], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        build(override(load_recipe("points_ring_8"), settings))
