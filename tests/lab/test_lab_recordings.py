"""The lab's recorded games: what is shown is what `train` plays, counted by hand, and a link shows the same."""

import json
import tomllib
from typing import Any

import numpy as np
import pytest
import torch

from ganforge.diagnosis import Trace, diagnose
from ganforge.errors import RecipeError
from ganforge.lab import recording
from ganforge.lab.frames import read_frame
from ganforge.lab.instruments import Room, collapse, game, simulator
from ganforge.lab.limits import recipe_of
from ganforge.lab.messages import message_of
from ganforge.lab.play import begin
from ganforge.plan import build
from ganforge.probe import Probe
from ganforge.recipe import Recipe
from ganforge.train import train


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(simulator, "ROUNDS", 60)
    monkeypatch.setattr(collapse, "ROUNDS", 60)
    recording._RECORDINGS.clear()
    yield
    torch.set_num_threads(before)


def shown(seat: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The frame of a seat whose game is over."""
    while seat.busy:
        seat.advance(1.0)
    seat.shown = None
    return read_frame(seat.frames()[0])


def say(seat: Any, file: Any, **said: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = seat.receive(message_of(json.dumps(said), file.MESSAGES))
    return found


def test_a_simulation_is_what_train_plays_from_its_recipe_and_the_doctor_hears_the_same() -> None:
    seat = simulator.open_seat({"d_lr": 0.05, "d_steps": 2}, Room())
    header, arrays = shown(seat)
    (answer,) = say(seat, simulator, kind="recipe")
    plan = build(Recipe("lab", tomllib.loads(answer["texts"][0])))
    ticks, probe = [], Probe(plan)
    for tick in train(plan):
        looked = tick.since == 0 or (len(ticks) + 1) % plan.recording.probe == 0
        ticks.append({"images": tick.images, **tick.figures, **(probe.look(tick.state) if looked else {})})
    assert len(ticks) == 6
    for name in simulator.SERIES:
        assert arrays[name][1:] == pytest.approx([t.get(name, np.nan) for t in ticks], rel=1e-5, abs=1e-9, nan_ok=True)
        assert np.isnan(arrays[name][0])
    found = diagnose(Trace.of(ticks, recipe=tomllib.loads(plan.toml)))
    assert [(f["name"], f["certainty"]) for f in header["findings"]] == [(f.name, f.certainty) for f in found]
    assert arrays["round"].tolist() == [0, 10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize("file", [simulator, collapse])
def test_a_recorded_game_is_the_table_s_game_of_the_same_settings(file: Any) -> None:
    seat = file.open_seat({"seed": 3}, Room())
    header, _ = shown(seat)
    on_table = game.open_seat({"settings": seat.state()["settings"]}, Room())
    for _ in range(header["round"]):
        on_table.tables[0].play.play_one()
    fakes = recording.recorded(seat.recording.settings, *recorded_as(file)).shots[-1]
    G = on_table.tables[0].play.state.players["generator"]
    with torch.no_grad():
        assert torch.equal(G(seat.recording.z)[: recording.SHOWN], fakes)
    (answer,) = say(seat, file, kind="recipe")
    assert build(Recipe("lab", tomllib.loads(answer["texts"][0]))).toml == on_table.tables[0].play.plan.toml


def recorded_as(file: Any) -> tuple[Any, ...]:
    """What a recording is made with beside its settings."""
    return (file.ROUNDS,) if file is simulator else (file.ROUNDS, file.covered, file.COUNTED)


def test_a_fast_discriminator_starves_the_saturating_generator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "ROUNDS", 200)
    seat = simulator.open_seat({"d_lr": 0.05}, Room())
    starved, _ = shown(seat)
    say(seat, simulator, kind="simulate", d_lr=0.05, d_steps=1, objective="non_saturating", seed=0)
    fed, _ = shown(seat)
    assert starved["last"]["gradient_norm_generator"] < 1e-3 < 0.1 < fed["last"]["gradient_norm_generator"]
    assert {"discriminator dominance", "vanishing generator gradient"} <= {f["name"] for f in starved["findings"]}


def test_what_was_recorded_once_is_kept_and_the_same_again() -> None:
    first = simulator.open_seat({"seed": 4}, Room())
    one = shown(first)
    assert simulator.open_seat({"seed": 4}, Room()).recording is first.recording
    recording._RECORDINGS.clear()
    other = shown(simulator.open_seat(json.loads(json.dumps(first.state()["link"])), Room()))
    assert one[0] == other[0]
    assert all(np.array_equal(one[1][k], other[1][k], equal_nan=True) for k in one[1])


@pytest.mark.parametrize("file", [simulator, collapse])
def test_who_looks_at_a_recording_that_another_goes_on_with_sees_its_end(
    file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "ROUNDS", 60)
    first, second = (file.open_seat({"seed": 11}, Room()) for _ in range(2))
    assert first.recording is second.recording
    assert first.frames()
    assert not first.frames()
    while second.busy:
        second.advance(1.0)
    assert not first.busy
    (shown,) = first.frames()
    assert read_frame(shown)[0]["done"]


def test_recordings_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "KEPT", 3)
    seats = [simulator.open_seat({"seed": seed}, Room()) for seed in range(5)]
    assert len(recording._RECORDINGS) == 3
    assert seats[0].recording.done
    assert not seats[-1].recording.done


def test_modes_coverage_and_regimes_are_counted_from_the_fakes() -> None:
    seat = collapse.open_seat({}, Room())
    header, arrays = shown(seat)
    assert arrays["shots"].shape == (4, recording.SHOWN, 2)
    made = seat.recording
    angle = torch.arange(8) * torch.pi / 4
    for row, shares in zip(made.rows, header["shares"], strict=True):
        assert row["reached"] == pytest.approx(sum(min(s, 1 / 8) for s in shares), abs=1e-9)
        assert row["quality"] == pytest.approx(sum(shares))
    fakes = torch.stack([angle.cos(), angle.sin()], 1).repeat(50, 1)  # a perfect generator, and one that knows a mode
    play = begin(recipe_of(list(collapse.settings(collapse.Link()))))
    row = collapse.covered(play, fakes)
    assert (row["modes_found"], row["quality"], row["reached"]) == (8, 1.0, pytest.approx(1.0))
    row = collapse.covered(play, fakes[:1].repeat(9, 1))
    assert (row["modes_found"], row["reached"]) == (1, pytest.approx(1 / 8))


def looks(*shares: list[float]) -> list[dict[str, Any]]:
    return [{"shares": s, "quality": sum(s), "modes_found": sum(v >= 0.008 for v in s)} for s in shares]


@pytest.mark.parametrize(
    ("shares", "word"),
    [
        ([[0.0] * 8, [0.01] + [0.0] * 7], "on the way"),
        ([[0.9] + [0.0] * 7] * 4, "collapsed"),
        ([[0.9] + [0.0] * 7, [0.0] * 7 + [0.9]], "hopping"),
        ([[0.9] + [0.0] * 7, [0.0] * 8], "hopping"),
        ([[0.9] + [0.0] * 7, *[[0.0] * 8] * 5], "astray"),
        ([[0.1] * 6 + [0.0] * 2], "partial"),
        ([[0.04] * 8], "scattered"),
        ([[0.12] * 8], "covered"),
    ],
)
def test_a_regime_is_a_word_for_the_shares(shares: list[list[float]], word: str) -> None:
    assert collapse.regime(looks(*shares)) == word


@pytest.mark.parametrize("remedy", collapse.REMEDIES)
def test_every_remedy_and_pressure_is_a_game(remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "ROUNDS", 20)
    for pressure, setting in enumerate(collapse.REMEDIES[remedy]):
        assert setting in collapse.settings(collapse.Link(remedy=remedy, pressure=pressure))  # type: ignore[arg-type]
    seat = collapse.open_seat({"remedy": remedy, "pressure": 1}, Room())
    header, _ = shown(seat)
    assert header["round"] == 20
    assert header["first"] == 0
    assert seat.frames() == []
    (state,) = say(seat, collapse, kind="press", remedy=remedy, pressure=0, seed=0)
    assert state["link"] == {"remedy": remedy, "pressure": 0, "seed": 0}
    assert len(state["means"]) == 8


@pytest.mark.parametrize(
    ("file", "link"),
    [(simulator, {"d_lr": 9.0}), (simulator, {"d_steps": 0}), (collapse, {"remedy": "os"}), (collapse, {"x": 1})],
)
def test_what_holds_no_game_is_refused(file: Any, link: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="this link holds no"):
        file.open_seat(link, Room())
