"""Packed copies: made once, read ever after, the same pixels as without; and out of the way where they can't be."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge import data_commands
from ganforge.data import Source, cache, open_source
from ganforge.data.cache import copies, home
from ganforge.data.survey import survey
from ganforge.errors import DataError

COUNT = 40


@pytest.fixture(autouse=True)
def packs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of this test's own, for sets as small as ours."""
    monkeypatch.setattr(cache, "FEW", COUNT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ganforge" / "packs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(COUNT):
        (tmp_path / "set" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "set" / "ab"[number % 2] / f"{number:02}.png")
    return tmp_path / "set"


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), **options)


def there(packs: Path) -> list[str]:
    return sorted(path.name for path in packs.iterdir() if not path.name.startswith(".lock"))


def same(one: Source, other: Source) -> bool:
    pairs = [(getattr(one, split), getattr(other, split)) for split in ("train", "held_out")]
    whole = [torch.equal(a.read(torch.arange(len(a))), b.read(torch.arange(len(b)))) for a, b in pairs]
    return all(whole) and all(torch.equal(a.labels, b.labels) for a, b in pairs) and one.describe() == other.describe()


def counting(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that are filled from now on."""
    filled, fill = list[Path](), cache.fill

    def wrapped(source: Source, folder: Path, **how: object) -> list[str]:
        filled.append(folder)
        return fill(source, folder, **how)

    monkeypatch.setattr(cache, "fill", wrapped)
    return filled


def test_the_copy_is_the_set_bit_for_bit(folder: Path, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = opened(folder, cache=0.0)
    assert not packs.exists()
    filled = counting(monkeypatch)
    assert same(plain, opened(folder))
    assert same(plain, opened(folder))
    assert (len(filled), len(there(packs))) == (1, 1)
    assert copies(folder) == [packs / there(packs)[0]]


def test_archives_have_copies_too(folder: Path, packs: Path) -> None:
    archive = Path(shutil.make_archive(str(folder), "zip", folder))
    one, other = opened(archive), opened(archive)
    assert same(one, other)
    assert same(one, opened(archive, cache=0.0))
    assert len(there(packs)) == 1


def test_what_changes_gets_a_copy_of_its_own(folder: Path, packs: Path) -> None:
    opened(folder)
    opened(folder, size=6)
    opened(folder, held_out=1, channels=1)
    assert len(there(packs)) == 3
    os.utime(folder / "a" / "00.png", (1, 1))
    opened(folder)
    assert len(there(packs)) == 4
    assert opened(folder, size=6).shape == (3, 6, 6)


def test_small_sets_have_none(folder: Path, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "FEW", COUNT + 1)
    opened(folder)
    assert not packs.exists()


def test_a_copy_that_would_be_too_large_isn_t_made(folder: Path, packs: Path) -> None:
    assert opened(folder, cache=1e-9).train.tensor is not None
    assert opened(folder, cache=1e-9, memory=0.0).train.tensor is None
    assert there(packs) == []


def test_room_is_made_by_the_ones_unused_for_longest(folder: Path, packs: Path) -> None:
    weight = COUNT * 12 * 12 * 3
    for size in (12, 11, 10):
        opened(folder, size=size)
    old = {pack.name.rpartition("_")[2]: pack for pack in packs.glob("[!.]*size*")}
    for age, size in enumerate(("11", "12", "10")):
        os.utime(old[size] / "pack.json", (100 + age, 100 + age))
    opened(folder, size=12)  # is used now
    opened(folder, size=9, cache=2.2 * weight / 2**30)
    assert sorted(name.rpartition("_")[2] for name in there(packs)) == ["12", "9"]


def test_a_damaged_copy_is_made_anew(folder: Path, packs: Path) -> None:
    plain = opened(folder, cache=0.0)
    opened(folder)
    (copy,) = copies(folder)
    whole = (copy / "pixels.bin").read_bytes()
    for damaged in (b"short", whole[:-1] + bytes([whole[-1] ^ 1])):
        (copy / "pixels.bin").write_bytes(damaged)
        assert same(plain, opened(folder))
        assert (copy / "pixels.bin").read_bytes() == whole
    (copy / "pack.json").write_text("{")
    assert same(plain, opened(folder))


def test_what_a_killed_process_left_is_removed(folder: Path, packs: Path) -> None:
    opened(folder)
    (copy,) = copies(folder)
    shutil.move(copy, packs / f".tmp-1-2-{copy.name}")
    opened(folder)
    assert there(packs) == [copy.name]


@pytest.mark.parametrize("lock", [True, False])
def test_two_that_start_together_share_one(
    folder: Path, packs: Path, monkeypatch: pytest.MonkeyPatch, lock: bool
) -> None:
    if not lock:
        monkeypatch.setattr(cache, "fcntl", None)
    filled, found = counting(monkeypatch), list[Source]()
    threads = [threading.Thread(target=lambda: found.append(opened(folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(found[0], other) for other in found)
    assert (len(found), len(there(packs))) == (4, 1)
    assert not lock or len(filled) == 1


def test_two_processes_share_one(folder: Path, packs: Path) -> None:
    code = (
        "from ganforge.data import cache, open_source; cache.FEW = 1; "
        f"s = open_source(source={str(folder)!r}); print(s.describe(), int(s.train.tensor.sum()))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=60)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(said) == 1
    assert len(there(packs)) == 1


def test_without_a_place_it_goes_on_and_says_so(folder: Path, packs: Path) -> None:
    packs.parent.parent.mkdir(parents=True)
    packs.parent.write_text("a file where a folder should be")
    source = opened(folder)
    assert len(source.train) == COUNT - COUNT // 10
    (note,) = source.notes
    assert note.startswith(f"no packed copy could be kept in {packs} (")
    assert note.endswith("data.cache=0 tries none")


def test_nobody_at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert home() is None
    assert opened(folder).train.tensor is not None


def test_broken_files_are_said_each_time(folder: Path, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganforge.data.packing.BEARABLE", 0.05)
    (folder / "a" / "02.png").write_bytes(b"")
    notes = opened(folder).notes
    assert notes == opened(folder).notes
    assert "left out 1 file, the first of them because '" in notes[0]
    (folder / "a" / "04.png").write_bytes(b"")
    (folder / "a" / "06.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"0\d\.png' cannot be read as an image"):
        opened(folder)
    assert len(there(packs)) == 1


def test_a_look_says_where_copies_lie(
    folder: Path, packs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert survey(str(folder))[0].packs == []
    opened(folder)
    data_commands.data(str(folder), sheet=None, pack=None, settings=[], as_json=False)
    assert f"packed copy: {packs / there(packs)[0]}" in capsys.readouterr().out.replace("\n", "")
