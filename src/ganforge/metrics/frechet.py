"""The Fréchet distance between the Gaussians fitted to two sets of features."""

import torch
from jaxtyping import Float64
from torch import Tensor

from ganforge.errors import DataError
from ganforge.features import GaussianStatistics

__all__ = ["frechet_distance"]

ROUNDING = 1e-8  # of the distance, that the faster way may be off
PIVOT = 1e-10  # of the largest variance


def factor(covariance: Float64[Tensor, "D D"]) -> Float64[Tensor, "D r"]:
    """A (D, r) with A·Aᵀ = the covariance of rank r.

    Cholesky's, unless a pivot is so small that rounding rules it; then from the eigenvectors, where eigenvalues that
    are only rounding don't count.
    """
    L, failed = torch.linalg.cholesky_ex(covariance)
    if not failed and L.diagonal().min().square() > PIVOT * covariance.diagonal().max():
        return L
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    kept = values > len(values) * torch.finfo(values.dtype).eps * values.abs().max()
    return vectors[:, kept] * values[kept].sqrt()


def root_trace(S: Float64[Tensor, "D D"], T: Float64[Tensor, "D D"]) -> tuple[float, float]:
    """The trace of the root of S·T, and a bound of its rounding error.

    With S = L·Lᵀ by Cholesky the eigenvalues of S·T are those of Lᵀ·T·L, which is symmetric, and one eigenvalue problem
    is all. Their error is that of the largest, so small ones are poor in digits, and their roots are poorer.
    """
    L, failed = torch.linalg.cholesky_ex(S)
    if failed:
        return 0.0, torch.inf
    values = torch.linalg.eigvalsh(L.T @ T @ L).clamp_min(0)
    error = 16 * torch.finfo(values.dtype).eps * values[-1]
    return float(values.sqrt().sum()), float((error / (values.sqrt() + error.sqrt())).sum())


def root_trace_by_singular_values(S: Float64[Tensor, "D D"], T: Float64[Tensor, "D D"]) -> float:
    """The trace of the root of S·T for any rank: the sum of the singular values of Aᵀ·B, where S = A·Aᵀ, T = B·Bᵀ.

    Nothing is squared before a root is taken, so small values are as good as large ones.
    """
    return float(torch.linalg.svdvals(factor(S).T @ factor(T)).sum())


def frechet_distance(*, real: GaussianStatistics, fake: GaussianStatistics) -> float:
    """Fréchet (2-Wasserstein, squared) distance between two Gaussians: |m - m'|² + tr(S + S' - 2·(S^½ S' S^½)^½).

    The customary figure of merit of a generator, 0 for equal means and covariances. It sees means and covariances
    only, and it is **biased**: from N samples it comes out too large by about c/N, where c depends on the generator
    (Chong and Forsyth 2020), so compare numbers only at the same N and state the floor that real images reach against
    real ones at that N. With N < D the covariances are singular; the formula holds all the same.

    The trace of the root comes from a Cholesky factor and one symmetric eigenvalue problem in float64, if the rounding
    of that is below 1e-8 of the distance; else from factors of both covariances and the singular values of their
    product. Every number on the way is real.

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
    rest = float(shift + real.covariance.trace() + fake.covariance.trace())
    overlap, error = root_trace(real.covariance, fake.covariance)
    if not error <= ROUNDING * abs(rest - 2 * overlap):
        overlap = root_trace_by_singular_values(real.covariance, fake.covariance)
    return max(rest - 2 * overlap, 0.0)  # rounding may leave -1e-15
