"""Fidelity and diversity apart: precision, recall, density and coverage."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ganforge.metrics.neighbours import cloud, inside, k_nearest, mean

__all__ = ["ManifoldScores", "k_nearest_radius", "manifold_scores"]

CELLS = 1 << 21  # of the distance matrix at once


class ManifoldScores(NamedTuple):
    """Fidelity (`precision`, `density`) and diversity (`recall`, `coverage`); all in [0, 1] except density, ≥ 0."""

    precision: float
    recall: float
    density: float
    coverage: float


def k_nearest_radius(x: Float[Tensor, "N D"], k: int = 3) -> Float64[Tensor, " N"]:
    """Euclidean distance from each of N vectors to its k-th nearest other one.

    The ball of this radius is what one sample says about where the manifold is: large where samples are rare. The
    distances are exact to float64's rounding, taken in blocks.

    Raises `DataError` unless 1 <= k < N.

    >>> k_nearest_radius(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), k=2).tolist()
    [3.0, 2.0, 3.0, 6.0]
    """
    return k_nearest(cloud(x, mean(x)), k).sqrt()


def manifold_scores(*, real: Float[Tensor, "N D"], fake: Float[Tensor, "M D"], k: int = 3) -> ManifoldScores:
    """Precision, recall, density and coverage of M fakes against N reals, from balls to the k-th nearest neighbour.

    *Precision* is the share of fakes inside some real's ball and *recall* the share of reals inside some fake's ball:
    exchanging the sets exchanges the two. *Density* counts in how many real balls a fake lies, over k, so one outlier
    among the reals with its wide ball no longer counts in full; *coverage* is the share of real balls with a fake
    inside. A collapsed generator keeps its precision and loses recall and coverage. Equal distributions give a coverage
    of about 1 - 2^-k at N = M, not 1. All numbers move with N, M and k: compare them at equal ones.

    All comparisons are exact: products in float32 decide those that they can, differences in float64 the others, so
    copies of the reals score the same every time. Memory beside the features: a float32 copy of both sets and blocks of
    16 MiB.

    Raises `DataError` unless 1 <= k < N, M.

    >>> x = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))
    >>> scores = manifold_scores(real=x, fake=x[:20].repeat(10, 1))
    >>> scores.precision, scores.coverage < 0.1
    (1.0, True)

    Kynkäänniemi et al. 2019, "Improved precision and recall metric", equations 1-3; Naeem et al. 2020, "Reliable
    fidelity and diversity metrics", equations 3-5. *Differs:* the first has balls with their surface (≤), the second's
    code without (<); it is < for all four here, as in the `prdc` package.
    """
    centre = mean(real)
    x, y = cloud(real, centre), cloud(fake, centre)
    x_radius, y_radius = k_nearest(x, k), k_nearest(y, k)
    hits = []  # of each fake: the real balls that it lies in
    covered, recalled = torch.zeros(2, len(real), dtype=torch.bool, device=real.device)
    step = max(1, CELLS // len(real))
    for start in range(0, len(fake), step):
        rows = slice(start, min(start + step, len(fake)))
        fakes_inside, reals_inside = inside(y, rows, x, within=x_radius, around=y_radius[rows])
        fakes_inside, reals_inside = fakes_inside.view(torch.uint8), reals_inside.view(torch.uint8)
        hits.append(fakes_inside.sum(1, dtype=torch.int32))
        covered.logical_or_(fakes_inside.amax(0))  # of bytes many times faster than `any` of truths
        recalled.logical_or_(reals_inside.amax(0))
    count = torch.cat(hits).double()
    shares = [(count > 0).double(), recalled.double(), count / k, covered.double()]
    return ManifoldScores(*(float(share.mean()) for share in shares))
