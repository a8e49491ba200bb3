"""Sampling: the same seed, the same image, in whatever company."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ganforge.errors import CheckpointError, RecipeError
from ganforge.io.images import read_metadata
from ganforge.recipe import Recipe, override
from ganforge.run import begin
from ganforge.sample import latents, load, save_samples, seeds_in, settled


@pytest.fixture(scope="module")
def run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of a small DCGAN: batch norm is what makes samples depend on their company."""
    from conftest import TINY_SETTINGS

    settings = ["generator=dcgan", "generator.width=8", "discriminator=dcgan", "discriminator.width=8",
                "train.images=96", "judge.every=0"]  # fmt: skip
    recipe = override(Recipe("tiny", {**TINY_SETTINGS, "data": {"source": str(tiny_data)}}), settings)
    path = tmp_path_factory.mktemp("runs") / "dcgan"
    list(begin(recipe, path, command=[]).play())
    return path


def test_a_seed_gives_the_same_latent_bit_for_bit_alone_or_in_a_batch() -> None:
    together = latents(range(100), 7)
    assert all(torch.equal(latents([i], 7)[0], together[i]) for i in (0, 3, 99))
    assert torch.equal(latents([2**62], 7), latents([2**62], 7))
    assert together.std().item() == pytest.approx(1, abs=0.1)


def test_a_seed_gives_the_same_image_to_within_a_level_alone_or_in_any_batch(run: Path) -> None:
    sampler = load(run, device="cpu")
    reference = sampler.sample(range(64), batch=64).int()
    for batch in (1, 7, 33):
        assert (sampler.sample(range(64), batch=batch).int() - reference).abs().max() <= 1
    assert torch.equal(sampler.sample([5]).int(), reference[5:6])


def test_a_checkpoint_alone_is_enough(run: Path, tmp_path: Path) -> None:
    checkpoint = next((run / "checkpoints").iterdir())
    moved = shutil.copytree(checkpoint, tmp_path / "elsewhere")
    assert torch.equal(load(moved).sample([1, 2]), load(run).sample([1, 2]))


def test_standing_statistics_are_those_of_the_weights_not_of_the_past() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.z_dim, self.norm = 3, nn.BatchNorm1d(3)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.norm(2 * z + 1)

    G = Net()
    G.norm.running_mean.fill_(100)
    G.norm.weight.requires_grad_(True)
    still = settled(G, batch=64)
    z = 2 * latents(range(64 * 16), 3) + 1
    assert torch.allclose(still.norm.running_mean, z.mean(0), atol=1e-5)
    assert torch.allclose(still.norm.running_var, z.var(0, correction=0), atol=1e-4)
    assert G.norm.running_mean.eq(100).all()
    assert not still.training


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("1,7,23", [1, 7, 23]), ("5", [5]), ("2-3, 9", [2, 3, 9])]
)
def test_seeds_as_people_write_them(text: str, seeds: list[int]) -> None:
    assert seeds_in(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "3-1", "-4", "1,,2", "1.5"])
def test_what_names_no_seeds_is_quoted(text: str) -> None:
    with pytest.raises(RecipeError, match="names no seeds"):
        seeds_in(text)


def test_the_three_kinds_of_output_agree_and_know_their_model(run: Path, tmp_path: Path) -> None:
    sampler, done = load(run), []
    for out in ("a/grid.png", "b/array.npy", "c/singles"):
        save_samples(sampler, [4, 2], tmp_path / out, batch=1, progress=done.append)
    array = np.load(tmp_path / "b/array.npy")
    assert array.shape == (2, 1, 16, 16)
    assert sum(done) == 6
    single = np.asarray(Image.open(tmp_path / "c/singles/seed00000002.png"))
    assert (single == array[1, 0]).all()
    assert read_metadata(tmp_path / "a/grid.png") == {"model": sampler.name, "seeds": "4,2"}
    assert read_metadata(tmp_path / "c/singles/seed00000004.png") == {"model": sampler.name, "seed": "4"}


def test_an_unknown_kind_of_output_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"end it in \.png"):
        save_samples(load(run), [1], tmp_path / "x.gif", batch=1, progress=print)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        load(tmp_path / "none")


def test_seeds_out_of_range_are_refused() -> None:
    with pytest.raises(RecipeError, match="out of range"):
        latents([-1], 2)


def test_a_count_is_that_many_seeds(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ganforge import commands

    options = {"labels": None, "truncation": float("inf"), "batch": None, "device": "cpu", "as_json": False}
    commands.sample(run, None, tmp_path / "a.npy", count=5, **options)
    commands.sample(run, "0-4", tmp_path / "b.npy", **options)
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
    assert len(np.load(tmp_path / "a.npy")) == 5
    with pytest.raises(RecipeError, match="leave out one"):
        commands.sample(run, "0-4", tmp_path / "c.npy", count=5, **options)


def test_samples_come_from_folded_weights_and_are_those_of_the_plain_ones(run: Path) -> None:
    sampler = load(run, device="cpu")
    assert sampler.fast is not sampler.G
    z = sampler.latents(range(20))
    torch.testing.assert_close(sampler.generate(z), sampler.G(z), rtol=0, atol=1e-5)
    assert sampler.truncated(0.5).fast is not sampler.fast
