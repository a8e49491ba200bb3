"""The lab's game is the toolkit's: same bits, same readings, same refusals; a link and a recipe hold all of it."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganforge.errors import RecipeError
from ganforge.keys import each, toml_value
from ganforge.lab.catalogue import catalogue, changes
from ganforge.lab.frames import frame, read_frame
from ganforge.lab.instruments import INSTRUMENTS, Room
from ganforge.lab.instruments import game as instrument
from ganforge.lab.limits import BASE, NAMES, recipe_of
from ganforge.lab.messages import message_of
from ganforge.lab.pictures import Scenery, believed, shares
from ganforge.lab.play import Play, begin, recipe_text, step
from ganforge.lab.readings import COUNTED, CUSTOM, MATCHED, readings
from ganforge.latent import seeded
from ganforge.metrics.modes import mode_coverage
from ganforge.objectives import OBJECTIVES
from ganforge.recipe import Recipe
from ganforge.theory import divergences
from ganforge.theory.transport import transport
from ganforge.train import TrainState, train

KINDS = [
    ["game.pack=3", "train.batch=66"],
    ["penalties.r1=none", "discriminator.minibatch=discrimination"],
    ["generator.z_dim=1", "generator.latent=uniform"],
    ["generator.z_dim=5"],
    ["discriminator=lipschitz", "discriminator.hidden=[8, 8]", "objective=wasserstein", "penalties.r1=none"],
    ["game.unroll=2"],
    ["game.fakes=shared"],
    ["augment.instance_noise.sigma=.1"],
    ["data=sketch"],
    ["data=mixture", "data.means=[[0.0, 0.0]]", "data.sigmas=[0.5]"],
]
SMALL = ["generator.hidden=[8, 8]", "discriminator.hidden=[8, 8]", "train.batch=64", "train.tick=1280"]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def seat(settings: list[str] | None = None, **link: Any) -> instrument.Seat:
    return instrument.open_seat({"settings": [*SMALL, *(settings or [])], **link}, Room())


def say(at: instrument.Seat, **message: Any) -> list[dict[str, Any]]:
    said = at.receive(message_of(json.dumps(message), instrument.MESSAGES))
    while at.left or at.uncharted:
        said += at.advance(1.0)
    return said


def weights(state: TrainState) -> dict[str, Tensor]:
    return {name: value for name, value in state.tensors().items() if "step" not in name}


def same(a: TrainState, b: TrainState) -> bool:
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# the same run


@pytest.mark.parametrize(
    "settings",
    [[], ["objective=hinge", "train.d_steps=2", "train.g_steps=2", "discriminator.norm=spectral", "game.pack=2"]],
)
def test_what_is_played_is_what_train_plays_from_the_exported_recipe(settings: list[str]) -> None:
    at = seat(settings)
    say(at, kind="step", what="both", count=22)
    (answer,) = say(at, kind="recipe")[:1]
    *_, last = train(Recipe("lab", tomllib.loads(answer["texts"][0])))
    assert last.images == at.tables[0].play.state.images == 22 * 64 * (2 if settings else 1)
    assert same(last.state, at.tables[0].play.state)


def test_a_link_gives_the_same_run_step_for_step_with_all_that_was_done_by_hand() -> None:
    at = seat(["penalties.r1=none"])
    say(at, kind="step", what="both", count=5)
    say(at, kind="set", settings=["optimizer.generator.lr=0.01"])
    say(at, kind="step", what="discriminator", count=3)
    say(at, kind="step", what="both", count=4)
    say(at, kind="set", settings=["objective=least_squares"])
    say(at, kind="step", what="generator", count=1)
    say(at, kind="step", what="both", count=6)
    link = json.loads(json.dumps(at.link()))
    again = instrument.open_seat(link, Room())
    say(again, kind="step", what="both", count=15)
    a, b = at.tables[0].play, again.tables[0].play
    assert (a.rounds, a.state.turns) == (b.rounds, b.state.turns)
    assert same(a.state, b.state)
    assert again.link() == link


def test_one_step_of_each_is_a_round() -> None:
    apart, together = seat(), seat()
    for _ in range(3):
        say(apart, kind="step", what="discriminator")
        say(apart, kind="step", what="generator")
    say(together, kind="step", what="both", count=3)
    assert same(apart.tables[0].play.state, together.tables[0].play.state)


def test_slow_motion_shows_the_update_that_follows_and_plays_the_same_run() -> None:
    slow, plain = seat(["train.d_steps=2"]), seat(["train.d_steps=2"])
    say(slow, kind="pace", rounds=1, slow=True)
    table, told = slow.tables[0], []
    for _ in range(15):
        say(slow, kind="stage")
        header, arrays = read_frame(slow.frames()[0])
        told.append(header["stage"])
    names = [stage["name"] for stage in told]
    assert names == 3 * ["noise", "fakes", "judgement", "loss", "gradient"]
    assert [stage["player"] for stage in told[::5]] == ["discriminator", "discriminator", "generator"]
    assert arrays["stage_arrows"].shape == (64, 2)
    say(slow, kind="stage")  # the round is over
    say(plain, kind="step", what="both")
    assert table.play.rounds == 1
    assert same(table.play.state, plain.tables[0].play.state)
    unread = plain.tables[0].play.state.unread
    for stage, turn in zip(told[4::5], unread, strict=True):
        assert stage["loss"] == float(turn.figures[f"loss_{turn.player}"])
        norm = float(turn.figures[f"gradient_norm_{turn.player}"])
        assert stage["gradient_norm"] == pytest.approx(norm, rel=1e-6)


def test_a_long_script_is_followed_in_pieces_before_slow_motion_begins() -> None:
    at = seat(script=[[0, "generator", "45"]])
    say(at, kind="pace", rounds=0, slow=True)
    updates = []
    for _ in range(3):
        say(at, kind="stage")
        updates.append(at.tables[0].play.state.turns["generator"])
    assert updates == [20, 40, 45]
    assert at.tables[0].rehearsal is not None


def test_leaving_slow_motion_in_the_middle_ends_the_round_as_any_other() -> None:
    slow, plain = seat(), seat()
    say(slow, kind="pace", rounds=1, slow=True)
    for _ in range(8):
        say(slow, kind="stage")
    say(slow, kind="pace", rounds=0, slow=False)
    say(plain, kind="step", what="both")
    assert slow.tables[0].play.rounds == 1
    assert same(slow.tables[0].play.state, plain.tables[0].play.state)


def test_looking_at_a_game_changes_nothing_of_it() -> None:
    seen, unseen = seat(["game.pack=2"]), seat(["game.pack=2"])
    say(seen, kind="layers", names=list(instrument.LAYERS), average=True)
    for _ in range(4):
        say(seen, kind="step", what="both")
        seen.frames()
        say(seen, kind="ask", x=0.5, y=-0.5)
    say(unseen, kind="step", what="both", count=4)
    assert same(seen.tables[0].play.state, unseen.tables[0].play.state)


def test_a_game_that_is_changed_goes_on_and_another_one_begins_anew() -> None:
    at = seat()
    say(at, kind="step", what="both", count=3)
    kept = at.tables[0].play.state.players["generator"].head.weight.clone()
    (state, *_) = say(at, kind="set", settings=["optimizer.discriminator=sgd"])
    assert state["round"] == 3
    assert torch.equal(at.tables[0].play.state.players["generator"].head.weight, kept)
    say(at, kind="step", what="both", count=2)
    (state, *_) = say(at, kind="set", settings=["data=moons"])
    assert state["round"] == 0
    assert state["link"]["script"] == []
    assert state["values"]["optimizer.discriminator.name"] == "sgd"


def test_two_games_differ_by_what_was_changed_and_by_nothing_else() -> None:
    at = seat(compare=[])
    say(at, kind="step", what="both", count=3)
    assert same(at.tables[0].play.state, at.tables[1].play.state)
    say(at, kind="compare", settings=["penalties.r1=none"])
    say(at, kind="step", what="both", count=3)
    assert not same(at.tables[0].play.state, at.tables[1].play.state)
    assert same(at.tables[1].play.state, played(["penalties.r1=none"], 3).state)
    say(at, kind="set", settings=["objective=hinge"])
    assert [table.play.plan.game.objective.name for table in at.tables] == ["hinge", "hinge"]  # type: ignore[attr-defined]
    assert at.tables[1].play.plan.game.penalties == ()  # type: ignore[attr-defined]
    with pytest.raises(RecipeError, match="momentum"):
        say(at, kind="compare", settings=["optimizer.generator.momentum=.5"])
    assert len(at.tables) == 2


def played(settings: list[str], rounds: int) -> Play:
    play = begin(recipe_of([*SMALL, *settings]))
    for _ in range(rounds):
        play.play_one()
    return play


def test_a_bad_combination_leaves_the_game_as_it_was() -> None:
    at = seat()
    say(at, kind="step", what="both", count=2)
    before = at.link()
    with pytest.raises(RecipeError, match="mixes the samples of a batch"):
        say(at, kind="set", settings=["discriminator.minibatch=discrimination"])
    assert at.link() == before
    say(at, kind="step", what="both", count=1)
    assert same(at.tables[0].play.state, played([], 3).state)


def test_a_game_that_diverges_ends_with_a_sentence_and_a_finding() -> None:
    at = seat(["optimizer.generator=sgd", "optimizer.generator.lr=1e30", "optimizer.discriminator=sgd",
               "optimizer.discriminator.lr=1e30"])  # fmt: skip
    said = say(at, kind="step", what="both", count=60)
    assert "not finite" in at.tables[0].play.ended
    assert next(m for m in said if m["kind"] == "finding")["remedy"]
    assert read_frame(at.frames()[0])[0]["ended"]


def test_the_doctor_is_heard_and_its_remedy_can_be_applied() -> None:
    at = seat(["penalties.r1=none", "objective=minimax", "optimizer.discriminator.lr=0.02",
               "optimizer.generator.lr=0.0001", "train.batch=256", "train.tick=1000"])  # fmt: skip
    found: list[dict[str, Any]] = []
    while not found and at.tables[0].play.rounds < 400:
        found = [m for m in say(at, kind="step", what="both", count=20) if m["kind"] == "finding"]
    assert found, "a discriminator two hundred times as fast, against a loss that saturates, is a finding"
    state = say(at, kind="set", settings=[found[0]["remedy"]])[0]
    key, value = found[0]["remedy"].split("=", 1)
    values = state["values"]
    for one in each(key):
        assert (values[one] if one in values else values[f"{one}.name"]) == toml_value(value)


def test_a_schedule_is_played_and_one_beyond_the_lab_is_refused() -> None:
    at = seat([])
    falling = {"schedule": "cosine", "start": 1e-3, "end": 1e-4, "images": 100_000}
    setting = "optimizer.both.lr={schedule='cosine',start=1e-3,end=1e-4,images=100000}"
    values = say(at, kind="set", settings=[setting])[0]["values"]
    assert values["optimizer.generator.lr"] == values["optimizer.discriminator.lr"] == falling
    say(at, kind="step", what="both", count=1)
    with pytest.raises(RecipeError, match=r"optimizer\.generator\.lr = {schedule = .*: the lab goes up to 1e"):
        say(at, kind="set", settings=[setting.replace("1e-3", "1e31")])


@pytest.mark.parametrize("event", [[1, "set", "lr"], [1, "generator", "x"], [1, "discriminator", "9" * 4000]])
def test_a_link_whose_script_makes_no_sense_is_refused(event: list[Any]) -> None:
    with pytest.raises(RecipeError, match="script holds"):
        seat(script=[event])


def test_a_change_that_suits_one_of_two_games_alone_changes_neither() -> None:
    at = seat(["penalties.r1=none"], compare=["penalties.r1.gamma=1"])
    say(at, kind="step", what="both", count=1)
    before = [table.play.recipe for table in at.tables]
    with pytest.raises(RecipeError, match="mixes the samples"):
        say(at, kind="set", settings=["discriminator.minibatch=discrimination"])
    assert [table.play.recipe for table in at.tables] == before


# readings


def test_readings_are_the_toolkits_figures_of_the_same_samples() -> None:
    play = played([], 20)
    scenery = Scenery(play.plan)
    found = readings(scenery, play.state)
    G = play.state.players["generator"]
    z = torch.randn(COUNTED, 2, generator=seeded(torch.Generator(), 2**33 + 5))
    with torch.no_grad():
        fake = G(z)
    real = play.plan.source.held_out.read(torch.arange(COUNTED))  # type: ignore[union-attr]
    half = 1.3 * float(real.abs().max())
    assert abs(scenery.half - half) < 1e-3
    edges = torch.linspace(-scenery.half, scenery.half, 25).double()
    masses = []
    for points in (real, fake):
        counted = torch.histogramdd(points.double(), [edges, edges]).hist.flatten() / COUNTED
        masses.append(torch.cat([counted, (1 - counted.sum())[None].clamp(min=0)]))
    assert found["jsd"] == pytest.approx(divergences.jsd(*masses), abs=2e-4)
    p, q = ((m * COUNTED).round() + 0.5 for m in masses)
    assert found["kl"] == pytest.approx(divergences.kl(p / p.sum(), q / q.sum()), abs=2e-3)
    mixture = play.plan.source.mixture
    assert mixture is not None
    modes = mode_coverage(samples=fake[:CUSTOM], modes=mixture.means, sigma=mixture.sigmas, weights=mixture.weights)
    assert (found["modes"], found["quality"]) == (modes.found, modes.quality)
    assert found["w1"] == transport(real[:MATCHED], fake[:MATCHED]).cost
    assert found["best_payoff"] == pytest.approx(2 * found["jsd"] - 1.3862944, abs=1e-6)
    assert found["payoff"] < found["best_payoff"] + 0.05


def test_a_tick_that_is_charted_is_the_record_of_the_same_run() -> None:
    at = seat()
    rows = [m for m in say(at, kind="step", what="both", count=40) if m["kind"] == "tick"]
    recipe = Recipe("lab", tomllib.loads(recipe_text(at.tables[0].play)))
    ticks = list(train(recipe))
    assert [row["images"] for row in rows] == [tick.images for tick in ticks] == [1280, 2560]
    for row, tick in zip(rows, ticks, strict=True):
        for name in ("loss_discriminator", "loss_generator", "d_real", "d_fake", "gradient_norm_generator"):
            assert row[name] == tick.figures[name]


# pictures


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_arrows_are_minus_the_slope_of_the_generators_loss(name: str) -> None:
    play = played([f"objective={name}"], 3)
    scenery = Scenery(play.plan)
    D, row = play.state.players["discriminator"].double(), OBJECTIVES[name]()
    fake = scenery.fakes(play.state.players["generator"])[:40].double()
    scenery.__dict__["held_out"] = scenery.held_out.double()
    arrows = scenery.arrows(D, fake)
    with torch.no_grad():
        real = D(scenery.held_out[:40])
        for axis in (0, 1):
            step = torch.zeros(2, dtype=torch.float64)
            step[axis] = 1e-6
            up, down = (row.g(real=real, fake=D(fake + sign * step)) for sign in (1, -1))
            slope = (up - down) / 2e-6
            assert (arrows[:, axis] + slope).abs().max() < 1e-5 * max(1.0, float(slope.abs().max()))


def test_the_heat_map_is_d_at_the_cells_centres_first_row_below() -> None:
    play = played([], 2)
    scenery = Scenery(play.plan)
    heat = scenery.heat(play.state.players["discriminator"])
    step = 2 * scenery.half / 48
    place = torch.tensor([[-scenery.half + 6.5 * step, -scenery.half + 40.5 * step]])
    with torch.no_grad():
        assert torch.allclose(heat[40, 6], play.state.players["discriminator"](place)[0], atol=1e-5)


def test_the_model_graph_shows_the_losses_and_verdicts_of_the_points_that_are_drawn() -> None:
    at = seat(["objective=least_squares"])
    say(at, kind="layers", names=["model"])
    say(at, kind="step", what="both", count=3)
    header, arrays = read_frame(at.frames()[0])
    play = played(["objective=least_squares"], 3)
    G, D = play.state.players["generator"], play.state.players["discriminator"]
    scenery = Scenery(play.plan)
    z = torch.randn(420, 2, generator=seeded(torch.Generator(), 2**33 + 5))
    with torch.no_grad():
        real, fake = D(scenery.real), D(G(z))
    by_hand = {"discriminator": (real - 1) ** 2 / 2 + fake**2 / 2, "generator": (fake - 1) ** 2 / 2}
    objective = OBJECTIVES["least_squares"]()
    assert torch.allclose(objective.d(real=real, fake=fake), by_hand["discriminator"], atol=1e-6)
    for player, loss in by_hand.items():
        assert header["losses"][player] == pytest.approx(float(loss.mean()), rel=1e-5)
    assert torch.equal(torch.tensor(arrays["z"]), z[:256])
    assert arrays["judged_fake"].shape == (420,)
    assert {"heat", "mesh"} <= arrays.keys()


@pytest.mark.parametrize("settings", KINDS, ids=" ".join)
def test_every_kind_of_game_is_drawn_in_less_than_thirty_kilobytes(settings: list[str]) -> None:
    at = seat(settings)
    say(at, kind="layers", names=list(instrument.LAYERS))
    say(at, kind="step", what="both", count=2)
    (data,) = at.frames()
    header, arrays = read_frame(data)
    assert len(data) < 30_000
    assert {"real", "fakes", "arrows", "heat", "mesh"} <= arrays.keys()
    assert ("optimum" in arrays) == at.state()["games"][0]["optimum"]
    assert all(0 <= belief <= 1 for belief in header["beliefs"])
    say(at, kind="pace", rounds=1, slow=True)
    for _ in range(10):
        say(at, kind="stage")
        assert len(at.frames()[0]) < 30_000


def test_the_manifolds_cells_are_equally_probable() -> None:
    play = played([], 0)
    G = play.state.players["generator"]
    G.forward = lambda z: z  # type: ignore[method-assign, assignment]
    mesh = Scenery(play.plan).mesh(G)
    wanted = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(21) + 0.5) / 21)
    assert torch.allclose(mesh[:, 0, 0], wanted, atol=1e-5)
    assert torch.allclose(mesh[0, :, 1], wanted, atol=1e-5)


def test_the_optimal_discriminator_is_p_over_p_plus_q_on_the_cells() -> None:
    scenery = Scenery(played([], 0).plan)
    fake = shares(scenery.held_out[:5000] * 0.5, scenery.half)
    seen = scenery.optimum(fake)
    p, q = scenery.real_shares[:-1], fake[:-1]
    assert seen is not None
    for code, a, b in zip(seen.flatten().tolist(), p.tolist(), q.tolist(), strict=True):
        assert code == (255 if a + b == 0 else round(254 * a / (a + b)))
    assert Scenery(played(["objective=wasserstein"], 0).plan).optimum(fake) is None


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_beliefs_lie_between_fake_and_real_and_grow_with_the_logit(name: str) -> None:
    real, fake = torch.tensor([2.0, 4.0]), torch.tensor([-2.0, 0.0])
    belief = believed(OBJECTIVES[name](), torch.linspace(-20, 20, 81), real=real, fake=fake)
    assert belief.min() >= 0
    assert belief.max() <= 1
    assert (belief.diff() >= 0).all()
    assert belief[-1] > 0.9 > 0.1 > belief[0]


# links, keys, frames


def test_changes_of_the_base_recipe_make_the_recipe_again() -> None:
    asked = ["data=moons", "data.sigma=0.2", "penalties.r1=none", "penalties.lecam={}", "objective=hinge",
             "optimizer.generator=sgd", "optimizer.generator.lr=0.1", "train.seed=7",
             "augment.instance_noise.sigma=0.2"]  # fmt: skip
    recipe = recipe_of(asked)
    assert recipe_of(changes(recipe.sections)).sections == recipe.sections
    assert changes(BASE.sections) == []


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("data.source=/etc/passwd", "the lab plays"),
        ("data=drawing", "the lab plays"),
        ("generator.name=os.system", "the lab plays points"),
        ("objective=os.getcwd", "the lab plays"),
        ("penalties.os.x=1", "the lab plays"),
        ("optimizer.generator=subprocess.run", "the lab plays"),
        ("optimizer.other.lr=1", "there are only"),
        ("train.device=cuda", "decides this itself"),
        ("train.seeds=64", "decides this itself"),
        ("run.checkpoint=1", "can't set this"),
        ("judge.extractor=os.system", "can't set this"),
        ("generator.hidden=[129]", "up to 128 units"),
        ("generator.hidden=[8,8,8,8,8,8,8]", "7 entries"),
        ("train.batch=4096", "up to 1024"),
        ("data.held_out=1", "10000 or more"),
        ("game.unroll=50", "up to 10"),
        ("data=mixture", "coordinates"),
        ("train.d_steps=10 train.g_steps=10 game.unroll=10 train.batch=1024", "times the usual work"),
        ("penalties.r1=none discriminator.minibatch=discrimination train.batch=1024", "times the usual work"),
        ("train=5", "it is a table"),
    ],
)
def test_what_a_page_may_not_ask_for_is_refused_in_a_sentence(setting: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        begin(recipe_of(setting.split(" ")))


def test_the_catalogue_offers_everything_that_the_toolkit_has_for_points() -> None:
    offered = catalogue()
    assert set(offered["objective"]["choices"]) == set(OBJECTIVES)
    assert {key: tuple(offered[key]["choices"]) for key in NAMES} == NAMES
    assert offered["penalties"]["choices"]["r1"]["keys"]["gamma"]["ge"] == 0
    assert offered["generator"]["choices"]["points"]["keys"]["latent"]["choices"] == ["normal", "uniform"]
    assert all(key["kind"] in ("number", "whole", "choice", "switch", "text")
               for section in offered.values()
               for choice in section.get("choices", {"": section}).values()
               for key in choice["keys"].values())  # fmt: skip


def test_frames_come_out_as_they_went_in() -> None:
    arrays = {"a": torch.arange(5, dtype=torch.uint8), "b": torch.randn(3, 2), "c": torch.zeros(0, 2)}
    header, found = read_frame(frame({"word": "ü", "bad": float("nan")}, arrays))
    assert header["word"] == "ü"
    assert header["bad"] is None
    assert all(torch.equal(torch.from_numpy(found[name].copy()), value) for name, value in arrays.items())


def test_every_instrument_has_a_title_its_messages_and_a_page() -> None:
    pages = {path.stem for path in Path(instrument.__file__).parents[1].glob("static/instruments/*.js")}
    assert set(INSTRUMENTS) == pages
    for file in INSTRUMENTS.values():
        assert file.TITLE
        assert file.MESSAGES


def test_data_come_out_as_tables() -> None:
    at = seat()
    say(at, kind="step", what="both", count=20)
    (tables,) = say(at, kind="data")[0]["games"]
    first, row = tables["charts"].splitlines()
    assert first.split(",")[:3] == ["images", "round", "loss_discriminator"]
    assert row.startswith("1280,20,")
    kinds = [line.split(",")[0] for line in tables["points"].splitlines()[1:]]
    assert (kinds.count("real"), kinds.count("fake")) == (420, 420)


def test_steps_by_hand_stand_in_the_exported_recipe() -> None:
    play = played([], 2)
    step(play, "generator")
    assert "# round 2: generator 1" in recipe_text(play)
