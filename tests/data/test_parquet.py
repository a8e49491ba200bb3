"""Parquet files as Hugging Face's `datasets` writes them."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from ganforge.data import Source, open_source
from ganforge.data import parquet as room
from ganforge.errors import DataError

NAMES = ["cat", "dog", "eel"]


def encoded(value: int) -> bytes:
    buffer = BytesIO()
    Image.fromarray(np.full((8, 8, 3), (value, 0, 0), np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def table(greys: range, *, struct: bool = True, label: str | None = "label", named: bool = True) -> pa.Table:
    images = [encoded(g) for g in greys]
    columns = {
        "image": [{"bytes": b, "path": f"{g}.png"} for b, g in zip(images, greys, strict=True)] if struct else images
    }
    if label:
        columns[label] = [g % 3 for g in greys]
    made = pa.table(columns)
    features = {"image": {"_type": "Image"}, label or "": {"names": NAMES, "_type": "ClassLabel"}}
    meta = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    return made.replace_schema_metadata(meta) if named else made


def written(made: pa.Table, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(made, path)
    return path


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), **options)


def reds(split: object) -> list[int]:
    return split.read(torch.arange(len(split)))[:, 0, 0, 0].tolist()


def test_files_named_like_splits(tmp_path: Path) -> None:
    written(table(range(12)), tmp_path / "data" / "train-00000-of-00002.parquet")
    written(table(range(12, 20)), tmp_path / "data" / "train-00001-of-00002.parquet")
    written(table(range(20, 26)), tmp_path / "data" / "test-00000-of-00001.parquet")
    written(table(range(30, 34)), tmp_path / "data" / "validation-00000-of-00001.parquet")
    source = opened(tmp_path)
    assert (reds(source.train), reds(source.test), reds(source.held_out)) == (
        list(range(20)), list(range(20, 26)), list(range(30, 34)),
    )  # fmt: skip
    assert source.train.labels.tolist() == [g % 3 for g in range(20)]
    assert source.classes == tuple(NAMES)


@pytest.mark.parametrize("struct", [True, False])
def test_one_file(tmp_path: Path, struct: bool) -> None:
    source = opened(written(table(range(20), struct=struct, label="kind", named=False), tmp_path / "a.parquet"))
    assert sorted(reds(source.train) + reds(source.held_out)) == list(range(20))
    assert source.classes == ("0", "1", "2")
    for split in (source.train, source.held_out):
        assert split.labels.tolist() == [red % 3 for red in reds(split)]


def test_a_test_file_alone_is_trained_on(tmp_path: Path) -> None:
    written(table(range(20), label=None), tmp_path / "test-00000-of-00001.parquet")
    source = opened(tmp_path)
    assert len(source.train) == 18
    assert source.test is None
    assert source.classes is None


def test_a_broken_row_is_named(tmp_path: Path) -> None:
    rows = table(range(5)).to_pylist()
    rows[3]["image"] = {"bytes": b"rubbish", "path": "wolf.png"}
    with pytest.raises(DataError, match=r"a\.parquet/wolf\.png' cannot be read as an image"):
        opened(written(pa.Table.from_pylist(rows), tmp_path / "a.parquet"))


def test_no_column_of_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column of images.*: it has text \(string\), label \(int64\)"):
        opened(written(pa.table({"text": ["a"], "label": [1]}), tmp_path / "a.parquet"))


def test_a_file_cut_short(tmp_path: Path) -> None:
    path = written(table(range(5)), tmp_path / "a.parquet")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        opened(path)


def test_more_than_memory_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ENCODED", 0.0)
    written(table(range(20)), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"more than data\.memory = 1e-06: set data\.memory=1, or export"):
        opened(tmp_path, memory=1e-6)


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(table(range(20)), tmp_path / "a.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"need pyarrow .*: pip install 'ganforge\[parquet\]'"):
        opened(tmp_path)
    assert room.is_parquet(tmp_path)


@pytest.mark.parametrize("unknown", [None, -1])
def test_a_split_that_keeps_its_labels_secret_has_none(tmp_path: Path, unknown: int | None) -> None:
    written(table(range(20)), tmp_path / "train-00000-of-00001.parquet")
    secret = table(range(5)).set_column(1, "label", pa.array([0, unknown, 1, 2, 0], pa.int64()))
    written(secret, tmp_path / "test-00000-of-00001.parquet")
    source = opened(tmp_path)
    assert source.classes == tuple(NAMES)
    assert source.train.labels is not None
    assert source.test.labels is None


def test_numbers_that_are_no_classes(tmp_path: Path) -> None:
    dated = table(range(20), named=False).set_column(1, "label", pa.array(range(10**9, 10**9 + 20), pa.int64()))
    with pytest.raises(DataError, match=r"has a label 1,000,000,019, and classes are counted from 0"):
        opened(written(dated, tmp_path / "a.parquet"))


def test_a_table_beside_images_is_none_of_them(tmp_path: Path) -> None:
    written(pa.table({"text": ["a"]}), tmp_path / "notes.parquet")
    for number in range(10):
        (tmp_path / f"{number}.png").write_bytes(encoded(number))
    assert len(opened(tmp_path).train) == 9


def saved_to_disk(made: pa.Table, folder: Path, *, stream: bool = True) -> Path:
    """As `datasets.save_to_disk` lays a set out."""
    folder.mkdir(parents=True)
    opener = pa.ipc.new_stream if stream else pa.ipc.new_file
    with opener(str(folder / "data-00000-of-00001.arrow"), made.schema) as writer:
        writer.write_table(made)
    (folder / "state.json").write_text("{}")
    (folder / "dataset_info.json").write_text("{}")
    return folder


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_a_set_saved_to_disk(tmp_path: Path, stream: bool, memory: float) -> None:
    saved_to_disk(table(range(20)), tmp_path / "set" / "train", stream=stream)
    saved_to_disk(table(range(30, 35)), tmp_path / "set" / "test", stream=stream)
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    source = opened(tmp_path / "set", memory=memory, held_out=0)
    assert (reds(source.train), reds(source.test)) == (list(range(20)), list(range(30, 35)))
    assert source.classes == tuple(NAMES)
    assert len(opened(tmp_path / "set" / "train" / "data-00000-of-00001.arrow", held_out=0).train) == 20


def test_an_arrow_file_that_is_cut(tmp_path: Path) -> None:
    file = saved_to_disk(table(range(20)), tmp_path / "set") / "data-00000-of-00001.arrow"
    file.write_bytes(file.read_bytes()[:700])
    with pytest.raises(DataError, match=r"arrow' cannot be read as Arrow \("):
        opened(tmp_path / "set")
