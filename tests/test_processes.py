"""Two processes judge half of the samples each, and have together what one has of all."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from ganforge.comparison import compare
from ganforge.crowd import Album, Crowd, gathered, generated, reference
from ganforge.data import open_source
from ganforge.features import RunningGaussian, extractor
from ganforge.subject import Subject

SHARES = ((0, 41), (41, 39))  # first seed and count of each process


def figures(fake: Crowd) -> dict[str, Any]:
    """All figures of MNIST's test images and these."""
    judge = extractor("mnist")
    return compare(real=reference(open_source(), "test", judge, 80), fake=fake, subject=Subject.of(judge))


def half(rank: int, store: str) -> tuple[dict[str, Any], RunningGaussian, torch.Tensor]:
    """What a process says after judging its share: the figures, the statistics, and the images of all."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    try:
        first, count = SHARES[rank]
        mine = generated(Album(open_source()), extractor("mnist"), count, first, images=True)
        running = RunningGaussian(mine.features.shape[1])
        running.update(mine.features)
        everyone, statistics = gathered(mine), running.gathered()
    finally:
        dist.destroy_process_group()
    return figures(everyone), statistics, everyone.images


def test_halves_come_together_as_the_whole(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    other = subprocess.Popen(
        [sys.executable, __file__, store], stdout=subprocess.PIPE, text=True, env=dict(os.environ), cwd=Path.cwd()
    )
    found, statistics, images = half(0, store)
    said = json.loads(other.communicate(timeout=60)[0])
    whole = generated(Album(open_source()), extractor("mnist"), 80, images=True)
    expected = figures(whole)
    shares = expected.pop("shares")
    assert found.pop("shares") == said.pop("shares") == shares
    assert found == pytest.approx(said, rel=1e-9)  # the order of sums is that of the threads
    assert found == pytest.approx(expected, rel=1e-5)  # networks round by the size of their batch
    assert torch.equal(images, whole.images)
    assert statistics.count == 80
    torch.testing.assert_close(statistics.result().mean, whole.statistics.mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(statistics.result().covariance, whole.statistics.covariance, rtol=1e-4, atol=1e-5)


def test_alone_it_is_what_it_was() -> None:
    rng = torch.Generator().manual_seed(0)
    mine = Crowd(torch.randn(5, 3, generator=rng), torch.randn(5, 2, generator=rng))
    assert torch.equal(gathered(mine).features, mine.features)
    running = RunningGaussian(3)
    running.update(mine.features)
    torch.testing.assert_close(running.gathered().result().covariance, running.result().covariance)


if __name__ == "__main__":
    print(json.dumps(half(1, sys.argv[1])[0]))
