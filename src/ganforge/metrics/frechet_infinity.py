"""The Fréchet distance without its bias: extrapolated to infinitely many fakes."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.errors import DataError
from ganforge.features import GaussianStatistics, RunningGaussian
from ganforge.metrics.frechet import frechet_distance

__all__ = ["Extrapolation", "frechet_infinity"]

LEAST = 100  # fakes in the smallest part: below, 1/M² is no small correction to 1/M


class Extrapolation(NamedTuple):
    """The distance at infinitely many fakes, and the standard error of the line's intercept.

    The parts overlap, so the error is of the fit, not of another draw of the fakes.
    """

    value: float
    standard_error: float


def frechet_infinity(
    *, real: GaussianStatistics, fake: Float[Tensor, "M D"], points: int = 15, least: int | None = None, seed: int = 0
) -> Extrapolation:
    """FID∞: distances at `points` numbers of fakes from `least` to M (evenly spaced), and the line in 1/M through them.

    A Fréchet distance of M fakes is too large by about c/M, and c differs between generators, so that of two generators
    the worse one may win at finite M. The line's value at 1/M = 0 is free of that. The bias of the *real* statistics
    stays: use all real images there are. Each part is drawn without replacement; the last one is all fakes.

    Args:
        real: statistics of the real images.
        fake: features of the fakes.
        points: distances taken.
        least: the smallest number of fakes; a tenth of them, and `LEAST` or more, if None (5,000 of 50,000, as the
            paper has it).
        seed: which parts are drawn.

    Raises `DataError` for fewer than two points, or fewer fakes than two different numbers need.

    Chong and Forsyth 2020, "Effectively unbiased FID and Inception Score and where to find them", section 4. *Differs:*
    fakes are random, not Sobol points pushed through the generator: features are all that is seen here.
    """
    M = len(fake)
    start = max(LEAST, M // 10) if least is None else least
    if points < 2 or not 2 <= start < M:
        raise DataError(
            f"{points} distances from {start} to {M} fakes give no line; it takes two or more, and more than "
            f"{max(start, LEAST)} fakes"
        )
    rng = torch.Generator().manual_seed(seed)
    sizes = torch.linspace(start, M, points).round().long().tolist()
    distances = []
    for size in sizes:
        running = RunningGaussian(fake.shape[1])
        running.update(fake[torch.randperm(M, generator=rng)[:size].to(fake.device)])
        distances.append(frechet_distance(real=real, fake=running.result()))
    return intercept(1 / torch.tensor(sizes, dtype=torch.float64), torch.tensor(distances, dtype=torch.float64))


def intercept(x: Tensor, y: Tensor) -> Extrapolation:
    """The least-squares line's value at 0, and its standard error; unknown (NaN) of a line through two points."""
    spread = (x - x.mean()).square().sum()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / spread
    value = y.mean() - slope * x.mean()
    residue = (y - value - slope * x).square().sum() / max(len(x) - 2, 1)
    error = (residue * (1 / len(x) + x.mean().square() / spread)).sqrt() if len(x) > 2 else torch.tensor(torch.nan)
    return Extrapolation(float(value), float(error))
