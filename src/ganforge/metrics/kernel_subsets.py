"""The kernel distance as most papers report it: the mean over random subsets."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from ganforge.errors import DataError

__all__ = ["KernelSubsets", "kernel_distance_subsets"]

SIDE = 2048  # vectors whose products are taken at once
STRIP, BLOCK = 1 << 15, 1 << 22  # of the products, those cubed at once: on the CPU so many as its cache holds
PART = 128  # vectors added in their own precision
SEED = 2020  # torch-fidelity's

Drawn = Int64[Tensor, "subsets size"]
Either = Tensor | np.ndarray
"""On the CPU the subsets go through NumPy: its BLAS takes half of the products of a set with itself, and torch's
threads, which wait by spinning, would stand in its way."""


class KernelSubsets(NamedTuple):
    """Mean of the subsets' estimates of MMD², and their population standard deviation; that is no error of the mean."""

    value: float
    standard_deviation: float


class Centred(NamedTuple):
    """Vectors moved to a centre c: with u = x - c and a = u·c/D the kernel of a pair is (κ + q)³, where
    q = u·v/D + a + b is small and κ = 1 + c·c/D the same for all.

    So float32 rounds off q and not off the kernel, and what is linear in q needs no pairs at all: a sum of products is
    the product of the sums.

    Attributes:
        moved: u, (N, D).
        rest: a, (N,).
    """

    moved: Float[Either, "N D"]
    rest: Float[Either, " N"]

    def part(self, start: int, stop: int) -> "Centred":
        """Some that stand beside each other."""
        return Centred(self.moved[start:stop], self.rest[start:stop])


def centred(x: Float[Either, "N D"], centre: Float[Either, " D"]) -> Centred:
    """Vectors moved to a centre, in their own precision and place."""
    x -= centre
    return Centred(x, x @ (centre / x.shape[1]))


def curved(x: Centred, y: Centred, kappa: float) -> Float[Either, "n m"]:
    """What of (κ + q)³ isn't linear in q, 3κq² + q³, of all pairs."""
    found = x.moved @ y.moved.T
    strip = max(1, (STRIP if isinstance(found, np.ndarray) else BLOCK) // found.shape[1])
    for start in range(0, len(found), strip):
        q = found[start : start + strip]
        q *= 1 / x.moved.shape[1]
        q += y.rest
        q += x.rest[start : start + strip, None]
        rest = q + 3 * kappa
        rest *= q
        q *= rest
    return found


def added(block: Float[Either, "n m"]) -> Float64[Tensor, ""]:
    """The sum of all entries; of each row in its own precision, which loses nothing that counts."""
    return torch.as_tensor(block.sum(1)).sum(dtype=torch.float64)


def blocks(x: Centred, y: Centred) -> Iterator[tuple[slice, slice]]:
    """The pairs of x with y, so many at a time."""
    for top in range(0, len(x.rest), SIDE):
        for left in range(0, len(y.rest), SIDE):
            yield slice(top, min(top + SIDE, len(x.rest))), slice(left, min(left + SIDE, len(y.rest)))


def between(x: Centred, y: Centred, kappa: float) -> Float64[Tensor, ""]:
    """The sum of what is curved over all pairs of x with y."""
    found = [added(curved(x.part(i.start, i.stop), y.part(j.start, j.stop), kappa)) for i, j in blocks(x, y)]
    return torch.stack(found).sum()


def within(x: Centred, kappa: float) -> Float64[Tensor, ""]:
    """The same over the pairs of different ones of x, each once: of both halves, and between the halves."""
    if len(x.rest) <= SIDE:
        block = curved(x, x, kappa)
        torch.as_tensor(block).fill_diagonal_(0)
        return added(block) / 2
    half = len(x.rest) // 2
    a, b = x.part(0, half), x.part(half, len(x.rest))
    return within(a, kappa) + within(b, kappa) + between(a, b, kappa)


def sums(x: Centred) -> tuple[Float64[Tensor, " D"], Float64[Tensor, ""]]:
    """Σ u and Σ |u|²."""
    parts = [x.moved[start : start + PART] for start in range(0, len(x.rest), PART)]
    total = torch.stack([torch.as_tensor(part.sum(0)) for part in parts]).sum(0, dtype=torch.float64)
    squares = [np.einsum("nd,nd->n", p, p) if isinstance(p, np.ndarray) else p.square().sum(1) for p in parts]
    return total, torch.cat([torch.as_tensor(square) for square in squares]).sum(dtype=torch.float64)


def estimate(
    x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor], *, within: Tensor, between: Tensor, kappa: float, size: int
) -> Float64[Tensor, "*subsets"]:
    """MMD² from `sums` of either side and from what is curved, within both sides together and between them.

    κ³ cancels, and so does what is linear in a and b.
    """
    (total, squares), (other, others) = x, y
    own = total.square().sum(-1) - squares + other.square().sum(-1) - others
    linear = own / (size * (size - 1)) - 2 * (total * other).sum(-1) / size**2
    curved = 2 * within / (size * (size - 1)) - 2 * between / size**2
    return 3 * kappa**2 * linear / total.shape[-1] + curved


def middle(*sides: Float[Tensor, "_ D"]) -> tuple[Float[Tensor, " D"], float]:
    """A centre, the mean in the vectors' own precision, and its κ."""
    centre = torch.stack([side.mean(0, dtype=torch.float64) for side in sides]).mean(0).to(sides[0].dtype)
    return centre, 1 + float(centre.double().square().mean())


def one_by_one(
    real: Float[Tensor, "N D"], fake: Float[Tensor, "M D"], drawn: Drawn, drawn_fake: Drawn
) -> Float64[Tensor, " subsets"]:
    """Each subset's own kernel matrices, in the features' precision."""
    centre, kappa = middle(real[drawn[0]], fake[drawn_fake[0]])  # any centre will do
    a, b, c, chosen, chosen_fake = (t.numpy() if t.is_cpu else t for t in (real, fake, centre, drawn, drawn_fake))
    found = []
    for i, j in zip(chosen, chosen_fake, strict=True):
        x, y = centred(a[i], c), centred(b[j], c)
        pairs = {"within": within(x, kappa) + within(y, kappa), "between": between(x, y, kappa)}
        found.append(estimate(sums(x), sums(y), **pairs, kappa=kappa, size=len(i)))
    return torch.stack(found)


def all_at_once(
    real: Float[Tensor, "N D"], fake: Float[Tensor, "M D"], drawn: Drawn, drawn_fake: Drawn
) -> Float64[Tensor, " subsets"]:
    """One kernel matrix of all vectors, in float64: a subset's sum is sᵀ·K·t, where s and t say who is in it."""
    centre, kappa = middle(real.double(), fake.double())
    x, y = (centred(side.to(torch.float64, copy=True), centre) for side in (real, fake))

    def members(index: Drawn, count: int) -> Float64[Tensor, "subsets N"]:
        return torch.zeros(len(index), count, dtype=torch.float64).scatter_(1, index.cpu(), 1.0).to(index.device)

    def summed(a: Centred, s: Tensor) -> tuple[Tensor, Tensor]:
        u = torch.as_tensor(a.moved)
        return s @ u, s @ u.square().sum(1)

    def across(a: Centred, s: Tensor, b: Centred, t: Tensor) -> Tensor:
        found = torch.zeros(len(s), dtype=torch.float64, device=s.device)
        for i, j in blocks(a, b):
            mine = a.part(i.start, i.stop)
            if a is b and j.start < i.start:
                continue  # as above the diagonal
            block = torch.as_tensor(curved(mine, mine if a is b and i == j else b.part(j.start, j.stop), kappa))
            if a is b and i == j:
                block = block.mul_(0.5).fill_diagonal_(0)
            found += ((s[:, i] @ block) * t[:, j]).sum(1)
        return found

    s, t = members(drawn, len(x.rest)), members(drawn_fake, len(y.rest))
    pairs = {"within": across(x, s, x, s) + across(y, t, y, t), "between": across(x, s, y, t)}
    return estimate(summed(x, s), summed(y, t), **pairs, kappa=kappa, size=drawn.shape[1])


def kernel_distance_subsets(
    *, real: Float[Tensor, "N D"], fake: Float[Tensor, "M D"], subsets: int = 100, size: int = 1000, seed: int = SEED
) -> KernelSubsets:
    """Unbiased MMD² under (x·y/D + 1)³, averaged over random subsets: the KID of most tables.

    `kernel_distance` uses all pairs and knows its own standard error; this one is for comparison with published
    figures. Subsets are drawn without replacement, in the order and from the random numbers of torch-fidelity, so equal
    features give its values. Where the sets are small against all subsets together, one kernel matrix in float64 serves
    them all; else each subset has its own, in the features' precision: what is linear in their products is taken from
    sums, and of the rest, moved to a common centre, float32 rounds off some 1e-8 of the distance.

    Raises `DataError` for a subset larger than a set, of fewer than two, or for no subsets at all.

    >>> x = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    >>> round(kernel_distance_subsets(real=x, fake=x + 1, subsets=10, size=100).value, 1)
    10.8

    Bińkowski et al. 2018, "Demystifying MMD GANs", section 4; 100 subsets of 1,000 as there.
    """
    N, M = len(real), len(fake)
    dtype = torch.promote_types(torch.promote_types(real.dtype, fake.dtype), torch.float32)
    real, fake = real.detach().to(dtype), fake.detach().to(dtype)
    if not (subsets >= 1 and 2 <= size <= min(N, M)):
        raise DataError(
            f"{subsets} kernel subsets of {size} can't be drawn from {N} real and {M} fake samples; "
            f"ask for one or more, of 2 to {min(N, M)} samples"
        )
    rng = np.random.RandomState(seed)
    pairs = [[torch.from_numpy(rng.choice(n, size, replace=False)) for n in (N, M)] for _ in range(subsets)]
    drawn, drawn_fake = (torch.stack(side).to(real.device) for side in zip(*pairs, strict=True))
    together = subsets * 2 * size * size > (N * N + M * M) / 2 + N * M
    values = (all_at_once if together else one_by_one)(real, fake, drawn, drawn_fake)
    return KernelSubsets(float(values.mean()), float(values.std(correction=0)))
