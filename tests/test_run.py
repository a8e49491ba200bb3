"""Runs: what they leave behind, and that no kill makes a difference."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganforge.errors import CheckpointError, DivergenceError, RecipeError
from ganforge.io.cache import cache_folder
from ganforge.io.checkpoint import load_checkpoint
from ganforge.io.folder import RunFolder
from ganforge.recipe import Recipe, override
from ganforge.run import Judgement, Run, begin, continued
from ganforge.sample import load
from ganforge.train import Tick

TIMING = {"seconds", "images_per_second"}


def finished(run: Run) -> list:
    return list(run.play())


def trained(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor of the last checkpoint."""
    latest = RunFolder.open(path).latest()
    assert latest is not None
    return load_checkpoint(latest)[0]["state"]


def records(path: Path, kind: str) -> list[dict]:
    return [{k: v for k, v in r.items() if k not in TIMING} for r in RunFolder.open(path).records(kind)]


def assert_same_runs(a: Path, b: Path) -> None:
    mine, theirs = trained(a), trained(b)
    assert mine.keys() == theirs.keys()
    assert [k for k in mine if not torch.equal(mine[k], theirs[k])] == []
    for kind in ("ticks", "evaluations"):
        mine, theirs = ([{k: r[k] for k in r.keys() - {"model", "cached"}} for r in records(x, kind)] for x in (a, b))
        assert mine == theirs
    grids = [{p.name: p.read_bytes() for p in RunFolder.open(x).samples()} for x in (a, b)]
    assert grids[0] == grids[1]


@pytest.fixture(scope="module")
def whole(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny recipe that was never stopped."""
    from ganforge.recipe import load_recipe

    path = tmp_path_factory.mktemp("runs") / "whole"
    events = finished(begin(load_recipe(str(tiny_file)), path, command=["ganforge", "train"]))
    assert any(isinstance(e, Judgement) and e.final for e in events)
    return path


def test_a_run_leaves_everything_that_a_reader_needs(whole: Path) -> None:
    names = {p.name for p in whole.iterdir()}
    assert {"recipe.toml", "environment.json", "ticks.jsonl", "evaluations.jsonl", "report.html", "best.json"} <= names
    assert [t["images"] for t in records(whole, "ticks")] == [96, 192, 288, 384, 480]
    assert [int(p.stem) for p in RunFolder.open(whole).samples()] == [0, 96, 192, 288, 384, 480]
    assert {"loss_discriminator", "loss_generator", "d_real", "d_fake", "gradient_norm_generator",
            "gradient_norm_discriminator", "skipped"} <= records(whole, "ticks")[0].keys()  # fmt: skip
    judged = [r["images"] for r in records(whole, "evaluations")]
    assert judged == [192, 384, 480, 480]
    assert json.loads((whole / "environment.json").read_text())["device"] == "cpu"
    assert list(cache_folder().glob("mnist-*"))  # what the network says of the real images of the final figures


def test_the_best_checkpoint_is_the_one_with_the_least_distance_and_is_what_load_gives(whole: Path) -> None:
    judged = {r["images"]: r["figures"]["frechet_distance"] for r in records(whole, "evaluations")[:-1]}
    assert load(whole).images == min(judged, key=lambda i: judged[i])


def test_old_checkpoints_are_removed_but_the_best_stays(whole: Path) -> None:
    folder = RunFolder.open(whole)
    best = folder.best()
    assert {p.name for p in folder.checkpoints()} == {"000000384", "000000480"} | ({best.name} if best else set())


def test_a_run_stopped_by_its_caller_goes_on_bit_for_bit(tiny_recipe: Recipe, whole: Path, tmp_path: Path) -> None:
    path, rounds = tmp_path / "stopped", iter(range(1000))
    list(begin(tiny_recipe, path, command=[]).play(stop=lambda: next(rounds) >= 23))
    assert int(RunFolder.open(path).checkpoints()[-1].name) < 480
    finished(continued(path))
    assert_same_runs(whole, path)


class Killed(BaseException):
    """Stands for a process that is gone: nothing catches it."""


def test_a_run_killed_inside_any_write_goes_on_bit_for_bit(
    tiny_recipe: Recipe, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    real_replace, real_rename = os.replace, os.rename
    for number, deadly in enumerate((3, 7, 11, 15, 20)):
        path, calls = tmp_path / f"killed{number}", iter(range(10_000))

        def die(real, calls=calls, deadly=deadly):
            def call(*args, **kwargs):
                if next(calls) == deadly:
                    raise Killed
                return real(*args, **kwargs)

            return call

        monkeypatch.setattr(os, "replace", die(real_replace))
        monkeypatch.setattr(os, "rename", die(real_rename))
        with pytest.raises(Killed):
            finished(begin(tiny_recipe, path, command=[]))
        monkeypatch.setattr(os, "replace", real_replace)
        monkeypatch.setattr(os, "rename", real_rename)
        with (path / "ticks.jsonl").open("a") as file:
            file.write('{"images": 7, "lo')  # a line that the kill has torn
        finished(continued(path))
        assert_same_runs(whole, path)


LONG = ["train.images=24000", "train.tick=800", "run.checkpoint=1600", "run.samples=8000", "judge.every=8000"]


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from ganforge.cli import main; main()", *words]


def test_processes_killed_with_minus_9_at_random_moments_end_as_one_never_stopped(
    tiny_file: Path, tmp_path: Path
) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    start = ["train", str(tiny_file), *LONG, "--out"]
    subprocess.run(command(*start, str(unbroken)), check=True, capture_output=True)
    chance, kills = random.Random(7), 0
    words = [*start, str(broken)]
    for _ in range(3):
        reached = len(RunFolder.open(broken).records("ticks")) if broken.exists() else 0
        process = subprocess.Popen(command(*words), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if (broken / "ticks.jsonl").exists() and (broken / "ticks.jsonl").read_text().count("\n") > reached + 3:
                break
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.2))
        kills += process.poll() is None
        process.kill()
        process.wait()
        words = ["resume", str(broken)]
    assert kills >= 2
    subprocess.run(command("resume", str(broken)), check=True, capture_output=True)
    assert_same_runs(unbroken, broken)


@pytest.fixture
def heeded() -> Iterator[None]:
    """What is started within it is stopped by SIGHUP, though the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_saves_says_how_to_go_on_and_exits_with_its_code(
    tiny_file: Path, tmp_path: Path, number: int, code: int
) -> None:
    path = tmp_path / "run"
    process = subprocess.Popen(
        command("train", str(tiny_file), "train.images=10000000", "train.tick=800", "--out", str(path)),
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (path / "ticks.jsonl").exists():
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"go on with: ganforge resume {path}" in err
    assert out == ""
    assert RunFolder.open(path).latest() is not None


def test_what_nobody_reads_stops_nothing() -> None:
    code = "from ganforge.view import say\nfor _ in range(3):\n    say('words')\nprint('went on')"
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run([sys.executable, "-c", code], stderr=writer, stdout=subprocess.PIPE, check=True)
    os.close(writer)
    assert process.stdout == b"went on\n"


@pytest.mark.usefixtures("heeded")
@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_run_whose_terminal_is_closed_saves(tiny_file: Path, tmp_path: Path) -> None:
    import pty

    path = tmp_path / "run"
    child, terminal = pty.fork()
    if child == 0:
        words = command("train", str(tiny_file), "train.images=10000000", "train.tick=800", "--out", str(path))
        os.execv(words[0], words)
    while not (path / "ticks.jsonl").exists():
        os.read(terminal, 65536)  # raises where the program is at its end
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGHUP
    run = RunFolder.open(path)
    assert run.latest() is not None
    assert run.command().startswith("ganforge train ")


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_second_signal_stops_at_once_and_leaves_the_terminal_as_it_was(name: str) -> None:
    import pty

    code = (
        "import os, signal\nfrom ganforge.view import progress, signals\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which a shell's background jobs ignore
        "with progress() as shown, signals():\n    shown.add_task('training', news='')\n"
        f"    for _ in range(2):\n        os.kill(os.getpid(), signal.{name})\n    print('went on')"
    )
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stderr=slave, stdout=subprocess.PIPE)
    os.close(slave)
    seen = b""
    with contextlib.suppress(OSError):  # the end of the terminal
        while chunk := os.read(master, 65536):
            seen += chunk
    out, _ = process.communicate(timeout=60)
    os.close(master)
    assert process.returncode != 0
    assert out == b""
    assert b"once more to stop at once" in seen
    assert b"`ganforge resume` goes on from it" in seen
    assert seen.count(b"\x1b[?25l") >= 1, "the bar hides the cursor"
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l"), "and it is shown again"


def test_a_broken_checkpoint_is_a_sentence_and_none_takes_its_place(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken"
    shutil.copytree(whole, path)
    best = RunFolder.open(path).best()
    assert best is not None
    generator = best / "generator.safetensors"
    generator.write_bytes(generator.read_bytes()[:-100])
    for named in (path, best):
        with pytest.raises(CheckpointError, match=r"is a broken checkpoint: generator\.safetensors is cut short"):
            load(named)
    (best / "checkpoint.json").write_text(json.dumps({"format": 99, "ganforge": "9.0"}))
    for named in (path, best):
        with pytest.raises(CheckpointError, match=r"is a checkpoint of format 99, written by ganforge 9\.0"):
            load(named)
    shutil.rmtree(best)
    assert load(path).images != int(best.name)


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(
    tiny_recipe: Recipe, whole: Path, tmp_path: Path
) -> None:
    path = tmp_path / "damaged"
    shutil.copytree(whole, path)
    last = path / "checkpoints" / "000000480" / "state.safetensors"
    raw = bytearray(last.read_bytes())
    raw[-20] ^= 255
    last.write_bytes(raw)
    run = continued(path)
    assert run.state.images == 384
    assert "000000480" in run.notes[0]
    finished(run)
    assert_same_runs(whole, path)
    for checkpoint in RunFolder.open(path).checkpoints():
        (checkpoint / "state.safetensors").write_bytes(b"x" * (checkpoint / "state.safetensors").stat().st_size)
    with pytest.raises(CheckpointError):
        continued(path)


def test_a_finished_run_can_be_made_longer(tiny_recipe: Recipe, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "longer"
    shutil.copytree(whole, path)
    assert continued(path).complete
    run = continued(path, settings=["train.images=576"])
    assert not run.complete
    finished(run)
    assert records(path, "ticks")[-1]["images"] == 576
    assert continued(path).plan.training.images == 576


def test_resume_refuses_to_change_the_game(whole: Path) -> None:
    with pytest.raises(RecipeError, match=r"'train\.batch=8' would change the game half-way"):
        continued(whole, settings=["train.batch=8"])
    with pytest.raises(RecipeError, match="did you mean 'images'"):
        continued(whole, settings=["train.imges=500"])


def test_an_existing_folder_is_left_alone(tiny_recipe: Recipe, whole: Path) -> None:
    before = (whole / "ticks.jsonl").read_bytes()
    with pytest.raises(CheckpointError, match="ganforge resume"):
        begin(tiny_recipe, whole, command=[])
    assert (whole / "ticks.jsonl").read_bytes() == before


def test_a_folder_in_use_is_refused_and_not_touched(tiny_recipe: Recipe, tmp_path: Path) -> None:
    run = begin(tiny_recipe, tmp_path / "run", command=[])
    playing = run.play()
    next(e for e in playing if isinstance(e, Tick))
    before = (tmp_path / "run" / "ticks.jsonl").read_bytes()
    with pytest.raises(CheckpointError, match="being trained by process"):
        next(continued(tmp_path / "run").play())
    assert (tmp_path / "run" / "ticks.jsonl").read_bytes() == before
    list(playing)


def test_weights_of_another_run_are_taken_where_they_fit(tiny_recipe: Recipe, whole: Path, tmp_path: Path) -> None:
    run = begin(tiny_recipe, tmp_path / "same", command=[], init_from=whole)
    theirs = load(whole).G.state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in run.state.ema.state_dict().items())
    assert len(run.notes) == 1
    wider = override(tiny_recipe, ["discriminator.hidden=[24]"])
    notes = begin(wider, tmp_path / "wider", command=[], init_from=whole).notes
    assert all(note.startswith("not taken") for note in notes[1:])
    assert any("is (16, 256) there, (24, 256) here" in note for note in notes)
    other = override(
        tiny_recipe, ["generator=dcgan", "generator.width=4", "discriminator=dcgan", "discriminator.width=4"]
    )
    with pytest.raises(CheckpointError, match="fits these networks"):
        begin(other, tmp_path / "other", command=[], init_from=whole)
    assert not (tmp_path / "other").exists()


def test_a_run_that_diverges_leaves_a_finding(tiny_recipe: Recipe, tmp_path: Path) -> None:
    wild = override(tiny_recipe, ["objective=wasserstein", "optimizer.discriminator=sgd",
                                  "optimizer.discriminator.lr=1e18"])  # fmt: skip
    with pytest.raises(DivergenceError):
        finished(begin(wild, tmp_path / "run", command=[]))
    (finding,) = records(tmp_path / "run", "findings")
    assert "discriminator" in finding["text"]
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize("harm", ["format", "short"])
def test_a_run_whose_checkpoints_cannot_be_read_is_not_begun_anew(whole: Path, tmp_path: Path, harm: str) -> None:
    path = shutil.copytree(whole, tmp_path / "run")
    for checkpoint in (path / "checkpoints").iterdir():
        index = checkpoint / "checkpoint.json"
        if harm == "format":
            index.write_text(index.read_text().replace('"format": 1', '"format": 7'))
        else:
            (checkpoint / "state.safetensors").write_bytes((checkpoint / "state.safetensors").read_bytes()[:1000])
    before = (path / "ticks.jsonl").read_bytes()
    with pytest.raises(CheckpointError):
        continued(path)
    assert (path / "ticks.jsonl").read_bytes() == before


def test_what_was_trained_survives_a_judge_that_fails(
    tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ganforge.run as module

    def broken(*_: object, **__: object) -> None:
        raise ValueError("the judge is unwell")

    monkeypatch.setattr(module, "quick_distance", broken)
    with pytest.raises(ValueError, match="unwell"):
        finished(begin(tiny_recipe, tmp_path / "run", command=[]))
    assert RunFolder.open(tmp_path / "run").latest() is not None


def test_an_unknown_judge_is_refused_before_anything_is_trained(tiny_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="mnits"):
        begin(override(tiny_recipe, ["judge.extractor=mnits"]), tmp_path / "run", command=[])
    assert not (tmp_path / "run").exists()


def test_figures_of_another_protocol_do_not_choose_the_best(whole: Path, tmp_path: Path) -> None:
    path = shutil.copytree(whole, tmp_path / "run")
    run = continued(path, settings=["train.images=576", "judge.extractor=cifar10"])
    finished(run)
    assert run.folder.best() == run.folder.checkpoint(576)


def test_data_without_a_held_out_split_are_judged_on_what_there_is(tiny_recipe: Recipe, tmp_path: Path) -> None:
    run = begin(override(tiny_recipe, ["data.held_out=0", "train.images=96"]), tmp_path / "run", command=[])
    finished(run)
    assert run.final["split"] == "train"


def test_a_run_without_a_checkpoint_may_still_change(tiny_recipe: Recipe, tmp_path: Path) -> None:
    begin(tiny_recipe, tmp_path / "run", command=[])
    assert continued(tmp_path / "run", settings=["train.batch=8"]).plan.training.batch == 8


def test_other_data_are_noticed(tiny_recipe: Recipe, whole: Path, tmp_path: Path) -> None:
    path = shutil.copytree(whole, tmp_path / "run")
    recipe = (path / "recipe.toml").read_text()
    (path / "recipe.toml").write_text(recipe.replace('held_out = "none"', "held_out = 31"))
    with pytest.raises(CheckpointError, match="had 270 training images when the run was saved and has 269 now"):
        continued(path)


def test_what_was_left_out_of_the_data_is_a_note_of_the_run(tiny_recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(150):
        pixels = torch.randint(0, 256, (16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(number))
        Image.fromarray(pixels.numpy()).save(folder / f"{number:03}.png")
    (folder / "007.png").write_bytes(b"")
    recipe = override(tiny_recipe, [f"data.source={folder}"])
    notes = begin(recipe, tmp_path / "run", command=[]).notes
    assert [note.startswith("left out 1 file that can't be read: ") for note in notes] == [True]
    assert continued(tmp_path / "run").notes == notes
