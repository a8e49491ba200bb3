"""Tables of numbers as points: with a header or none, classes by number or by word, and a sentence for a bad cell."""

from pathlib import Path

import pytest
import torch

from ganforge.data import PointStream, Source, open_source
from ganforge.data.survey import survey
from ganforge.errors import DataError


def written(folder: Path, text: str, name: str = "points.csv") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder / name


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), **options)


@pytest.mark.parametrize("header", ["", "x,y\n", '"long, name",height\n', "\ufeffx,y\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t", ", "])
def test_a_row_is_a_point(tmp_path: Path, header: str, separator: str) -> None:
    lines = [separator.join([str(n), f"{n * 2.5e-1}"]) for n in range(20)]
    header = header.replace('",', f'"{separator}') if '"' in header else header.replace(",", separator)
    source = opened(written(tmp_path, header + "\r\n".join(lines) + "\n\n"))
    assert (source.shape, source.classes, len(source.train), len(source.held_out)) == ((2,), None, 18, 2)
    both = torch.cat([source.train.tensor, source.held_out.tensor])
    assert torch.equal(both[both[:, 0].argsort()], torch.arange(20.0)[:, None] * torch.tensor([1.0, 0.25]))
    assert source.describe().endswith("18 training points in 2 dimensions, 2 held out")


@pytest.mark.parametrize(
    ("column", "cells", "classes"),
    [
        ("label", ["2", "0", "2"], ("0", "1", "2")),
        ("Class", ["rose", "daisy", "rose"], ("daisy", "rose")),
        ("label", ["-1", "1.5", "-1"], ("-1", "1.5")),
    ],
)
def test_a_column_of_classes(tmp_path: Path, column: str, cells: list[str], classes: tuple[str, ...]) -> None:
    lines = [f"{n},{cell},{-n}" for n, cell in enumerate(cells)]
    source = opened(written(tmp_path, "\n".join([f"a,{column},b", *lines])))
    assert source.classes == classes
    assert [source.classes[n] for n in source.train.labels.tolist()] == cells
    assert source.train.tensor.tolist() == [[0, 0], [1, -1], [2, -2]]
    looked, _ = survey(str(tmp_path / "points.csv"))
    assert looked.classes == {name: cells.count(name) for name in classes}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,4\n5,six\n", r"line 3, has 'six' in column 2, which is no finite number"),
        ("x,y\n1,2\n\n3,nan\n5,6\n", r"line 4, has 'nan' in y, which is no finite number: mend it"),
        ("x,y\n1,2\n3,1e300\n5,6\n", r"line 3, has '1e300' in y, which is no finite number"),
        ("x,y\n1,2\n3,\n5,6\n", r"line 3, has '' in y"),
        ("x,y\n1,2\n3\n5,6\n", r"line 3, has 1 cells, the first one 2"),
        ("x,kind\n1,a\n2,b\n", r"has 'a' in kind, which is no finite number \(a column of classes is called label"),
        ("x,label\n1,a\n2,\n", r"line 3, has no label"),
        ("label\n1\n2\n3\n", r"has labels and no column of numbers"),
        ("", r"holds 0 points: a generator needs"),
        ("x,y\n1,2\n", r"holds 1 point: a generator needs"),
        ('x,y\n1,"2\n3,4\n', r"has 1 cells|is broken|has '.*' in y|holds 1 point|cells, the"),
    ],
)
def test_a_bad_cell_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(written(tmp_path, text))


def test_no_text_and_no_images(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="cannot be read as text"):
        opened(tmp_path / "x.csv")
    with pytest.raises(DataError, match=r"holds points, and size = 64 is said of images: leave out data\.size"):
        opened(written(tmp_path, "1,2\n3,4\n5,6\n"), size=64)


def test_they_are_seen_by_epochs(tmp_path: Path) -> None:
    source = opened(written(tmp_path, "\n".join(map(str, range(12)))), held_out=2)
    assert source.stream is PointStream
    with source.stream(source.train, batch=5, device="cpu", seed=0) as stream:
        seen = torch.cat([stream.next().x, stream.next().x])
    assert torch.equal(seen.flatten().sort().values, source.train.tensor.flatten())


def test_what_a_look_says(tmp_path: Path) -> None:
    looked, pictures = survey(str(written(tmp_path, "".join(f"{n},7,{n}\n" for n in range(2000)))))
    assert (looked.dims, looked.splits, pictures) == (3, {"train": 1800, "held_out": 200}, [])
    assert list(looked.warnings()) == ["1 coordinates are the same in all points: coordinate 2"]


def test_labels_of_points_come_with_their_batch(tmp_path: Path) -> None:
    path = written(tmp_path, "x,label\n" + "".join(f"{n},{'odd' if n % 2 else 'even'}\n" for n in range(50)))
    source = opened(path)
    with source.stream(source.train, batch=32, device="cpu", seed=0) as stream:
        for batch in (stream.next(), stream.next()):  # the second one straddles two epochs
            assert batch.y is not None
            assert torch.equal(batch.y, batch.x[:, 0].long() % 2)
