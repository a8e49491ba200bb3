"""Mean and covariance of features that arrive in chunks, without ever holding all of them."""

from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["GaussianStatistics", "RunningGaussian", "from_all"]

T = TypeVar("T")


@dataclass(frozen=True)
class GaussianStatistics:
    """Mean (D,) and unbiased covariance (D, D) of `count` feature vectors: all that a Fréchet distance looks at."""

    count: int
    mean: Float64[Tensor, " D"]
    covariance: Float64[Tensor, "D D"]


class RunningGaussian:
    """Mean and covariance of features that arrive in chunks, in memory of D² whatever their number.

    Each chunk is centred on its own mean before its scatter is taken, and merged by the pairwise formula, so a mean far
    from zero costs no digits and the result doesn't depend on how the features were cut (Chan, Golub and LeVeque 1983,
    "Algorithms for computing the sample variance", equation 2.1 for matrices).

    >>> running = RunningGaussian(dim=1)
    >>> running.update(torch.tensor([[1.0], [2.0]]))
    >>> running.update(torch.tensor([[3.0]]))
    >>> running.result().mean.item(), running.result().covariance.item()
    (2.0, 1.0)
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self.mean = torch.zeros(dim, dtype=torch.float64)
        self.scatter = torch.zeros(dim, dim, dtype=torch.float64)

    def update(self, features: Float[Tensor, "B D"]) -> None:
        """Adds B feature vectors."""
        if not len(features):
            return
        chunk = features.detach().cpu().double()
        alone = RunningGaussian(chunk.shape[1])
        alone.count, alone.mean = len(chunk), chunk.mean(0)
        alone.scatter = (chunk - alone.mean).T @ (chunk - alone.mean)
        self.merge(alone)

    def merge(self, other: "RunningGaussian") -> None:
        """Adds what another has seen, as if it had come here: another process, or another part of the data.

        >>> left, right = RunningGaussian(dim=1), RunningGaussian(dim=1)
        >>> left.update(torch.tensor([[1.0]]))
        >>> right.update(torch.tensor([[2.0], [3.0]]))
        >>> left.merge(right)
        >>> left.result().mean.item(), left.result().covariance.item()
        (2.0, 1.0)
        """
        if not other.count:
            return
        total, shift = self.count + other.count, other.mean - self.mean
        self.scatter += other.scatter + torch.outer(shift, shift) * (self.count * other.count / total)
        self.mean += shift * (other.count / total)
        self.count = total

    def gathered(self) -> "RunningGaussian":
        """What all processes of `torch.distributed` have seen together, the same on each; without any, what this has.

        Each passes D² numbers on, however many features it has seen.
        """
        total = RunningGaussian(len(self.mean))
        for count, mean, scatter in from_all((self.count, self.mean, self.scatter)):
            other = RunningGaussian(len(mean))
            other.count, other.mean, other.scatter = count, mean, scatter
            total.merge(other)
        return total

    def result(self) -> GaussianStatistics:
        """The statistics so far; a covariance of fewer than two vectors is zero."""
        return GaussianStatistics(self.count, self.mean.clone(), self.scatter / max(self.count - 1, 1))


def from_all(mine: T) -> list[T]:
    """What every process of `torch.distributed` gives, in the order of their ranks; without any, what is given."""
    if not (dist.is_available() and dist.is_initialized()):
        return [mine]
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, mine)
    return found
