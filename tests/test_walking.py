"""Walks, fields and sums of a generator: what is decoded, with which labels, and what is refused."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ganforge import latent_commands
from ganforge.errors import RecipeError
from ganforge.features.extractor import Features
from ganforge.io.film import save_film
from ganforge.io.images import read_metadata
from ganforge.labels import Labels
from ganforge.latent import expected_norm, truncated_deviation
from ganforge.layers import Condition
from ganforge.recipe import Recipe
from ganforge.run import begin
from ganforge.sample import Sampler, latents
from ganforge.walking import asked, exemplars, field, mixed, terms_in, walked

CLASSES = Labels(Condition("class", 3), ("ant", "bee", "cow"), shares=torch.full((3,), 1 / 3))


class Plain(nn.Module):
    """Points that are the latents, or, asked for something, the labels."""

    def __init__(self, z_dim: int = 4) -> None:
        super().__init__()
        self.z_dim, self.gain = z_dim, nn.Parameter(torch.ones(()))

    def forward(self, z: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        return self.gain * (z if y is None else y)


class Sign:
    """Reads a point by its first coordinate."""

    name, digest, classes = "sign", "none", ("minus", "plus")

    def __call__(self, x: torch.Tensor) -> Features:
        return Features(x, torch.stack([-x[:, 0], x[:, 0]], 1))


free = Sampler(Plain(), name="plain@0", shape=(4,))
conditional = Sampler(Plain(), name="asked@0", shape=(3,), labels=CLASSES)


@pytest.fixture(scope="module")
def run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import TINY_SETTINGS

    path = tmp_path_factory.mktemp("runs") / "tiny"
    recipe = Recipe("tiny", {**TINY_SETTINGS, "data": {"source": str(tiny_data)}, "judge": {"every": 0}})
    list(begin(recipe, path, command=[]).play())
    return path


def test_a_walk_decodes_the_latents_of_its_seeds() -> None:
    assert torch.allclose(walked(free, [3, 5, 9], frames=5)[::2], latents([3, 5, 9], 4), atol=1e-5)
    assert torch.allclose(field(free, [1, 2, 3, 4], side=3)[[0, 2, 6, 8]], latents([1, 2, 3, 4], 4), atol=1e-5)


def test_a_truncated_generator_walks_and_adds_among_its_own_latents() -> None:
    short = free.truncated(0.5)
    assert torch.allclose(walked(short, [3, 5], frames=2), short.sample([3, 5]), atol=1e-6)
    assert torch.allclose(field(short, [1, 2, 3, 4], side=2), short.sample([1, 2, 3, 4]), atol=1e-6)
    whole, cut = (mixed(one, terms_in("1,2 - 3"), Sign).z.norm(dim=1) for one in (free, short))
    assert torch.allclose(cut, whole * truncated_deviation(0.5), rtol=1e-4)
    assert short.truncated(float("inf")) is free
    assert short.truncated(0.3).name == "plain@0, truncated to 0.3"


def test_a_name_with_a_comma_is_a_name() -> None:
    odd = Sampler(Plain(), name="odd@0", shape=(3,), labels=replace(CLASSES, names=("ant, red", "bee", "cow")))
    assert torch.equal(asked(odd, "ant, red", [1, 2]), torch.tensor([[1.0, 0, 0]] * 2))


def test_no_label_can_be_asked_for_where_training_left_some_out() -> None:
    loose = replace(CLASSES, condition=Condition("class", 3, optional=True))
    without = Sampler(Plain(), name="loose@0", shape=(3,), labels=loose)
    assert walked(without, [1, 2], frames=3, labels="none").isnan().all()
    with pytest.raises(RecipeError, match="no way from no label to a class"):
        walked(without, [1, 2], frames=2, labels="none,bee")
    assert loose.named("0,none") == [0, -1]
    with pytest.raises(RecipeError, match="there is no class 'none'"):
        walked(conditional, [1, 2], frames=3, labels="none")


def test_labels_go_from_class_to_class_as_shares() -> None:
    made = walked(conditional, [1, 1, 1], frames=5, labels="ant,cow,1")
    expected = [[1, 0, 0], [0.5, 0, 0.5], [0, 0, 1], [0, 0.5, 0.5], [0, 1, 0]]
    assert torch.allclose(made, torch.tensor(expected))
    around = walked(conditional, [1, 2], frames=4, way="cubic", loop=True, labels="0,1")
    assert torch.allclose(around, torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0.5, 0.5, 0]]))


def test_without_words_each_seed_keeps_its_label() -> None:
    own = CLASSES.of_seeds([4, 5, 6])
    assert torch.equal(walked(conditional, [4, 5, 6], frames=3).argmax(1), own)
    assert torch.equal(asked(conditional, "bee", [1, 2]), torch.tensor([[0.0, 1, 0]] * 2))


def test_a_sum_is_that_of_the_terms_means() -> None:
    found = mixed(free, terms_in("1,2 - 3 + 0.5*class:plus"), Sign)
    means = [latents(part, 4).mean(0) for part in found.seeds]
    unit = [m / m.norm() for m in means]
    total = unit[0] - unit[1] + 0.5 * unit[2]
    assert torch.allclose(found.z[0], total / total.norm() * expected_norm(4), atol=1e-5)
    assert (latents(found.seeds[2], 4)[:, 0] > 0).all()
    assert len(found.seeds[2]) == 16
    assert found.y is None


def test_labels_are_added_up_and_what_is_negative_is_cut_off() -> None:
    found = mixed(conditional, terms_in("class:ant - class:bee + class:cow"), Sign)
    assert torch.allclose(found.y, torch.tensor([[0.5, 0, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    assert (CLASSES.of_seeds(found.seeds[2]) == 2).all()


@pytest.mark.parametrize(("words", "call"), [
    ("plain@0 takes no labels", lambda: walked(free, [1, 2], frames=3, labels="3")),
    ("takes no labels", lambda: mixed(free, terms_in("1 + 2"), Sign, labels="3")),
    ("there is no class 'owl'", lambda: walked(conditional, [1, 2], frames=3, labels="owl")),
    ("class 7 is out of range", lambda: walked(conditional, [1, 2], frames=3, labels="7")),
    ("name 2 classes for 3 seeds", lambda: walked(conditional, [1, 2, 3], frames=3, labels="0,1")),
    ("four corners, and 3 seeds", lambda: field(free, [1, 2, 3], side=3)),
    ("can't be walked by 'cubic'", lambda: field(free, [1, 2, 3, 4], side=3, way="cubic")),
    ("'1,2-' names no seeds", lambda: terms_in("1,2-")),
    ("'many' is no term", lambda: terms_in("1,2 - many")),
    ("'x\\*3' is no term", lambda: terms_in("x*3")),
    ("there is no class 'nine': the classifier sign", lambda: exemplars(free, terms_in("class:nine")[0], Sign)),
    ("'nan\\*3' is no term", lambda: terms_in("nan*3 + 4")),
    ("several classes for one sum", lambda: mixed(conditional, terms_in("1,2 + 3"), Sign, labels="0,1")),
    ("cancel", lambda: mixed(free, terms_in("1,2 - 1,2"), Sign)),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_with_the_reason(words: str, call: object) -> None:
    with pytest.raises(RecipeError, match=words):
        call()  # type: ignore[operator]


def walk(run: Path, out: Path, **options: object) -> None:
    given = {
        "frames": None,
        "way": "slerp",
        "loop": False,
        "corners": False,
        "labels": None,
        "truncation": None,
        "fps": 20.0,
    }
    latent_commands.walk(run, "1,7,23", out, **{**given, **options}, device="cpu", as_json=False)  # type: ignore[arg-type]


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_the_verbs_write_strips_films_and_frames(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walk(run, tmp_path / "a.gif", frames=6, way="cubic", loop=True)
    with Image.open(tmp_path / "a.gif") as film:
        assert (film.n_frames, film.size, film.info["loop"]) == (6, (256, 256), 0)
    walk(run, tmp_path / "a.png", frames=5)
    assert size(tmp_path / "a.png") == (5 * (64 + 2) + 2, 64 + 4)
    assert read_metadata(tmp_path / "a.png")["seeds"] == "1,7,23"
    walk(run, tmp_path / "frames", frames=3)
    assert len(list((tmp_path / "frames").iterdir())) == 3
    latent_commands.mix(
        run, "1,2,3 - 4 + 5", tmp_path / "mix.png", labels=None, truncation=None, judge=None, device="cpu", as_json=True
    )
    assert size(tmp_path / "mix.png") == (4 * 66 + 2, 4 * 66 + 2)
    assert capsys.readouterr().out.count("\n") == 4


def test_outputs_that_cannot_be_are_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for out, words in {"a.mp4": "needs ffmpeg", "a.avi": "is no film", ".": "is there already"}.items():
        with pytest.raises(RecipeError, match=words):
            walk(run, tmp_path / out)
    with pytest.raises(RecipeError, match="--grid is one picture"):
        walk(run, tmp_path / "a.gif", corners=True)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg isn't here")
@pytest.mark.parametrize("ending", [".mp4", ".webm"])
def test_ffmpeg_writes_films(ending: str, tmp_path: Path) -> None:
    levels = [0, 64, 128, 192, 255]
    save_film(tmp_path / f"a{ending}", [Image.new("L", (33, 31), level) for level in levels], fps=10.0, words={})
    read = ["ffmpeg", "-loglevel", "error", "-i", f"a{ending}", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    pixels = subprocess.run(read, cwd=tmp_path, check=True, capture_output=True).stdout
    films = np.frombuffer(pixels, np.uint8).reshape(len(levels), 32, 34)  # sides are made even
    assert films[:, :31, :33].mean((1, 2)) == pytest.approx(levels, abs=3)
    assert abs(films[:, :31, :33] - films[:, :31, :33].mean((1, 2), keepdims=True)).max() < 6


def test_what_ffmpeg_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it isn't installed, a program in its place shows that every frame is handed over and the result kept."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor last; do :; done\nls "$(dirname "$last")" > "$last"\necho "$@" >> "$last"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    save_film(tmp_path / "a.webm", [Image.new("L", (4, 4))] * 2, fps=12.5, words={})
    text = (tmp_path / "a.webm").read_text()
    assert "00000.png\n00001.png\n" in text
    assert "-framerate 12.5" in text
