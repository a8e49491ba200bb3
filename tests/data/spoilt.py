"""A folder that is spoilt in every way at once: `python -m tests.data.spoilt FOLDER` makes it, to look at it."""

import os
import struct
import sys
import tarfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["FAULTS", "climbing", "spoilt"]

FAULTS = {
    "broken/corrupt.jpg": "no known format",
    "broken/truncated.jpg": "image file is truncated",
    "broken/empty.png": "the file is empty",
    "broken/bomb.png": "a decompression bomb, or larger than 178,956,970 pixels",
    "broken/loop.png": "Too many levels of symbolic links",
    "broken/nowhere.png": "No such file or directory",
}
"""File -> how the reason begins why it can't be read."""


def photo(seed: int, width: int = 48, height: int = 48) -> Image.Image:
    """Smooth random blobs: no two alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def bomb(path: Path, side: int = 20_000) -> None:
    """A PNG of a few bytes that says it has 400 million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def spoilt(folder: Path, sound: int = 60) -> Path:
    """So many sound images, and each fault among them; every label is the same."""
    for name in ("sound", "broken", "odd"):
        (folder / name).mkdir(parents=True)
    for n in range(sound):
        photo(n).save(folder / "sound" / f"{n:03}.png")
    broken, odd = folder / "broken", folder / "odd"
    (broken / "corrupt.jpg").write_bytes(np.random.default_rng(0).bytes(500))
    photo(100).save(broken / "truncated.jpg")
    (broken / "truncated.jpg").write_bytes((broken / "truncated.jpg").read_bytes()[:700])
    (broken / "empty.png").write_bytes(b"")
    bomb(broken / "bomb.png")
    os.symlink("loop.png", broken / "loop.png")
    os.symlink("gone.png", broken / "nowhere.png")
    os.symlink("..", broken / "again")
    photo(101).save(odd / "mislabelled.jpg", "PNG")
    for n in range(2):
        Image.new("RGB", (48, 48), (200, 30, 30)).save(odd / f"red{n}.png")
    photo(3).save(odd / "copy of 003.bmp")
    photo(4).save(odd / "nearly 004.jpg", quality=90)
    photo(102, 200, 40).save(odd / "wide.png")
    photo(103, 16, 16).convert("L").save(odd / "small and grey.png")
    rows = [f"{file.relative_to(folder)},cat" for file in sorted(folder.rglob("*")) if file.suffix]
    rows += [f"{name},cat" for name in FAULTS]
    (folder / "labels.csv").write_text("\n".join(["file,kind", *sorted(set(rows))]), "utf-8")
    return folder


def climbing(path: Path) -> Path:
    """A tar with a file that would land beside the folder that it is unpacked into."""
    picture = path.with_name("picture.png")
    photo(0).save(picture)
    with tarfile.open(path, "w") as archive:
        archive.add(picture, "../picture.png")
    picture.unlink()
    return path


if __name__ == "__main__":
    spoilt(Path(sys.argv[1]))
    climbing(Path(sys.argv[1]).with_suffix(".tar"))
