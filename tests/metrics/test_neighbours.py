"""Single precision decides nothing that it can't: exact answers where most comparisons are closer than its rounding."""

import pytest
import torch
from torch import Tensor

from ganforge.metrics import manifold_scores
from ganforge.metrics.neighbours import SINGLE, cloud, inside, k_nearest, mean


def tight(N: int, *, width: float, seed: int, D: int = 2 * SINGLE) -> Tensor:
    """Ten clusters, much smaller than the distance between them: float32 products see points, not clusters."""
    centres = 10 * torch.randn(10, D, generator=torch.Generator().manual_seed(5))
    rng = torch.Generator().manual_seed(seed)
    return (centres[torch.arange(N) % 10] + width * torch.randn(N, D, generator=rng)).float()


def plain_distances(a: Tensor, b: Tensor) -> Tensor:
    return torch.stack([(row - b.double()).square().sum(1) for row in a.double()])


@pytest.mark.parametrize("width", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("k", [1, 3])
def test_radii(width: float, k: int) -> None:
    x = tight(300, width=width, seed=0)
    expected = plain_distances(x, x).sort(1).values[:, k]
    torch.testing.assert_close(k_nearest(cloud(x, mean(x)), k), expected, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("width", [1.0, 1e-2, 1e-4])
def test_inside(width: float) -> None:
    a, b = tight(120, width=width, seed=1), tight(150, width=width, seed=2)
    squared = plain_distances(a, b)
    within, around = squared.median(0).values, squared.median(1).values  # each the distance of a pair: a tie
    x, y = cloud(a, mean(a)), cloud(b, mean(a))
    in_b, in_a = inside(x, slice(20, 90), y, within=within, around=around[20:90])
    assert torch.equal(in_b, (squared < within)[20:90])
    assert torch.equal(in_a, (squared < around[:, None])[20:90])


def test_copies_beyond_the_candidates() -> None:
    """Each vector twenty times: the k-th neighbour is a copy, and so are more of them than are looked at first."""
    x = tight(30, width=1.0, seed=3).repeat(20, 1)
    assert k_nearest(cloud(x, mean(x)), 3).eq(0).all()
    close = x + 1e-6 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    expected = plain_distances(close, close).sort(1).values[:, 3]
    torch.testing.assert_close(k_nearest(cloud(close, mean(close)), 3), expected, rtol=1e-12, atol=0.0)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = tight(210, width=3.0, seed=4), tight(190, width=3.0, seed=5)
    whole = manifold_scores(real=real, fake=fake, k=5)
    monkeypatch.setattr("ganforge.metrics.neighbours.CELLS", 50 * 50)
    monkeypatch.setattr("ganforge.metrics.neighbours.PAIRS", 1000)
    monkeypatch.setattr("ganforge.metrics.manifold.CELLS", 40 * 210)
    assert manifold_scores(real=real, fake=fake, k=5) == whole
