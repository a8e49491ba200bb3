"""A run's folder: records, grids, checkpoints, and one writer at a time."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.errors import CheckpointError
from ganforge.io import folder as folder_module
from ganforge.io.checkpoint import save_checkpoint
from ganforge.io.folder import KINDS, EventWriter, RunFolder, environment

RECIPE = '[data]\nname = "mnist"\n'


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(
        tmp_path / "runs/a", recipe=RECIPE, environment={"torch": "2"}, command=["ganforge", "train", "a b"]
    )


def keep(run: RunFolder, *images: int) -> None:
    for count in images:
        save_checkpoint(run.checkpoint(count), {"state": {"w": torch.ones(1)}}, {"images": count})


def kept(run: RunFolder) -> list[int]:
    return [int(path.name) for path in run.checkpoints()]


def test_a_new_folder_says_what_it_was_made_from(run: RunFolder) -> None:
    again = RunFolder.open(run.path)
    assert (again.recipe(), again.environment(), again.command()) == (RECIPE, {"torch": "2"}, "ganforge train 'a b'")
    assert [p.name for p in run.path.parent.iterdir()] == ["a"]
    again.write_recipe("x = 1")
    assert run.recipe() == "x = 1"


def test_an_empty_folder_may_stand_there(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    RunFolder.create(tmp_path / "a", recipe="", environment={}, command=[])
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_what_stands_there_is_refused_and_left(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    cases = [(run.path, f"ganforge resume {run.path}"), (other, "not empty"), (tmp_path / "file", "is a file")]
    for path, words in cases:
        with pytest.raises(CheckpointError) as caught:
            RunFolder.create(path, recipe="new", environment={}, command=[])
        assert all(text in str(caught.value) for text in (words, str(path), "--out"))
    assert (run.recipe(), (tmp_path / "file").read_text(), len(list(other.iterdir()))) == (RECIPE, "mine", 1)


def test_a_failed_creation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(CheckpointError, match="no space left"):
        RunFolder.create(tmp_path / "a", recipe="", environment={}, command=[])
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder: begin one with `ganforge train`"):
        RunFolder.open(tmp_path / "a")
    with pytest.raises(CheckpointError, match=r"holds no recipe\.toml"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_records_come_back_and_a_torn_line_is_passed_over(run: RunFolder, kind: str) -> None:
    assert run.records(kind) == []
    run.append(kind, {"images": 64, "a": torch.tensor(0.5), "b": np.float32(2), "c": {"é": [1, float("nan")]}})
    path = run.path / f"{kind}.jsonl"
    with path.open("a") as file:
        file.write('{"images": 128, "a"')
    assert run.records(kind) == [{"images": 64, "a": 0.5, "b": 2.0, "c": {"é": [1, None]}}]
    run.truncate(1000)
    run.append(kind, {"images": 128})
    assert [record["images"] for record in run.records(kind)] == [64, 128]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_broken_line_in_the_middle_is_a_sentence(run: RunFolder) -> None:
    (run.path / "ticks.jsonl").write_text('{"images": 1}\n{"ima\n{"images": 3}\n')
    with pytest.raises(CheckpointError, match=r"line 2 of .*ticks\.jsonl is altered"):
        run.records("ticks")


class FullFile:
    """A file on a disk that fills in the middle of a line."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __enter__(self) -> "FullFile":
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self.descriptor)

    def tell(self) -> int:
        return os.fstat(self.descriptor).st_size

    def write(self, data: bytes) -> None:
        os.write(self.descriptor, data[:5])
        raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_the_records(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run.append("ticks", {"images": 1})
    monkeypatch.setattr(Path, "open", lambda path, mode: FullFile(os.open(path, os.O_WRONLY | os.O_APPEND)))
    with pytest.raises(CheckpointError, match="no space left"):
        run.append("ticks", {"images": 2})
    monkeypatch.undo()
    assert (run.path / "ticks.jsonl").read_text() == '{"images": 1}\n'


def test_truncate_goes_back(run: RunFolder) -> None:
    for images in (64, 128, 192):
        for kind in KINDS:
            run.append(kind, {"images": images})
        run.save_samples(images, Image.new("L", (4, 4)))
    keep(run, 64, 128, 192)
    run.mark_best(128, 3, "frechet_distance")
    run.truncate(128)
    assert all([r["images"] for r in run.records(kind)] == [64, 128] for kind in KINDS)
    assert [p.name for p in run.samples()] == ["000000064.png", "000000128.png"]
    assert run.best() == run.checkpoint(128)
    assert kept(run) == [64, 128, 192]
    run.truncate(127)
    assert run.best_mark() is None
    run.truncate(-1)
    assert run.samples() == run.records("ticks") == []


def test_prune_keeps_the_last_and_the_best(run: RunFolder) -> None:
    assert (run.latest(), run.best(), run.best_mark()) == (None, None, None)
    keep(run, 100, 5, 1_000_000_000, 20, 300)
    assert kept(run) == [5, 20, 100, 300, 1_000_000_000]
    run.mark_best(20, 4.5, "frechet_distance")
    run.prune(2)
    assert kept(run) == [20, 300, 1_000_000_000]
    assert (run.latest(), run.best()) == (run.checkpoint(1_000_000_000), run.checkpoint(20))
    run.prune(1)
    assert kept(run) == [20, 1_000_000_000]
    assert len(list((run.path / "checkpoints").iterdir())) == 2


def test_incomplete_checkpoints_are_not_there(run: RunFolder) -> None:
    keep(run, 1, 2, 3)
    run.mark_best(3, 0.5, "frechet_distance")
    (run.checkpoint(3) / "state.safetensors").unlink()
    (run.path / "checkpoints" / "notes").mkdir()
    assert (kept(run), run.best(), run.latest()) == ([1, 2], None, run.checkpoint(2))


def test_clean_ends_what_was_cut_off(run: RunFolder) -> None:
    keep(run, 1, 2)
    folder = run.path / "checkpoints"
    run.checkpoint(1).rename(folder / ".old-000000001")
    (folder / ".tmp-7-000000003").mkdir()
    (run.path / "samples" / ".tmp-7-000000003.png").write_text("")
    (run.path / ".tmp-7-best.json").write_text("")
    assert kept(run) == [1, 2]
    run.clean()
    assert kept(run) == [1, 2]
    assert not list(run.path.rglob(".*"))


HOLDER = """
import sys
from pathlib import Path
from ganforge.io.folder import RunFolder
with RunFolder.open(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(run: RunFolder) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-c", HOLDER, str(run.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.skipif(folder_module.fcntl is None, reason="no locks here")
def test_one_process_at_a_time(run: RunFolder, holder: subprocess.Popen) -> None:
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(CheckpointError, match=f"being trained by process {holder.pid}"), run.lock():
        pass
    holder.kill()
    holder.wait()
    with run.lock(), pytest.raises(CheckpointError, match=f"process {os.getpid()}"), run.lock():
        pass
    with run.lock():
        pass


def test_without_locks_nothing_is_held(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "fcntl", None)
    with run.lock(), run.lock():
        pass


def test_the_environment_is_known_and_json() -> None:
    found = environment()
    assert {"ganforge", "python", "torch", "platform", "cpu", "device", "threads"} <= set(found)
    assert json.loads(json.dumps(found)) == found


def test_the_environment_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", broken)
    monkeypatch.setattr(Path, "read_text", broken)
    assert "git" not in environment("cpu")
    assert environment("cpu")["cpu"]


def test_events_are_written_where_tensorboard_is(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write = EventWriter(tmp_path)
    write({"images": 64, "d_real": 0.5, "name": "x", "figures": {"recall": 0.25}})
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == {"d_real", "figures/recall"}
    assert [(e.step, e.value) for e in events.Scalars("figures/recall")] == [(64, 0.25)]


def test_a_broken_tensorboard_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, *rest: object) -> None:
            if name.startswith("torch.utils.tensorboard"):
                raise RuntimeError("operator does not exist")

    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    EventWriter(tmp_path)({"images": 64, "d_real": 0.5})
    assert list(tmp_path.iterdir()) == []


def test_importing_io_imports_no_option() -> None:
    code = "import ganforge.io, sys; print([m for m in ('tensorboard', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_was_done_to_heal_a_run_stays_when_it_goes_back(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", recipe="", environment={}, command=[])
    for images, finding in ((0, "healed"), (500, "mode collapse"), (900, "healed")):
        run.append("findings", {"images": images, "finding": finding})
    run.truncate(-1)
    assert [(r["images"], r["finding"]) for r in run.records("findings")] == [(0, "healed"), (900, "healed")]
