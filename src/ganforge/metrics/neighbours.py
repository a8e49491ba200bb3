"""Who lies nearer than what, decided exactly at the price of single precision.

Squared distances come out of matrix products, |a|² + |b|² - 2 a·b, which in float32 run twice as fast as in float64 and
are wrong by up to some 1e-5 of the vectors' squared lengths. So a comparison counts only where it is decided by more
than that; the few others are taken again from the differences in float64.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from ganforge.errors import DataError

__all__ = ["Cloud", "cloud", "inside", "k_nearest", "mean", "nearest", "several"]

SINGLE = 64  # dimensions from which single precision pays: below, the product is not what costs
CELLS = 1 << 22  # of the distance matrix at once
PAIRS = 1 << 22  # numbers gathered at once when pairs are taken again
PART = 1024  # vectors that are moved at once
SPARE = 4  # candidates beyond the k-th neighbour


class Cloud(NamedTuple):
    """Vectors ready for comparisons.

    Attributes:
        exact: as they were given, (N, D).
        moved: moved to the common centre, in the precision of the products, (N, D).
        norms: squared lengths of those, (N,).
        doubt: what a product's rounding may be, over the sum of both norms.
    """

    exact: Float[Tensor, "N D"]
    moved: Float[Tensor, "N D"]
    norms: Float[Tensor, " N"]
    doubt: float


def cloud(x: Float[Tensor, "N D"], centre: Float64[Tensor, " D"]) -> Cloud:
    """Vectors moved to a centre; near it, squared lengths are of the size of the distances, and few digits are lost."""
    D = x.shape[1]
    dtype = torch.float32 if D >= SINGLE else torch.float64
    near = centre.float()  # whole in every precision, so that clouds of different ones have the same
    moved, norms = torch.empty(x.shape, dtype=dtype, device=x.device), []
    for part, out in zip(x.split(PART), moved.split(PART), strict=True):
        if part.dtype == dtype:
            torch.sub(part, near.to(dtype), out=out)
        else:
            out.copy_(part.double() - near)
        norms.append(out.square().sum(1))
    return Cloud(x, moved, torch.cat(norms), (8 + math.sqrt(D)) * torch.finfo(dtype).eps)


def mean(x: Float[Tensor, "N D"]) -> Float64[Tensor, " D"]:
    """The mean vector, summed in float64 without a float64 copy of everything."""
    return torch.stack([part.sum(0, dtype=torch.float64) for part in x.split(PART)]).sum(0) / len(x)


def squared(a: Cloud, rows: slice, b: Cloud, columns: slice) -> Float[Tensor, "n m"]:
    """Squared distances of some of a to some of b, to within doubt."""
    block = torch.addmm(b.norms[columns], a.moved[rows], b.moved[columns].T, alpha=-2)
    return block.add_(a.norms[rows, None])


def again(a: Cloud, i: Int64[Tensor, " P"], b: Cloud, j: Int64[Tensor, " P"]) -> Float64[Tensor, " P"]:
    """Squared distances of pairs from their differences in float64: the same bits whichever of the two is named first,
    and whoever else is asked for."""
    step = max(1, PAIRS // a.exact.shape[1])
    parts = [
        (a.exact[m].double() - b.exact[n].double()).square_().sum(1)
        for m, n in zip(i.split(step), j.split(step), strict=True)
    ]
    return torch.cat([torch.empty(0, dtype=torch.float64, device=i.device), *parts])


def candidates(x: Cloud, count: int) -> tuple[Float[Tensor, "N c"], Int64[Tensor, "N c"]]:
    """The nearest others of each vector by rounded squared distance, in order, and their numbers.

    Distances are symmetric: only half of the blocks are taken, and each serves its rows and its columns.
    """
    N, device = len(x.norms), x.norms.device
    side = max(count + 1, math.isqrt(CELLS) // 2)  # small, since the squares on the diagonal are taken whole
    values = torch.full((N, count), torch.inf, dtype=x.norms.dtype, device=device)
    places = torch.zeros(N, count, dtype=torch.int64, device=device)

    def offer(mine: slice, best: Tensor, at: Tensor, start: int) -> None:
        joint, which = torch.cat([values[mine], best], 1), torch.cat([places[mine], at + start], 1)
        values[mine], order = joint.topk(count, largest=False)
        places[mine] = which.gather(1, order)

    for top in range(0, N, side):
        rows = slice(top, min(top + side, N))
        for left in range(top, N, side):
            columns = slice(left, min(left + side, N))
            block = squared(x, rows, x, columns)
            if left == top:
                block.diagonal().fill_(torch.inf)  # nobody is a neighbour of himself
            best, at = block.topk(min(count, block.shape[1]), largest=False)
            offer(rows, best, at, left)
            if left > top:
                best, at = block.topk(min(count, len(block)), dim=0, largest=False)
                offer(columns, best.T, at.T, top)
    return values, places


def k_nearest(x: Cloud, k: int) -> Float64[Tensor, " N"]:
    """Squared distance of each vector to its k-th nearest other one, exactly.

    Raises:
        DataError: unless 1 <= k < N.
    """
    N = len(x.norms)
    if not 1 <= k < N:
        raise DataError(f"k = {k} nearest neighbours need {k + 1} or more samples and k of at least 1; there are {N}")
    count = min(k + SPARE, N - 1)
    values, places = candidates(x, count)
    doubt = 2 * x.doubt * (x.norms + x.norms.amax())
    row = torch.arange(N, device=x.norms.device)
    radius = again(x, row, x, places[:, k - 1])
    below = values[:, k - 1] - (values[:, k - 2] if k > 1 else -torch.inf)
    above = (values[:, k] if count > k else torch.inf) - values[:, k - 1]
    unsure = ((below <= doubt) | (above <= doubt)).nonzero()[:, 0]  # which of them is the k-th isn't decided
    few = places[unsure]
    near = again(x, unsure.repeat_interleave(count), x, few.flatten()).view(-1, count).sort(1).values
    radius[unsure] = near[:, k - 1]
    if count < N - 1:
        open_ended = (radius > 0) & (radius > values[:, -1].double() - doubt.double())
        for i in open_ended.nonzero()[:, 0].tolist():  # even the last candidate is no farther: all others may be nearer
            radius[i] = again(x, row[i].expand(N), x, row).kthvalue(k + 1).values  # the nearest is itself
    return radius


def nearest(a: Cloud, b: Cloud) -> tuple[Float64[Tensor, " N"], Int64[Tensor, " N"]]:
    """Of each of a the squared distance to the nearest of b, exactly, and its number; the first of equals."""
    step = max(1, CELLS // len(b.norms))
    distances, places = [], []
    for start in range(0, len(a.norms), step):
        rows = slice(start, min(start + step, len(a.norms)))
        block = squared(a, rows, b, slice(None))
        doubt = 2 * a.doubt * (a.norms[rows] + b.norms.amax())
        i, j = (block <= block.amin(1, keepdim=True) + doubt[:, None]).nonzero().T
        exact = again(a, i + rows.start, b, j)
        best = torch.full((len(block),), torch.inf, dtype=torch.float64, device=i.device)
        best = best.scatter_reduce(0, i, exact, "amin")
        first = torch.full_like(best, len(b.norms), dtype=torch.int64)
        distances.append(best)
        hits = exact == best[i]
        places.append(first.scatter_reduce(0, i[hits], j[hits], "amin"))
    return torch.cat(distances), torch.cat(places)


def several(a: Cloud, b: Cloud, count: int) -> tuple[Float64[Tensor, "N K"], Int64[Tensor, "N K"]]:
    """Of each of a the squared distances to the nearest of b, at most `count`, nearest first, and their numbers.

    Exact distances of a few more candidates than asked for: which of two is nearer is exact; which two are looked at
    isn't where more than those are closer to each other than the products' rounding.
    """
    step = max(1, CELLS // len(b.norms))
    distances, places = [], []
    for start in range(0, len(a.norms), step):
        rows = slice(start, min(start + step, len(a.norms)))
        found = squared(a, rows, b, slice(None)).topk(min(count + SPARE, len(b.norms)), largest=False).indices
        row = torch.arange(rows.start, rows.stop, device=found.device).repeat_interleave(found.shape[1])
        exact, order = again(a, row, b, found.flatten()).view(found.shape).sort(1)
        distances.append(exact[:, :count])
        places.append(found.gather(1, order)[:, :count])
    return torch.cat(distances), torch.cat(places)


def inside(
    a: Cloud, rows: slice, b: Cloud, *, within: Float64[Tensor, " M"], around: Float64[Tensor, " n"]
) -> tuple[Bool[Tensor, "n M"], Bool[Tensor, "n M"]]:
    """Whether the points of `a` in `rows` lie inside the balls around all of `b` (squared radii `within`), and whether
    those of `b` lie inside the balls around these of `a` (squared radii `around`); on the surface is outside."""
    distances, mine = squared(a, rows, b, slice(None)), a.norms[rows]

    def decided(bound: Float64[Tensor, "..."], doubt: Float[Tensor, "..."]) -> Bool[Tensor, "n M"]:
        sure = distances < (bound - doubt).to(distances.dtype)
        i, j = (distances < (bound + doubt).to(distances.dtype)).bitwise_xor_(sure).nonzero().T
        sure[i, j] = again(a, i + rows.start, b, j) < bound.expand(sure.shape)[i, j]
        return sure

    balls_of_b = decided(within[None], a.doubt * (b.norms + mine.amax())[None])
    return balls_of_b, decided(around[:, None], a.doubt * (mine + b.norms.amax())[:, None])
