"""Channels and depths: what is kept, what is scaled, and what is said about it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.data import Source, open_source
from ganforge.data.survey import survey
from ganforge.errors import DataError

RAMP = np.arange(256).reshape(16, 16)


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), held_out=0, **options)


def saved(path: Path, array: np.ndarray, **options: object) -> Source:
    np.save(path / "x.npy", array)
    return opened(path / "x.npy", **options)


def sprites(folder: Path, mode: str = "RGBA") -> Path:
    """Red with a transparent left half."""
    array = np.zeros((16, 16, 4), np.uint8)
    array[..., 0] = 200
    array[:, 8:, 3] = 255
    for number in range(3):
        Image.fromarray(array).convert(mode).save(folder / f"{number}.png")
    return folder


def first(source: Source) -> torch.Tensor:
    return source.train.read(torch.tensor([0]))[0]


# Files


@pytest.mark.parametrize("memory", [0.0, 4.0])
def test_alpha_is_laid_on_white_unless_asked_for(tmp_path: Path, memory: float) -> None:
    source = opened(sprites(tmp_path), memory=memory)
    assert first(source)[:, 0, 0].tolist() == [255, 255, 255]
    assert source.notes == ("the images are partly transparent and laid on white: data.channels=4 keeps their alpha",)
    source = opened(tmp_path, channels=4, memory=memory)
    assert source.shape == (4, 16, 16)
    assert first(source)[:, 0, 15].tolist() == [200, 0, 0, 255]
    assert first(source)[3, :, :8].max() == 0
    assert source.notes == ()


def test_grey_with_alpha(tmp_path: Path) -> None:
    source = opened(sprites(tmp_path, "LA"), channels=2)
    assert source.shape == (2, 16, 16)
    assert first(source)[1].unique().tolist() == [0, 255]


def test_images_without_alpha_get_a_solid_one(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("RGB", (16, 16), "red").save(tmp_path / f"{number}.png")
    assert first(opened(tmp_path, channels=4))[:, 0, 0].tolist() == [255, 0, 0, 255]
    assert opened(tmp_path).notes == ()


def test_transparent_colours_dont_bleed_into_smaller_images(tmp_path: Path) -> None:
    array = np.zeros((64, 64, 4), np.uint8)
    array[..., 1] = 255  # green where nobody sees it
    array[:, 30:] = (255, 0, 0, 255)
    for number in range(2):
        Image.fromarray(array).save(tmp_path / f"{number}.png")
    small = first(opened(tmp_path, size=16, channels=4)).float()
    assert small[1][small[3] > 20].max() <= 3


@pytest.mark.parametrize(("suffix", "dtype"), [("png", "<u2"), ("tif", "<u2"), ("tif", ">u2"), ("tif", "<i4")])
def test_sixteen_bits_become_eight_without_going_around(tmp_path: Path, suffix: str, dtype: str) -> None:
    for number in range(2):
        Image.fromarray((RAMP * 257).astype(dtype)).save(tmp_path / f"{number}.{suffix}")
    source = opened(tmp_path)
    assert torch.equal(first(source)[0], torch.from_numpy(RAMP.astype(np.uint8)))
    assert source.notes == ("images of 16 bits are reduced to 8: 65,535 becomes 255",)


def test_float_files_go_from_0_to_1_and_others_are_named(tmp_path: Path) -> None:
    for number in range(2):
        Image.fromarray((RAMP / 255).astype(np.float32)).save(tmp_path / f"{number}.tif")
    assert torch.equal(first(opened(tmp_path))[0], torch.from_numpy(RAMP.astype(np.uint8)))
    Image.fromarray((RAMP - 9).astype(np.float32)).save(tmp_path / "1.tif")
    with pytest.raises(DataError, match=r"1\.tif.*its pixels go from -9 to 246, and should from 0 to 1"):
        opened(tmp_path)


def test_files_have_no_more_than_four_channels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="channels = 5, and image files have 1 to 4"):
        opened(sprites(tmp_path), channels=5)


# Arrays


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("last", [True, False])
def test_arrays_keep_up_to_eight_channels(tmp_path: Path, channels: int, last: bool) -> None:
    array = np.random.default_rng(0).integers(0, 256, (10, channels, 16, 16), dtype=np.uint8)
    source = saved(tmp_path, array.transpose(0, 2, 3, 1) if last else array)
    assert source.shape == (channels, 16, 16)
    assert torch.equal(source.train.tensor, torch.from_numpy(array))
    looked, pictures = survey(str(tmp_path / "x.npy"))
    assert (looked.readable, len(pictures)) == (10, 10)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (RAMP.astype(np.uint16) * 257, "uint16 numbers from 0 to 65,535, reduced to 8 bits: 65,535 becomes 255"),
        (RAMP.astype(np.int64), "int64 numbers from 0 to 255, taken as they are"),
        (RAMP / 255, "float64 numbers from 0 to 1, 1 becomes 255"),
        ((RAMP / 127.5 - 1).astype(np.float32), "float32 numbers from -1 to 1, -1 becomes 0 and 1 becomes 255"),
        (RAMP.astype(np.float16), "float16 numbers from 0 to 255, taken as they are"),
    ],
)
def test_numbers_become_bytes_by_their_range(tmp_path: Path, array: np.ndarray, words: str) -> None:
    source = saved(tmp_path, np.stack([array] * 4))
    assert torch.equal(first(source)[0], torch.from_numpy(RAMP.astype(np.uint8)))
    assert source.notes == (words,)


def test_masks_are_black_and_white(tmp_path: Path) -> None:
    assert first(saved(tmp_path, np.stack([RAMP > 99] * 4))).unique().tolist() == [0, 255]


@pytest.mark.parametrize("wrong", [-3.0, 256.0, 1e6, np.inf])
def test_other_ranges_are_refused(tmp_path: Path, wrong: float) -> None:
    array = np.zeros((4, 16, 16))
    array[1, 2, 3] = wrong
    with pytest.raises(DataError, match=r"holds float64 from \S+ to \S+, and images are in \[0, 1\], \[-1, 1\] or"):
        saved(tmp_path, array)


def test_floats_a_little_beyond_one_are_refused(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((4, 16, 16)) * 1.1
    array[0, 0, 0] = 1.1
    with pytest.raises(
        DataError, match=r"holds float64 from \S+ to 1\.1: a little more than \[0, 1\], and nearly black"
    ):
        saved(tmp_path, array)


@pytest.mark.parametrize("place", [0, 1500])
def test_an_array_with_nan_is_refused_wherever_it_is(tmp_path: Path, place: int) -> None:
    array = np.zeros((2000, 4, 4), np.float32)
    array[place, 2, 3] = np.nan
    with pytest.raises(DataError, match="holds NaN, which no image has"):
        saved(tmp_path, array)


@pytest.mark.parametrize(("there", "wanted"), [(1, 4), (3, 4), (4, 1), (4, 3), (3, 1)])
def test_channels_are_made_where_a_rule_says_how(tmp_path: Path, there: int, wanted: int) -> None:
    array = np.full((4, 16, 16, there), 100, np.uint8)
    pixel = first(saved(tmp_path, array, channels=wanted))[:, 0, 0].tolist()
    on_white = round(100 * 100 / 255 + 255 * 155 / 255)
    assert pixel == ([100, 100, 100, 255] if wanted == 4 else [on_white if there == 4 else 100] * wanted)


@pytest.mark.parametrize(("there", "wanted"), [(1, 2), (6, 3), (3, 8), (2, 1)])
def test_others_are_refused(tmp_path: Path, there: int, wanted: int) -> None:
    with pytest.raises(
        DataError, match=rf"images of {there} channels? can't be turned into {wanted}: give ones that fit"
    ):
        saved(tmp_path, np.zeros((4, 16, 16, there), np.uint8), channels=wanted)


def test_labels_and_test_images_of_an_npz(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 256, (n, 8, 8), dtype=np.uint8) for name, n in (("x_test", 5), ("x_train", 20))}
    labels = {"y_test": np.arange(5) % 3, "y_train": (np.arange(20) % 4)[:, None]}
    np.savez(tmp_path / "x.npz", **arrays, **labels)
    source = opened(tmp_path / "x.npz")
    assert torch.equal(source.train.tensor[:, 0], torch.from_numpy(arrays["x_train"]))
    assert torch.equal(source.test.tensor[:, 0], torch.from_numpy(arrays["x_test"]))
    assert source.classes == ("0", "1", "2", "3")
    assert source.train.labels.tolist() == [n % 4 for n in range(20)]
    assert source.test.labels.tolist() == [0, 1, 2, 0, 1]


def test_a_look_says_how_many_channels_there_are(tmp_path: Path) -> None:
    np.save(tmp_path / "eight.npy", np.random.default_rng(0).integers(0, 256, (20, 8, 8, 8), dtype=np.uint8))
    assert survey(str(tmp_path / "eight.npy"))[0].modes == {"8 channels": 20}
