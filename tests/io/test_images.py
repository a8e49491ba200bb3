"""Bytes, grids and PNG files."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.errors import CheckpointError, DataError
from ganforge.io.images import grid, read_metadata, save_png, to_uint8


def test_every_level_comes_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(levels / 127.5 - 1), levels)
    assert torch.equal(to_uint8((levels / 127.5 - 1).double()), levels)


def test_levels_are_rounded_and_clamped() -> None:
    x = torch.tensor([-1 + 0.49 / 127.5, -1 + 0.51 / 127.5, 3.0, -3.0, float("nan"), float("inf")])
    assert to_uint8(x).tolist() == [0, 1, 255, 0, 0, 255]


@pytest.mark.parametrize(
    ("shape", "arguments", "size"),
    [
        ((64, 1, 28, 28), {}, (8 * 58 + 2, 8 * 58 + 2)),
        ((10, 1, 28, 28), {"scale": 1, "padding": 0}, (4 * 28, 3 * 28)),
        ((1, 1, 28, 28), {"scale": 1, "padding": 0}, (28, 28)),
        ((5, 3, 16, 8), {"columns": 5}, (5 * (8 * 4 + 2) + 2, 16 * 4 + 4)),
        ((3, 3, 64, 64), {"columns": 9}, (3 * 66 + 2, 68)),
        ((2, 4, 256, 256), {}, (2 * 258 + 2, 260)),
        ((2, 2, 256, 256), {}, (2 * 258 + 2, 260)),
        ((2, 7, 256, 256), {}, (2 * 258 + 2, 260)),
    ],
)
def test_grid_geometry(shape: tuple[int, ...], arguments: dict[str, int], size: tuple[int, int]) -> None:
    assert grid(torch.zeros(shape, dtype=torch.uint8), **arguments).size == size


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_grid_holds_each_image_in_its_cell(channels: int, mode: str) -> None:
    images = torch.randint(0, 256, (5, channels, 6, 4), dtype=torch.uint8)
    picture = grid(images, columns=2, padding=1, scale=3)
    assert picture.mode == mode
    array = torch.from_numpy(np.array(picture)).view(picture.height, picture.width, channels)
    for i, image in enumerate(images):
        top, left = 1 + i // 2 * 19, 1 + i % 2 * 13
        cell = array[top : top + 18, left : left + 12].movedim(-1, 0)
        assert torch.equal(cell, image.repeat_interleave(3, 1).repeat_interleave(3, 2))


def test_metadata_comes_back(tmp_path: Path) -> None:
    texts = {"seed": "7", "model": "dcgan_mnist_28@200000", "note": "Fréchet γ/2 – 数"}
    path = tmp_path / "deep" / "a.png"
    save_png(path, grid(torch.zeros(1, 1, 4, 4, dtype=torch.uint8), scale=1, padding=0), texts)
    assert read_metadata(path) == texts
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_a_failed_write_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save_png(path, Image.new("L", (2, 2)), {"seed": "1"})

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CheckpointError, match="no space left"):
        save_png(path, Image.new("L", (2, 2)), {"seed": "2"})
    assert read_metadata(path) == {"seed": "1"}
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png can't be read as a PNG"):
        read_metadata(path)
