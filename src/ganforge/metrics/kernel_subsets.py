"""The kernel distance as most papers report it: the mean over random subsets."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from ganforge.errors import DataError

__all__ = ["KernelSubsets", "kernel_distance_subsets"]

ROWS = 256  # of a kernel matrix at once
SEED = 2020  # torch-fidelity's

Drawn = Int64[Tensor, "subsets size"]


class KernelSubsets(NamedTuple):
    """Mean of the subsets' estimates of MMD², and their population standard deviation; that is no error of the mean."""

    value: float
    standard_deviation: float


class Centred(NamedTuple):
    """Vectors moved to a centre c, u = x - c, so that x·y = u·v + a + b, where a = u·c + c·c/2 and b likewise of y.

    The products u·v are smaller than x·y, and what float32 rounds off them is smaller in proportion.

    Attributes:
        moved: u, (N, D).
        rest: a, (N,) in float64.
    """

    moved: Float[Tensor, "N D"]
    rest: Float64[Tensor, " N"]

    def chosen(self, index: Int64[Tensor, " n"]) -> "Centred":
        """Some of them."""
        return Centred(self.moved[index], self.rest[index])


def centred(x: Float[Tensor, "N D"], centre: Float64[Tensor, " D"], dtype: torch.dtype) -> Centred:
    """Vectors moved to a centre."""
    moved = torch.empty(x.shape, dtype=dtype, device=x.device)
    rest = torch.empty(len(x), dtype=torch.float64, device=x.device)
    for part, u, a in zip(x.split(4096), moved.split(4096), rest.split(4096), strict=True):
        away = part.double() - centre
        u.copy_(away)
        a.copy_(away @ centre + centre.dot(centre) / 2)
    return Centred(moved, rest)


def kernel(x: Centred, y: Centred) -> Float[Tensor, "n m"]:
    """(x·y/D + 1)³ of all pairs, in the vectors' own precision."""
    D, dtype = x.moved.shape[1], x.moved.dtype
    k = torch.addmm((y.rest / D).to(dtype), x.moved, y.moved.T, alpha=1 / D)
    k += (x.rest / D + 1).to(dtype)[:, None]
    return torch.mul(k, k).mul_(k)


def strips(x: Centred, y: Centred | None = None) -> Iterator[tuple[slice, slice, Float[Tensor, "n m"]]]:
    """The kernel matrix a strip of rows at a time; of x with itself only the pairs above the diagonal, from the
    strip's own columns on, the others 0: an unbiased estimate leaves the diagonal out."""
    for start in range(0, len(x.rest), ROWS):
        rows = slice(start, min(start + ROWS, len(x.rest)))
        columns = slice(0, len(y.rest)) if y else slice(start, len(x.rest))
        other = y or x
        block = kernel(Centred(x.moved[rows], x.rest[rows]), Centred(other.moved[columns], other.rest[columns]))
        if y is None:
            block[:, : len(block)].triu_(1)
        yield rows, columns, block


def estimate(*, within: Tensor, within_fake: Tensor, between: Tensor, size: int) -> Tensor:
    """MMD² from sums over the pairs above the diagonals and over all pairs between."""
    return 2 * (within + within_fake) / (size * (size - 1)) - 2 * between / size**2


def one_by_one(x: Centred, y: Centred, drawn: Drawn, drawn_fake: Drawn) -> Float64[Tensor, " subsets"]:
    """Each subset's own kernel matrices."""

    def total(a: Centred, b: Centred | None = None) -> Tensor:
        return torch.stack([block.sum(1, dtype=torch.float64).sum() for _, _, block in strips(a, b)]).sum()

    values = []
    for i, j in zip(drawn, drawn_fake, strict=True):
        a, b = x.chosen(i), y.chosen(j)
        values.append(estimate(within=total(a), within_fake=total(b), between=total(a, b), size=len(i)))
    return torch.stack(values)


def all_at_once(x: Centred, y: Centred, drawn: Drawn, drawn_fake: Drawn) -> Float64[Tensor, " subsets"]:
    """One kernel matrix of all vectors: a subset's sum is sᵀ·K·t, where s and t say who is in it."""

    def members(index: Drawn, count: int) -> Float64[Tensor, "subsets N"]:
        return torch.zeros(len(index), count, dtype=torch.float64).scatter_(1, index.cpu(), 1.0).to(index.device)

    def totals(a: Centred, s: Tensor, b: Centred | None, t: Tensor) -> Tensor:
        parts = [((s[:, i] @ block) * t[:, j]).sum(1) for i, j, block in strips(a, b)]
        return torch.stack(parts).sum(0)

    s, t = members(drawn, len(x.rest)), members(drawn_fake, len(y.rest))
    within, within_fake, between = totals(x, s, None, s), totals(y, t, None, t), totals(x, s, y, t)
    return estimate(within=within, within_fake=within_fake, between=between, size=drawn.shape[1])


def kernel_distance_subsets(
    *, real: Float[Tensor, "N D"], fake: Float[Tensor, "M D"], subsets: int = 100, size: int = 1000, seed: int = SEED
) -> KernelSubsets:
    """Unbiased MMD² under (x·y/D + 1)³, averaged over random subsets: the KID of most tables.

    `kernel_distance` uses all pairs and knows its own standard error; this one is for comparison with published
    figures. Subsets are drawn without replacement, in the order and from the random numbers of torch-fidelity, so equal
    features give its values. Where the sets are small against all subsets together, one kernel matrix in float64 serves
    them all; else each subset has its own, in float32 after the common mean is taken off, summed in float64.

    Raises `DataError` for a subset larger than a set, of fewer than two, or for no subsets at all.

    >>> x = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    >>> round(kernel_distance_subsets(real=x, fake=x + 1, subsets=10, size=100).value, 1)
    4.2

    Bińkowski et al. 2018, "Demystifying MMD GANs", section 4; 100 subsets of 1,000 as there.
    """
    N, M = len(real), len(fake)
    if not (subsets >= 1 and 2 <= size <= min(N, M)):
        raise DataError(
            f"{subsets} kernel subsets of {size} can't be drawn from {N} real and {M} fake samples; "
            f"ask for one or more, of 2 to {min(N, M)} samples"
        )
    rng = np.random.RandomState(seed)
    pairs = [[torch.from_numpy(rng.choice(n, size, replace=False)) for n in (N, M)] for _ in range(subsets)]
    drawn, drawn_fake = (torch.stack(side).to(real.device) for side in zip(*pairs, strict=True))
    together = subsets * 2 * size * size > (N * N + M * M) / 2 + N * M
    dtype = torch.float64 if together or real.dtype == torch.float64 else torch.float32
    centre = (real.sum(0, dtype=torch.float64) + fake.sum(0, dtype=torch.float64)) / (N + M)
    x, y = centred(real, centre, dtype), centred(fake, centre, dtype)
    values = (all_at_once if together else one_by_one)(x, y, drawn, drawn_fake)
    return KernelSubsets(float(values.mean()), float(values.std(correction=0)))
