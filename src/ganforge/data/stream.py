"""Batches without end: shuffled, normalised, on the device, and resumable at any image."""

import hashlib
import os
import weakref
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from pydantic import Field
from torch import Tensor

from ganforge.batch import Batch
from ganforge.data.pairs import Paired, Unpaired
from ganforge.data.split import Split

__all__ = ["ImageStream"]

Draw = tuple[Int64[Tensor, " B"], Bool[Tensor, " B"]]


def _generator(seed: int, epoch: int) -> torch.Generator:
    """A generator of its own for every (seed, epoch): hashed, so that neighbours share nothing."""
    return torch.Generator().manual_seed(_seed(f"{seed}/{epoch}"))


def _seed(words: str) -> int:
    """A seed of 63 bits, hashed."""
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "little") >> 1


def _epoch(total: int, seed: int, epoch: int) -> Draw:
    """The order of an epoch, and which of its places are mirrored."""
    rng = _generator(seed, epoch)
    return torch.randperm(total, generator=rng), torch.rand(total, generator=rng) < 0.5


SCALE = 1 / 127.5  # (v - 127.5)·SCALE takes 0 to -1 and 255 to 1 exactly in float32, on every device alike


def _normalised(pixels: UInt8[Tensor, "B H W C"], mirrored: Bool[Tensor, " B"] | None) -> Float[Tensor, "B C H W"]:
    """[0, 255] -> [-1, 1] in float32 and channels_last; mirrored left to right where told."""
    if pixels.device.type == "cpu":
        return _normalised_by_numpy(pixels, mirrored)
    if mirrored is not None:
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(2), pixels)
    return pixels.to(torch.float32).sub_(127.5).mul_(SCALE).permute(0, 3, 1, 2)


def _normalised_by_numpy(
    pixels: UInt8[Tensor, "B H W C"], mirrored: Bool[Tensor, " B"] | None
) -> Float[Tensor, "B C H W"]:
    """The same bits on one thread: torch would use all, and beside a busy process wait 30 ms a batch for them."""
    array = pixels.numpy()
    if mirrored is not None:
        array = np.where(mirrored.numpy()[:, None, None, None], array[:, :, ::-1], array)
    x = array.astype(np.float32)
    x -= np.float32(127.5)
    x *= np.float32(SCALE)
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def _gathered(pixels: UInt8[Tensor, "N H W C"], index: Int64[Tensor, " B"]) -> UInt8[Tensor, "B H W C"]:
    if pixels.device.type == "cpu":
        return torch.from_numpy(pixels.numpy().take(index.numpy(), axis=0))
    return pixels.index_select(0, index)


def _free_memory(device: torch.device) -> float:
    """Bytes that may still be taken on the device."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")  # no way to ask on this system


def _resident(images: Split, device: torch.device) -> UInt8[Tensor, "N H W C"] | None:
    """All images on the device, channels last, if they lie in memory and take at most half of what is free there."""
    if images.tensor is None:
        return None
    pixels = images.tensor.permute(0, 2, 3, 1)
    stays = device.type == "cpu" and pixels.is_contiguous()
    if not stays and pixels.numel() > _free_memory(device) / 2:
        return None
    return pixels.contiguous().to(device)


class ImageStream:
    """A split as an endless row of batches, shuffled without replacement.

    The row is the epochs' permutations one after the other; a batch may straddle two, and no image is dropped.
    Of pairs, x is the one domain and `pair` the other, mirrored alike; of unpaired sets, `cond` is drawn from the other
    domain by a row of its own. It has no state but `position`: epoch e's order and mirrorings are drawn from (seed, e),
    so a stream that starts at
    `position=p` continues exactly as one that was run to p. Images that fit on the device live there as uint8;
    others are read ahead by threads, in the same order and hence with the same bits. Close it when done (`with` does).

    >>> from ganforge.data import Array
    >>> images = Array(torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1))
    >>> stream = ImageStream(images, batch=5, device="cpu", seed=0)
    >>> sorted(stream.next().index.tolist()), stream.position
    ([0, 1, 2, 3, 4], 5)
    """

    def __init__(
        self,
        images: Split,
        *,
        batch: int,
        device: torch.device | str,
        seed: int,
        flip: Annotated[
            bool, Field(description="mirror every other image left to right: not for text or digits")
        ] = False,
        position: int = 0,
    ) -> None:
        self.batch = batch
        self.position = position
        self._halves = images if isinstance(images, Paired) else None
        self._other = None
        if isinstance(images, Unpaired):
            self._other = ImageStream(
                images.other, batch=batch, device=device, seed=_seed(f"{seed}/other"), flip=flip, position=position
            )
        images = images.whole if isinstance(images, Paired) else images.x if isinstance(images, Unpaired) else images
        self._images, self._flip, self._device = images, flip, torch.device(device)
        self._epoch = lru_cache(maxsize=4)(lambda epoch: _epoch(len(images), seed, epoch))
        self._labels = None if images.labels is None else images.labels.to(self._device)
        self._pixels = _resident(images, self._device)
        self._pool, self._ahead = None, deque[Future[UInt8[Tensor, "B H W C"]]]()
        if self._pixels is None:
            workers = min(os.cpu_count() or 1, 8)
            self._pool, self._depth = ThreadPoolExecutor(workers, "ganforge-read"), workers + 2
            self._finalizer = weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)

    @property
    def resident(self) -> bool:
        """Whether the images live on the device."""
        return self._pixels is not None

    def next(self) -> Batch:
        """The next batch: x float32 in [-1, 1], (B, C, H, W) in channels_last, on the device; index and labels too.

        Raises what reading raised (DataError for a broken file).
        """
        index, mirrored = (numbers.to(self._device) for numbers in self._draw(self.position))
        if self._pixels is None:
            pixels = self._read().to(self._device)
        else:
            pixels = _gathered(self._pixels, index)
        self.position += self.batch
        y = None if self._labels is None else self._labels[index]
        x, cond, pair = _normalised(pixels, mirrored if self._flip else None), None, None
        if self._halves is not None:
            x, pair = (part.contiguous(memory_format=torch.channels_last) for part in self._halves.both(x))
        if self._other is not None:
            cond = self._other.next().x
        return Batch(x=x, index=index, y=y, cond=cond, pair=pair)

    def close(self) -> None:
        """Stop reading ahead and wait for what is being read; the stream can't be used any more."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._ahead.clear()
        if self._other is not None:
            self._other.close()

    def __enter__(self) -> "ImageStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _draw(self, position: int) -> Draw:
        """The numbers of the images at position, position + 1, ..., and which are mirrored."""
        total, parts = len(self._images), []
        end = position + self.batch
        while position < end:
            epoch, place = divmod(position, total)
            stop = min(place + end - position, total)
            order, mirrored = self._epoch(epoch)
            parts.append((order[place:stop], mirrored[place:stop]))
            position += stop - place
        indices, mirrors = zip(*parts, strict=True)
        return torch.cat(indices), torch.cat(mirrors)

    def _read(self) -> UInt8[Tensor, "B H W C"]:
        """The batch at `position`, from the row of those that threads read ahead."""
        assert self._pool is not None
        while len(self._ahead) < self._depth:
            index, _ = self._draw(self.position + self.batch * len(self._ahead))
            self._ahead.append(self._pool.submit(self._load, index))
        pixels = self._ahead[0].result()  # left in the row if it raises, so that the next call raises too
        self._ahead.popleft()
        return pixels

    def _load(self, index: Int64[Tensor, " B"]) -> UInt8[Tensor, "B H W C"]:
        pixels = self._images.read(index).permute(0, 2, 3, 1)
        return pixels.clone(memory_format=torch.contiguous_format)  # a batch's own strides, with one channel too
