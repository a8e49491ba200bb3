"""Fixtures that every test may ask for."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ganforge.recipe import Recipe

if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # workers, and what they start, share the cores
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])))
    os.environ["OMP_NUM_THREADS"] = str(torch.get_num_threads())

TINY_SETTINGS = {
    "generator": {"name": "mlp", "z_dim": 4, "hidden": [16]},
    "discriminator": {"name": "mlp", "hidden": [16]},
    "train": {"images": 480, "batch": 16, "tick": 96, "device": "cpu"},
    "run": {"checkpoint": 96, "samples": 96, "grid": 4},
    "judge": {"every": 192, "samples": 100, "final": 100},
}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever is kept for later is kept in a folder of the tests, not in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("GANFORGE_CACHE", raising=False)
        yield


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same start for every test; tests that need another seed pass their own generator."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 300 grey 16x16 images: blurred blobs, so that there is something to learn."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:16, :16]
    centres = rng.uniform(4, 12, (300, 2, 1, 1))
    images = 255 * np.exp(-((rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2) / 8)
    path = tmp_path_factory.mktemp("data") / "blobs.npy"
    np.save(path, images.astype(np.uint8))
    return path


@pytest.fixture
def tiny_recipe(tiny_data: Path) -> Recipe:
    """A recipe that trains in a second."""
    return Recipe("tiny", {**TINY_SETTINGS, "data": {"source": str(tiny_data)}})


@pytest.fixture(scope="session")
def tiny_file(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same recipe as a file, for the command line."""
    from ganforge.recipe import resolve, to_toml

    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(to_toml(resolve(Recipe("tiny", {**TINY_SETTINGS, "data": {"source": str(tiny_data)}}))))
    return path
