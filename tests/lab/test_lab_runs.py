"""The lab's runs: what is shown is what the folder holds; one training at a time, and only what a page may
name."""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganforge.errors import RecipeError
from ganforge.io.folder import RunFolder
from ganforge.lab import workshop
from ganforge.lab.frames import read_frame
from ganforge.lab.instruments import Room, runs
from ganforge.lab.messages import message_of
from ganforge.recipe import Recipe, load_recipe, override
from ganforge.run import begin, read_recipe


@pytest.fixture
def folder(tmp_path: Path, tiny_recipe: Recipe) -> Path:
    """A folder with a run."""
    for _ in begin(tiny_recipe, tmp_path / "tiny", command=["test"]).play():
        pass
    return tmp_path


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[workshop.Workshop]:
    made = workshop.Workshop()
    monkeypatch.setattr(runs, "WORKSHOP", made)
    monkeypatch.setattr(runs, "EVERY", 0.0)
    yield made
    made.close()
    if made.said is not None:
        made.said.close()


def say(seat: runs.Seat, **said: Any) -> list[dict[str, Any]]:
    return seat.receive(message_of(json.dumps(said), runs.MESSAGES))


def test_curves_metrics_grids_and_findings_are_those_of_the_folder(folder: Path, shop: workshop.Workshop) -> None:
    seat = runs.open_seat({}, Room(folder))
    header, arrays = read_frame(seat.frames()[0])
    run, shown = RunFolder(folder / "tiny"), header["shown"]["run"]
    ticks = run.records("ticks")
    assert shown["images"] == [row["images"] for row in ticks]
    for name in runs.SERIES:
        assert shown["series"][name] == pytest.approx([row[name] for row in ticks])
    judged = [r for r in run.records("evaluations") if not r.get("final")]
    for name, points in shown["metrics"].items():
        assert points == [[r["images"], r["figures"][name]] for r in judged if name in r["figures"]]
    assert shown["metrics"]
    assert shown["grids"] == [int(path.stem) for path in run.samples()]
    assert arrays["run"].tobytes() == run.samples()[-1].read_bytes()
    assert seat.frames() == []
    run.append("ticks", {"images": 10_000, "d_real": math.nan})
    (later,) = seat.frames()
    assert read_frame(later)[0]["shown"]["run"]["images"][-1] == 10_000
    first = shown["grids"][0]
    say(seat, kind="look", run="tiny", other="tiny", at=first)
    header, arrays = read_frame(seat.frames()[0])
    assert arrays["run"].tobytes() == arrays["other"].tobytes() == run.samples()[0].read_bytes()


def test_a_long_log_is_thinned_out_and_its_last_tick_stays(folder: Path) -> None:
    run = RunFolder(folder / "tiny")
    for images in range(1_000, 2_000):
        run.append("ticks", {"images": images, "d_real": 0.5})
    shown = runs.curves(folder / "tiny")
    assert len(shown["images"]) <= runs.POINTS
    assert shown["images"][-1] == 1_999


def test_one_run_is_trained_at_a_time_stopped_and_resumed(tmp_path: Path, shop: workshop.Workshop) -> None:
    seat = runs.open_seat({}, Room(tmp_path))
    say(seat, kind="train", recipe="points_ring_8", name="mine")
    with pytest.raises(RecipeError, match="one run at a time"):
        say(seat, kind="train", recipe="points_ring_8", name="another")
    deadline = time.monotonic() + 60
    while not (tmp_path / "mine" / "ticks.jsonl").exists():
        assert shop.busy, shop.words
        assert time.monotonic() < deadline
        time.sleep(0.05)
    header, _ = read_frame(seat.frames()[0])
    assert header["working"]
    assert header["words"] == "mine is training"
    say(seat, kind="stop")
    assert shop.process is not None
    shop.process.wait(60)
    assert shop.words == "mine has ended"
    run = RunFolder(tmp_path / "mine")
    assert run.latest() is not None
    stopped = run.records("ticks")[-1]["images"]
    say(seat, kind="resume", run="mine")
    while run.records("ticks")[-1]["images"] == stopped:
        assert shop.busy, shop.words
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_remedy_is_tried_beside_the_run_that_it_is_for_and_only_one_that_was_proposed(
    tmp_path: Path, shop: workshop.Workshop
) -> None:
    for _ in begin(load_recipe("points_ring_8"), tmp_path / "ill", command=["test"]).play(lambda: True):
        pass
    RunFolder(tmp_path / "ill").append("findings", {"images": 9, "finding": "x", "text": "", "remedy": "train.seed=7"})
    seat = runs.open_seat({"run": "ill"}, Room(tmp_path))
    for remedy in ("train.seed=8", "", "--out=elsewhere"):
        with pytest.raises(RecipeError, match="never proposed"):
            say(seat, kind="treat", run="ill", remedy=remedy)
    (state,) = say(seat, kind="treat", run="ill", remedy="train.seed=7")
    assert state["link"] == {"run": "ill_treated_1", "other": "ill", "at": None}
    assert shop.process is not None
    deadline = time.monotonic() + 60
    while not (tmp_path / "ill_treated_1" / "ticks.jsonl").exists():
        assert shop.busy, shop.words
        assert time.monotonic() < deadline
        time.sleep(0.05)
    say(seat, kind="stop")
    shop.process.wait(60)
    made, old = read_recipe(RunFolder(tmp_path / "ill_treated_1")), read_recipe(RunFolder(tmp_path / "ill"))
    assert made.sections == override(old, ["train.seed=7"]).sections


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"kind": "train", "recipe": "os.system", "name": "x"}, "no recipe"),
        ({"kind": "train", "recipe": "dcgan_images_64", "name": "x"}, "no recipe"),
        ({"kind": "train", "recipe": "points_ring_8", "name": "../x"}, "no name"),
        ({"kind": "train", "recipe": "points_ring_8", "name": "--out"}, "no name"),
        ({"kind": "train", "recipe": "points_ring_8", "name": "taken"}, "already"),
        ({"kind": "resume", "run": "../x"}, "no run"),
        ({"kind": "look", "run": "/etc", "other": None, "at": None}, "no run"),
        ({"kind": "stop"}, "nothing that was begun here"),
    ],
)
def test_what_a_page_may_not_ask_for_is_refused(
    tmp_path: Path, shop: workshop.Workshop, said: dict[str, Any], reason: str
) -> None:
    (tmp_path / "taken").mkdir()
    seat = runs.open_seat({}, Room(tmp_path))
    with pytest.raises(RecipeError, match=reason):
        say(seat, **said)
    assert not shop.busy
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_without_a_folder_nothing_is_trained(shop: workshop.Workshop) -> None:
    seat = runs.open_seat({}, Room())
    assert read_frame(seat.frames()[0])[0]["runs"] == []
    with pytest.raises(RecipeError, match="--runs"):
        say(seat, kind="train", recipe="points_ring_8", name="x")
    with pytest.raises(RecipeError, match="holds no runs"):
        runs.open_seat({"at": -1}, Room())


def test_a_run_with_a_broken_log_is_said_to_be_broken_and_the_others_are_shown(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "recipe.toml").write_text("")
    (tmp_path / "broken" / "ticks.jsonl").write_text('{"images": 1}\nnonsense\n{"images": 2}\n')
    seat = runs.open_seat({"run": "broken"}, Room(tmp_path))
    header, _ = read_frame(seat.frames()[0])
    assert header["runs"] == ["broken"]
    assert header["shown"] == {}
    assert "is altered" in header["problem"]
