"""The Fréchet distance between the Gaussians fitted to two sets of features."""

import torch
from jaxtyping import Float64
from torch import Tensor

from ganforge.errors import DataError
from ganforge.features import GaussianStatistics

__all__ = ["frechet_distance"]


def square_root(covariance: Float64[Tensor, "D D"]) -> Float64[Tensor, "D r"]:
    """A (D, r) with A·Aᵀ = the covariance of rank r; eigenvalues that are only rounding don't count."""
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    kept = values > len(values) * torch.finfo(values.dtype).eps * values.abs().max()
    return vectors[:, kept] * values[kept].sqrt()


def frechet_distance(*, real: GaussianStatistics, fake: GaussianStatistics) -> float:
    """Fréchet (2-Wasserstein, squared) distance between two Gaussians: |m - m'|² + tr(S + S' - 2·(S^½ S' S^½)^½).

    The customary figure of merit of a generator, 0 for equal means and covariances. It sees means and covariances
    only, and it is **biased**: from N samples it comes out too large by about c/N, where c depends on the generator
    (Chong and Forsyth 2020), so compare numbers only at the same N and state the floor that real images reach against
    real ones at that N. With N < D the covariances are singular; the formula holds all the same.

    The trace of the root is the sum of the singular values of AᵀA', where S = A·Aᵀ and S' = A'·A'ᵀ come from symmetric
    eigenvalue problems in float64: every number on the way is real, and nothing is squared before a root is taken.

    Raises `DataError` when either side has fewer than two samples, and so no covariance.

    >>> unit = GaussianStatistics(9, torch.zeros(2).double(), torch.eye(2).double())
    >>> wide = GaussianStatistics(9, torch.ones(2).double(), 4 * torch.eye(2).double())
    >>> round(frechet_distance(real=unit, fake=wide), 12)
    4.0

    Heusel et al. 2017, "GANs trained by a two time-scale update rule", equation 6; Dowson and Landau 1982.
    *Differs:* the reference code takes the root of S·S', which isn't symmetric, drops the imaginary part that rounding
    gives it, and adds 1e-6 to the diagonals when that fails.
    """
    for side, statistics in {"real": real, "fake": fake}.items():
        if statistics.count < 2:
            raise DataError(f"the Fréchet distance needs two or more samples; the {side} side has {statistics.count}")
    shift = (real.mean - fake.mean).square().sum()
    overlap = torch.linalg.svdvals(square_root(real.covariance).T @ square_root(fake.covariance)).sum()
    distance = shift + real.covariance.trace() + fake.covariance.trace() - 2 * overlap
    return max(float(distance), 0.0)  # rounding may leave -1e-15
