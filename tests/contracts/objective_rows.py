"""The rows that the contracts of objectives run over, and the distributions that they are tried on."""

import pytest
import torch
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from torch import Tensor

from ganforge.objectives import OBJECTIVES, Objective, least_squares, minimax, non_saturating

WITH_ALTERNATIVE = ("f_kl", "f_reverse_kl", "f_pearson", "f_hellinger", "f_js")
PLAIN: dict[str, Objective] = {name: build() for name, build in OBJECTIVES.items()}
ROWS: dict[str, Objective] = (
    PLAIN
    | {f"{name}, alternative": OBJECTIVES[name](alternative=True) for name in WITH_ALTERNATIVE}
    | {
        "minimax, smoothed": minimax(label_smoothing=0.9),
        "non_saturating, smoothed": non_saturating(label_smoothing=0.9),
        "least_squares, Pearson": least_squares(a=-1.0, b=1.0, c=0.0),
        "least_squares, -1 1 2": least_squares(a=-1.0, b=1.0, c=2.0),
        "least_squares, 1 -1 -1": least_squares(a=1.0, b=-1.0, c=-1.0),
    }
)

drawn = settings(max_examples=20, deadline=None, derandomize=True, database=None)
trained = settings(drawn, max_examples=6, suppress_health_check=[HealthCheck.too_slow])


def each(rows: dict[str, Objective]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows.values(), ids=rows.keys())


def densities(seed: int, size: int = 6) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    p, q = torch.rand(2, size, generator=rng, dtype=torch.float64) + 0.05
    return p / p.sum(), q / q.sum()


def vectors(low: float, high: float, size: int) -> st.SearchStrategy[Tensor]:
    numbers = st.lists(st.floats(low, high, allow_subnormal=False), min_size=size, max_size=size)
    return numbers.map(lambda x: torch.tensor(x, dtype=torch.float64))


@st.composite
def positioned_pairs(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """p and q with |log p/q| <= 3, and points (n, 1). No ties: where p = q, a hinge and a potential have no slope."""
    size = draw(st.integers(2, 6))
    q, ratio = draw(vectors(0.05, 1, size)), draw(vectors(-1.5, 1.5, size)).exp()
    q = q / q.sum()
    p = q * ratio / (q @ ratio)
    assume((p - q).abs().min() > 1e-3)
    assume((p - q).cumsum(0)[:-1].abs().min() > 1e-3)
    return p, q, draw(vectors(0.1, 3, size)).cumsum(0)[:, None]
