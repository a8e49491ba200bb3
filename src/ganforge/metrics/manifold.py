"""Fidelity and diversity apart: precision, recall, density and coverage."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ganforge.errors import DataError

__all__ = ["ManifoldScores", "k_nearest_radius", "manifold_scores"]

ROWS = 256  # of the distance matrix at once


class ManifoldScores(NamedTuple):
    """Fidelity (`precision`, `density`) and diversity (`recall`, `coverage`); all in [0, 1] except density, ≥ 0."""

    precision: float
    recall: float
    density: float
    coverage: float


def left_factor(x: Float64[Tensor, "N D"]) -> Float64[Tensor, "N D+2"]:
    """Rows (-2x, |x|², 1): times a right factor, squared distances in one product."""
    norm = x.square().sum(1, keepdim=True)
    return torch.cat([-2 * x, norm, torch.ones_like(norm)], 1)


def right_factor(y: Float64[Tensor, "M D"]) -> Float64[Tensor, "D+2 M"]:
    """Columns (y, 1, |y|²)."""
    norm = y.square().sum(1, keepdim=True)
    return torch.cat([y, torch.ones_like(norm), norm], 1).T.contiguous()


def check_enough(x: Float64[Tensor, "N D"], k: int) -> None:
    """Raises `DataError` unless 1 <= k < N."""
    if not 1 <= k < len(x):
        raise DataError(
            f"k = {k} nearest neighbours need {k + 1} or more samples and k of at least 1; there are {len(x)}"
        )


def squared_radius(x: Float64[Tensor, "N D"], k: int) -> Float64[Tensor, " N"]:
    """Squared distance to the k-th nearest other vector."""
    check_enough(x, k)
    columns, radii = right_factor(x), []
    for start, rows in zip(range(0, len(x), ROWS), left_factor(x).split(ROWS), strict=True):
        squared = rows @ columns
        squared.diagonal(start).fill_(torch.inf)  # nobody is a neighbour of himself
        radii.append(squared.topk(k, largest=False, sorted=False).values.amax(1))
    return torch.cat(radii)


def k_nearest_radius(x: Float[Tensor, "N D"], k: int = 3) -> Float64[Tensor, " N"]:
    """Euclidean distance from each of N vectors to its k-th nearest other one.

    The ball of this radius is what one sample says about where the manifold is: large where samples are rare. The
    distances are taken between vectors moved to their mean, in float64, in blocks of rows.

    Raises `DataError` unless 1 <= k < N.

    >>> k_nearest_radius(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), k=2).tolist()
    [3.0, 2.0, 3.0, 6.0]
    """
    x = x.double()
    return squared_radius(x - x.mean(0), k).clamp_min(0).sqrt()


def manifold_scores(*, real: Float[Tensor, "N D"], fake: Float[Tensor, "M D"], k: int = 3) -> ManifoldScores:
    """Precision, recall, density and coverage of M fakes against N reals, from balls to the k-th nearest neighbour.

    *Precision* is the share of fakes inside some real's ball and *recall* the share of reals inside some fake's ball:
    exchanging the sets exchanges the two. *Density* counts in how many real balls a fake lies, over k, so one outlier
    among the reals with its wide ball no longer counts in full; *coverage* is the share of real balls with a fake
    inside. A collapsed generator keeps its precision and loses recall and coverage. Equal distributions give a coverage
    of about 1 - 2^-k at N = M, not 1. All numbers move with N, M and k: compare them at equal ones.

    Distances are products of vectors moved to the reals' mean, in float64; memory is one block of 256 rows. "Inside"
    means nearer than the radius by more than rounding, so exact copies of the reals score the same every time.

    Raises `DataError` unless 1 <= k < N, M.

    >>> x = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))
    >>> scores = manifold_scores(real=x, fake=x[:20].repeat(10, 1))
    >>> scores.precision, scores.coverage < 0.1
    (1.0, True)

    Kynkäänniemi et al. 2019, "Improved precision and recall metric", equations 1-3; Naeem et al. 2020, "Reliable
    fidelity and diversity metrics", equations 3-5. *Differs:* the first has balls with their surface (≤), the second's
    code without (<); it is < for all four here, as in the `prdc` package.
    """
    centre = real.double().mean(0)
    x, y = real.double() - centre, fake.double() - centre
    check_enough(x, k)
    check_enough(y, k)
    columns, rows = right_factor(x), left_factor(y)
    slack = 32 * torch.finfo(x.dtype).eps * (columns[-1].max() + rows[:, -2].max())  # bounds the rounding of a product
    x_radius, y_radius = squared_radius(x, k) - slack, squared_radius(y, k) - slack
    hits = []  # of each fake: the real balls that it lies in
    covered = recalled = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for row_part, radius in zip(rows.split(ROWS), y_radius.split(ROWS), strict=True):
        squared = row_part @ columns  # (fakes, reals)
        inside = squared < x_radius
        hits.append(inside.sum(1))
        covered = covered | inside.any(0)
        recalled = recalled | (squared < radius[:, None]).any(0)
    count = torch.cat(hits).double()
    shares = [(count > 0).double(), recalled.double(), count / k, covered.double()]
    return ManifoldScores(*(float(share.mean()) for share in shares))
