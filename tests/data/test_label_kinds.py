"""Labels that aren't class numbers: vectors from every kind of source, through packing and caching, to the batch."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from tests.data.test_members import PACKED, filled
from tests.data.test_shards import png, shard
from torch import Tensor

from ganforge import data_commands
from ganforge.data import Source, open_source
from ganforge.data import cache as copies
from ganforge.data.survey import survey
from ganforge.errors import DataError
from ganforge.io.pack import write_pack

COUNT = 20
VECTORS = [[n / 4, -1.5, float(n % 2)] for n in range(COUNT)]
NAMES = [f"{n % 2}/{n:02}.png" for n in range(COUNT)]


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), **options)


def by_grey(source: Source) -> dict[int, object]:
    """Grey -> label, over all splits; the greys of `filled` count the images."""
    found: dict[int, object] = {}
    for split in (source.train, source.held_out, source.test):
        if split is not None and split.labels is not None:
            greys = split.read(torch.arange(len(split)))[:, 0, 0, 0].tolist()
            found |= dict(zip(greys, split.labels.tolist(), strict=True))
    return found


def vectors(source: Source) -> bool:
    """Whether every image has its own vector."""
    assert source.classes is None
    assert source.train.labels.dtype == torch.float32
    return by_grey(source) == dict(enumerate(VECTORS))


def index(folder: Path) -> Path:
    (folder / "dataset.json").write_text(json.dumps({"labels": list(zip(NAMES, VECTORS, strict=True))}))
    return folder


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder


def rows(titles: str = "file,angle,tilt,open\n", names: list[str] = NAMES) -> str:
    return titles + "".join(f"{name},{','.join(map(str, row))}\n" for name, row in zip(names, VECTORS, strict=True))


@pytest.fixture(params=PACKED)
def packed(request: pytest.FixtureRequest) -> Callable[[Path], Path]:
    return PACKED[request.param]


@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_an_index_of_vectors(tmp_path: Path, packed: Callable[[Path], Path], memory: float) -> None:
    source = opened(packed(index(filled(tmp_path / "set", NAMES))), memory=memory)
    assert vectors(source)
    assert source.continuous == ("0", "1", "2")
    assert source.describe().endswith("2 held out, labels of 3 numbers")


@pytest.mark.parametrize("form", [rows(), rows("").replace(",", "\t"), rows(names=[n[2:] for n in NAMES])])
def test_a_table_beside_the_images(tmp_path: Path, packed: Callable[[Path], Path], form: str) -> None:
    name = "labels.tsv" if "\t" in form else "labels.csv"
    source = opened(packed(table(filled(tmp_path / "set", NAMES), form, name)))
    assert vectors(source)
    assert source.continuous == (("0", "1", "2") if "\t" in form else ("angle", "tilt", "open"))


def column(words: list[object]) -> str:
    """A table whose second column names the files."""
    return "value,file\n" + "".join(f"{word},{name}\n" for word, name in zip(words, NAMES, strict=True))


@pytest.mark.parametrize(
    ("words", "labels", "classes"),
    [
        ([n % 3 for n in range(COUNT)], [n % 3 for n in range(COUNT)], ("0", "1", "2")),
        (["rose" if n % 2 else "fir" for n in range(COUNT)], [n % 2 for n in range(COUNT)], ("fir", "rose")),
        ([f"{n}.5" for n in range(COUNT)], [[n + 0.5] for n in range(COUNT)], None),
        ([n - 3 for n in range(COUNT)], [[n - 3] for n in range(COUNT)], None),
    ],
    ids=["numbers", "words", "floats", "below 0"],
)
def test_one_column_is_classes_or_a_number(
    tmp_path: Path, words: list[object], labels: list[object], classes: tuple[str, ...] | None
) -> None:
    source = opened(table(filled(tmp_path, NAMES), column(words)))
    assert by_grey(source) == dict(enumerate(labels))
    assert source.classes == classes
    assert source.continuous == (None if classes else ("value",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rows(names=NAMES[:-1] + ["other.png"]), r"has no row for '1/19\.png': add it, or rename the table"),
        (rows(names=[f"x{n}.png" for n in range(COUNT)]), "names none of the 20 images beside it"),
        ("", "names none of the 20 images"),
        (rows().replace("1.25", "wet"), r"line 7, has 'wet' in angle, which is no finite number"),
        (rows().replace("1.25", "nan"), r"line 7, has 'nan' in angle"),
        (rows().replace("1.25,", ""), r"line 7, has 3 cells, the first one 4"),
        ("file\n" + "\n".join(NAMES), "has no column besides the files' names"),
        (column(["", *range(1, COUNT)]), "line 2, has no label"),
    ],
)
def test_a_table_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(table(filled(tmp_path, NAMES), text))


def test_bare_names_must_be_unlike(tmp_path: Path) -> None:
    folder = table(filled(tmp_path, ["a/0.png", "b/0.png", "b/1.png"]), "0.png,0.5\n1.png,0.5\n")
    with pytest.raises(DataError, match=r"names files without their folders, and several are called '0\.png'"):
        opened(folder)


def npz(path: Path, labels: np.ndarray, **more: np.ndarray) -> Path:
    images = np.arange(COUNT, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
    np.savez(path, x=images, y=labels, **more)
    return path


def test_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert vectors(opened(npz(path, np.array(VECTORS))))
    assert by_grey(opened(npz(path, np.arange(COUNT) / 2))) == {n: [n / 2] for n in range(COUNT)}
    for kind in (np.float32, np.int64):
        hot = opened(npz(path, np.eye(4, dtype=kind)[np.arange(COUNT) % 4]))
        assert hot.classes == ("0", "1", "2", "3")
        assert by_grey(hot) == {n: n % 4 for n in range(COUNT)}
    test = {"x_test": np.full((4, 8, 8), 200, np.uint8), "y_test": np.ones((4, 3), np.float32)}
    assert opened(npz(path, np.array(VECTORS), **test)).test.labels.tolist() == [[1.0] * 3] * 4


@pytest.mark.parametrize(
    ("labels", "test", "message"),
    [
        (np.full(COUNT, np.nan), None, "has a label that is no finite number"),
        (np.arange(COUNT) - 1, None, r"a\.npz: y' has a label -1, and class numbers begin at 0"),
        (np.array(VECTORS), np.ones((4, 2)), "labels of one kind for training and of another for testing"),
        (np.array(VECTORS), np.ones(4, np.int64), "labels of one kind for training and of another for testing"),
    ],
)
def test_arrays_that_are_wrong(tmp_path: Path, labels: np.ndarray, test: np.ndarray | None, message: str) -> None:
    more = {} if test is None else {"x_test": np.zeros((4, 8, 8), np.uint8), "y_test": test}
    with pytest.raises(DataError, match=message):
        opened(npz(tmp_path / "a.npz", labels, **more))


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 3), pa.large_list(pa.float32())])
def test_parquet(tmp_path: Path, kind: pa.DataType) -> None:
    for name, place in (("train-0", range(8)), ("train-1", range(8, 15)), ("test-0", range(15, COUNT))):
        columns = {"image": [png(n) for n in place], "labels": pa.array([VECTORS[n] for n in place], kind)}
        pyarrow.parquet.write_table(pa.table({**columns, "id": list(place)}), tmp_path / f"{name}.parquet")
    source = opened(tmp_path)
    assert vectors(source)
    assert len(source.test) == 5


def test_parquet_of_one_number_and_of_ragged_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for cells, count in (([n / 2 for n in range(COUNT)], 1), ([[0.5] * (1 + n % 2) for n in range(COUNT)], 0)):
        pyarrow.parquet.write_table(pa.table({"image": [png(n) for n in range(COUNT)], "label": cells}), path)
        if count:
            assert by_grey(opened(path)) == {n: [n / 2] for n in range(COUNT)}
        else:
            with pytest.raises(DataError, match=r"label' gives 'row 1' the label \[0\.5, 0\.5\]"):
                opened(path)


def test_shards(tmp_path: Path) -> None:
    for part in range(2):
        files = {}
        for n in range(10 * part, 10 * part + 10):
            files |= {f"{n:04}.png": png(n), f"{n:04}.json": json.dumps({"label": VECTORS[n]}).encode()}
        shard(tmp_path / f"train-{part}.tar", files)
    assert vectors(opened(tmp_path))
    shard(tmp_path / "train-2.tar", {"a.png": png(99), "a.json": b'{"label": 3}'})
    with pytest.raises(DataError, match=r"gives 'a\.png' the label '3'"):
        opened(tmp_path)


def test_vectors_survive_packing(tmp_path: Path) -> None:
    source = opened(table(filled(tmp_path / "set", NAMES), rows()))
    write_pack(source, tmp_path / "pack")
    packed = opened(tmp_path / "pack")
    assert vectors(packed)
    assert packed.continuous == source.continuous
    bare = Source("half", source.train, None, type(source.train)(source.train.tensor), continuous=source.continuous)
    write_pack(bare, tmp_path / "half")
    assert opened(tmp_path / "half").test.labels is None
    survey(str(tmp_path / "pack"))
    (tmp_path / "pack" / "labels.bin").write_bytes(b"12345")
    with pytest.raises(DataError, match=r"labels\.bin' has 5 bytes where 240 were packed"):
        opened(tmp_path / "pack")


def test_vectors_survive_the_packed_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "FEW", 4)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = table(filled(tmp_path / "set", NAMES), rows())
    assert vectors(opened(folder))
    assert copies.copies(folder)
    assert vectors(opened(folder))  # from there
    table(folder, rows("file,a,b,c\n"))
    assert opened(folder).continuous == ("a", "b", "c")


def test_the_batch_brings_them(tmp_path: Path) -> None:
    source = opened(index(filled(tmp_path, NAMES)))
    with source.stream(source.train, batch=30, device="cpu", seed=0) as stream:
        batch = stream.next()
    wanted: Tensor = source.train.labels[batch.index]
    assert torch.equal(batch.y, wanted)


def test_the_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = table(filled(tmp_path / "set", NAMES), rows())
    data_commands.data(str(folder), sheet=None, pack=None, settings=[], as_json=False)
    shown = capsys.readouterr().out
    assert "angle                    from 0 to 4.75, mean 2.375" in shown
    assert "1 of 3 label numbers never change: tilt" in shown
    data_commands.data(str(folder), sheet=None, pack=None, settings=[], as_json=True)
    assert json.loads(capsys.readouterr().out)["numbers"]["angle"] == [0, 2.375, 4.75]
