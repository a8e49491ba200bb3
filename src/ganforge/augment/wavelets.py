"""Filters with which images are resampled and equalised, each axis by a matrix.

An image is continued beyond its edges by reflection about the centres of the outermost pixels, without end. Along an
axis of N pixels a filter with that continuation is a matrix, so a filtered image is `rows @ x @ columns.T`: plain
products, differentiable any number of times, the same bits in every run.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["BANDS", "DELAY", "SYM6", "band_matrices", "coarse_matrix", "fine_matrix", "folded"]

SYM6 = np.array([
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
])  # fmt: skip
"""Daubechies' least asymmetric wavelet with 6 vanishing moments (Ten Lectures 1992, table 6.3): its low-pass filter.
Orthonormal to its even shifts, so that upsampling and then downsampling by it gives the image back."""

DELAY = float(np.arange(len(SYM6)) @ SYM6 / SYM6.sum())
"""Where the filter's centre lies: the shift, in fine samples, of everything smooth."""

HALF_BAND = np.array([-1, 0, 9, 16, 9, 0, -1]) / 32  # autocorrelation of Daubechies' 4-tap filter (sym2), sum 1


def folded(place: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The pixel that a reflected image shows at a place.

    >>> folded(np.arange(-3, 6), 3)
    array([1, 2, 1, 0, 1, 2, 1, 0, 1])
    """
    last = size - 1
    return last - np.abs(place % max(2 * last, 1) - last) if last else np.zeros_like(place)


@lru_cache
def fine_matrix(size: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "fine {size}"]:
    """Pixels -> one period, 2·(size - 1) pixels long, of the reflected image, sampled twice as finely.

    Fine sample n lies at pixel (n - DELAY)/2; the last one is the first again.
    """
    period = 2 * max(size - 1, 1)
    matrix = np.zeros((2 * period + 1, size))
    for tap, value in enumerate(SYM6):
        fine = np.arange(len(matrix))
        fine = fine[(fine - tap) % 2 == 0]
        np.add.at(matrix, (fine, folded((fine - tap) // 2, size)), 2**0.5 * value)
    return torch.tensor(matrix, dtype=dtype, device=device)


@lru_cache
def coarse_matrix(size: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "{size} fine"]:
    """Fine samples -> pixels: the transposed filter, at every second place; `size` pixels need 2·size + 10 samples."""
    matrix = np.zeros((size, 2 * size + len(SYM6) - 2))
    for pixel in range(size):
        matrix[pixel, 2 * pixel : 2 * pixel + len(SYM6)] = SYM6 / 2**0.5
    return torch.tensor(matrix, dtype=dtype, device=device)


def stretched(taps: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """f(z) -> f(z^factor): zeros between the taps."""
    spread = np.zeros(factor * (len(taps) - 1) + 1)
    spread[::factor] = taps
    return spread


def bands() -> list[NDArray[np.float64]]:
    """Four zero-phase filters that add up to 1, for the frequencies [0, π/8], [π/8, π/4], [π/4, π/2], [π/2, π]."""
    high = -HALF_BAND
    high[len(high) // 2] += 1
    low: NDArray[np.float64] = np.ones(1)
    found: list[NDArray[np.float64]] = []
    for factor in (1, 2, 4):
        found.insert(0, np.convolve(low, stretched(high, factor)))
        low = np.convolve(low, stretched(HALF_BAND, factor))
    return [low, *found]


BANDS = bands()


@lru_cache
def band_matrices(size: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "4 {size} {size}"]:
    """Pixels -> the same pixels, seen by each of the four bands."""
    matrices = np.zeros((len(BANDS), size, size))
    for matrix, taps in zip(matrices, BANDS, strict=True):
        for tap, value in enumerate(taps, start=-(len(taps) // 2)):
            np.add.at(matrix, (np.arange(size), folded(np.arange(size) + tap, size)), value)
    return torch.tensor(matrices, dtype=dtype, device=device)
