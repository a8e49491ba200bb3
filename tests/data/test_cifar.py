"""CIFAR as its authors give it out: four forms, the same images; and pickles that want to run something."""

import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from ganforge.data import Source, open_source
from ganforge.data.cifar import FORMS, Form
from ganforge.data.survey import survey
from ganforge.data.unpickle import unpickled
from ganforge.errors import DataError

NAMES = ["airplane", "automobile", "bird"]
FILES = 20  # images in each
FORM = {form.folder: form for form in FORMS}


def batch(seed: int) -> tuple[np.ndarray, list[int]]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (FILES, 3072), dtype=np.uint8), rng.integers(0, 3, FILES).tolist()


def as_python_2(value: object) -> bytes:
    """The opcodes that Python 2 wrote its byte strings with."""
    return pickle.dumps(value, protocol=2).replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")


def encoded(form: Form, pixels: np.ndarray, labels: list[int]) -> bytes:
    if form.labels:
        return as_python_2({b"data": pixels, form.labels.encode(): labels, b"coarse_labels": [0] * len(labels)})
    before = np.zeros((len(labels), form.before), np.uint8)
    before[:, -1] = labels
    return np.concatenate([before, pixels], 1).tobytes()


def made(root: Path, form: Form) -> Path:
    folder = root / form.folder
    folder.mkdir(parents=True)
    for seed, name in enumerate([*form.train, form.test]):
        (folder / name).write_bytes(encoded(form, *batch(seed)))
    meta = as_python_2({form.names.encode(): [n.encode() for n in NAMES]}) if form.names else "\n".join(NAMES).encode()
    (folder / form.meta).write_bytes(meta)
    (folder / "readme.html").write_text("<html>")
    return folder


def archived(folder: Path) -> Path:
    target = folder.with_suffix(".tar.gz")
    with tarfile.open(target, "w:gz") as archive:
        archive.add(folder, folder.name)
    return target


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), **options)


@pytest.mark.parametrize("where", ["folder", "around", "archive"])
@pytest.mark.parametrize("name", FORM)
def test_every_form_holds_the_same(tmp_path: Path, name: str, where: str) -> None:
    folder, form = made(tmp_path, FORM[name]), FORM[name]
    path = {"folder": folder, "around": tmp_path, "archive": archived(folder)}[where]
    source = opened(path)
    total = FILES * len(form.train)
    assert [len(part) for part in (source.train, source.held_out, source.test)] == [
        total - total // 10, total // 10, FILES
    ]  # fmt: skip
    assert source.classes == tuple(NAMES)
    pixels, labels = batch(0)
    assert torch.equal(source.train.tensor[3], torch.from_numpy(pixels[3].reshape(3, 32, 32)))
    assert source.train.labels[:15].tolist() == labels[:15]
    assert source.test.labels.tolist() == batch(len(form.train))[1]
    assert survey(str(path))[0].splits == {"train": total - total // 10, "held_out": total // 10, "test": FILES}


def test_a_file_that_lacks_or_is_cut(tmp_path: Path) -> None:
    folder = made(tmp_path / "py", FORM["cifar-10-batches-py"])
    whole = (folder / "data_batch_2").read_bytes()
    (folder / "data_batch_2").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"data_batch_2' is a broken pickle"):
        opened(folder)
    (folder / "data_batch_2").unlink()
    with pytest.raises(DataError, match="lacks data_batch_2 of cifar-10-batches-py"):
        opened(folder)
    binary = made(tmp_path / "bin", FORM["cifar-10-batches-bin"])
    (binary / "test_batch.bin").write_bytes(bytes(5000))
    with pytest.raises(DataError, match=r"test_batch\.bin' is cut short: 5,000 bytes are no whole number of records"):
        opened(binary)
    path = archived(made(tmp_path / "gz", FORM["cifar-100-python"]))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match="cannot be read as an archive"):
        opened(path)


def test_labels_beyond_the_names(tmp_path: Path) -> None:
    folder = made(tmp_path, FORM["cifar-10-batches-bin"])
    (folder / "batches.meta.txt").write_text("airplane\nautomobile\n")
    with pytest.raises(DataError, match=r"has a label 2 where batches\.meta\.txt names 2 classes"):
        opened(folder)


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle_runs_anything(tmp_path: Path, protocol: int) -> None:
    folder = made(tmp_path, FORM["cifar-100-python"])
    (folder / "train").write_bytes(pickle.dumps({"data": Attack(tmp_path / "ran")}, protocol))
    with pytest.raises(DataError, match=r"train' asks to run \w+\.system, and only arrays and plain data are read"):
        opened(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_is_read_in_every_protocol(protocol: int) -> None:
    value = {b"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "names": ["a", b"", 1.5, None, (True, -3)]}
    found = unpickled(pickle.dumps(value, protocol), "here")
    assert np.array_equal(found[b"data"], value[b"data"])
    assert found["names"] == value["names"]


def test_what_python_2_wrote_is_read() -> None:
    dtype = rb"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = rb"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02K\x03\x86"
    opcodes = rb"\x80\x02}U\x04data" + array + dtype + rb"\x89U\x06abcdeftbs."
    found = unpickled(opcodes.decode("unicode_escape").encode("latin1"), "here")
    assert found[b"data"].tolist() == [[97, 98, 99], [100, 101, 102]]


@pytest.mark.parametrize("data", [b"", b"\x80", b"no pickle at all", b"\x80\x04X\xff\xff\xff\x7f", b"cos\nsystem\n"])
def test_rubbish_is_a_sentence(data: bytes) -> None:
    with pytest.raises(DataError, match=r"'here' (is a broken pickle|asks to run)"):
        unpickled(data, "here")


def test_numpy_files_never_unpickle(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Attack(tmp_path / "ran")], dtype=object), allow_pickle=True)
    (tmp_path / "x.npy").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="cannot be read as a NumPy file"):
        opened(tmp_path / "x.npy")
    assert not (tmp_path / "ran").exists()
