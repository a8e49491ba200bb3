"""Densities whose logarithm is known exactly: Gaussians and mixtures, in any dimension; and the grids that cover them.

Everything is float64. A point of d coordinates is the last axis of a tensor, except in one dimension, where x is any
tensor of numbers; so `log_prob` takes (...) or (..., d) and gives (...).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.errors import TheoryError
from ganforge.theory.divergences import probabilities
from ganforge.theory.numbers import Numbers, numbers, require

__all__ = ["Density", "Estimate", "Gaussian", "Grid", "Mixture", "require_densities"]

REACH = 10.0  # standard deviations that a grid goes beyond a mean: 1.5e-23 of a Gaussian's mass is farther out
FINENESS = {1: 256, 2: 8}  # cells per standard deviation of the narrowest component, by dimension
POINTS = 2**22  # of a grid, at most: seconds and some hundred MB

Values = Float[Tensor, "..."]


class Estimate(NamedTuple):
    """A number that was found by quadrature, and a bound on how far the true one is from it."""

    value: float
    error: float


@runtime_checkable
class Density(Protocol):
    """What the quadrature asks of a density; `Gaussian` and `Mixture` have it.

    Attributes:
        dim: the number of coordinates.
        width: the standard deviation along the narrowest direction of the narrowest component.
    """

    @property
    def dim(self) -> int: ...

    @property
    def width(self) -> float: ...

    def log_prob(self, x: Values) -> Values:
        """log p(x) at points (...) in one dimension, (..., dim) in more."""

    def box(self, reach: float) -> tuple[Tensor, Tensor]:
        """Corners (dim,) of a box that holds every component to `reach` standard deviations."""


def _float64(values: Any) -> Tensor:
    return numbers(values).to(torch.float64)


def require_densities(*densities: Any) -> None:
    """Raise TheoryError if one of them is no density."""
    for density in densities:
        require(Density, density, "a density, such as ganforge.theory.Gaussian(0, 1)")


def _scale(sigma: Tensor, dim: int) -> Float[Tensor, "d d"]:
    """The lower triangular L of covariance L·Lᵀ, from a standard deviation or a covariance matrix."""
    if sigma.ndim == 0 and sigma > 0 and sigma.isfinite():
        return sigma * torch.eye(dim, dtype=torch.float64)
    if sigma.ndim == 0:
        raise TheoryError(f"sigma is {sigma.item():g}: give a positive standard deviation.")
    if sigma.shape != (dim, dim):
        raise TheoryError(
            f"sigma of shape {tuple(sigma.shape)} fits no mean of {dim} coordinates: "
            f"give one standard deviation or a {dim}×{dim} covariance matrix."
        )
    lower, failed = torch.linalg.cholesky_ex(sigma)
    if failed or not torch.allclose(sigma, sigma.T, rtol=1e-12, atol=0):
        raise TheoryError(f"sigma is {sigma.tolist()}: a covariance matrix is symmetric and positive definite.")
    return lower


class Gaussian:
    """N(mean, sigma²): `mean` a number or a vector (d,), `sigma` a standard deviation or a covariance matrix (d, d).

    Raises TheoryError for a sigma that is no standard deviation or covariance, or a mean that isn't finite.

    >>> Gaussian(2.0, 0.5).log_prob(torch.tensor(2.0)).item()  # -log(.5·√(2π))
    -0.22579135264472738
    """

    def __init__(self, mean: Numbers | float | int, sigma: Numbers | Sequence[Sequence[float]] | float | int) -> None:
        given = _float64(mean)
        if given.ndim > 1 or not given.isfinite().all():
            raise TheoryError(f"A mean is {given.tolist()}: give a finite number or a vector of them.")
        self.mean = given.reshape(-1)  # (d,)
        self.scale = _scale(_float64(sigma), len(self.mean))  # (d, d)
        self.whitening = torch.linalg.inv(self.scale)

    @property
    def dim(self) -> int:
        """The number of coordinates."""
        return len(self.mean)

    @property
    def width(self) -> float:
        """The standard deviation along the narrowest direction."""
        return torch.linalg.svdvals(self.scale)[-1].item()

    @property
    def sigma(self) -> Float[Tensor, " d"]:
        """The standard deviation of every coordinate."""
        return torch.linalg.vector_norm(self.scale, dim=1)

    def box(self, reach: float) -> tuple[Tensor, Tensor]:
        """Corners (d,) of the box that goes `reach` standard deviations beyond the mean."""
        return self.mean - reach * self.sigma, self.mean + reach * self.sigma

    def log_prob(self, x: Values | Numbers | float | int) -> Values:
        """log p(x) for points (...) if d = 1, else (..., d)."""
        x = _float64(x)
        return self.log_prob_of_columns(_columns(x, self.dim)).reshape(_batch(x, self.dim))

    def log_prob_of_columns(self, x: Float[Tensor, "d n"]) -> Float[Tensor, " n"]:
        """The same with coordinates first, which is several times faster: what mixtures call."""
        white = self.whitening @ (x - self.mean[:, None])
        constant = self.scale.diagonal().log().sum().item() + self.dim / 2 * math.log(2 * math.pi)
        return white.square().sum(0).mul_(-0.5).sub_(constant)

    def prob(self, x: Values | Numbers | float | int) -> Values:
        """p(x), 0 where it is below the smallest float64."""
        return self.log_prob(x).exp()

    def cdf(self, x: Values | Numbers | float | int) -> Values:
        """P(X <= x); in one dimension only."""
        return torch.special.ndtr(_standardised(self, _float64(x)))

    def sample(self, n: int, rng: torch.Generator) -> Values:
        """n independent draws, (n,) if d = 1, else (n, d)."""
        z = torch.randn(n, self.dim, generator=rng, dtype=torch.float64)
        x = z @ self.scale.T + self.mean
        return x[:, 0] if self.dim == 1 else x


class Mixture:
    """Σ weights[k]·components[k]: densities of one dimension, weights (k,) that sum to 1.

    Raises TheoryError if the weights are no probabilities, their number isn't the components', or dimensions differ.

    >>> two = Mixture([Gaussian(3.0, 0.4), Gaussian(-3.0, 0.4)], [0.7, 0.3])
    >>> round(two.cdf(torch.tensor(0.0)).item(), 6)
    0.3
    """

    def __init__(self, components: Sequence["Gaussian | Mixture"], weights: Numbers) -> None:
        (self.weights,) = probabilities(weights)
        self.components = list(components)
        require_densities(*self.components)
        if len(self.components) != len(self.weights):
            raise TheoryError(
                f"{len(self.components)} components have {len(self.weights)} weights: give each component one."
            )
        dims = sorted({component.dim for component in self.components})
        if len(dims) > 1:
            raise TheoryError(f"Components of dimensions {dims} can't be mixed: give means of one length.")

    @property
    def dim(self) -> int:
        """The number of coordinates."""
        return self.components[0].dim

    @property
    def width(self) -> float:
        """The smallest of the components' widths."""
        return min(component.width for component in self._present())

    def _present(self) -> list["Gaussian | Mixture"]:
        return [component for component, weight in zip(self.components, self.weights, strict=True) if weight > 0]

    def box(self, reach: float) -> tuple[Tensor, Tensor]:
        """Corners (d,) of the smallest box around the boxes of all components."""
        lower, upper = zip(*(component.box(reach) for component in self._present()), strict=True)
        return torch.stack(lower).amin(0), torch.stack(upper).amax(0)

    def log_prob(self, x: Values | Numbers | float | int) -> Values:
        """log p(x) for points (...) if d = 1, else (..., d); finite wherever a component's is."""
        x = _float64(x)
        return self.log_prob_of_columns(_columns(x, self.dim)).reshape(_batch(x, self.dim))

    def log_prob_of_columns(self, x: Float[Tensor, "d n"]) -> Float[Tensor, " n"]:
        """The same with coordinates first."""
        parts = torch.stack([component.log_prob_of_columns(x) for component in self.components])
        return parts.add_(self.weights.log()[:, None]).logsumexp(0)

    def prob(self, x: Values | Numbers | float | int) -> Values:
        """p(x), 0 where it is below the smallest float64."""
        return self.log_prob(x).exp()

    def cdf(self, x: Values | Numbers | float | int) -> Values:
        """P(X <= x); in one dimension only."""
        x = _float64(x)
        cdfs = torch.stack([component.cdf(x) for component in self.components], -1)
        return cdfs @ self.weights

    def sample(self, n: int, rng: torch.Generator) -> Values:
        """n independent draws, (n,) if d = 1, else (n, d), in random order of components."""
        chosen = torch.multinomial(self.weights, n, replacement=True, generator=rng)
        x = torch.empty((n, self.dim) if self.dim > 1 else (n,), dtype=torch.float64)
        for k, component in enumerate(self.components):
            x[chosen == k] = component.sample(int((chosen == k).sum()), rng)
        return x


def _batch(x: Values, dim: int) -> torch.Size:
    """The shape (...) of points."""
    return x.shape if dim == 1 else x.shape[:-1]


def _columns(x: Values, dim: int) -> Float[Tensor, "d n"]:
    """Points in float64, coordinates first, all other axes in one."""
    if dim > 1 and (not x.ndim or x.shape[-1] != dim):
        raise TheoryError(f"Points of shape {tuple(x.shape)} don't have {dim} coordinates each: give (..., {dim}).")
    return x.to(torch.float64).reshape(-1, dim).T.contiguous()


def _standardised(density: Gaussian, x: Values) -> Values:
    """(x - mean)/sigma in one dimension."""
    if density.dim != 1:
        raise TheoryError(f"A cdf needs one dimension, and this density has {density.dim}: project it first.")
    return (x.to(torch.float64) - density.mean[0]) / density.scale[0, 0]


@dataclass(frozen=True)
class Grid:
    """A box in one or two dimensions, cut into cells of equal size: where a density is looked at.

    Attributes:
        lower: its lower corner, a number a dimension; a plain number in one dimension, as for the other two.
        upper: its upper corner.
        cells: how many cells lie along each axis.

    Raises TheoryError for more than two dimensions, corners that don't fit, or fewer than 8 cells along an axis.

    >>> Grid((0.0,), (1.0,), (10,)).cell
    (0.1,)
    """

    lower: tuple[float | int, ...]
    upper: tuple[float | int, ...]
    cells: tuple[int, ...]

    def __init__(
        self,
        lower: Sequence[float | int] | float | int,
        upper: Sequence[float | int] | float | int,
        cells: Sequence[int] | int,
    ) -> None:
        for name, value in (("lower", lower), ("upper", upper), ("cells", cells)):
            object.__setattr__(self, name, tuple(numbers(value).reshape(-1).tolist()))
        if any(n != int(n) for n in self.cells):
            raise TheoryError(f"A grid of {cells} cells can't be cut: give whole numbers.")
        object.__setattr__(self, "cells", tuple(int(n) for n in self.cells))
        if not len(self.lower) == len(self.upper) == len(self.cells) in FINENESS:
            raise TheoryError(
                f"A grid from {self.lower} to {self.upper} with {self.cells} cells has no one dimension: "
                "give each of the three 1 or 2 numbers."
            )
        if not all(-math.inf < low < high < math.inf for low, high in zip(self.lower, self.upper, strict=True)):
            raise TheoryError(f"A grid can't reach from {self.lower} to {self.upper}: upper must be above lower.")
        if min(self.cells) < 8:
            raise TheoryError(f"A grid of {self.cells} cells is too coarse to tell its own error: give 8 or more.")

    @property
    def cell(self) -> tuple[float, ...]:
        """The length of a cell along each axis."""
        return tuple((b - a) / n for a, b, n in zip(self.lower, self.upper, self.cells, strict=True))

    def axes(self) -> list[Float[Tensor, " n"]]:
        """The corners of cells along each axis, one more than cells."""
        ends = zip(self.lower, self.upper, self.cells, strict=True)
        return [torch.linspace(a, b, n + 1, dtype=torch.float64) for a, b, n in ends]

    def points(self) -> Values:
        """The corners of all cells: (n + 1,) in one dimension, (n + 1, m + 1, 2) in two."""
        axes = self.axes()
        return axes[0] if len(axes) == 1 else torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)

    @staticmethod
    def over(*densities: Density, reach: float = REACH, finer: int = 1) -> "Grid":
        """The grid that holds all densities to `reach` standard deviations, with cells that suit the narrowest.

        256 cells per standard deviation in one dimension and 8 in two, or `finer` times as many; fewer where that would
        be more than 4 million points.

        Raises TheoryError for more than two dimensions, or densities of different ones.
        """
        require_densities(*densities)
        dims = {density.dim for density in densities}
        if len(dims) > 1 or not dims <= set(FINENESS):
            raise TheoryError(
                f"A grid can't cover densities of {' and '.join(map(str, sorted(dims)))} dimensions: "
                "give densities of one dimension, or of two."
            )
        dim = min(dims)
        lower, upper = (torch.stack(corners) for corners in zip(*(d.box(reach) for d in densities), strict=True))
        low, high = lower.amin(0), upper.amax(0)
        cell = min(density.width for density in densities) / (FINENESS[dim] * finer)
        crowd = (((high - low) / cell).prod().item() / POINTS) ** (1 / dim)
        cells = ((high - low) / (cell * max(1.0, crowd))).ceil().clamp(min=8)
        return Grid(tuple(low.tolist()), tuple(high.tolist()), tuple(int(n) for n in cells))
