"""How fast a generator makes samples: the delay of one batch, samples a second, and what folding its norms gives."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from ganforge.errors import RecipeError
from ganforge.layers import called
from ganforge.sample import Sampler

__all__ = ["BATCHES", "COLUMNS", "Speed", "best_batch", "cells", "measured", "speeds"]

BATCHES = (1, 8, 32, 64, 128, 256)
TRIED = (16, 32, 64, 128, 256, 512)
SECONDS = 0.05  # that a measurement takes at least
COLUMNS = ("batch", "delay of a batch", "samples/s", "samples/s, norms not folded", "folding gives")


class Speed(NamedTuple):
    """A row.

    Attributes:
        batch: samples made at once.
        seconds: of one batch, folded; the median.
        plain_seconds: the same of the generator as it was trained, in evaluation mode.
        least, most: of the ratios of single pairs.
        pairs: measurements of each, taken in turns.
    """

    batch: int
    seconds: float
    plain_seconds: float
    least: float
    most: float
    pairs: int

    @property
    def ratio(self) -> float:
        """Of medians: above 1, folding is faster."""
        return self.plain_seconds / self.seconds

    @property
    def line(self) -> dict[str, Any]:
        """For programs."""
        rates = {"samples_per_second": self.batch / self.seconds}
        rates["plain_samples_per_second"] = self.batch / self.plain_seconds
        return self._asdict() | rates | {"ratio": self.ratio}


def cells(speed: Speed) -> tuple[str, ...]:
    """A row for people."""
    delay = f"{speed.seconds * 1e3:.3g} ms"
    rates = (f"{speed.batch / s:,.0f}" for s in (speed.seconds, speed.plain_seconds))
    return (str(speed.batch), delay, *rates, f"{speed.ratio:.2f} × ({speed.least:.2f} to {speed.most:.2f})")


def caller(sampler: Sampler, G: nn.Module, batch: int) -> Callable[[], None]:
    """What makes a batch with G and waits for it."""
    z, y = sampler.latents(range(batch)).to(sampler.device), sampler.labels_of(range(batch))
    y = None if y is None else y.to(sampler.device)

    @torch.inference_mode()
    def call() -> None:
        made = called(G, z, y)
        if made.is_cuda:
            torch.cuda.synchronize(made.device)

    return call


def timed(call: Callable[[], None], times: int) -> float:
    """Seconds a call."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def speed_at(sampler: Sampler, batch: int, *, pairs: int) -> Speed:
    """Folded and plain in turns."""
    sides = [caller(sampler, G, batch) for G in (sampler.fast, sampler.G)]
    times = max(1, round(SECONDS / min(max(timed(call, 2), 1e-7) for call in sides)))
    samples = [[timed(call, times) for call in sides] for _ in range(pairs)]
    fast, plain = (statistics.median(column) for column in zip(*samples, strict=True))
    ratios = [b / a for a, b in samples]
    return Speed(batch, fast, plain, min(ratios), max(ratios), pairs)


def speeds(
    sampler: Sampler, batches: Sequence[int] = BATCHES, *, pairs: int = 9, progress: Callable[[float], object]
) -> list[Speed]:
    """A row for each batch.

    Raises:
        RecipeError: for a batch that isn't positive.
    """
    if wrong := [b for b in batches if b < 1]:
        raise RecipeError(f"a batch of {wrong[0]} is none; give whole numbers from 1: --batches 1,64,256")
    rows = []
    for batch in batches:
        rows.append(speed_at(sampler, batch, pairs=pairs))
        progress(1.0)
    return rows


def measured(sampler: Sampler, batch: int) -> float:
    """Samples a second at a batch: the best of three, after one to warm up."""
    call = caller(sampler, sampler.fast, batch)
    call()
    return batch / max(min(timed(call, 1) for _ in range(3)), 1e-9)


def best_batch(sampler: Sampler) -> int:
    """The batch at which this machine makes most samples a second; costs a few seconds. Larger ones are not tried once
    they are slower."""
    best, rate = TRIED[0], 0.0
    for batch in TRIED:
        found = measured(sampler, batch)
        if found < rate:
            break
        best, rate = batch, found
    return best
