"""Mode coverage: what a made collapse does to it, and what the mixture itself reaches."""

import math

import pytest
import torch

from ganforge.data import TOYS, Mixture
from ganforge.errors import DataError
from ganforge.metrics import mode_coverage, reverse_kl


@pytest.fixture
def ring() -> Mixture:
    mixture = TOYS["ring"](sigma=0.05).mixture
    assert mixture is not None
    return mixture


def drawn(mixture: Mixture, count: int = 2500) -> torch.Tensor:
    return mixture.draw(count, torch.Generator().manual_seed(0))


def test_the_mixture_itself_has_all_modes_and_the_quality_of_three_sigma(ring: Mixture) -> None:
    found = mode_coverage(samples=drawn(ring, 100_000), modes=ring.means, sigma=ring.sigmas)
    assert found.found == 8
    assert found.quality == pytest.approx(1 - math.exp(-4.5), abs=0.002)
    assert found.shares.tolist() == pytest.approx([found.quality / 8] * 8, abs=0.005)


def test_on_the_line_three_sigma_are_the_normal_distributions() -> None:
    mixture = TOYS["two_gaussians"]().mixture
    assert mixture is not None
    found = mode_coverage(samples=drawn(mixture, 100_000), modes=mixture.means, sigma=mixture.sigmas)
    assert found.quality == pytest.approx(math.erf(3 / math.sqrt(2)), abs=0.001)
    assert found.shares[0].item() == pytest.approx(0.7 * found.quality, abs=0.01)
    right = mode_coverage(
        samples=drawn(mixture, 100_000), modes=mixture.means, sigma=mixture.sigmas, weights=mixture.weights
    )
    assert right.distance < 0.006
    assert found.distance == pytest.approx(0.2, abs=0.01)


def test_a_collapse_to_three_modes_keeps_quality_and_loses_modes(ring: Mixture) -> None:
    samples = drawn(ring)
    mode = torch.cdist(samples, ring.means).argmin(1)
    found = mode_coverage(samples=samples[mode < 3], modes=ring.means, sigma=ring.sigmas)
    assert found.found == 3
    assert found.quality > 0.97
    assert found.shares[3:].tolist() == [0] * 5
    assert found.distance == pytest.approx(5 / 8, abs=0.02)


def test_samples_between_the_modes_keep_modes_and_lose_quality(ring: Mixture) -> None:
    centre = torch.zeros(2500, 2)
    found = mode_coverage(samples=torch.cat([drawn(ring), centre]), modes=ring.means, sigma=ring.sigmas)
    assert found.found == 8
    assert found.quality == pytest.approx(0.494, abs=0.005)
    assert found.distance == pytest.approx(1 - found.quality, abs=1e-9)  # each mode has half of what it should


@pytest.mark.parametrize(("hits", "found"), [(19, 1), (20, 2)])
def test_twenty_of_2500_make_a_mode(hits: int, found: int) -> None:
    samples = torch.zeros(2500, 1)
    samples[:hits] = 1.0
    assert mode_coverage(samples=samples, modes=torch.tensor([[0.0], [1.0]]), sigma=0.1).found == found


def test_a_threshold_of_nothing_still_asks_for_a_sample() -> None:
    found = mode_coverage(samples=torch.zeros(5, 1), modes=torch.tensor([[0.0], [1.0]]), sigma=0.1, least=0.0)
    assert found.found == 1


def test_nearest_is_meant_in_standard_deviations() -> None:
    modes, sigmas = torch.tensor([[0.0], [1.0]]), torch.tensor([1.0, 0.01])
    assert mode_coverage(samples=torch.tensor([[0.8]]), modes=modes, sigma=sigmas).shares.tolist() == [1, 0]
    assert mode_coverage(samples=torch.tensor([[0.8]]), modes=modes, sigma=sigmas, reach=0.5).quality == 0


def test_no_samples_are_refused() -> None:
    with pytest.raises(DataError, match="no samples"):
        mode_coverage(samples=torch.zeros(0, 2), modes=torch.zeros(1, 2), sigma=1.0)


def test_reverse_kl_of_known_shares(ring: Mixture) -> None:
    each = ring.means.repeat_interleave(torch.tensor([10, 0, 0, 0, 0, 0, 0, 30]), dim=0)
    wanted = 0.25 * math.log(0.25 * 8) + 0.75 * math.log(0.75 * 8)
    assert reverse_kl(samples=each + 0.2, modes=ring.means, sigma=ring.sigmas) == pytest.approx(wanted)
    own = drawn(ring, 100_000)
    assert reverse_kl(samples=own, modes=ring.means, sigma=ring.sigmas) < 4 * 7 / 200_000
    assert reverse_kl(samples=each, modes=ring.means, sigma=1.0, weights=torch.eye(8)[0] * 0.25 + torch.eye(8)[7] * 0.75
                      ) == pytest.approx(0)  # fmt: skip
