"""Wasserstein-1 in every way that it can be computed: they agree to 1e-9, POT's included."""

import builtins
import math
import sys
from typing import Any

import numpy as np
import ot
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from ganforge.errors import TheoryError
from ganforge.theory import (
    Gaussian,
    Grid,
    Mixture,
    dual,
    jsd,
    potential,
    transport,
    wasserstein_1d,
    wasserstein_1d_of_densities,
)

Case = tuple[Tensor, Tensor, Tensor, Tensor]


def distances(x: Tensor, y: Tensor) -> Tensor:
    return (x[:, None] - y[None]).square().sum(-1).sqrt()


def masses(n: int, rng: torch.Generator, *, equal: bool) -> Tensor:
    p = torch.ones(n, dtype=torch.float64) if equal else torch.rand(n, generator=rng, dtype=torch.float64)
    if not equal and n > 3:
        p[0] = 0
    return p / p.sum()


def random_case(seed: int) -> Case:
    """1 to 30 points against 1 to 30, in 1 to 4 dimensions, at scales from .01 to 100, some of them in both clouds."""
    rng = torch.Generator().manual_seed(seed)
    n, m = (int(size) for size in torch.randint(1, 31, (2,), generator=rng))
    m = n if seed % 3 == 0 else m
    x, y = (10.0 ** (seed % 5 - 2) * torch.randn(k, 1 + seed % 4, generator=rng, dtype=torch.float64) for k in (n, m))
    y[: min(n, m) // 3] = x[: min(n, m) // 3]
    return x, y, masses(n, rng, equal=seed % 3 == 0), masses(m, rng, equal=seed % 3 == 0)


each_case = pytest.mark.parametrize("seed", range(36))


@each_case
def test_primal_dual_closed_form_and_pot_agree(seed: int) -> None:
    x, y, p, q = random_case(seed)
    expected = ot.emd2(p.numpy(), q.numpy(), distances(x, y).numpy())
    tolerance = 1e-9 * max(1.0, expected)
    assert abs(transport(x, y, p, q).cost - expected) < tolerance
    assert abs(dual(x, y, p, q).value - expected) < tolerance
    if x.shape[1] == 1:
        assert abs(wasserstein_1d(x, y, p, q) - expected) < tolerance


@each_case
def test_a_plan_moves_all_mass_and_its_critic_proves_it_cheapest(seed: int) -> None:
    x, y, p, q = random_case(seed)
    found = transport(x, y, p, q)
    scale = max(1.0, found.cost)
    assert found.plan.min() >= -1e-10
    assert torch.allclose(found.plan.sum(1), p, rtol=0, atol=1e-9)
    assert torch.allclose(found.plan.sum(0), q, rtol=0, atol=1e-9)
    assert (found.plan * distances(x, y)).sum().item() == pytest.approx(found.cost, abs=1e-9 * scale)
    assert abs((p @ found.potential_x - q @ found.potential_y).item() - found.cost) < 1e-9 * scale
    assert steepest(x, y, found.potential_x, found.potential_y) < 1e-12 * scale


def steepest(x: Tensor, y: Tensor, f_x: Tensor, f_y: Tensor) -> float:
    """How much a critic exceeds slope 1 between any two points."""
    z, f = torch.cat((x, y)), torch.cat((f_x, f_y))
    return (f[:, None] - f[None] - distances(z, z)).max().item()


@each_case
def test_the_dual_is_a_1_lipschitz_critic(seed: int) -> None:
    x, y, p, q = random_case(seed)
    critic = dual(x, y, p, q)
    scale = max(1.0, distances(x, y).max().item())
    assert (p @ critic.potential_x - q @ critic.potential_y).item() == pytest.approx(critic.value, abs=1e-12 * scale)
    assert steepest(x, y, critic.potential_x, critic.potential_y) < 1e-9 * scale


@pytest.mark.parametrize("seed", range(8))
def test_the_closed_form_is_scipys(seed: int) -> None:
    x, y, p, q = random_case(4 * seed)
    expected = wasserstein_distance(x[:, 0].numpy(), y[:, 0].numpy(), p.numpy(), q.numpy())
    assert wasserstein_1d(x[:, 0], y, p, q) == pytest.approx(expected, rel=1e-12)


def test_it_is_a_distance() -> None:
    x, y, z = (random_case(seed)[0][:, :1] for seed in (1, 2, 3))
    assert wasserstein_1d(x, x) == 0
    assert wasserstein_1d(x, y) == pytest.approx(wasserstein_1d(y, x), rel=1e-14)
    assert wasserstein_1d(x, z) <= wasserstein_1d(x, y) + wasserstein_1d(y, z)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 3.0, 10.0])
def test_a_blob_that_moves_away_costs_its_way(shift: float) -> None:
    """Linear in the shift, where JSD is log 2 however far."""
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = x + torch.tensor([0.6, 0.8], dtype=torch.float64) * shift
    assert transport(x, y).cost == pytest.approx(shift, abs=1e-12)
    assert wasserstein_1d(x[:, 0], x[:, 0] + shift) == pytest.approx(shift, abs=1e-12)
    apart = [0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]
    assert jsd(*apart) == math.log(2)


def test_five_hundred_points_against_five_hundred() -> None:
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 512, 2, generator=rng, dtype=torch.float64)
    found = transport(x, y + 0.3)
    assert found.cost == pytest.approx(ot.emd2([], [], distances(x, y + 0.3).numpy()), abs=1e-12)
    assert (found.plan > 0).sum() == 512
    assert (found.potential_x.mean() - found.potential_y.mean()).item() == pytest.approx(found.cost, abs=1e-12)
    assert steepest(x, y + 0.3, found.potential_x, found.potential_y) < 1e-12


@pytest.mark.parametrize("dim", [1, 2])
def test_the_potential_is_the_slope_in_the_masses(dim: int) -> None:
    rng = torch.Generator().manual_seed(dim)
    points = torch.randn(7, dim, generator=rng, dtype=torch.float64)
    p, q = masses(7, rng, equal=False) * 0.5 + 0.5 / 7, masses(7, rng, equal=True)
    f = potential(p, q, points)
    cost = ot.emd2(p.numpy(), q.numpy(), distances(points, points).numpy())
    assert ((p - q) @ f).item() == pytest.approx(cost, abs=1e-9)
    for k in range(1, 7):
        step = torch.zeros(7, dtype=torch.float64)
        step[0], step[k] = -1e-6, 1e-6
        moved = ot.emd2((p + step).numpy(), q.numpy(), distances(points, points).numpy())
        assert (moved - cost) / 1e-6 == pytest.approx((f[k] - f[0]).item(), abs=1e-6)


# Densities: with quantiles coupled, W1 of N(a, s²) and N(b, r²) is E|a - b + (s - r)z|, the mean of a folded normal.

GAUSSIANS = [(0.0, 1.0, 3.0, 1.0), (0.0, 1.0, 0.0, 2.0), (0.0, 0.01, 5.0, 1.0), (1e5, 1.0, 1e5 + 1, 3.0)]


@pytest.mark.parametrize("case", GAUSSIANS, ids=str)
def test_gaussians_on_a_line(case: tuple[float, float, float, float]) -> None:
    a, s, b, r = case
    mean, sigma = abs(a - b), abs(s - r)
    folded = sigma * math.sqrt(2 / math.pi) * math.exp(-((mean / sigma) ** 2) / 2) if sigma else mean
    truth = folded + (mean * math.erf(mean / sigma / math.sqrt(2)) if sigma else 0)
    estimate = wasserstein_1d_of_densities(Gaussian(a, s), Gaussian(b, r))
    assert abs(estimate.value - truth) <= estimate.error < 1e-4


def test_densities_and_their_samples() -> None:
    p = Mixture([Gaussian(3.0, 0.4), Gaussian(-3.0, 0.4)], [0.7, 0.3])
    q = Gaussian(1.2, 1.0)
    rng = torch.Generator().manual_seed(0)
    sampled = wasserstein_1d(p.sample(100_000, rng), q.sample(100_000, rng))
    estimate = wasserstein_1d_of_densities(p, q)
    assert sampled == pytest.approx(estimate.value, abs=0.03)
    assert estimate.error < 1e-5


def test_without_scipy_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> Any:
        raise OSError("libhighs.so: cannot open shared object file")

    monkeypatch.setattr(sys.modules["ganforge.theory.transport"].importlib, "import_module", fail)
    with pytest.raises(TheoryError, match=r"libhighs.*pip install 'ganforge\[theory\]'"):
        transport([[0.0]], [[1.0], [2.0]])
    assert wasserstein_1d([0.0], [1.0]) == 1  # needs none


def test_the_room_is_entered_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    real = builtins.__import__

    def watch(name: str, *args: Any, **given: Any) -> Any:
        imported.append(name)
        return real(name, *args, **given)

    monkeypatch.setattr(builtins, "__import__", watch)
    assert wasserstein_1d_of_densities(Gaussian(0.0, 1.0), Gaussian(1.0, 1.0)).value == pytest.approx(1)
    assert not [name for name in imported if name.startswith("scipy")]


BAD = {
    "weights": (lambda: transport([0.0, 1.0], [0.0], [0.5, 0.4]), r"sum to 0\.9, not to 1"),
    "number": (lambda: transport([0.0, 1.0], [0.0], [1.0]), r"2 points have 1 probabilities"),
    "coordinates": (lambda: transport([[0.0, 1.0]], [[0.0]]), r"Points of 2 and of 1 coordinates"),
    "no points": (lambda: dual([], [0.0]), r"Points of shape \(0, 1\) can't be transported"),
    "infinite": (lambda: dual([math.inf], [0.0]), r"can't be transported: give one or more, finite"),
    "closed form in 2-D": (
        lambda: wasserstein_1d(np.eye(2), np.eye(2)),
        r"on a line, not of 2 coordinates: use transport",
    ),
    "grid": (
        lambda: wasserstein_1d_of_densities(Gaussian(0.0, 1.0), Gaussian(3.0, 1.0), Grid((-10,), (3,), (900,))),
        r"holds 0\.\d+ of a density's mass",
    ),
    "coarse": (
        lambda: wasserstein_1d_of_densities(Gaussian(0.0, 0.01), Gaussian(3.0, 1.0), Grid((-10,), (13,), (90,))),
        r"too coarse for a density of width 0\.01",
    ),
    "densities in 2-D": (
        lambda: wasserstein_1d_of_densities(Gaussian([0.0, 0.0], 1.0), Gaussian([3.0, 0.0], 1.0)),
        r"A cdf needs one dimension",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case: str) -> None:
    compute, message = BAD[case]
    with pytest.raises(TheoryError, match=message) as caught:
        compute()
    assert "\n" not in str(caught.value)
