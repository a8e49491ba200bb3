"""What a look at a data set finds: each fault put there on purpose, and nothing in a sound one."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from tests.data.spoilt import FAULTS, climbing, spoilt

from ganforge import data_commands
from ganforge.data import open_source
from ganforge.data.survey import Survey, survey
from ganforge.errors import DataError


def photo(seed: int, width: int = 40, height: int = 40) -> Image.Image:
    """Smooth random blobs: no two alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def fill(folder: Path, count: int, first: int = 0, **size: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        photo(first + number, **size).save(folder / f"{number:03}.png")
    return folder


def found(path: Path) -> Survey:
    return survey(str(path))[0]


def said(path: Path) -> str:
    return "\n".join(found(path).warnings())


def test_a_sound_set_has_nothing_to_mind(tmp_path: Path) -> None:
    for kind in range(10):
        fill(tmp_path / f"kind{kind}", 100, first=1000 * kind)
    looked = found(tmp_path)
    assert looked.splits == {"train": 1000}
    assert looked.classes == {f"kind{kind}": 100 for kind in range(10)}
    assert looked.sizes == {(40, 40): 1000}
    assert looked.modes == {"RGB": 1000}
    assert list(looked.warnings()) == []


def test_copies_are_found_however_they_are_encoded(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    Image.open(tmp_path / "003.png").save(tmp_path / "again.bmp")
    assert found(tmp_path).copies == [["003.png", "again.bmp"]]
    assert "1 image is an exact copy of another, which is seen that much more often: 003.png = again.bmp" in said(
        tmp_path
    )


def test_near_copies_are_found_and_the_same_are_not_among_them(tmp_path: Path) -> None:
    fill(tmp_path, 30)
    Image.open(tmp_path / "004.png").save(tmp_path / "y.jpg", quality=80)
    ImageEnhance.Brightness(Image.open(tmp_path / "007.png")).enhance(1.01).save(tmp_path / "z.png")
    Image.open(tmp_path / "009.png").save(tmp_path / "x.bmp")
    assert set(found(tmp_path).near) == {("004.png", "y.jpg"), ("007.png", "z.png")}


def test_broken_and_empty_files_are_named(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    (tmp_path / "bad.jpg").write_bytes(b"rubbish")
    (tmp_path / "cut.png").write_bytes((tmp_path / "000.png").read_bytes()[:200])
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    looked = found(tmp_path)
    assert [name for name, _ in looked.broken] == ["bad.jpg", "cut.png"]
    assert dict(looked.broken)["bad.jpg"] == "no known format"
    assert looked.constant == ["red.png"]
    assert "2 can't be read, more than 1 %, so training won't start" in said(tmp_path)
    assert "1 images are of one colour, empty perhaps: red.png" in said(tmp_path)


def test_labels_that_teach_nothing(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    names = [f"{n:03}.png" for n in range(12)]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [[name, 0] for name in names]}))
    assert "all labels are equal" in said(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [[name, int(name < "003.png")] for name in names]}))
    assert "2 classes have ten images or fewer, too few to learn one from: 0 (9), 1 (3)" in said(tmp_path)


def test_sizes_and_frames(tmp_path: Path) -> None:
    fill(tmp_path / "wide", 10, width=90, height=30)
    fill(tmp_path / "wide", 10, first=50, width=40, height=40)
    assert found(tmp_path).sizes == {(40, 40): 10}  # the later ones took the names of the first
    fill(tmp_path / "other", 30, first=90, width=90, height=30)
    assert "2 different sizes, shorter sides from 30 to 40" in said(tmp_path)
    assert "the central square leaves out 50% of the pixels" in said(tmp_path)
    framed = tmp_path / "framed"
    framed.mkdir()
    for number in range(10):
        sheet = Image.new("RGB", (50, 50), "white")
        sheet.paste(photo(number), (5, 5))
        sheet.save(framed / f"{number}.png")
    assert found(framed).bordered == 10
    assert "nearly every image has a frame of one colour" in said(framed)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, sheet = fill(tmp_path / "set", 25), tmp_path / "sheet.png"
    data_commands.data(str(folder), sheet=sheet, pack=None, settings=[], as_json=False)
    assert "40×40 (25)" in capsys.readouterr().out
    with Image.open(sheet) as picture:
        assert picture.size == (5 * 132 + 4, 5 * 132 + 4)
    data_commands.data(str(folder), sheet=None, pack=None, settings=[], as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["splits"] == {"train": 25}
    assert record["sizes"] == [{"width": 40, "height": 40, "images": 25}]
    assert any("25 images are few" in words for words in record["warnings"])


def test_a_folder_spoilt_in_every_way(tmp_path: Path) -> None:
    looked, pictures = survey(str(spoilt(tmp_path / "set", 20)))
    reasons = dict(looked.broken)
    assert reasons.keys() == FAULTS.keys()
    assert all(reasons[name].startswith(why) for name, why in FAULTS.items())
    assert looked.constant == ["odd/red0.png", "odd/red1.png"]
    assert looked.copies == [["odd/copy of 003.bmp", "sound/003.png"], ["odd/red0.png", "odd/red1.png"]]
    assert looked.near == [("odd/nearly 004.jpg", "sound/004.png")]
    assert looked.sizes == {(48, 48): 25, (200, 40): 1, (16, 16): 1}
    assert looked.classes == {"cat": 33}
    assert len(pictures) == 27
    assert all(name in "\n".join(looked.warnings()) for name in FAULTS)
    with pytest.raises(DataError, match="climbs out of the archive"):
        survey(str(climbing(tmp_path / "set.tar")))


def test_large_images_are_named_and_decoded_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 20)
    photo(99, width=60, height=50).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # Pillow would warn of 3,000 pixels, and refuse 4,001
    assert found(tmp_path).huge == ["large.png"]
    assert "1 are so large that each takes" in said(tmp_path)
    assert len(open_source(source=str(tmp_path), held_out=0).train) == 21


def test_points_have_nothing_to_look_at() -> None:
    with pytest.raises(DataError, match="'ring' makes points"):
        survey("ring")


def test_nothing_but_broken_files_is_a_sentence(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of the 3 files in .* can be read.*0\.png \(the file is empty\)"):
        survey(str(tmp_path))
