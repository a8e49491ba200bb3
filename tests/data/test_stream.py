"""The stream of batches: order, resumption, normalisation, and the same bits from memory and from files."""

import threading
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

import ganforge.data.stream
from ganforge.batch import Batch
from ganforge.data import Array, ImageStream
from ganforge.errors import DataError


class Unpacked:
    """Images that don't lie in memory, as far as anyone can tell."""

    tensor = None

    def __init__(self, images: Array, *, broken: int | None = None) -> None:
        self.images, self.broken, self.shape, self.labels = images, broken, images.shape, images.labels

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: Tensor) -> Tensor:
        if self.broken in index.tolist():
            raise DataError("'broken.png' cannot be read")
        time.sleep(float(torch.rand(())) / 1000)  # threads come back in any order
        return self.images.read(index)


def images(count: int = 23, channels: int = 3) -> Array:
    rng = torch.Generator().manual_seed(0)
    return Array(torch.randint(256, (count, channels, 6, 4), generator=rng, dtype=torch.uint8))


def stream(source: object, *, batch: int = 5, seed: int = 1, flip: bool = False, position: int = 0) -> ImageStream:
    return ImageStream(source, batch=batch, device="cpu", seed=seed, flip=flip, position=position)


def batches(source: ImageStream, count: int) -> list[Batch]:
    with source:
        return [source.next() for _ in range(count)]


def indices(row: list[Batch]) -> list[int]:
    return [number for batch in row for number in batch.index.tolist()]


def test_each_epoch_is_a_permutation_and_nothing_is_dropped() -> None:
    drawn = indices(batches(stream(images()), 23))  # 5 epochs; most batches straddle none, some two
    epochs = [drawn[start : start + 23] for start in range(0, 115, 23)]
    assert all(sorted(epoch) == list(range(23)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5


def test_a_batch_may_hold_several_epochs() -> None:
    (batch,) = batches(stream(images(4), batch=10), 1)
    assert sorted(batch.index[:4].tolist()) == sorted(batch.index[4:8].tolist()) == [0, 1, 2, 3]
    assert batch.x.shape == (10, 3, 6, 4)


def test_seeds_shuffle_differently() -> None:
    assert indices(batches(stream(images(), seed=1), 4)) != indices(batches(stream(images(), seed=2), 4))
    assert indices(batches(stream(images(), seed=1), 4)) == indices(batches(stream(images(), seed=1), 4))


@pytest.mark.parametrize("packed", [True, False], ids=["resident", "loader"])
@pytest.mark.parametrize("done", [0, 1, 4, 5, 17])
def test_a_stream_continues_where_another_stopped(packed: bool, done: int) -> None:
    source = images() if packed else Unpacked(images())
    whole = batches(stream(source, flip=True), 20)
    first = stream(source, flip=True)
    for _ in range(done):
        first.next()
    first.close()
    assert first.position == 5 * done
    rest = batches(stream(source, flip=True, position=first.position), 20 - done)
    for one, other in zip(whole[done:], rest, strict=True):
        assert torch.equal(one.index, other.index)
        assert torch.equal(one.x, other.x)


def test_the_position_may_lie_inside_what_was_a_batch() -> None:
    one, other = indices(batches(stream(images()), 20)), indices(batches(stream(images(), position=7, batch=3), 10))
    assert one[7:37] == other


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_resident_and_loaded_batches_are_the_same_bits(channels: int, flip: bool) -> None:
    one, other = stream(images(channels=channels), flip=flip), stream(Unpacked(images(channels=channels)), flip=flip)
    assert one.resident
    assert not other.resident
    for here, there in zip(batches(one, 15), batches(other, 15), strict=True):
        assert torch.equal(here.index, there.index)
        assert torch.equal(here.x, there.x)
        assert here.x.stride() == there.x.stride()


def test_normalisation_is_exact_and_monotone() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    (batch,) = batches(stream(Array(levels), batch=256), 1)
    x = batch.x.flatten()[batch.index.argsort()]
    assert x.dtype == torch.float32
    assert x[0] == -1
    assert x[255] == 1
    assert torch.equal(x, -x.flip(0))
    assert (x.diff() > 0).all()
    assert torch.equal(((x + 1) * 127.5).round().to(torch.uint8), levels.flatten())


@pytest.mark.parametrize("packed", [True, False], ids=["resident", "loader"])
def test_colour_batches_come_channels_last(packed: bool) -> None:
    (batch,) = batches(stream(images() if packed else Unpacked(images())), 1)
    assert batch.x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("channels", [1, 3])
def test_numpy_and_torch_normalise_to_the_same_bits(channels: int) -> None:
    pixels = images(64, channels).tensor.permute(0, 2, 3, 1).contiguous()
    mirrored = torch.rand(64) < 0.5
    for mirrors in (None, mirrored):
        by_numpy = ganforge.data.stream._normalised_by_numpy(pixels, mirrors)
        flipped = torch.where(mirrored[:, None, None, None], pixels.flip(2), pixels) if mirrors is not None else pixels
        by_torch = flipped.float().sub_(127.5).mul_(ganforge.data.stream.SCALE).permute(0, 3, 1, 2)
        assert torch.equal(by_numpy, by_torch)


def test_flips_mirror_half_of_the_images_left_to_right() -> None:
    source = images(1000)
    (batch,) = batches(stream(source, batch=1000, flip=True), 1)
    (plain,) = batches(stream(source, batch=1000), 1)
    assert torch.equal(batch.index, plain.index)
    same = (batch.x == plain.x).flatten(1).all(1)
    assert torch.equal(batch.x[~same], plain.x[~same].flip(-1))
    assert 450 < int(same.sum()) < 550


def test_images_beyond_the_memory_go_through_the_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ganforge.data.stream, "_free_memory", lambda device: 100)
    crowded = stream(images())
    assert not crowded.resident  # NCHW colour would have to be copied
    assert stream(images(channels=1)).resident  # lies as it should already
    assert torch.equal(batches(crowded, 1)[0].x, batches(stream(Unpacked(images())), 1)[0].x)


def test_errors_of_the_loader_reach_the_reader_every_time() -> None:
    with stream(Unpacked(images(), broken=3)) as broken:
        order = indices(batches(stream(images()), 5))
        for _ in range(order.index(3) // 5):
            broken.next()
        position = broken.position
        for _ in range(2):
            with pytest.raises(DataError, match=r"broken\.png"):
                broken.next()
        assert broken.position == position


def test_closing_ends_the_threads() -> None:
    reading = stream(Unpacked(images()))
    reading.next()
    assert any("ganforge-read" in thread.name for thread in threading.enumerate())
    reading.close()
    reading.close()
    assert not any("ganforge-read" in thread.name for thread in threading.enumerate())


def test_a_forgotten_stream_leaves_no_threads() -> None:
    reading = stream(Unpacked(images()))
    reading.next()
    del reading
    for _ in range(100):
        if not any("ganforge-read" in thread.name for thread in threading.enumerate()):
            return
        time.sleep(0.02)
    raise AssertionError("threads are still there")


def test_files_and_memory_agree(tmp_path: Path) -> None:
    from PIL import Image

    from ganforge.data import open_source

    for number, pixels in enumerate(images(12).tensor.permute(0, 2, 3, 1).numpy()):
        Image.fromarray(pixels).resize((16, 16)).save(tmp_path / f"{number:02}.png")
    packed, lazy = (open_source(source=str(tmp_path), memory=memory).train for memory in (1.0, 0.0))
    assert packed.tensor is not None
    assert lazy.tensor is None
    for one, other in zip(batches(stream(packed), 6), batches(stream(lazy), 6), strict=True):
        assert torch.equal(one.x, other.x)


@pytest.mark.parametrize("packed", [True, False], ids=["resident", "loader"])
@pytest.mark.parametrize("labels", [torch.arange(23) % 4, torch.rand(23, 3)], ids=["classes", "vectors"])
def test_every_sample_brings_its_own_label(packed: bool, labels: Tensor) -> None:
    labelled = Array(images().tensor, labels)
    for batch in batches(stream(labelled if packed else Unpacked(labelled), flip=True), 9):
        assert batch.y is not None
        assert torch.equal(batch.y, labels[batch.index])


def test_without_labels_a_batch_has_none() -> None:
    assert batches(stream(images()), 1)[0].y is None
