"""The lab's latent walk: what it shows is what the sampler makes of those latents, and only runs of the folder open."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ganforge.edit.store import collected, save_directions
from ganforge.errors import RecipeError
from ganforge.lab.frames import read_frame
from ganforge.lab.instruments import Room, walk
from ganforge.lab.messages import message_of
from ganforge.latent import slerp
from ganforge.recipe import load_recipe, override
from ganforge.run import begin
from ganforge.sample import latents, load


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a conditional run."""
    folder = tmp_path_factory.mktemp("runs")
    small = ["generator.width=4", "discriminator.width=4", "train.images=64", "train.tick=64", "judge.samples=100",
             "judge.final=100", "run.grid=10", "train.device=cpu"]  # fmt: skip
    run = begin(override(load_recipe("cgan_mnist_28"), small), folder / "classes", command=["test"])
    for _ in run.play():
        pass
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def say(seat: walk.Seat, **change: Any) -> dict[str, Any]:
    link = json.loads(json.dumps(seat.state()["link"]))
    (state,) = seat.receive(message_of(json.dumps({"kind": "go", **link, **change}), walk.MESSAGES))
    return state


def test_a_runs_directions_move_the_codes_and_anothers_are_refused(runs: Path) -> None:
    sampler = load(runs / "classes", device="cpu")
    vectors = torch.nn.functional.normalize(torch.randn(2, sampler.z_dim, generator=torch.Generator().manual_seed(3)))
    file = runs / "classes" / "directions.safetensors"
    save_directions(file, collected([("slant", vectors[0], "steered"), ("size", vectors[1], "")], sampler))
    try:
        seat = walk.open_seat({"run": "classes", "seeds": [1, 7, 23, 5]}, Room(runs))
        assert [d["name"] for d in seat.state()["directions"]] == ["slant", "size"]
        state = say(seat, size=0.5, t=0.25, label=3, along=[2.0, -1.5])
        assert state["link"]["along"] == [2.0, -1.5] or state["link"]["along"] == (2.0, -1.5)
        header, arrays = pictured(seat)
        a, b = latents([1, 7], sampler.z_dim) * 0.5 + 2 * vectors[0] - 1.5 * vectors[1]
        z = 0.75 * a + 0.25 * b
        assert header["norm"]["lerp"] == pytest.approx(float(z.norm()), rel=1e-5)
        by_hand = ((sampler.generate(z[None], torch.tensor([3])) + 1) * 127.5).round().clamp(0, 255)
        assert (torch.tensor(arrays["here_lerp"].astype("float32")) - by_hand).abs().max() <= 1
        (answer,) = seat.receive(message_of('{"kind":"data"}', walk.MESSAGES))
        rows = [line.split(",") for line in answer["files"]["codes"].splitlines()]
        assert [float(v) for v in rows[1][2:]] == pytest.approx(a.tolist(), rel=1e-6)
        (answer,) = seat.receive(message_of('{"kind":"recipe"}', walk.MESSAGES))
        assert answer["texts"] == [(runs / "classes" / "recipe.toml").read_text()]
        file.write_bytes(b"no directions")
        state = walk.open_seat({"run": "classes"}, Room(runs)).state()
        assert state["directions"] == []
        assert "holds no directions" in state["problem"]
    finally:
        file.unlink()


def pictured(seat: walk.Seat) -> tuple[dict[str, Any], dict[str, Any]]:
    (data,) = seat.frames()
    return read_frame(data)


def test_what_is_shown_is_what_the_sampler_makes_of_those_latents_and_labels(runs: Path) -> None:
    seat = walk.open_seat({}, Room(runs))
    assert seat.state()["link"]["run"] == "classes"
    assert seat.state()["runs"] == ["classes"]
    say(seat, t=0.25, label=3, size=0.5)
    header, arrays = pictured(seat)
    sampler = load(runs / "classes", device="cpu")
    a, b = latents([1, 7], sampler.z_dim) * 0.5
    z = torch.stack([0.75 * a + 0.25 * b, slerp(a, b, 0.25), a, b])
    by_hand = ((sampler.generate(z, torch.tensor([3, 3, 3, 3])) + 1) * 127.5).round().clamp(0, 255)
    for image, name in zip(by_hand, ("here_lerp", "here_slerp"), strict=False):
        assert (torch.tensor(arrays[name][0].astype("float32")) - image).abs().max() <= 1
    for name, index in (("strip_lerp", 0), ("strip_slerp", 0)):
        assert (torch.tensor(arrays[name][index].astype("float32")) - by_hand[2]).abs().max() <= 1
        assert (torch.tensor(arrays[name][-1].astype("float32")) - by_hand[3]).abs().max() <= 1
    assert (torch.tensor(arrays["grid"][4].astype("float32")) - by_hand[3]).abs().max() <= 1
    assert header["norm"]["lerp"] == pytest.approx(float((0.75 * a + 0.25 * b).norm()), rel=1e-5)
    assert header["norm"]["lerp"] < header["norm"]["slerp"]


def test_only_what_changed_is_sent_and_each_codes_own_label_goes_along(runs: Path) -> None:
    seat = walk.open_seat({"run": "classes"}, Room(runs))
    assert set(pictured(seat)[1]) == {"here_lerp", "here_slerp", "strip_lerp", "strip_slerp", "grid"}
    assert seat.frames() == []
    say(seat, t=0.0)
    _, arrays = pictured(seat)
    assert set(arrays) == {"here_lerp", "here_slerp"}
    own = load(runs / "classes", device="cpu").sample([1])
    assert abs(arrays["here_lerp"].astype(int) - own.numpy().astype(int)).max() <= 1
    state = say(seat, seeds=[1, 2, 3, 4])
    assert state["link"]["seeds"] == (1, 2, 3, 4)
    assert "grid" in pictured(seat)[1]


@pytest.mark.parametrize("name", ["nothing", "empty", "..", "../runs", "/etc", "classes/checkpoints"])
def test_only_runs_of_the_folder_open_and_a_refusal_leaves_the_walk(runs: Path, name: str) -> None:
    seat = walk.open_seat({"run": "classes"}, Room(runs))
    with pytest.raises(RecipeError, match="there is no run"):
        say(seat, run=name)
    assert seat.state()["link"]["run"] == "classes"
    with pytest.raises(RecipeError, match="no such class"):
        say(seat, label=10)
    assert seat.state()["link"]["label"] is None
    with pytest.raises(RecipeError, match="holds no walk"):
        walk.open_seat({"t": 2.0}, Room(runs))
    with pytest.raises(RecipeError, match="there is no run"):
        walk.open_seat({"run": "classes"}, Room())


def test_without_runs_a_small_generator_learns_digits_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "LESSON", 4_000)
    walk._lesson.cache_clear()
    seat, other = walk.open_seat({}, Room()), walk.open_seat({}, Room())
    first, before = pictured(seat)
    assert first["lesson"] == 0
    while seat.busy:
        seat.advance(1.0)
    header, after = pictured(seat)
    assert header["lesson"] == 1.0
    assert header["images"] >= 4_000
    assert (before["grid"] != after["grid"]).any()
    grey, ink = 127.5, 33.3  # what it begins with, and the digits' mean: it goes a quarter of the way and more
    assert before["grid"].mean() == pytest.approx(grey, abs=3)
    assert after["grid"].mean() < grey - (grey - ink) / 4
    assert other.busy
    other.advance(0.1)
    assert not other.busy
    assert not other.state()["classes"]
    walk._lesson.cache_clear()
