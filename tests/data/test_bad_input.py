"""Everything that people's files do to a toolkit: each is one clear sentence, and the sound files go on without it."""

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge import commands
from ganforge.data import members as of_members
from ganforge.data import open_source
from ganforge.data import spill as of_spill
from ganforge.data.survey import survey
from ganforge.errors import DataError

SOUND = 120  # so that one bad file is under 1 %


def encoded(kind: str = "png", seed: int = 0, side: int = 16) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    for number in range(SOUND):
        (folder / f"{number:03}.png").write_bytes(encoded(seed=number))
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "set"))


def bytes_of(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def corrupt(path: Path) -> None:
    data = bytearray(encoded())
    data[60:200] = bytes(140)
    path.write_bytes(bytes(data))


def linked_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def linked_to_nothing(path: Path) -> None:
    path.symlink_to("nothing.png")


def bomb(path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(path)


BAD: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "zero bytes": ("bad.png", bytes_of(b""), "the file is empty"),
    "text": ("bad.png", bytes_of(b"this is no picture"), "no known format"),
    "zeros": ("bad.jpg", bytes_of(bytes(5000)), "no known format"),
    "truncated": ("bad.png", bytes_of(encoded()[:400]), "runcated"),
    "truncated jpeg": ("bad.jpg", bytes_of(encoded("jpeg")[:500]), "runcated"),
    "header alone": ("bad.png", bytes_of(encoded()[:20]), r"\w+"),
    "corrupt": ("bad.png", corrupt, r"broken"),
    "a bomb": ("bad.png", bomb, r"a decompression bomb, or larger than 178,956,970 pixels"),
    "a link to itself": ("bad.png", linked_to_itself, "Too many levels of symbolic links"),
    "a link to nothing": ("bad.png", linked_to_nothing, "No such file or directory"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_one_bad_file_is_named_and_left_out(folder: Path, name: str, memory: float) -> None:
    file, make, reason = BAD[name]
    make(folder / file)
    source = open_source(source=str(folder), held_out=0, memory=memory)
    if memory:
        assert len(source.train) == SOUND
        (note,) = source.notes
        assert note.startswith(f"left out 1 file that can't be read: '{folder / file}' (")
    else:
        with pytest.raises(
            DataError, match=rf"bad\.\w+' cannot be read as an image \(.*{reason}.*\): repair or remove"
        ):
            source.train.read(torch.arange(SOUND, SOUND + 1))
    looked, _ = survey(str(folder))
    assert [broken for broken, _ in looked.broken] == [file]
    assert looked.readable == SOUND


@pytest.mark.parametrize("name", BAD)
def test_too_many_stop_it_with_the_reason(folder: Path, name: str) -> None:
    file, make, reason = BAD[name]
    for number in range(SOUND - 10):
        (folder / f"{number:03}.png").unlink()
    make(folder / file)
    with pytest.raises(DataError, match=rf"bad\.\w+' cannot be read as an image \(.*{reason}.*\): repair or remove it"):
        open_source(source=str(folder))


@pytest.mark.parametrize(("kind", "suffix"), [("png", ".jpg"), ("jpeg", ".png"), ("webp", ".bmp"), ("bmp", ".JPEG")])
def test_a_wrong_extension_does_no_harm(folder: Path, kind: str, suffix: str) -> None:
    (folder / f"wrong{suffix}").write_bytes(encoded(kind))
    source = open_source(source=str(folder), held_out=0)
    assert (len(source.train), source.notes) == (SOUND + 1, ())


def test_folders_that_link_in_a_circle_are_walked_once(folder: Path) -> None:
    os.symlink(".", folder / "here")
    os.symlink("..", folder / "above")
    (folder / "in").mkdir()
    os.symlink("../in", folder / "in" / "again")
    os.symlink("around", folder / "around")
    source = open_source(source=str(folder), held_out=0)
    assert len(source.train) == SOUND


def test_no_file_of_an_archive_may_be_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_members, "LARGEST", 10_000)
    for kind in ("zip", "tar.gz"):
        path = tmp_path / f"x.{kind}"
        files = {f"{n}.png": encoded(seed=n) for n in range(4)} | {"bomb.png": bytes(20_000)}
        if kind == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in files.items():
                    archive.writestr(name, data)
        else:
            with tarfile.open(path, "w:gz") as tar:
                for name, data in files.items():
                    entry = tarfile.TarInfo(name)
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
        with pytest.raises(DataError, match=r"it unpacks to more than"):
            open_source(source=str(path))


def test_a_compressed_tar_must_fit(tmp_path: Path, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "x"), "gztar", sound))
    assert len(open_source(source=str(path), held_out=0).train) == SOUND
    monkeypatch.setattr(of_spill, "MOST", 10_000)
    path.touch()
    with pytest.raises(DataError, match=r"x\.tar\.gz' cannot be read as an archive \(it unpacks to more than"):
        open_source(source=str(path))


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.9])
@pytest.mark.parametrize("into", [0, 100])
def test_an_archive_cut_in_the_middle(tmp_path: Path, sound: Path, kind: str, share: float, into: int) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "x"), kind, sound))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data)) // 512 * 512 + into])
    with pytest.raises(DataError, match=r"'.*x\.\S+' cannot be read as an archive|no images in|cut short"):
        open_source(source=str(path))


def options(extractor: str | None) -> dict[str, Any]:
    given = {"split": "train", "samples": 100, "metrics": "frechet_distance", "extractor": extractor, "device": "cpu"}
    return (
        given | dict.fromkeys(("out", "scorecard")) | {"bootstrap": 0, "cache": False, "every": False, "as_json": True}
    )


def test_two_sets_of_different_sizes(tmp_path: Path, sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).integers(0, 256, (SOUND, 24, 24), dtype=np.uint8))
    commands.evaluate(str(sound), str(tmp_path / "grey.npy"), **options("mnist"))
    assert "sound0 was judged at the size and in the channels of" in capsys.readouterr().err.replace("\n", "")


def test_two_sets_of_channels_that_nothing_joins(tmp_path: Path, sound: Path) -> None:
    np.save(tmp_path / "six.npy", np.zeros((SOUND, 16, 16, 6), np.uint8))
    with pytest.raises(DataError, match="images of 6 channels can't be turned into 3: give ones that fit"):
        commands.evaluate(str(tmp_path / "six.npy"), str(sound), **options(None))
