"""Sources: recognised by looking, fitted, split; and one sentence for everything that is no data."""

import gzip
import hashlib
import importlib.resources
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.data import Source, Split, open_source
from ganforge.errors import DataError

MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), **options)


def picture(width: int, height: int, *, mode: str = "RGB", seed: int = 0) -> Image.Image:
    shades = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(shades).convert(mode)


def fill(folder: Path, count: int, *, size: tuple[int, int] = (32, 32), mode: str = "RGB") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        picture(*size, mode=mode, seed=number).save(folder / f"{number:03}.png")
    return folder


# MNIST


@pytest.mark.parametrize("name", MD5)
def test_the_packaged_files_are_the_original_ones(name: str) -> None:
    folder = importlib.resources.files("ganforge") / "assets" / "mnist"
    digest = hashlib.md5((folder / name).read_bytes()).hexdigest()
    assert digest == MD5[name]
    assert digest in (folder / "LICENSE.md").read_text(encoding="utf-8")


def test_mnist_never_touches_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    source = open_source()
    assert source.shape == (1, 28, 28)
    assert source.held_out is not None
    assert source.test is not None
    assert (len(source.train), len(source.held_out), len(source.test)) == (50_000, 10_000, 10_000)
    assert source.classes == tuple("0123456789")
    assert source.train.labels is not None
    assert source.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert source.test.labels is not None
    assert torch.bincount(source.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    pixels = open_source(held_out=0).train.tensor
    assert pixels is not None
    assert float(pixels.double().mean()) == pytest.approx(33.3184, abs=1e-4)  # .1307 of 255, as everybody quotes


def test_mnist_is_decoded_once() -> None:
    one, other = open_source().train.tensor, open_source().train.tensor
    assert one is not None
    assert other is not None
    assert one.data_ptr() == other.data_ptr()


def test_mnist_in_another_shape() -> None:
    source = open_source(size=32, channels=3, held_out=0)
    assert source.shape == (3, 32, 32)
    assert len(source.train) == 60_000
    assert source.held_out is None
    tensor = source.train.tensor
    assert tensor is not None
    assert torch.equal(tensor[:9, 0], tensor[:9, 2])


def test_sources_describe_themselves(tmp_path: Path) -> None:
    assert open_source().describe() == (
        "mnist: 50,000 training images of 1×28×28, 10,000 held out, 10,000 for testing, 10 classes"
    )
    line = opened(fill(tmp_path, 20)).describe()
    assert line == f"{tmp_path}: 18 training images of 3×32×32, 2 held out"


# IDX files


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def idx_folder(folder: Path, *, zipped: bool) -> Path:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for split, count in (("train", 60), ("t10k", 6)):
        files = {
            f"{split}-images-idx3-ubyte": rng.integers(0, 256, (count, 16, 16), dtype=np.uint8),
            f"{split}-labels-idx1-ubyte": rng.integers(0, 3, count, dtype=np.uint8),
        }
        for name, array in files.items():
            data = idx(array)
            (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(data) if zipped else data)
    return folder


@pytest.mark.parametrize("zipped", [True, False])
def test_a_folder_of_idx_files(tmp_path: Path, zipped: bool) -> None:
    source = opened(idx_folder(tmp_path, zipped=zipped))
    assert source.shape == (1, 16, 16)
    assert (len(source.train), len(source.held_out or []), len(source.test or [])) == (50, 10, 6)
    assert source.classes == ("0", "1", "2")


@pytest.mark.parametrize("zipped", [True, False])
def test_one_idx_file(tmp_path: Path, zipped: bool) -> None:
    folder = idx_folder(tmp_path, zipped=zipped)
    source = opened(next(folder.glob("train-images*")))
    assert len(source.train) == 50
    assert source.test is None
    assert source.classes is None


@pytest.mark.parametrize("zipped", [True, False])
def test_an_idx_file_cut_short_is_named(tmp_path: Path, zipped: bool) -> None:
    file = next(idx_folder(tmp_path, zipped=zipped).glob("train-images*"))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match=f"'{file}'"):
        opened(tmp_path)


def test_labels_that_dont_match_are_named(tmp_path: Path) -> None:
    folder = idx_folder(tmp_path, zipped=False)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(5, np.uint8)))
    with pytest.raises(DataError, match="has 5 labels"):
        opened(folder)


# NumPy files


@pytest.mark.parametrize("shape", [(40, 16, 16), (40, 16, 16, 1), (40, 16, 16, 3)], ids=str)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_numpy_files(tmp_path: Path, shape: tuple[int, ...], suffix: str) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    file = tmp_path / f"images{suffix}"
    np.save(file, array) if suffix == ".npy" else np.savez(file, images=array, names=np.arange(40))
    source = opened(file)
    assert source.shape == (3 if shape[-1] == 3 else 1, 16, 16)
    assert (len(source.train), len(source.held_out or [])) == (36, 4)
    assert source.train.tensor is not None
    assert source.held_out is not None
    everything = torch.cat([source.train.tensor, source.held_out.read(torch.arange(4))])
    assert int(everything.long().sum()) == int(array.sum())


def test_numpy_files_that_hold_no_images(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((5, 64), np.float32))
    with pytest.raises(DataError, match=r"holds float32 \(5, 64\), and images are numbers of shape"):
        opened(tmp_path / "x.npy")
    for name in ("y.npy", "y.npz"):
        (tmp_path / name).write_bytes(b"rubbish")
        with pytest.raises(DataError, match=r"cannot be read as a NumPy file \(it is no NumPy file, or holds Python's"):
            opened(tmp_path / name)


def test_labels_of_an_npz_that_are_too_few_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((100, 8, 8), np.uint8), y=np.zeros(90, np.int64))
    with pytest.raises(DataError, match=r"holds 90 labels called 'y' for 100 images: save as many"):
        opened(tmp_path / "x.npz")
    labels = np.arange(100) % 2
    np.savez(tmp_path / "x.npz", x=np.zeros((100, 8, 8), np.uint8), y_mean=np.zeros(3), y=labels)
    assert opened(tmp_path / "x.npz").classes == ("0", "1")


# Folders of images


def test_a_nested_folder_in_every_format(tmp_path: Path) -> None:
    for number, name in enumerate(["a.png", "b/c.jpg", "b/d/e.JPEG", "f.webp", "g/h.bmp", ".hidden.png", "notes.txt"]):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".txt":
            file.write_text("no image")
        else:
            picture(32, 32, seed=number).save(file)
    source = opened(tmp_path)
    assert len(source.train) == 5
    assert source.held_out is None
    assert source.shape == (3, 32, 32)
    assert isinstance(source.train, Split)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([(28, 28)], 28), ([(128, 128)], 128), ([(100, 80)], 64), ([(48, 48)], 32), ([(64, 64), (20, 30)], 16)],
    ids=str,
)
def test_the_size_is_chosen_by_looking(tmp_path: Path, sizes: list[tuple[int, int]], expected: int) -> None:
    for number, size in enumerate(sizes * 2):
        picture(*size).save(tmp_path / f"{number}.png")
    assert opened(tmp_path).shape == (3, expected, expected)
    assert opened(tmp_path, size=24).shape == (3, 24, 24)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "I;16", "RGB of greys"])
def test_grey_is_recognised(tmp_path: Path, mode: str) -> None:
    for number in range(3):
        if mode == "I;16":
            image = Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257)
        else:
            image = picture(16, 16, seed=number).convert("L").convert(mode.partition(" ")[0])
        image.save(tmp_path / f"{number}.png")
    assert opened(tmp_path).shape == (1, 16, 16)
    assert opened(tmp_path, channels=3).shape == (3, 16, 16)


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    for number in range(2):
        Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257).save(tmp_path / f"{number}.png")
    assert torch.equal(opened(tmp_path).train.read(torch.tensor([0])).flatten(), torch.arange(256, dtype=torch.uint8))


def test_pixels_arrive_unchanged_where_nothing_must_be_fitted(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    pixels = opened(tmp_path).train.read(torch.tensor([2]))[0].permute(1, 2, 0).numpy()
    assert np.array_equal(pixels, np.asarray(picture(32, 32, seed=2)))


def test_the_centre_is_kept_upright(tmp_path: Path) -> None:
    image = np.zeros((32, 96, 3), np.uint8)  # lies on its side: three squares, the middle one half white
    image[:16, 32:64] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    for number in range(2):
        Image.fromarray(image).save(tmp_path / f"{number}.png", exif=exif)
    (pixels,) = opened(tmp_path, channels=1).train.read(torch.tensor([0]))
    assert (pixels[0, :, :16] == 0).all()
    assert (pixels[0, :, 16:] == 255).all()


def test_transparency_becomes_white(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("RGBA", (16, 16), (255, 0, 0, 0)).save(tmp_path / f"{number}.png")
    assert (opened(tmp_path).train.read(torch.tensor([0])) == 255).all()


def test_large_photographs_are_antialiased(tmp_path: Path) -> None:
    board = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)
    for number in range(2):
        Image.fromarray(board).save(tmp_path / f"{number}.png")
    pixels = opened(tmp_path, size=32).train.read(torch.tensor([0])).float()
    assert (pixels - 127.5).abs().max() < 8


def test_the_same_images_are_held_out_every_time(tmp_path: Path) -> None:
    fill(tmp_path, 30)
    one, other = opened(tmp_path), opened(tmp_path, memory=0.0)
    assert one.train.tensor is not None
    assert other.train.tensor is None
    for split in ("train", "held_out"):
        here, there = getattr(one, split), getattr(other, split)
        assert len(here) == len(there) == {"train": 27, "held_out": 3}[split]
        index = torch.arange(len(here))
        assert torch.equal(here.read(index), there.read(index))
    assert len(opened(tmp_path, held_out=7).held_out or []) == 7


def test_broken_files_are_named_with_the_reason(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    whole = (tmp_path / "003.png").read_bytes()
    (tmp_path / "003.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"'.*003\.png' cannot be read as an image \(.+\): repair or remove it"):
        opened(tmp_path)
    (tmp_path / "005.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"003\.png.*, nor 1 other file: "):
        opened(tmp_path)
    lazy = opened(tmp_path, memory=0.0, held_out=0).train
    with pytest.raises(DataError, match=r"'.*005\.png' cannot be read as an image \(the file is empty\)"):
        lazy.read(torch.tensor([1, 5]))


def test_a_folder_of_broken_files_only(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"rubbish")
    with pytest.raises(DataError, match=r"0\.jpg.*, nor 2 other files: "):
        opened(tmp_path)


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    opened(fill(tmp_path, 10))
    assert threading.active_count() == before


# What is no data


def test_a_missing_path_is_quoted_with_what_can_be_given() -> None:
    with pytest.raises(
        DataError, match=r"no data at 'no/such/place': give 'mnist', 'stacked_mnist', a folder or a zip or tar archive"
    ):
        open_source(source="no/such/place")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"no images in '{tmp_path}'"):
        opened(tmp_path)


def test_one_image_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 1 image"):
        opened(fill(tmp_path, 1))
    with pytest.raises(DataError, match="single image: give the folder"):
        opened(tmp_path / "000.png")


def test_holding_out_too_many(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="held_out = 9 leaves 1 of 10 images"):
        opened(fill(tmp_path, 10), held_out=9)
    with pytest.raises(DataError, match="held_out = 60000 leaves 0"):
        open_source(held_out=60_000)


def test_an_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "images.mat").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"format of '.*images\.mat' is unknown"):
        opened(tmp_path / "images.mat")
