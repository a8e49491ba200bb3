"""The path length against the speed of the walk itself."""

import math

import pytest
import torch

from ganforge.errors import DataError
from ganforge.metrics import path_length


def test_of_the_latents_themselves_it_is_the_squared_speed_of_the_walk() -> None:
    """In D dimensions two latents of length √D lie a right angle apart, up to 1/√D: a speed of √D·π/2."""
    D = 3000
    found = path_length(generate=lambda z: z, features=lambda x: x, z_dim=D, samples=200)
    assert found.value == pytest.approx(D * math.pi**2 / 4, rel=0.01)
    assert 0 < found.standard_error < 0.01 * found.value


def test_it_grows_with_the_square_of_the_features() -> None:
    one, four = (
        path_length(generate=lambda z: z, features=lambda x, k=k: k * x.tanh(), z_dim=4, samples=100) for k in (1, 4)
    )
    assert four.value == pytest.approx(16 * one.value, rel=1e-12)


def test_a_jump_is_cut_off_but_many_are_not() -> None:
    def jumpy(share: float) -> float:
        edge = math.sqrt(2) * torch.erfinv(torch.tensor(2 * share - 1)).item()
        made = path_length(generate=lambda z: (z[:, :1] > edge).float(), features=lambda x: x, z_dim=2, samples=2000,
                           epsilon=0.02)  # fmt: skip
        return made.value

    assert jumpy(1e-5) == 0
    assert jumpy(0.5) > 10


def test_one_sample_has_no_error() -> None:
    with pytest.raises(DataError, match="two or more samples; 1 asked for"):
        path_length(generate=lambda z: z, features=lambda x: x, z_dim=2, samples=1)
