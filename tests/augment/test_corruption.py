"""Frequencies, noise and holes: against scipy's filters, and what the distributions say."""

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from scripted import Scripted, dice

from ganforge.augment.corruption import cutout, equalised, gains, noisy
from ganforge.augment.wavelets import BANDS

F64 = torch.float64


def test_gains_are_the_published_product() -> None:
    strengths, power, expected = [0.5, 2.0, 3.0, 0.25], np.array([10, 1, 1, 1]) / 13, np.ones(4)
    for band, strength in enumerate(strengths):
        gain = np.ones(4)
        gain[band] = strength
        expected = expected * gain / np.sqrt(np.sum(power * gain**2))
    assert gains(Scripted.of(1, *strengths))[0].numpy() == pytest.approx(expected)


def test_filters_are_scipys_along_both_axes() -> None:
    x = torch.randn(2, 2, 12, 9, dtype=F64)
    strengths = (0.5, 2.0, 3.0, 0.25)
    gain = gains(Scripted.of(1, *strengths))[0].numpy()
    taps = np.zeros(len(BANDS[0]))
    for g, band in zip(gain, BANDS, strict=True):
        margin = (len(taps) - len(band)) // 2
        taps[margin : len(taps) - margin] += g * band
    expected = ndimage.correlate1d(ndimage.correlate1d(x.numpy(), taps, 2, mode="mirror"), taps, 3, mode="mirror")
    assert np.allclose(equalised(x, Scripted.of(2, *strengths)).numpy(), expected)


@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_each_band_changes_with_probability_p(p: float) -> None:
    still = (gains(dice(20_000, p)) == 1).all(1).double().mean().item()
    assert still == pytest.approx((1 - p) ** 4, abs=0.015)


def test_noise_has_a_half_normal_strength() -> None:
    y = noisy(torch.zeros(3000, 1, 16, 16, dtype=F64), dice(3000))
    assert stats.kstest(y.std((1, 2, 3)).numpy(), stats.halfnorm(scale=0.1).cdf).pvalue > 1e-4
    first = y[y.std((1, 2, 3)) > 0.01][0]
    assert stats.kstest((first / first.std()).flatten().numpy(), stats.norm.cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("centre", "rows", "columns"), [((0.5, 0.5), (4, 12), (4, 12)), ((0.0, 1.0), (12, 16), (0, 4))]
)
def test_the_hole_lies_around_its_centre(
    centre: tuple[float, float], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    x = torch.rand(1, 3, 16, 16, dtype=F64) + 1
    expected = x.clone()
    expected[..., slice(*rows), slice(*columns)] = 0
    assert torch.equal(cutout(x, Scripted.of(1, *centre)), expected)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_holes_are_as_frequent_and_as_large_as_published(p: float) -> None:
    """Half the side, the centre uniform: an axis is covered by 1/2 - 1/16 on average (1/32 lost at each end)."""
    y = cutout(torch.ones(20_000, 1, 16, 16, dtype=F64), dice(20_000, p))
    assert (y.amin((1, 2, 3)) == 0).double().mean().item() == pytest.approx(p, abs=0.015)
    assert (y == 0).double().mean().item() == pytest.approx(p * (7 / 16) ** 2, abs=0.005)
