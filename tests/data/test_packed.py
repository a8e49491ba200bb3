"""Packed sets: the same pixels, labels and splits as what was packed, whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge import data_commands
from ganforge.data import Array, Source, open_source
from ganforge.data.survey import survey
from ganforge.errors import CheckpointError, DataError, RecipeError
from ganforge.io.pack import write_pack


def fill(folder: Path, count: int) -> Path:
    for kind in "ab":
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{number:03}.png")
    return folder


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), **options)


def same(one: Source, other: Source) -> bool:
    pairs = [(getattr(one, split), getattr(other, split)) for split in ("train", "held_out", "test")]
    return one.classes == other.classes and all(
        (a is None and b is None)
        or (torch.equal(a.read(torch.arange(len(a))), b.read(torch.arange(len(b)))) and torch.equal(a.labels, b.labels))
        for a, b in pairs
    )


@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_a_pack_is_the_set_bit_for_bit(tmp_path: Path, memory: float) -> None:
    source = opened(fill(tmp_path / "set", 150), memory=memory)
    shares: list[float] = []
    assert write_pack(source, tmp_path / "pack", progress=shares.append) == []
    assert sum(shares) == pytest.approx(1)
    packed = opened(tmp_path / "pack")
    assert same(source, packed)
    assert isinstance(packed.train.tensor, torch.Tensor)


def test_sets_without_labels(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set", 20) / "a"
    write_pack(opened(folder), tmp_path / "pack")
    packed = opened(tmp_path / "pack")
    assert packed.classes is None
    assert packed.train.labels is None
    assert not (tmp_path / "pack" / "labels.bin").exists()


def test_another_size_is_made_from_it(tmp_path: Path) -> None:
    write_pack(opened(fill(tmp_path / "set", 20)), tmp_path / "pack")
    assert opened(tmp_path / "pack", size=6, channels=1).shape == (1, 6, 6)
    with pytest.raises(DataError, match=r"packed with 4 images held out, not 3: leave out"):
        opened(tmp_path / "pack", held_out=3)


def test_broken_images_are_left_out_and_many_are_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set", 120)
    (folder / "a" / "007.png").write_bytes(b"")
    (reason,) = write_pack(opened(folder, memory=0.0), tmp_path / "pack")
    assert "007.png' cannot be read as an image (the file is empty)" in reason
    assert same(opened(folder), opened(tmp_path / "pack"))
    for number in range(20, 24):
        (folder / "a" / f"{number:03}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"^5 files can't be read, and more than 1 % .*007\.png.*020.*021") as e:
        write_pack(opened(folder, memory=0.0), tmp_path / "other")
    assert "022.png" not in str(e.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pack", "set"]


def test_nothing_else_is_overwritten(tmp_path: Path) -> None:
    source = opened(fill(tmp_path / "set", 20))
    with pytest.raises(DataError, match="is there already, and no packed set"):
        write_pack(source, tmp_path / "set")
    write_pack(source, tmp_path / "pack")
    write_pack(source, tmp_path / "pack")
    other = opened(fill(tmp_path / "other", 20))
    with pytest.raises(DataError, match=r"pack' holds '.*set', packed: choose another name or remove it"):
        write_pack(other, tmp_path / "pack")
    assert same(source, opened(tmp_path / "pack"))
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="can't be written"):
        write_pack(source, tmp_path / "file" / "pack")


def test_an_altered_pack_is_a_sentence(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    write_pack(opened(fill(tmp_path / "set", 20)), pack)
    whole = (pack / "pixels.bin").read_bytes()
    (pack / "pixels.bin").write_bytes(whole[:-5])
    with pytest.raises(DataError, match=r"pixels\.bin' has 7,675 bytes where 7,680 were packed: pack the set again"):
        opened(pack)
    (pack / "pixels.bin").write_bytes(whole)
    (pack / "pack.json").write_text("{")
    with pytest.raises(DataError, match="is no index of a packed set"):
        opened(pack)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fill(tmp_path / "set", 20)
    out = tmp_path / "pack"
    data_commands.data(str(folder), sheet=None, pack=out, settings=["size=8", "held_out=5"], as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["describes"].endswith("35 training images of 3×8×8, 5 held out, 2 classes")
    data_commands.data(str(out), sheet=None, pack=None, settings=[], as_json=True)
    assert json.loads(capsys.readouterr().out)["splits"] == {"train": 35, "held_out": 5}


def test_the_command_says_what_it_packed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fill(tmp_path / "set", 120)
    (folder / "a" / "007.png").write_bytes(b"")
    (folder / "b" / "008.png").write_bytes(b"GIF")
    data_commands.data(str(folder), sheet=None, pack=tmp_path / "pack", settings=["size=6"], as_json=False)
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'pack'}\n"
    for words in ("007.png' cannot be read", "008.png' cannot be read", "214 training images of 3×6×6"):
        assert words in said.err


def test_options_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"x\.jpg is written as PNG: name it .*x\.png"):
        data_commands.data("mnist", sheet=tmp_path / "x.jpg", pack=None, settings=[], as_json=False)
    with pytest.raises(RecipeError, match=r"--set size=8 says how to pack, and nothing is packed"):
        data_commands.data("mnist", sheet=None, pack=None, settings=["size=8"], as_json=False)
    with pytest.raises(RecipeError, match=r"only packs; for the contact sheet .*x\.png call"):
        data_commands.data("mnist", sheet=tmp_path / "x.png", pack=tmp_path / "pack", settings=[], as_json=False)


def test_a_look_at_a_pack_checks_every_byte(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    write_pack(opened(fill(tmp_path / "set", 20)), pack)
    survey(str(pack))
    for name in ("pixels.bin", "labels.bin"):
        whole = (pack / name).read_bytes()
        (pack / name).write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        with pytest.raises(DataError, match=rf"{name}' is altered \(its SHA-256 is another\)"):
            survey(str(pack))
        (pack / name).write_bytes(whole)


def test_a_split_without_labels_has_none_in_the_pack(tmp_path: Path) -> None:
    labelled = opened(fill(tmp_path / "set", 20))
    bare = Array(labelled.train.tensor[:5])
    write_pack(Source("half", labelled.train, None, bare, labelled.classes), tmp_path / "pack")
    packed = opened(tmp_path / "pack")
    assert packed.classes == labelled.classes
    assert torch.equal(packed.train.labels, labelled.train.labels)
    assert packed.test.labels is None
    assert [len(packed.train), len(packed.test)] == [36, 5]
