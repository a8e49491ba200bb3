"""Wasserstein-1, the earth mover's distance, three ways that must agree: closed form, transport plan and critic.

W1(p, q) is the least mean Euclidean distance over which mass has to be moved to turn q into p (the primal), and the
largest difference of means E_p f - E_q f that a 1-Lipschitz critic f makes (the dual: Kantorovich and Rubinstein 1958;
Villani 2009, Optimal Transport, remark 6.5; Arjovsky et al. 2017, arXiv:1701.07875, eq. 2). The linear programmes are
solved by SciPy's HiGHS with tolerances of 1e-10 on costs scaled to 1. Needs `ganforge[theory]`.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ganforge.errors import TheoryError
from ganforge.theory.densities import Estimate, Gaussian, Grid, Mixture
from ganforge.theory.divergences import probabilities
from ganforge.theory.numbers import Numbers, numbers
from ganforge.theory.quadrature import check, integral, shell, suitable

__all__ = [
    "Potential",
    "Transport",
    "dual",
    "matching",
    "potential",
    "transport",
    "wasserstein_1d",
    "wasserstein_1d_of_densities",
]

TOLERANCES = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}

Points = Float[Tensor, "n d"]
Positions = Numbers | Sequence[Sequence[float | int]]


@dataclass(frozen=True)
class Transport:
    """The cheapest way to move mass from points y to points x, and the critic that proves it cheapest.

    Attributes:
        cost: W1, the mean distance that mass is moved.
        plan: (n, m), how much mass goes between x[i] and y[j]; rows sum to p, columns to q.
        potential_x: (n,), an optimal 1-Lipschitz critic at the points x.
        potential_y: (m,), the same critic at the points y: p·potential_x - q·potential_y = cost.
    """

    cost: float
    plan: Float[Tensor, "n m"]
    potential_x: Float[Tensor, " n"]
    potential_y: Float[Tensor, " m"]


@dataclass(frozen=True)
class Potential:
    """An optimal 1-Lipschitz critic, and what it says.

    Attributes:
        value: E_p f - E_q f, which is W1.
        potential_x: (n,), f at the points x.
        potential_y: (m,), f at the points y.
    """

    value: float
    potential_x: Float[Tensor, " n"]
    potential_y: Float[Tensor, " m"]


def _scipy(module: str) -> Any:
    """A module of SciPy, or a TheoryError that says how to get it."""
    try:
        return importlib.import_module(f"scipy.{module}")
    except Exception as error:  # a broken installation fails in many ways
        raise TheoryError(
            f"Optimal transport needs SciPy, which can't be imported ({error}): pip install 'ganforge[theory]'"
        ) from None


def _located(points: Positions) -> Points:
    x = numbers(points).to(torch.float64)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or not x.numel() or not x.isfinite().all():
        raise TheoryError(
            f"Points of shape {tuple(x.shape)} can't be transported: give one or more, finite, as (n,) or (n, d)."
        )
    return x


def _weighted(points: Positions, weights: Numbers | None) -> tuple[Points, Float[Tensor, " n"]]:
    """Points as (n, d) and their masses, equal ones by default."""
    x = _located(points)
    if weights is None:
        return x, torch.full((len(x),), 1 / len(x), dtype=torch.float64)
    (p,) = probabilities(weights)
    if len(p) != len(x):
        raise TheoryError(f"{len(x)} points have {len(p)} probabilities: give each point one.")
    return x, p / p.sum()  # both sides have the same mass to the last bit


def _pair(
    x: Positions, y: Positions, p: Numbers | None, q: Numbers | None
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"], Float[Tensor, " n"], Float[Tensor, " m"]]:
    (x, p), (y, q) = _weighted(x, p), _weighted(y, q)
    if x.shape[1] != y.shape[1]:
        raise TheoryError(f"Points of {x.shape[1]} and of {y.shape[1]} coordinates have no distance: give equal ones.")
    return x, y, p, q


def _distances(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def wasserstein_1d(x: Positions, y: Positions, p: Numbers | None = None, q: Numbers | None = None) -> float:
    """W1 of weighted points on a line: the area between the two cumulative distributions, ∫ |F_p - F_q|.

    Args:
        x: (n,) or (n, 1), where the data lie, in any order.
        y: (m,) or (m, 1), where the generator's samples lie.
        p: (n,), the probability of each x; equal by default.
        q: (m,), the probability of each y; equal by default.

    Vallender 1974, Theory of Probability and its Applications 18. Raises TheoryError for points in more dimensions or
    masses that are no probabilities.

    >>> wasserstein_1d([0.0, 1.0], [5.0, 6.0])
    5.0
    """
    x, y, p, q = _pair(x, y, p, q)
    if x.shape[1] != 1:
        raise TheoryError(f"The closed form is for points on a line, not of {x.shape[1]} coordinates: use transport.")
    places, order = torch.cat((x[:, 0], y[:, 0])).sort(stable=True)
    excess = torch.cat((p, -q))[order].cumsum(0)[:-1]  # F_p - F_q between neighbours
    return (excess.abs() * places.diff()).sum().item()


def wasserstein_1d_of_densities(p: Gaussian | Mixture, q: Gaussian | Mixture, grid: Grid | None = None) -> Estimate:
    """W1 of two densities on a line, ∫ |F_p - F_q| by quadrature of their cdfs, and a bound on its error.

    Raises TheoryError for more than one dimension, or a grid that is too coarse or too small.

    >>> estimate = wasserstein_1d_of_densities(Gaussian(0.0, 1.0), Gaussian(3.0, 1.0))
    >>> abs(estimate.value - 3.0) <= estimate.error < 1e-8
    True
    """
    grid = suitable(grid or Grid.over(p, q), p, q)
    points = grid.points()
    for density in (p, q):
        check(density, density.log_prob(points), grid)
    value, error = integral(p.cdf(points) - q.cdf(points), grid, shell(grid, p, q), absolute=True)
    rounding = 8 * torch.finfo(torch.float64).eps * (grid.upper[0] - grid.lower[0] + abs(value))
    return Estimate(value, error + rounding)


def transport(x: Positions, y: Positions, p: Numbers | None = None, q: Numbers | None = None) -> Transport:
    """W1 of weighted points in any dimension with a cheapest plan: the primal linear programme, min Σ plan·distance.

    Args:
        x: (n, d), or (n,) on a line: where the data lie.
        y: (m, d), or (m,): where the generator's samples lie.
        p: (n,), the probability of each x; equal by default.
        q: (m,), the probability of each y; equal by default.

    As many x as y of equal probabilities are matched one to one (Jonker and Volgenant's algorithm), exactly and fast:
    2000 points in seconds. Otherwise the programme has n·m unknowns, and 300 against 300 take several seconds.

    Raises TheoryError for points or probabilities that don't fit together, or if SciPy is missing.

    >>> transport([[0.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]]).cost
    1.0
    """
    x, y, p, q = _pair(x, y, p, q)
    distances = _distances(x, y)
    if len(x) == len(y) and bool((p == p[0]).all()) and bool((q == p[0]).all()):
        return _matched(distances)
    return _programmed(p, q, distances)


def matching(distances: Float[Tensor, "n n"]) -> Int64[Tensor, " n"]:
    """The column that goes with each row where all distances along a one-to-one match have the least sum.

    Jonker and Volgenant's algorithm, as SciPy has it. Raises TheoryError if SciPy is missing.

    >>> matching(torch.tensor([[3.0, 1.0], [1.0, 9.0]])).tolist()
    [1, 0]
    """
    return torch.as_tensor(_scipy("optimize").linear_sum_assignment(distances.numpy())[1])


def _matched(distances: Float[Tensor, "n n"]) -> Transport:
    """A plan that is a permutation, and its critic.

    The critic loses exactly the distance along every match: f(y_σ(i)) = f(x_i) - c_iσ(i). Elsewhere it loses no more,
    f(x_i) - f(y_σ(k)) <= c_iσ(k), so f(x_i) <= f(x_k) + c_iσ(k) - c_kσ(k): shortest paths, by Bellman and Ford.
    """
    n = len(distances)
    to = matching(distances)
    matched = distances[torch.arange(n), to]
    steps = distances[:, to] - matched  # (i, k)
    f, longest = torch.zeros(n, dtype=torch.float64), distances.max().item()
    for _ in range(n):
        shorter = torch.minimum(f, (steps + f).amin(1))
        if (f - shorter).max() <= 1e-14 * longest:
            break
        f = shorter
    plan = torch.zeros(n, n, dtype=torch.float64)
    plan[torch.arange(n), to] = 1 / n
    return _certified(matched.mean().item(), plan, distances, (f - matched)[to.argsort()])


def _programmed(p: Tensor, q: Tensor, distances: Float[Tensor, "n m"]) -> Transport:
    """The linear programme over plans; its multipliers are a critic."""
    n, m = distances.shape
    sparse, optimize = _scipy("sparse"), _scipy("optimize")
    rows = sparse.kron(sparse.eye(n), np.ones((1, m)))
    columns = sparse.kron(np.ones((1, n)), sparse.eye(m))
    largest = distances.max().item() or 1.0
    found = optimize.linprog(
        (distances / largest).flatten().numpy(),
        A_eq=sparse.vstack((rows, columns)).tocsr(),
        b_eq=torch.cat((p, q)).numpy(),
        method="highs",
        options=TOLERANCES,
    )
    _solved(found)
    plan = torch.from_numpy(found.x).reshape(n, m)
    f_y = -largest * torch.as_tensor(found.eqlin.marginals[n:])
    return _certified((plan * distances).sum().item(), plan, distances, f_y)


def _certified(cost: float, plan: Tensor, distances: Tensor, f_y: Tensor) -> Transport:
    """A transport whose critic is 1-Lipschitz to rounding, whatever the solver's tolerance.

    f_x is the largest 1-Lipschitz function that stays below f_y + distance, and f_y the smallest that goes with it.
    """
    f_x = (distances + f_y).amin(1)
    return Transport(cost, plan, f_x, (f_x[:, None] - distances).amax(0))


def _solved(found: Any) -> None:
    if found.status != 0:
        raise TheoryError(f"The linear programme wasn't solved ({found.message}): rescale the points or give fewer.")


def _critic(z: Points, excess: Float[Tensor, " n"]) -> tuple[float, Float[Tensor, " n"]]:
    """max Σ excess·f over f with f_i - f_j <= |z_i - z_j| for every pair, f_0 = 0: the dual linear programme."""
    n = len(z)
    sparse, optimize = _scipy("sparse"), _scipy("optimize")
    distances = _distances(z, z)
    i, j = (~torch.eye(n, dtype=torch.bool)).nonzero(as_tuple=True)
    pairs = np.arange(len(i))
    ones = np.ones(len(i))
    slopes = sparse.csr_matrix(
        (np.concatenate((ones, -ones)), (np.concatenate((pairs, pairs)), np.concatenate((i, j)))), shape=(len(i), n)
    )
    largest = distances.max().item() or 1.0
    found = optimize.linprog(
        -excess.numpy(),
        A_ub=slopes,
        b_ub=(distances[i, j] / largest).numpy(),
        bounds=[(0, 0), *[(-1, 1)] * (n - 1)],
        method="highs",
        options=TOLERANCES,
    )
    _solved(found)
    f = largest * torch.from_numpy(found.x)
    return (excess @ f).item(), f


def dual(x: Positions, y: Positions, p: Numbers | None = None, q: Numbers | None = None) -> Potential:
    """W1 as the best that a 1-Lipschitz critic can do: a linear programme over its values at all points x and y.

    Arguments and errors as in `transport`. It has a constraint for every pair of points, so it is for tens of them;
    `transport` proves its own cost by a critic and is faster.

    >>> critic = dual([0.0, 1.0], [5.0, 6.0])
    >>> round(critic.value, 9), round((critic.potential_x[0] - critic.potential_y[0]).item(), 9)
    (5.0, 5.0)
    """
    x, y, p, q = _pair(x, y, p, q)
    value, f = _critic(torch.cat((x, y)), torch.cat((p, -q)))
    return Potential(value, f[: len(x)], f[len(x) :])


def potential(p: Numbers, q: Numbers, points: Positions) -> Float[Tensor, " n"]:
    """An optimal 1-Lipschitz critic f of two distributions on the same points: W1(p, q) = Σ (p - q)·f, f[0] = 0.

    Args:
        p: (n,), probabilities of the data.
        q: (n,), probabilities of the generator.
        points: (n, d) or (n,), where they lie.

    f is also the slope of W1 in p, and -f that in q, up to a constant. Raises TheoryError as `transport` does.

    >>> potential([1.0, 0.0], [0.0, 1.0], [0.0, 3.0]).tolist()
    [0.0, -3.0]
    """
    z, p = _weighted(points, p)
    _, q = _weighted(points, q)
    return _critic(z, p - q)[1]
