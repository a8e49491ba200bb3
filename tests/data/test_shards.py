"""WebDataset: samples by key, labels beside them, one shard or many, each file read where it lies."""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.data import Source, open_source
from ganforge.data.members import members
from ganforge.errors import DataError

PATTERN = "train-{000..002}.tar"
Files = dict[str, bytes]


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def shard(path: Path, files: Files) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = "w:gz" if path.suffix == ".gz" else "w"
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def sample(number: int, label: object = None, *, record: bool = False) -> Files:
    files = {f"{number:06}.png": png(number)}
    if record:
        return files | {f"{number:06}.json": json.dumps({"label": label, "width": 8}).encode()}
    return files if label is None else files | {f"{number:06}.cls": f"{label}\n".encode()}


def three(folder: Path, name: str = "train-{:03}.tar", labels: Sequence[object] = (0, 1, 2), **how: bool) -> Path:
    """Three shards of ten samples each."""
    for part in range(3):
        files: Files = {}
        for number in range(10 * part, 10 * part + 10):
            files |= sample(number, labels[number % len(labels)], **how)
        shard(folder / name.format(part), files)
    return folder


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), **options)


def by_grey(source: Source) -> dict[int, str]:
    """Grey -> class, over all splits."""
    found = {}
    for split in (source.train, source.held_out, source.test):
        if split is not None and split.labels is not None:
            greys = split.read(torch.arange(len(split)))[:, 0, 0, 0].tolist()
            found |= dict(zip(greys, [source.classes[n] for n in split.labels.tolist()], strict=True))
    return found


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
@pytest.mark.parametrize("memory", [4.0, 0.0])
@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("labels", [(0, 1, 2), ("rose", "daisy")])
def test_labels_lie_beside_the_images(
    tmp_path: Path, suffix: str, memory: float, record: bool, labels: Sequence[object]
) -> None:
    source = opened(three(tmp_path, "train-{:03}" + suffix, labels, record=record), memory=memory)
    assert by_grey(source) == {n: str(labels[n % len(labels)]) for n in range(30)}
    assert source.classes == tuple(sorted(map(str, labels)))


def test_one_shard_a_pattern_and_a_folder(tmp_path: Path) -> None:
    three(tmp_path)
    assert len(opened(tmp_path / "train-001.tar").train) == 9
    assert len(opened(tmp_path / PATTERN).train) == 27
    (tmp_path / "train-001.tar").unlink()
    with pytest.raises(DataError, match=r"names 3 shards, and there is no train-001\.tar \(1 lack\)"):
        opened(tmp_path / PATTERN)


def test_nothing_is_kept_of_a_plain_shard(tmp_path: Path) -> None:
    found = members(three(tmp_path) / "train-000.tar")
    assert all(member.content is None and member.offset for member in found)


@pytest.mark.parametrize("name", ["{}-000000.tar", "set-{}-0.tar", "{}/000.tar"])
def test_shards_named_like_splits_are_splits(tmp_path: Path, name: str) -> None:
    for place, split in enumerate(("train", "val", "test")):
        files: Files = {}
        for number in range(10 * place, 10 * place + 5):
            files |= sample(number, None if split == "test" else number % 2)
        shard(tmp_path / name.format(split), files)
    source = opened(tmp_path)
    assert [len(part) for part in (source.train, source.held_out, source.test)] == [5, 5, 5]
    assert source.test.labels is None
    assert by_grey(source) == {n: str(n % 2) for n in (*range(5), *range(10, 15))}


def test_shards_without_labels_are_images(tmp_path: Path) -> None:
    for part in range(2):
        shard(tmp_path / f"{part}.tar", {f"{kind}/{part}{n}.png": png(n) for kind in "ab" for n in range(5)})
    assert opened(tmp_path).classes == ("a", "b")


def test_the_plain_image_of_a_sample_is_taken(tmp_path: Path) -> None:
    files: Files = {}
    for number in range(4):
        files |= sample(number, number % 2) | {f"{number:06}.mask.png": png(200)}
    source = opened(shard(tmp_path / "x.tar", files), held_out=0)
    assert by_grey(source) == {n: str(n % 2) for n in range(4)}


def test_records_without_labels_leave_folders_as_classes(tmp_path: Path) -> None:
    files: Files = {}
    for number in range(8):
        name = f"{'ab'[number % 2]}/{number}"
        files |= {f"{name}.png": png(number), f"{name}.json": b'{"caption": "x"}'}
    assert opened(shard(tmp_path / "x.tar", files)).classes == ("a", "b")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (sample(0, 1) | sample(1, 1) | sample(2), r"000002\.png' has no label beside it, and other samples do"),
        (sample(0, 1) | sample(1, 1) | {"2.png": png(2), "2.json": b"{"}, r"2\.json' cannot be read as a label"),
        (sample(0, 10**9) | sample(1, 1), "has a label 1,000,000,000, and classes are counted from 0"),
    ],
)
def test_labels_that_are_wrong(tmp_path: Path, files: Files, message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(shard(tmp_path / "x.tar", files))


def test_a_shard_that_is_cut(tmp_path: Path) -> None:
    path = three(tmp_path) / "train-001.tar"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"train-001\.tar' cannot be read as an archive \(unexpected end of data\)"):
        opened(tmp_path)
