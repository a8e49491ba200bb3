"""Precision, recall, density and coverage against the `prdc` package, and in made situations."""

import prdc
import pytest
import torch
from torch import Tensor

from ganforge.errors import DataError
from ganforge.metrics import ManifoldScores, k_nearest_radius, manifold_scores


def clusters(N: int, rng: torch.Generator, kinds: int = 10, D: int = 16) -> Tensor:
    """A mixture of `kinds` well separated Gaussians, in equal parts."""
    centres = 8 * torch.randn(kinds, D, generator=torch.Generator().manual_seed(99))
    return centres[torch.arange(N) % kinds] + torch.randn(N, D, generator=rng)


def by_prdc(real: Tensor, fake: Tensor, k: int) -> ManifoldScores:
    return ManifoldScores(**prdc.compute_prdc(real.double().numpy(), fake.double().numpy(), nearest_k=k))


@pytest.mark.parametrize(
    ("N", "M", "D", "k"), [(50, 50, 2, 1), (700, 300, 16, 3), (300, 700, 64, 5), (513, 257, 128, 3)]
)
def test_agrees_with_prdc(N: int, M: int, D: int, k: int, capsys: pytest.CaptureFixture[str]) -> None:
    rng = torch.Generator().manual_seed(N)
    real, fake = torch.randn(N, D, generator=rng) + 3, 1.1 * torch.randn(M, D, generator=rng) + 3.05
    assert manifold_scores(real=real, fake=fake, k=k) == pytest.approx(by_prdc(real, fake, k), rel=1e-12)
    capsys.readouterr()  # prdc prints


@pytest.mark.parametrize(("N", "k"), [(4, 3), (257, 1), (600, 10)])
def test_the_radius_is_the_sorted_distance(N: int, k: int) -> None:
    x = torch.randn(N, 5, generator=torch.Generator().manual_seed(0)).double()
    expected = (x[:, None] - x[None]).norm(dim=2).sort(1).values[:, k]
    torch.testing.assert_close(k_nearest_radius(x, k), expected, rtol=1e-12, atol=1e-12)


def test_far_from_the_origin_no_digits_are_lost() -> None:
    """|x|² is 1e12 times the distances: without the move to the mean every one of them would be rounding."""
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(k_nearest_radius(x + 1e6), k_nearest_radius(x), rtol=1e-6, atol=0)
    scores = manifold_scores(real=x[:150] + 1e6, fake=x[150:] + 1e6)
    assert scores == pytest.approx(manifold_scores(real=x[:150], fake=x[150:]), abs=0.01)


def test_equal_distributions_cover_most_balls() -> None:
    rng = torch.Generator().manual_seed(0)
    scores = manifold_scores(real=clusters(2000, rng), fake=clusters(2000, rng), k=3)
    assert scores.coverage == pytest.approx(1 - 2**-3, abs=0.03)
    assert scores.density == pytest.approx(1, abs=0.1)
    assert scores.precision == pytest.approx(scores.recall, abs=0.06)


def test_mode_collapse_keeps_precision_and_loses_diversity() -> None:
    """Three of ten kinds are made, each of them well."""
    rng = torch.Generator().manual_seed(0)
    real, other = clusters(1000, rng), clusters(1000, rng)
    collapsed = clusters(1000, rng)[torch.arange(1000) % 10 < 3].repeat(3, 1)[:900]
    collapsed = collapsed + 0.3 * torch.randn(collapsed.shape, generator=rng)
    good, bad = manifold_scores(real=real, fake=other), manifold_scores(real=real, fake=collapsed)
    assert bad.precision > good.precision - 0.1
    assert bad.recall < 0.4 * good.recall
    assert bad.coverage < 0.4 * good.coverage


def test_collapse_to_points_is_found() -> None:
    """Ten images only, each a copied real one, again and again."""
    real = clusters(500, torch.Generator().manual_seed(0))
    scores = manifold_scores(real=real, fake=real[:10].repeat(50, 1))
    assert scores.precision == 1
    assert scores.recall == 0  # balls of no radius hold nothing
    assert scores.coverage < 0.1


def test_noise_loses_fidelity() -> None:
    rng = torch.Generator().manual_seed(0)
    real, good = clusters(800, rng), clusters(800, rng)
    poor = good + 3 * torch.randn(good.shape, generator=rng)
    before, after = manifold_scores(real=real, fake=good), manifold_scores(real=real, fake=poor)
    assert after.precision < 0.2 < 0.6 < before.precision
    assert after.density < 0.2 * before.density


def test_exchanging_the_sets_exchanges_precision_and_recall() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = clusters(400, rng), 1.2 * clusters(300, rng)
    there, back = manifold_scores(real=a, fake=b), manifold_scores(real=b, fake=a)
    assert (there.precision, there.recall) == (back.recall, back.precision)
    assert there.precision != there.recall


def test_copies_of_the_reals_score_exactly_one() -> None:
    """Every distance that decides is a tie; rounding must not break it: each real ball holds k of the copies."""
    real = torch.randn(600, 64, generator=torch.Generator().manual_seed(0)) + 2
    fake = real[torch.randperm(600, generator=torch.Generator().manual_seed(1))]
    assert manifold_scores(real=real, fake=fake, k=3) == ManifoldScores(1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("k", [0, 5])
def test_k_needs_more_samples_than_itself(k: int) -> None:
    with pytest.raises(DataError, match=f"k = {k} nearest"):
        manifold_scores(real=torch.zeros(5, 2), fake=torch.zeros(50, 2), k=k)
