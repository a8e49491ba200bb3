"""Divergences of densities in one and two dimensions, by quadrature with the error bounded and reported.

The rule is the trapezoid sum over a grid that holds everything: for smooth integrands that fade at both ends it
converges faster than any power of the cell (Trefethen and Weideman 2014, SIAM Review 56, theorem 5.1). Integrands are
computed from log densities, so supports that are disjoint in float64 give what the mathematics says. The reported
error is the sum of

- *cells*: how far the sums over every fourth point, one for each of the 4 (in two dimensions 16) offsets, lie
  apart; the full sum is their mean. They resolve a quarter of what it does;
- *kinks* of |f|, in cells where f changes its sign: what linear interpolation of f on both sides may miss there;
- *tails*: the integral over the outermost two standard deviations of the box, which is more than what lies outside of
  it where the integrand falls like a Gaussian;
- *rounding*, of the sum and of the points.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ganforge.errors import TheoryError
from ganforge.theory.densities import REACH, Density, Estimate, Grid, require_densities

__all__ = ["DIVERGENCES", "check", "differential_entropy", "divergence", "integral", "shell", "suitable"]

Values = Float[Tensor, "..."]

STRIDE = 4  # every how many points the coarse sums look
NARROW = 2.5  # cells per standard deviation at least: a Gaussian's sum is then exact to 1e-53, a coarse one to .002
KINKED = 4  # times finer a grid for integrands with kinks in two dimensions
OUTSIDE = 1e-6  # what share of a density may lie outside a grid
NEGLIGIBLE = 1e-12  # tails for which a box is large enough
REACHES = {1: (10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0), 2: (10.0, 20.0, 40.0, 80.0)}  # in σ, what is tried
FAR = 1e6  # standard deviations at which an integrand that fades has become 0 in float64
CHUNK = 2**16  # points at a time: what the caches hold


def _kl(p: Values, q: Values) -> Values:
    return torch.where(p > -math.inf, p.exp() * (p - q), 0.0)


def _reverse_kl(p: Values, q: Values) -> Values:
    return _kl(q, p)


def _toward_mean(p: Values, q: Values) -> Values:
    """p·log(2p/(p + q))."""
    return torch.where(p > -math.inf, p.exp() * (math.log(2) + F.logsigmoid(p - q)), 0.0)


def _jsd(p: Values, q: Values) -> Values:
    return (_toward_mean(p, q) + _toward_mean(q, p)) / 2


def _total_variation(p: Values, q: Values) -> Values:
    return (p.exp() - q.exp()) / 2


def _pearson_chi2(p: Values, q: Values) -> Values:
    near = q.exp() * torch.expm1(p - q).square()  # keeps its digits where p is about q
    return torch.where(p - q < 1, near, (2 * p - q).exp() - 2 * p.exp() + q.exp())


def _neyman_chi2(p: Values, q: Values) -> Values:
    return _pearson_chi2(q, p)


def _squared_hellinger(p: Values, q: Values) -> Values:
    return ((p / 2).exp() - (q / 2).exp()).square() / 2


@dataclass(frozen=True)
class Integrand:
    """A function of log p and log q at a point; with `absolute` its absolute value is integrated."""

    of: Callable[[Values, Values], Values]
    absolute: bool = False


DIVERGENCES: dict[str, Integrand] = {
    "kl": Integrand(_kl),
    "reverse_kl": Integrand(_reverse_kl),
    "jsd": Integrand(_jsd),
    "total_variation": Integrand(_total_variation, absolute=True),
    "pearson_chi2": Integrand(_pearson_chi2),
    "neyman_chi2": Integrand(_neyman_chi2),
    "squared_hellinger": Integrand(_squared_hellinger),
}
"""Every divergence of two densities by the name of its discrete namesake, as an integrand of log densities."""


def _volume(grid: Grid) -> float:
    return math.prod(grid.cell)


def _coarse_sums(f: Values, grid: Grid) -> Float[Tensor, " offsets"]:
    """The sums over every fourth point along each axis, one for each offset: the integral with 4 times larger cells."""
    offsets = product(range(STRIDE), repeat=f.ndim)
    sums = [f[tuple(slice(offset, None, STRIDE) for offset in each)].sum() for each in offsets]
    return torch.stack(sums) * _volume(grid) * STRIDE**f.ndim


def _kinks(f: Values, grid: Grid) -> float:
    """How far the sum over |f| may be off in cells where f changes its sign and is linear on either side.

    |f| = f + 2·f⁻ = -f + 2·f⁺, and in a cell both the integral of f⁻ and its estimate lie between 0 and its maximum.
    """
    pool = F.max_pool1d if f.ndim == 1 else F.max_pool2d
    above, below = (pool(side.relu()[None, None], 2, stride=1) for side in (f, -f))
    return 2 * _volume(grid) * torch.minimum(above, below).sum().item()


def shell(grid: Grid, *densities: Density) -> tuple[int, ...]:
    """How many cells the outermost two standard deviations are along each axis, those of the outermost components."""
    thickness = torch.zeros(len(grid.cells), dtype=torch.float64)
    for density in densities:
        (low, high), (lower, higher) = density.box(0.0), density.box(2.0)
        thickness = torch.stack((thickness, low - lower, higher - high)).amax(0)
    return tuple(min(math.ceil(t / h), n // 3) for t, h, n in zip(thickness, grid.cell, grid.cells, strict=True))


def _tails(f: Values, grid: Grid, cells: tuple[int, ...]) -> float:
    """The integral of |f| over so many outermost cells at both ends of each axis."""
    size = f.abs()
    inner = size[tuple(slice(n, -n) for n in cells)]
    return _volume(grid) * max((size.sum() - inner.sum()).item(), 0.0)


def integral(f: Values, grid: Grid, tails: tuple[int, ...], *, absolute: bool = False) -> Estimate:
    """∫ f, or ∫ |f|, from its values at `grid.points()`; inf where a value is.

    The error holds what cells, kinks and tails may cost, as the module says, but not the rounding of f; `tails` is how
    many outermost cells stand for what lies outside (`shell`).

    >>> grid = Grid((-8.0,), (8.0,), (64,))
    >>> abs(integral(torch.exp(-grid.points() ** 2), grid, (8,)).value - math.pi**0.5) < 1e-15
    True
    """
    if not f.isfinite().all():
        return Estimate(math.inf, 0.0)
    sums = _coarse_sums(f.abs() if absolute else f, grid)
    spread = (sums.max() - sums.min()).item()
    kinks = _kinks(f, grid) if absolute else 0.0
    return Estimate(sums.mean().item(), spread + kinks + _tails(f, grid, tails))


def _log_prob(density: Density, grid: Grid) -> Values:
    """log p at all points of a grid, some at a time."""
    points = grid.points()
    flat = points if density.dim == 1 else points.flatten(0, -2)
    return torch.cat([density.log_prob(part) for part in flat.split(CHUNK)]).reshape([n + 1 for n in grid.cells])


def suitable(grid: Grid, *densities: Density) -> Grid:
    """The grid; raises TheoryError if it and the densities differ in dimension."""
    require_densities(*densities)
    dims = [density.dim for density in densities]
    if {len(grid.cells)} != set(dims):
        raise TheoryError(
            f"A grid of {len(grid.cells)} and densities of {' and '.join(map(str, dims))} dimensions don't fit: "
            "give all the same one."
        )
    return grid


def check(density: Density, log_p: Values, grid: Grid) -> None:
    """Raise TheoryError if a grid's cells are too large for a density, or its box too small."""
    cell = max(grid.cell)
    sums = _coarse_sums(log_p.exp(), grid)
    if cell > density.width / NARROW:
        error = max((sums.max() - sums.min()).item(), abs(sums.mean().item() - 1))
        needed = [math.ceil(NARROW * n * own / density.width) for n, own in zip(grid.cells, grid.cell, strict=True)]
        raise TheoryError(
            f"A grid of {_by(grid.cells)} cells, the largest {cell:.3g} long, is too coarse for a density of width "
            f"{density.width:.3g} (the estimate of its mass may be off by {error:.2g}): "
            f"give {_by(needed)} cells or more, or densities whose widths and distance are nearer to each other."
        )
    if abs(sums.mean().item() - 1) > OUTSIDE:
        low, high = (tuple(round(x, 6) for x in corner.tolist()) for corner in density.box(REACH))
        raise TheoryError(
            f"A grid from {grid.lower} to {grid.upper} holds {sums.mean().item():.6g} of a density's mass: "
            f"let it reach from {low} to {high}, or leave the grid out."
        )


def _by(numbers: Iterable[int]) -> str:
    return "×".join(map(str, numbers))


def _rounding(f: Values, log_p: Values, log_q: Values, grid: Grid, width: float) -> float:
    """What float64 may cost: the relative error of a density is that of its logarithm, absolute, and of its points."""
    corner = max(map(abs, (*grid.lower, *grid.upper)))
    relative = 8 + 10 * corner / width + log_p.abs() + log_q.abs()
    weight = f.abs() + log_p.exp() + log_q.exp()
    return torch.finfo(torch.float64).eps * _volume(grid) * (weight * relative).nan_to_num(0.0, 0.0).sum().item()


def _on(name: str, p: Density, q: Density, grid: Grid) -> tuple[Estimate, float]:
    """The estimate on one grid, and the share of its error that is the tails'."""
    log_p, log_q = _log_prob(p, grid), _log_prob(q, grid)
    check(p, log_p, grid)
    check(q, log_q, grid)
    integrand, outermost = DIVERGENCES[name], shell(grid, p, q)
    f = integrand.of(log_p, log_q)
    value, error = integral(f, grid, outermost, absolute=integrand.absolute)
    if value == math.inf:
        return Estimate(value, error), 0.0
    rounding = _rounding(f, log_p, log_q, grid, min(p.width, q.width))
    return Estimate(value, error + rounding), _tails(f, grid, outermost)


def divergence(name: str, p: Density, q: Density, grid: Grid | None = None) -> Estimate:
    """The divergence of two densities in one or two dimensions, in nats, and a bound on its error.

    Args:
        name: kl, reverse_kl, jsd, total_variation, pearson_chi2, neyman_chi2 or squared_hellinger, each as its
            discrete namesake defines it.
        p: the density of the data.
        q: the density of the generator, of the same dimension.
        grid: where to look; by default `Grid.over(p, q)`, which grows until the tails are below 1e-12 of the value.

    Returns inf where the integral diverges (its integrand doesn't fade) or is above the largest float64. The total
    variation has a kink where p = q, so its error falls with the cell's square only.

    Raises TheoryError for an unknown name, densities of different or more than two dimensions, a grid that is too
    coarse or too small for a density, or tails that fade too slowly to bound.

    >>> from ganforge.theory.densities import Gaussian
    >>> estimate = divergence("kl", Gaussian(0.0, 1.0), Gaussian(3.0, 1.0))
    >>> abs(estimate.value - 4.5) <= estimate.error < 1e-11
    True
    """
    if name not in DIVERGENCES:
        raise TheoryError(f"There is no divergence {name!r} of densities: choose one of {', '.join(DIVERGENCES)}.")
    require_densities(p, q)
    return _growing(name, p, q) if grid is None else _on(name, p, q, suitable(grid, p, q))[0]


def _diverges(integrand: Integrand, p: Density, q: Density) -> bool:
    """Whether the integrand isn't 0 very far out: the logarithms are quadratic there, and one of two signs wins."""
    cover = Grid.over(p, q, reach=FAR)
    points = Grid(cover.lower, cover.upper, (256,) * p.dim).points()
    edge = points[[0, -1]] if p.dim == 1 else torch.cat((points[0], points[-1], points[:, 0], points[:, -1]))
    return bool((integrand.of(p.log_prob(edge), q.log_prob(edge)) != 0).any())


def _growing(name: str, p: Density, q: Density) -> Estimate:
    """The estimate on the first grid whose tails are negligible."""
    if _diverges(DIVERGENCES[name], p, q):
        return Estimate(math.inf, 0.0)
    finer = KINKED if DIVERGENCES[name].absolute and p.dim == 2 else 1
    for reach in REACHES[p.dim]:
        estimate, tail = _on(name, p, q, Grid.over(p, q, reach=reach, finer=finer))
        if tail <= NEGLIGIBLE * (1 + abs(estimate.value)):
            return estimate
    raise TheoryError(
        f"The tails of {name} still hold {tail:.2g} at {reach:g} standard deviations: it is finite by a hair; "
        "make the wider density narrower or choose another divergence."
    )


def differential_entropy(p: Density, grid: Grid | None = None) -> Estimate:
    """-∫ p log p in nats, which is negative for a narrow density, and a bound on its error.

    Raises TheoryError as `divergence` does.

    >>> from ganforge.theory.densities import Gaussian
    >>> round(differential_entropy(Gaussian(0.0, 1.0)).value, 6)  # ½ log(2πe)
    1.418939
    """
    grid = suitable(grid or Grid.over(p), p)
    log_p = _log_prob(p, grid)
    check(p, log_p, grid)
    f = -torch.where(log_p > -math.inf, log_p.exp() * log_p, 0.0)
    value, error = integral(f, grid, shell(grid, p))
    return Estimate(value, error + _rounding(f, log_p, log_p, grid, p.width))
