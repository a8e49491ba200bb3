"""The filters: orthonormal, smooth, adding up to 1; their matrices against scipy's convolutions."""

import numpy as np
import pytest
import torch
from scipy import ndimage, signal

from ganforge.augment.wavelets import BANDS, DELAY, SYM6, band_matrices, coarse_matrix, fine_matrix, folded

F64, CPU = torch.float64, torch.device("cpu")
SIZES = [1, 2, 3, 5, 8, 28]


def test_the_wavelet_is_orthonormal_to_its_even_shifts() -> None:
    products = np.correlate(SYM6, SYM6, "full")[len(SYM6) - 1 :: 2]
    assert products == pytest.approx([1, 0, 0, 0, 0, 0], abs=1e-11)


def test_the_wavelet_has_six_vanishing_moments() -> None:
    places = np.arange(len(SYM6)) - DELAY
    for power in range(6):
        assert (SYM6 * (-1) ** np.arange(len(SYM6)) @ places**power) == pytest.approx(0, abs=1e-7)
    assert SYM6.sum() == pytest.approx(2**0.5)
    assert SYM6 @ places == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("size", SIZES[1:])
def test_reflection_is_that_of_numpy(size: int) -> None:
    row = np.random.default_rng(0).normal(size=size)
    assert np.array_equal(row[folded(np.arange(-50, size + 50), size)], np.pad(row, 50, mode="reflect"))


@pytest.mark.parametrize("size", SIZES)
def test_fine_samples_are_those_of_an_upsampling_filter(size: int) -> None:
    row = np.random.default_rng(0).normal(size=size)
    matrix = fine_matrix(size, F64, CPU).numpy()
    continued = row[folded(np.arange(-10, 4 * size + 10), size)]
    expected = signal.upfirdn(2**0.5 * SYM6, continued, up=2)[20 : 20 + len(matrix)]
    assert matrix @ row == pytest.approx(expected, abs=1e-12)
    assert len(matrix) == 4 * max(size - 1, 1) + 1
    assert matrix[0] == pytest.approx(matrix[-1])


@pytest.mark.parametrize("size", SIZES)
def test_down_undoes_up(size: int) -> None:
    fine, coarse = fine_matrix(size, F64, CPU), coarse_matrix(size, F64, CPU)
    around = torch.arange(coarse.shape[1]) % max(len(fine) - 1, 1)
    assert torch.allclose(coarse @ fine[around], torch.eye(size, dtype=F64), atol=1e-10)


def test_the_bands_add_up_to_nothing_done() -> None:
    total = np.zeros(len(BANDS[0]))
    for taps in BANDS:
        margin = (len(total) - len(taps)) // 2
        total[margin : len(total) - margin] += taps
        assert taps == pytest.approx(taps[::-1])
    assert total == pytest.approx(np.eye(1, len(total), len(total) // 2)[0], abs=1e-12)


@pytest.mark.parametrize(("band", "frequency"), [(0, 0.0), (1, 0.19), (2, 0.375), (3, 1.0)])
def test_each_band_passes_its_own_frequencies(band: int, frequency: float) -> None:
    passed = [abs(signal.freqz(taps, worN=[frequency * np.pi])[1][0]) for taps in BANDS]
    assert passed[band] > 0.7
    assert sum(passed) - passed[band] < 0.35


@pytest.mark.parametrize("size", [2, 7, 28])
def test_band_matrices_filter_as_scipy_does(size: int) -> None:
    row = np.random.default_rng(0).normal(size=size)
    for matrix, taps in zip(band_matrices(size, F64, CPU).numpy(), BANDS, strict=True):
        assert matrix @ row == pytest.approx(ndimage.correlate1d(row, taps, mode="mirror"), abs=1e-12)
