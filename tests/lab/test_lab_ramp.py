"""The lab's two bumps: closed forms, the experiment's own game, and a link that replays."""

import json
import math
import tomllib
from typing import Any

import pytest
import torch

from ganforge.errors import RecipeError
from ganforge.experiments import disjoint
from ganforge.lab.frames import read_frame
from ganforge.lab.instruments import Room, ramp
from ganforge.lab.messages import message_of
from ganforge.plan import build
from ganforge.recipe import Recipe
from ganforge.theory import Gaussian, potential


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ramp, "WARM", 8)
    monkeypatch.setattr(ramp, "PACE", 1e6)


def say(seat: ramp.Seat, **said: Any) -> list[dict[str, Any]]:
    return seat.receive(message_of(json.dumps(said), ramp.MESSAGES))


def played(seat: ramp.Seat, rounds: int) -> ramp.Seat:
    while not seat.warm or seat.rounds < rounds:
        if seat.warm and not seat.playing:
            say(seat, kind="train", on=True)
        seat.advance(0.0001)
    if seat.playing:
        say(seat, kind="train", on=False)
    return seat


def test_distances_are_their_closed_forms() -> None:
    found = ramp.distances(0.5)
    assert found["w1"] == pytest.approx(found["apart"], abs=1e-7)
    assert found["jsd"][0] == pytest.approx(0, abs=1e-12)
    assert found["jsd"][-1] == pytest.approx(math.log(2), abs=1e-9)


def test_the_best_discriminators_are_bayes_rule_and_kantorovichs_potential() -> None:
    x = ramp.places().double()
    logit = ((x - 1.5) ** 2 - (x + 1) ** 2) / (2 * 0.3**2)
    assert torch.allclose(ramp.optimum("vanilla", -1.0, 1.5, 0.3), torch.sigmoid(logit), atol=1e-12)
    p, q = (Gaussian(mean, 0.3).log_prob(x).softmax(0) for mean in (-1.0, 1.5))
    by_transport = potential(p, q, x)
    straight = ramp.optimum("critic", -1.0, 1.5, 0.3)
    assert torch.allclose(by_transport.diff()[20:180], straight.diff()[20:180], atol=1e-9)
    assert not ramp.optimum("critic", 1.0, 1.0, 0.3).any()


def test_the_game_is_the_experiments(short: None) -> None:
    theirs = disjoint.played("critic", seed=5, distance=3.0, rounds=10, warm=8, lr=ramp.LR)
    game = ramp.Game("critic", ramp.Link(real=0.0, fake=3.0, width=disjoint.WIDTH, seed=5))
    for _ in range(18):
        game.play()
    assert game.way == pytest.approx(theirs["way"], abs=1e-6)


def test_a_classifier_leaves_its_fakes_where_they_are_and_a_critic_leads_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ramp, "PACE", 1e6)
    seat = played(ramp.open_seat({"real": 1.0, "fake": -1.0}, Room()), 100)
    header, arrays = read_frame(seat.frames()[0])
    assert abs(header["vanilla"]["travel"]) < 0.05 < 1.6 < -header["critic"]["travel"]
    assert abs(header["vanilla"]["slope"]) < 0.05
    assert header["critic"]["w1"] == pytest.approx(1 - arrays["critic_way"][-1], abs=1e-5)
    assert arrays["critic_way"][0] == -1
    assert abs(arrays["critic_landscape"][1:] - arrays["critic_landscape"][:-1]).max() <= 0.05 * (1 + 1e-4)
    assert seat.frames() == []


def test_a_link_plays_the_same_rounds_again_and_reset_forgets_them(short: None) -> None:
    seat = played(ramp.open_seat({"fake": 0.5, "width": 0.6, "seed": 3}, Room()), 6)
    link = json.loads(json.dumps(seat.state()["link"]))
    assert link["rounds"] == seat.rounds >= 6
    again = ramp.open_seat(link, Room())
    while again.busy:
        again.advance(1.0)
    assert again.rounds == seat.rounds
    assert [g.way for g in again.games] == [g.way for g in seat.games]
    (state,) = say(again, kind="reset")
    assert json.loads(json.dumps(state["link"])) == {**link, "rounds": 0}
    assert not again.warm
    put = {k: v for k, v in link.items() if k not in ("rounds", "script")} | {"fake": -2.0}
    (state,) = say(again, kind="put", **put)
    assert state["link"]["fake"] == again.games[0].fake == -2


def test_single_updates_by_hand_move_one_player_and_stand_in_the_link(short: None) -> None:
    seat = played(ramp.open_seat({"seed": 2}, Room()), 3)
    say(seat, kind="train", on=False)
    before = [(g.fake, g.landscape()) for g in seat.games]
    say(seat, kind="step", what="generator")
    say(seat, kind="step", what="generator")
    for game, (fake, landscape) in zip(seat.games, before, strict=True):
        assert game.name == "vanilla" or game.fake != fake
        assert torch.equal(game.landscape(), landscape)
    fakes = [g.fake for g in seat.games]
    say(seat, kind="step", what="discriminator")
    assert [g.fake for g in seat.games] == fakes
    assert not torch.equal(seat.games[0].landscape(), before[0][1])
    say(seat, kind="step", what="both")
    while seat.busy:
        seat.advance(1.0)
    link = json.loads(json.dumps(seat.state()["link"]))
    rounds = seat.rounds
    assert link["rounds"] == rounds
    assert [t[1] for t in link["script"]] == ["generator", "generator", "discriminator"]
    again = ramp.open_seat(link, Room())
    while again.busy:
        again.advance(1.0)
    assert [g.fake for g in again.games] == [g.fake for g in seat.games]
    assert torch.equal(again.games[1].landscape(), seat.games[1].landscape())


def test_the_exported_recipes_are_the_games_and_train_builds_them() -> None:
    seat = ramp.open_seat({"fake": 1.0, "width": 0.5}, Room())
    (answer,) = say(seat, kind="recipe")
    for text, game in zip(answer["texts"], seat.games, strict=True):
        assert build(Recipe("lab", tomllib.loads(text))).toml == game.plans[1].toml


@pytest.mark.parametrize("link", [{"fake": 9.0}, {"width": 0.0}, {"rounds": 10**6}, {"objective": "hinge"}, {"x": 1}])
def test_what_holds_no_bumps_is_refused(link: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="holds no bumps"):
        ramp.open_seat(link, Room())
