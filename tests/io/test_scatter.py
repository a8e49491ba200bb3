"""Pictures of points: where a point is drawn, what fixes the frame, and that nothing is lost outside it."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ganforge.io.scatter import FAKE, REAL, scatter, ticks


def reddish(picture) -> NDArray:
    """Where fakes were drawn, (row, column)."""
    pixels = np.asarray(picture).astype(int)
    return np.argwhere(pixels[..., 0] - pixels[..., 2] > 60)


def centre(picture) -> tuple[float, float]:
    rows, columns = reddish(picture).mean(0)
    return float(columns), float(rows)


SQUARE = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])


def test_a_point_is_drawn_where_it_lies() -> None:
    """The frame is [-1.4, 1.4]²: the square and a margin of a fifth of its side."""
    for x, y in ((0.0, 0.0), (1.0, 0.5), (-0.7, -1.0)):
        column, row = centre(scatter(torch.tensor([[x, y]]), SQUARE))
        assert column == pytest.approx((x + 1.4) / 2.8 * 512, abs=1)
        assert row == pytest.approx((1.4 - y) / 2.8 * 512, abs=1)


def test_the_real_points_fix_the_frame() -> None:
    near, far = torch.zeros(3, 2), torch.tensor([[50.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    grey = [np.asarray(scatter(fakes, SQUARE))[60:90, 60:90] for fakes in (near, far)]
    assert (grey[0] == grey[1]).all()


@pytest.mark.parametrize("far", [50.0, float("inf"), float("nan")])
def test_what_lies_outside_is_drawn_on_the_rim(far: float) -> None:
    column, row = centre(scatter(torch.tensor([[far, 0.0]]), SQUARE))
    assert column > 505
    assert row == pytest.approx(256, abs=2)


def test_on_the_line_shares_are_heights() -> None:
    real = torch.cat([torch.zeros(100, 1), torch.ones(100, 1)])
    picture = scatter(torch.zeros(100, 1), real)
    rows = reddish(picture)[:, 0]
    assert rows.min() <= 2  # twice the share of a real bar, which is .7 of the height
    pixels = np.asarray(picture).astype(int)
    bar = (pixels[:, -110:-60] == tuple(round(255 + 0.35 * (c - 255)) for c in REAL)).all(2)
    assert bar.any(1).mean() == pytest.approx(0.7, abs=0.03)


def test_no_more_than_two_coordinates_are_drawn_and_none_are_needed() -> None:
    deep = torch.cat([SQUARE, torch.full((4, 1), 99.0)], 1)
    assert (np.asarray(scatter(deep, deep)) == np.asarray(scatter(SQUARE, SQUARE))).all()
    assert not reddish(scatter(torch.zeros(0, 2), SQUARE)).size
    assert scatter(torch.zeros(0, 2)).size == (512, 512)
    assert reddish(scatter(torch.zeros(5, 2))).size
    assert FAKE[0] - FAKE[2] > 60


@pytest.mark.parametrize(("start", "side"), [(-1.4, 2.8), (-5.6, 11.2), (0.001, 0.0007), (-300.0, 900.0), (2.0, 1.0)])
def test_a_few_round_numbers_stand_at_the_rim(start: float, side: float) -> None:
    found = ticks(start, side)
    assert 2 <= len(found) <= 7
    assert all(start <= tick <= start + side for tick in found)
    steps = np.diff(found)
    assert np.allclose(steps, steps[0])
    assert float(f"{steps[0]:.2g}") == pytest.approx(steps[0])
