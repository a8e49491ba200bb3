"""Checkpoints come back bit for bit, whole or not at all, and say what is wrong with them."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganforge.errors import CheckpointError
from ganforge.io.checkpoint import is_checkpoint, load_checkpoint, save_checkpoint
from ganforge.io.disk import sweep

shared = torch.arange(6.0)
AWKWARD = {
    "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "strided": torch.arange(24.0).view(4, 6)[::2, 1::3],
    "expanded": torch.tensor([1.5]).expand(3),
    "scalar": torch.tensor(7, dtype=torch.int64),
    "empty": torch.empty(0, 3),
    "empty_too": torch.empty(0),
    "bool": torch.tensor([True, False]),
    "uint8": torch.arange(256, dtype=torch.uint8),
    "float64": torch.tensor([1 / 3, -0.0, float("inf")], dtype=torch.float64),
    "bfloat16": torch.randn(5).bfloat16(),
    "nan": torch.tensor([0x7FC12345], dtype=torch.int32).view(torch.float32),
    "parameter": torch.nn.Parameter(torch.randn(3)),
    "tied": shared,
    "tied_view": shared[2:],
}


def bits(x: Tensor) -> bytes:
    return x.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def saved(folder: Path, value: float = 1.0) -> Path:
    save_checkpoint(folder, {"state": {"w": torch.full((3,), value)}, "generator": {}}, {"value": value})
    return folder


@pytest.mark.parametrize("name", AWKWARD)
def test_a_tensor_comes_back_bit_for_bit(tmp_path: Path, name: str) -> None:
    save_checkpoint(tmp_path / "deep/0", {"state": {name: AWKWARD[name]}}, {})
    back = load_checkpoint(tmp_path / "deep/0", "state")[0]["state"][name]
    assert (back.shape, back.dtype) == (AWKWARD[name].shape, AWKWARD[name].dtype)
    assert bits(back) == bits(AWKWARD[name])


def test_all_parts_and_the_record_come_back(tmp_path: Path) -> None:
    record = {"images": 2**60, "p": 0.1 + 0.2, "worst": float("inf"), "nested": {"a": [1, None, True]}}
    save_checkpoint(tmp_path / "0", {"state": AWKWARD, "generator": {"w": torch.ones(2)}}, record)
    parts, back = load_checkpoint(tmp_path / "0")
    assert (list(parts), set(parts["state"]), back) == (["state", "generator"], set(AWKWARD), record)
    assert list(load_checkpoint(tmp_path / "0", "generator")[0]) == ["generator"]


def test_nothing_hidden_is_left(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        saved(tmp_path / "0", value)
    assert [p.name for p in tmp_path.iterdir()] == ["0"]
    assert load_checkpoint(tmp_path / "0")[1] == {"value": 2.0}


class Killed(BaseException):
    """The process is gone: whatever it calls next does nothing."""


TOUCHES = [(os, "fsync"), (os, "rename"), (os, "replace"), (shutil, "rmtree"), (Path, "open"), (Path, "mkdir")]


def kill_at(monkeypatch: pytest.MonkeyPatch, turn: int) -> Callable[[], int]:
    """From its `turn`-th touch of the disk on, this process is dead; tells how many touches there were."""
    count = 0

    def dying(original: Callable[..., object]) -> Callable[..., object]:
        def touch(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count >= turn:
                raise Killed
            return original(*args, **kwargs)

        return touch

    for place, name in TOUCHES:
        monkeypatch.setattr(place, name, dying(getattr(place, name)))
    return lambda: count


def survivors(tmp_path: Path, before: float | None) -> list[float | None]:
    """What is found after a kill at each moment of writing 2.0 over `before`, at once and after cleaning up."""
    found, turn, finished = [], 1, False
    while not finished:
        folder = tmp_path / str(turn) / "0"
        if before is not None:
            saved(folder, before)
        with pytest.MonkeyPatch.context() as monkeypatch:
            kill_at(monkeypatch, turn)
            try:
                saved(folder, 2.0)
                finished = True
            except Killed:
                turn += 1
        at_once = value_in(folder)
        sweep(folder.parent)
        assert value_in(folder) == at_once
        assert [p.name for p in folder.parent.glob("*")] == (["0"] if at_once else [])
        assert load_checkpoint(saved(folder, 3.0))[1] == {"value": 3.0}
        found.append(at_once)
    return found


def value_in(folder: Path) -> float | None:
    return load_checkpoint(folder)[1]["value"] if is_checkpoint(folder) else None


def test_a_kill_leaves_all_or_nothing(tmp_path: Path) -> None:
    found = survivors(tmp_path, before=None)
    assert len(found) > 8
    assert set(found) == {None, 2.0}


def test_a_kill_while_replacing_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    found = survivors(tmp_path, before=1.0)
    assert len(found) > 10
    assert set(found) == {1.0, 2.0}


def test_a_failed_rename_puts_the_old_one_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, rename = saved(tmp_path / "0", 1.0), os.rename
    monkeypatch.setattr(os, "rename", lambda a, b: fail(errno.EIO) if ".tmp-" in str(a) else rename(a, b))
    with pytest.raises(CheckpointError, match="untouched"):
        saved(folder, 2.0)
    assert value_in(folder) == 1.0
    assert [p.name for p in tmp_path.iterdir()] == ["0"]


def fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    folder = saved(tmp_path / "0", 1.0)
    monkeypatch.setattr(os, "fsync", lambda descriptor: fail(number))
    with pytest.raises(CheckpointError) as caught:
        saved(folder, 2.0)
    assert all(text in str(caught.value) for text in ("no space left", str(folder), "untouched", "free some"))
    assert value_in(folder) == 1.0
    assert [p.name for p in tmp_path.iterdir()] == ["0"]


def test_a_place_under_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="can't be written"):
        saved(tmp_path / "file" / "0")


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def reindex(folder: Path, **changes: object) -> None:
    path = folder / "checkpoint.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "gone": (shutil.rmtree, "no such folder", "check the path"),
    "no index": (lambda f: (f / "checkpoint.json").unlink(), "holds no checkpoint.json", "name a folder"),
    "index cut": (lambda f: shorten(f / "checkpoint.json"), "cut short or altered", "earlier checkpoint"),
    "index no text": (lambda f: (f / "checkpoint.json").write_bytes(b"\xff\x00"), "altered", "earlier checkpoint"),
    "index a list": (lambda f: (f / "checkpoint.json").write_text("[]"), "lacks", "earlier checkpoint"),
    "index empty": (lambda f: (f / "checkpoint.json").write_text("{}"), "lacks", "earlier checkpoint"),
    "part gone": (lambda f: (f / "state.safetensors").unlink(), "missing", "earlier checkpoint"),
    "part cut": (lambda f: shorten(f / "state.safetensors"), "cut short", "earlier checkpoint"),
    "part altered": (lambda f: alter(f / "state.safetensors"), "altered", "earlier checkpoint"),
    "later format": (lambda f: reindex(f, format=2, ganforge="9.8"), "format 2", "pip install ganforge==9.8"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_a_sentence_with_path_and_remedy(tmp_path: Path, damage: str) -> None:
    folder = saved(tmp_path / "0")
    act, wrong, remedy = DAMAGES[damage]
    act(folder)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder, "state")
    assert all(text in str(caught.value) for text in (str(folder), wrong, remedy))
    assert is_checkpoint(folder) == (damage == "part altered")


def test_an_unknown_part_is_a_sentence_that_lists_those_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no part 'ema', only state, generator"):
        load_checkpoint(saved(tmp_path / "0"), "ema")
