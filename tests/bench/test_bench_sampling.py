"""How fast samples are made: rows that hold what they say, and mistakes in a sentence."""

import json
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ganforge.bench import sampling
from ganforge.errors import RecipeError
from ganforge.measuring import bench_sample
from ganforge.recipe import Recipe
from ganforge.run import begin
from ganforge.sample import Sampler


class Slow(nn.Module):
    """Takes 2 ms and another for every ten samples; from 100 samples on three times as long."""

    def __init__(self) -> None:
        super().__init__()
        self.z_dim, self.weight = 2, nn.Parameter(torch.zeros(2))

    def forward(self, z: Tensor) -> Tensor:
        time.sleep((0.002 + 1e-4 * len(z)) * (3 if len(z) > 100 else 1))
        return z


def test_rates_are_of_the_batch() -> None:
    sampler = Sampler(Slow(), name="slow", shape=(2,))
    done: list[float] = []
    (one, ten) = sampling.speeds(sampler, [1, 40], pairs=2, progress=done.append)
    assert (one.batch, ten.batch, sum(done)) == (1, 40, 2)
    assert 0.002 < one.seconds < ten.seconds
    assert ten.line["samples_per_second"] == pytest.approx(40 / ten.seconds)
    assert ten.least <= ten.ratio * 1.5
    assert sampling.cells(ten)[0] == "40"


def test_the_best_batch_is_the_one_that_makes_most_samples_a_second() -> None:
    assert sampling.best_batch(Sampler(Slow(), name="slow", shape=(2,))) == 64


def test_the_command_prints_a_row_for_each_batch(
    tiny_recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list(begin(tiny_recipe, tmp_path / "run", command=[]).play())
    bench_sample(tmp_path / "run", "1,4", pairs=1, device="cpu", as_json=True)
    assert [row["batch"] for row in json.loads(capsys.readouterr().out)] == [1, 4]
    for wrong in ("a", "1,,2", "0"):
        with pytest.raises(RecipeError, match="give"):
            bench_sample(tmp_path / "run", wrong, pairs=1, device="cpu", as_json=True)
