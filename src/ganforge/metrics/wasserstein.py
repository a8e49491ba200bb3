"""The Wasserstein distance itself between two sets of features, by their cheapest match: exact, and for few samples."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ganforge.errors import DataError
from ganforge.theory import matching

__all__ = ["MOST", "Wasserstein", "wasserstein_distance"]

MOST = 2_000  # of either side: the match takes the cube of it


class Wasserstein(NamedTuple):
    """The distance, and how many samples of either side were matched."""

    value: float
    samples: int


def wasserstein_distance(
    *, real: Float[Tensor, "N D"], fake: Float[Tensor, "M D"], most: int = MOST, seed: int = 0
) -> Wasserstein:
    """W1: the least mean Euclidean distance over which fakes have to be moved to become the reals, one to one.

    No Gaussian is fitted and no line is drawn at random, so it sees all that the features see. As many of either side
    are matched, `most` at most, drawn without replacement by the seed. It is **biased** upwards, the more the more
    features there are: of two drawings of one distribution in D dimensions it falls as n^(-1/D), which in 2048 is
    hardly at all. So compare at equal numbers, beside what real images reach.

    Distances of all pairs come from products in float64 and only choose the match; those that are matched are then
    taken as they are, so that equal sets are at 0.

    Raises:
        DataError: if a side has no samples.
        TheoryError: if SciPy is missing.

    >>> wasserstein_distance(real=torch.tensor([[0.0], [1.0]]), fake=torch.tensor([[6.0], [5.0]]))
    Wasserstein(value=5.0, samples=2)

    Villani 2009, "Optimal transport", definition 6.1; of features of images Xu et al. 2018, arXiv:1806.07755.
    """
    n = min(len(real), len(fake), most)
    if not n:
        raise DataError(f"{len(real)} real and {len(fake)} fake samples have no distance: give one or more of each")
    x, y = (drawn(side, n, seed) for side in (real, fake))
    if not (x.isfinite().all() and y.isfinite().all()):
        return Wasserstein(torch.nan, n)
    centre = x.mean(0)
    match = matching(torch.cdist(x - centre, y - centre, compute_mode="use_mm_for_euclid_dist"))
    return Wasserstein(float((x - y[match]).norm(dim=1).mean()), n)


def drawn(side: Float[Tensor, "N D"], count: int, seed: int) -> Float64[Tensor, "n D"]:
    """So many of the samples, none twice: a data set's own order may be that of its classes."""
    rng = torch.Generator().manual_seed(seed)
    return side[torch.randperm(len(side), generator=rng)[:count].to(side.device)].cpu().double()
