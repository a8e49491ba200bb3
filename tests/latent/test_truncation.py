"""Truncated latents have the truncated normal's distribution, and change smoothly with the threshold."""

import math

import pytest
import torch
from scipy import stats

from ganforge.latent import truncated, truncated_deviation


@pytest.mark.parametrize("threshold", [0.1, 0.5, 1.0, 2.0])
def test_the_distribution_is_the_truncated_normal(threshold: float) -> None:
    z = torch.randn(20_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = truncated(z, threshold)
    assert found.abs().max() <= threshold
    expected = stats.truncnorm(-threshold, threshold)
    assert stats.kstest(found.numpy(), expected.cdf).pvalue > 0.01
    assert found.std().item() == pytest.approx(expected.std(), rel=0.02)


@pytest.mark.parametrize("threshold", [1e-3, 0.01, 0.5, 1.0, 3.0, 40.0, math.inf])
def test_the_deviation_is_the_truncated_normals(threshold: float) -> None:
    assert truncated_deviation(threshold) == pytest.approx(stats.truncnorm(-threshold, threshold).std(), rel=1e-4)


def test_far_below_one_the_density_is_level() -> None:
    assert truncated_deviation(1e-6) == pytest.approx(1e-6 / math.sqrt(3))


def test_each_number_keeps_its_sign_and_its_rank_and_moves_smoothly() -> None:
    z = torch.linspace(-6, 6, 301)
    for threshold in (0.3, 1.5, 4.0):
        found = truncated(z, threshold)
        assert torch.equal(found.sign(), z.sign())
        assert (found.diff() >= 0).all()
        assert torch.allclose(found, -found.flip(0), atol=1e-5)
    near, far = truncated(z, 1.0), truncated(z, 1.001)
    assert (near - far).abs().max() < 0.0011


def test_without_a_bound_nothing_changes() -> None:
    z = torch.randn(5, 3)
    assert torch.equal(truncated(z, math.inf), z)
    assert torch.allclose(truncated(z, 8.0), z, atol=1e-6)
    with pytest.raises(ValueError, match=r"threshold 0\.0 is no bound"):
        truncated(z, 0.0)
