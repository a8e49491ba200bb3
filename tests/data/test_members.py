"""Folders and archives as they come: labels, splits, broken files, and names that climb."""

import gc
import json
import os
import tarfile
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.data import Source, open_source, spill
from ganforge.data.members import members
from ganforge.data.survey import survey
from ganforge.errors import DataError


def shade(folder: Path, name: str, value: int) -> None:
    """An image of one grey."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(path)


def filled(folder: Path, names: list[str]) -> Path:
    """An image for each name, grey by its place."""
    for place, name in enumerate(names):
        shade(folder, name, place)
    return folder


def zipped(folder: Path) -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
    return target


def tarred(suffix: str) -> Callable[[Path], Path]:
    def pack(folder: Path) -> Path:
        target = folder.with_suffix(suffix)
        with tarfile.open(target, "w:" + suffix.removeprefix(".tar").removeprefix(".")) as archive:
            archive.add(folder, folder.name)
        return target

    return pack


def as_it_is(folder: Path) -> Path:
    return folder


PACKED = {"folder": as_it_is, "zip": zipped, "tar": tarred(".tar"), "tar.gz": tarred(".tar.gz")}


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), **options)


def by_grey(source: Source) -> dict[int, int]:
    """Grey -> label, over all splits."""
    found = {}
    for split in (source.train, source.held_out, source.test):
        if split is not None:
            greys = split.read(torch.arange(len(split)))[:, 0, 0, 0].tolist()
            found |= dict(zip(greys, split.labels.tolist(), strict=True))
    return found


@pytest.fixture(params=PACKED)
def packed(request: pytest.FixtureRequest) -> Callable[[Path], Path]:
    return PACKED[request.param]


@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_folders_are_classes(tmp_path: Path, packed: Callable[[Path], Path], memory: float) -> None:
    names = [f"{kind}/deep/{n:02}.png" for kind in ("rose", "daisy", "tulip") for n in range(10)]
    source = opened(packed(filled(tmp_path / "flowers", names)), memory=memory)
    assert source.classes == ("daisy", "rose", "tulip")
    assert by_grey(source) == {place: {"daisy": 0, "rose": 1, "tulip": 2}[n.split("/")[0]]
                               for place, n in enumerate(names)}  # fmt: skip
    assert len(source.train) == 27


def test_folders_around_all_of_it_are_no_class(tmp_path: Path, packed: Callable[[Path], Path]) -> None:
    source = opened(packed(filled(tmp_path / "a", [f"b/c/{n}.png" for n in range(10)])))
    assert source.classes is None
    assert source.train.labels is None


def test_images_beside_folders_have_no_class(tmp_path: Path) -> None:
    names = ["loose.png", *(f"{kind}/{n}.png" for kind in "ab" for n in range(5))]
    assert opened(filled(tmp_path, names)).classes is None


def test_folders_named_like_splits_are_splits(tmp_path: Path, packed: Callable[[Path], Path]) -> None:
    names = [f"{split}/{kind}/{n}.png" for split in ("train", "val", "test") for kind in "xy" for n in range(4)]
    source = opened(packed(filled(tmp_path / "set", names)))
    assert [len(split) for split in (source.train, source.held_out, source.test)] == [8, 8, 8]
    assert source.classes == ("x", "y")
    assert by_grey(source) == {place: "xy".index(name.split("/")[1]) for place, name in enumerate(names)}


def test_a_test_folder_alone_is_a_class(tmp_path: Path) -> None:
    names = [f"{kind}/{n}.png" for kind in ("test", "other") for n in range(5)]
    assert opened(filled(tmp_path, names)).classes == ("other", "test")


def index(folder: Path, labels: object) -> None:
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))


@pytest.mark.parametrize("hot", [False, True])
def test_an_index_says_the_labels(tmp_path: Path, packed: Callable[[Path], Path], hot: bool) -> None:
    names = [f"0000{n % 2}/{n}.png" for n in range(10)]
    folder = filled(tmp_path / "set", names)
    numbers = [n % 3 for n in range(10)]
    index(
        folder, [[name, [int(k == c) for k in range(3)] if hot else c] for name, c in zip(names, numbers, strict=True)]
    )
    source = opened(packed(folder))
    assert by_grey(source) == dict(enumerate(numbers))
    assert source.classes == ("0", "1", "2")


def test_an_index_without_labels_means_none(tmp_path: Path) -> None:
    folder = filled(tmp_path, [f"{n % 2}/{n}.png" for n in range(10)])
    index(folder, None)
    assert opened(folder).classes is None


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["0.png", 0]], r"has no label for '1\.png': add it"),
        ([[f"{n}.png", -1] for n in range(4)], r"gives '0\.png' the label -1: it should be a class number"),
        ([[f"{n}.png", [0.5] * (1 + n)] for n in range(4)], r"'1\.png' the label \[0\.5, 0\.5\]: .* of one length"),
        ([[f"{n}.png", [n, None]] for n in range(4)], r"'0\.png' the label \[0, None\]: .* vectors of finite numbers"),
        ([[f"{n}.png", [0.5, 1e39]] for n in range(4)], r"'0\.png' the label \[0\.5, 1e\+39\]"),
        ([[f"{n}.png", []] for n in range(4)], r"'0\.png' the label \[\]"),
        ([[f"{n}.png", [0.5] if n else "cat"] for n in range(4)], r"'0\.png' the label 'cat'"),
        (7, "is no index of labels"),
    ],
)
def test_an_index_that_is_wrong(tmp_path: Path, labels: object, message: str) -> None:
    folder = filled(tmp_path, [f"{n}.png" for n in range(4)])
    index(folder, labels)
    with pytest.raises(DataError, match=message):
        opened(folder)


def test_an_archive_is_the_folder_bit_for_bit(tmp_path: Path, packed: Callable[[Path], Path]) -> None:
    folder = filled(tmp_path / "set", [f"{n:02}.png" for n in range(20)])
    one, other = opened(folder), opened(packed(folder))
    for split in ("train", "held_out"):
        assert torch.equal(getattr(one, split).tensor, getattr(other, split).tensor)


def test_few_broken_files_are_left_out_and_named(tmp_path: Path) -> None:
    folder = filled(tmp_path, [f"{kind}/{n:03}.png" for kind in "ab" for n in range(100)])
    (folder / "a" / "007.png").write_bytes(b"")
    (folder / "b" / "011.png").write_bytes((folder / "b" / "011.png").read_bytes()[:50])
    source = opened(folder, held_out=0)
    assert len(source.train) == len(source.train.labels) == 198
    assert by_grey(source).keys() == set(range(200)) - {7, 111}
    assert by_grey(source) == {grey: grey // 100 for grey in set(range(200)) - {7, 111}}
    (note,) = source.notes
    assert note.startswith("left out 2 files that can't be read: ")
    assert "007.png' (the file is empty)" in note
    (folder / "a" / "008.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"007\.png.*, nor 2 other files: repair or remove it"):
        opened(folder)


def test_an_archive_cut_short(tmp_path: Path, packed: Callable[[Path], Path]) -> None:
    path = packed(filled(tmp_path / "set", [f"{n}.png" for n in range(30)]))
    if path.is_dir():
        return
    path.write_bytes(path.read_bytes()[: -700 if path.suffix != ".tar" else 700])
    with pytest.raises(DataError, match=r"cannot be read as an archive|no images|cannot be read as an image"):
        opened(path)


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "a/../../out.png"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_climb_out_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    picture = filled(tmp_path / "set", ["0.png"]) / "0.png"
    target = tmp_path / f"bad.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            archive.write(picture, name)
            archive.filelist[0].filename = name  # `write` has taken the slash away
    else:
        with tarfile.open(target, "w") as tar:
            entry = tar.gettarinfo(picture)
            entry.name = name
            with picture.open("rb") as file:
                tar.addfile(entry, file)
    with pytest.raises(DataError, match="climbs out of the archive"):
        opened(target)


def test_what_macos_adds_is_left_out(tmp_path: Path) -> None:
    target = tmp_path / "set.zip"
    picture = filled(tmp_path / "set", ["0.png"]) / "0.png"
    with zipfile.ZipFile(target, "w") as archive:
        for name in ("set/a.png", "set/b.png", "set/c.png", "__MACOSX/set/._a.png", "set/.hidden.png"):
            archive.write(picture, name)
    assert [member.name for member in members(target)] == ["set/a.png", "set/b.png", "set/c.png"]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    folder = filled(tmp_path / "set", [f"in/{n}.png" for n in range(10)])
    os.symlink(folder, folder / "in" / "again")
    assert len(members(folder)) == 10


def test_a_bomb_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = filled(tmp_path, [f"{n}.png" for n in range(10)])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # 64 pixels are more than twice of it
    with pytest.raises(DataError, match=r"0\.png.*decompression bomb"):
        opened(folder)


def test_a_compressed_tar_is_unpacked_once_to_a_file_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    gc.collect()  # what other tests hold no more
    monkeypatch.setattr(spill, "CURRENT", weakref.WeakValueDictionary())
    paths = [tarred(".tar.gz")(filled(tmp_path / name, ["1.png", "2.png"])) for name in ("a", "b")]
    found = [member for path in paths for member in members(path)]
    (held,) = {member.spill for member in found}
    assert [m.read() for m in found] == [(tmp_path / m.name).read_bytes() for m in found]
    size = held.size
    assert size == sum(len(member.read()) for member in found)
    assert not [member for member in found if member.content]
    assert [m.read() for m in members(paths[0])] == [m.read() for m in found[:2]]
    assert held.size == size  # not unpacked again
    shade(tmp_path / "a", "3.png", 9)
    tarred(".tar.gz")(tmp_path / "a")
    assert len(members(paths[0])) == 3  # another archive of that name
    assert held.size > size
    assert list((tmp_path / "cache").rglob("*")) == [tmp_path / "cache" / "ganforge"]
    file = held.file
    del held, found
    gc.collect()
    assert file.closed
    assert not spill.CURRENT


def test_where_the_cache_cannot_be_written_the_folder_for_temporary_files_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(spill, "CURRENT", weakref.WeakValueDictionary())
    assert len(opened(tarred(".tar.gz")(filled(tmp_path / "a", ["1.png", "2.png"])), held_out=0).train) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_a_pipe_among_images_is_left_out_and_waited_for_by_nobody(tmp_path: Path) -> None:
    filled(tmp_path, [f"{number:03}.png" for number in range(150)])
    os.mkfifo(tmp_path / "999.png")
    looked, _ = survey(str(tmp_path))
    assert looked.broken == [("999.png", "no ordinary file but a pipe, a socket or a device")]
    source = opened(tmp_path, cache=0.0)
    assert len(source.train) + len(source.held_out) == 150
    assert "999.png' (no ordinary file but a pipe" in source.notes[0]


@pytest.mark.parametrize("name", ["cut.zip", "empty.zip", "cut.tar", "cut.tar.gz"])
def test_an_archive_cut_short_is_one_sentence(tmp_path: Path, name: str) -> None:
    folder = filled(tmp_path / "set", [f"{number}.png" for number in range(9)])
    whole = PACKED[name.split(".", 1)[1]](folder).read_bytes()
    (tmp_path / name).write_bytes(b"" if name.startswith("empty") else whole[: len(whole) // 2])
    with pytest.raises(DataError) as said:
        members(tmp_path / name)
    assert "\n" not in str(said.value)
    assert "cannot be read as an archive" in str(said.value)


def test_a_stray_image_beside_the_splits_is_named(tmp_path: Path) -> None:
    for split, count in (("train", 20), ("test", 5)):
        filled(tmp_path / "set" / split, [f"{number}.png" for number in range(count)])
    assert len(opened(tmp_path / "set").test) == 5
    assert opened(tmp_path / "set").notes == ()
    shade(tmp_path / "set", "preview.png", 9)
    source = opened(tmp_path / "set")
    assert source.test is None
    assert "preview.png') outside of the folders called train, val or test" in source.notes[0]
    filled(tmp_path / "set" / "aeroplane", [f"{number}.png" for number in range(20)])
    assert opened(tmp_path / "set").notes == (), "with a class of its own beside them, train is one too"
