"""A trained generator, loaded: seeds in, images out; or points, if that is what it makes.

sampler = load("runs/demo")
images = sampler.sample(range(64))     # (64, C, H, W) uint8
"""

import copy
import math
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Num, Shaped
from PIL import Image
from torch import Tensor, nn

from ganforge.errors import CheckpointError, RecipeError
from ganforge.io.checkpoint import is_meant, load_checkpoint
from ganforge.io.disk import replaced
from ganforge.io.folder import RunFolder
from ganforge.io.images import grid, save_png, to_uint8
from ganforge.io.scatter import scatter
from ganforge.labels import Labels, checked_labels
from ganforge.latent import seeded, truncated
from ganforge.layers import advance_spectral_norms, called, fused
from ganforge.layers.spectral import WARM_UP
from ganforge.layers.standing import restate_norms
from ganforge.players import device_named, new_networks
from ganforge.recipe import Recipe, resolve

__all__ = ["Sampler", "find_checkpoint", "latents", "load", "save_samples", "seeds_in", "settled"]

PROBED = 4  # samples on which the folded generator is compared with the plain one
SETTLING = 16  # batches behind the standing statistics
SETTLED = 256  # samples in each, where the latents are truncated
MOST_SEEDS = 10_000_000  # in one call


class Sampler:
    """A generator in evaluation mode. Seed i gives the same latent bit for bit, and the same image to within 1/255,
    whatever else is in the batch.

    Attributes:
        G: the generator.
        name: the recipe's name and the images seen, as `dcgan_mnist_28@300000`.
        shape: (C, H, W) of an image, (D,) of a point.
        z_dim: length of a latent.
        images: images seen in training.
        labels: what it can be asked for; None: nothing. A seed has a label of its own, of which the shares are those
            that it was trained for.
        truncation: the threshold τ of seeds' latents; ∞ for none.
        whole: the sampler of the same generator without truncation.
    """

    def __init__(
        self, G: nn.Module, *, name: str, shape: Sequence[int], images: int = 0, labels: Labels | None = None
    ) -> None:
        self.truncation = math.inf
        self.whole = self
        self.G = G.eval().requires_grad_(False)
        self.name, self.shape, self.images, self.labels = name, tuple(shape), images, labels
        self.z_dim = int(G.z_dim)  # type: ignore[arg-type]
        self.medium = MEDIA[len(self.shape)]

    @cached_property
    def fast(self) -> nn.Module:
        """The generator as it is asked for samples: its norms folded into its weights. `G` has to stay as it is."""
        z, y = latents(range(PROBED), self.z_dim), self.labels_of(range(PROBED))
        return fused(self.G, z.to(self.device), *([] if y is None else [y.to(self.device)]))

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that it can be asked for; none where there are none."""
        return () if self.labels is None else self.labels.classes

    @property
    def most(self) -> None:
        """How many samples there are: as many as one likes."""

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        return next(self.G.parameters()).device

    @torch.inference_mode()
    def generate(self, z: Tensor, y: Any = None) -> Float[Tensor, "B ..."]:
        """Images in [-1, 1], or points, for given latents z, (B, z_dim), on the generator's device.

        Labels y, a tensor, an array or a list, are class numbers, (B,) whole, or shares of classes, (B, classes) float,
        or label vectors.

        Raises:
            RecipeError: for latents of another size, for labels that this generator can't use or of another number,
                and for none where it needs some.
        """
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise RecipeError(f"latents of shape {tuple(z.shape)} don't fit {self.name}; give (B, {self.z_dim})")
        y = checked_labels(self.labels, y, count=len(z))
        return called(self.fast, z.to(self.device), None if y is None else y.to(self.device))

    def truncated(self, threshold: float) -> "Sampler":
        """The same generator, of which seeds' latents are truncated normal: better samples, less variety.

        Standing statistics are taken anew, since shorter latents make other activations (as in the authors' own
        release of BigGAN, which has statistics for each threshold).

        Raises:
            RecipeError: for a threshold that isn't positive.
        """
        if not threshold > 0:
            raise RecipeError(f"truncation = {threshold:g} is no threshold; give a positive number, .5 for instance")
        if threshold == self.truncation:
            return self
        if math.isinf(threshold):
            return self.whole
        copied = copy.copy(self)
        vars(copied).pop("fast", None)
        copied.G = settled(self.whole.G, batch=SETTLED, labels=self.labels, truncation=threshold)
        copied.truncation = threshold
        copied.name = f"{self.whole.name}, truncated to {threshold:g}"
        return copied

    def latents(self, seeds: Sequence[int]) -> Float[Tensor, "N z"]:
        """The latents of the seeds, truncated."""
        return truncated(latents(seeds, self.z_dim), self.truncation)

    def labels_of(self, seeds: Sequence[int]) -> Shaped[Tensor, "N ..."] | None:
        """The labels that belong to the seeds; None where there are no labels."""
        return None if self.labels is None else self.labels.of_seeds(seeds)

    def batches(self, seeds: Iterable[int], *, y: Any = None, batch: int = 256) -> Iterator[Num[Tensor, "B ..."]]:
        """The images of the seeds as uint8 (points as they are) on the CPU, a batch at a time, in bounded memory.

        Labels y, one for each seed; without, each seed's own.
        """
        seeds = list(seeds)
        if y is not None:
            y = checked_labels(self.labels, y, count=len(seeds))
        for start in range(0, len(seeds), batch):
            part = seeds[start : start + batch]
            asked = self.labels_of(part) if y is None else y[start : start + batch]
            yield self.medium.stored(self.generate(self.latents(part), asked)).cpu()

    def sample(self, seeds: Iterable[int], *, y: Any = None, batch: int = 256) -> Num[Tensor, "N ..."]:
        """The images of the seeds, (N, C, H, W) uint8 on the CPU; points, (N, D) float32; labels as in `batches`.

        >>> load("runs/demo").sample(range(4)).shape        # doctest: +SKIP
        torch.Size([4, 1, 28, 28])
        """
        made = self.batches(seeds, y=y, batch=batch)
        return torch.cat([torch.empty(0, *self.shape, dtype=self.medium.dtype), *made])

    def overview(self, count: int) -> Num[Tensor, "N ..."]:
        """Samples of the seeds 0, 1, 2, ... for a picture: every class in its turn, if there are classes."""
        return self.sample(range(count), y=None if self.labels is None else self.labels.spread(count))


def latents(seeds: Sequence[int], z_dim: int) -> Float[Tensor, "N z"]:
    """A standard normal latent for each seed, (N, z_dim) float32 on the CPU: the same bits on every device.

    Raises:
        RecipeError: for a seed that is negative or beyond 2^63.
    """
    if wrong := [s for s in seeds if not 0 <= s < 2**63]:
        raise RecipeError(f"seed {wrong[0]} is out of range; seeds are whole numbers from 0 to 2^63 - 1")
    rng, z = torch.Generator(), torch.empty(len(seeds), z_dim)
    for row, seed in zip(z, seeds, strict=True):
        row.copy_(torch.randn(z_dim, generator=seeded(rng, seed)))
    return z


@torch.no_grad()
def settled(
    G: nn.Module, *, batch: int, batches: int = SETTLING, labels: Labels | None = None, truncation: float = math.inf
) -> nn.Module:
    """A copy of the generator with standing statistics, in evaluation mode.

    Batch norm's running averages lag behind weights that were averaged or still move; so its means and variances are
    taken anew over `batches` batches, as `restate_norms` says; the size of a batch doesn't matter, the number of all
    latents does.

    Spectral norms, whose vectors belong to the weights that were averaged, are brought up to date. A generator without
    either comes back as a plain copy.
    """
    G = copy.deepcopy(G).requires_grad_(False).eval()
    advance_spectral_norms(G, steps=WARM_UP)
    restate_norms(G, partial(pass_latents, G, batch, batches, labels, truncation))
    return G


def pass_latents(G: nn.Module, batch: int, batches: int, labels: Labels | None, truncation: float) -> None:
    """Calls of the generator on the seeds 0, 1, 2, ..., for what its layers keep of them."""
    device = next((tensor.device for tensor in (*G.parameters(), *G.buffers())), torch.device("cpu"))
    for first in range(0, batch * batches, batch):
        seeds = range(first, first + batch)
        y = None if labels is None else labels.of_seeds(seeds).to(device)
        called(G, truncated(latents(seeds, int(G.z_dim)), truncation).to(device), y)  # type: ignore[arg-type]


def load(path: str | Path, *, device: str = "auto") -> Sampler:
    """The generator of a run folder (its best checkpoint, else its latest) or of one checkpoint.

    Raises:
        CheckpointError: if there is none, or if it is cut short or of another format.
    """
    folder = find_checkpoint(Path(path))
    tensors, record = load_checkpoint(folder, "generator")
    on = device_named(device)
    parts = resolve(Recipe(record["name"], tomllib.loads(record["recipe"])))
    labels, shape = Labels.of(record.get("labels")), tuple(record["shape"])
    condition = None if labels is None else labels.condition
    G = new_networks(parts, {"generator": shape}, seed=0, device=on, condition=condition)["generator"]
    G.load_state_dict(tensors["generator"])
    name = f"{record['name']}@{record['images']}"
    return Sampler(G, name=name, shape=shape, images=record["images"], labels=labels)


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that a path stands for, whole or not: itself, or the best, else the latest, of a run folder."""
    if is_meant(path):
        return path
    found = RunFolder.open(path).chosen()
    if found is None:
        raise CheckpointError(f"{str(path)!r} holds no checkpoint yet; train on with `ganforge resume {path}`")
    return found


def seeds_in(text: str) -> list[int]:
    """The seeds that a text names.

    >>> seeds_in("3,7,10-12")
    [3, 7, 10, 11, 12]

    Raises:
        RecipeError: if it names none.
    """
    seeds: list[int] = []
    for word in text.split(","):
        first, dash, last = word.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise RecipeError(f"{text!r} names no seeds; write for instance 0-63, or 1,7,23")
        if dash and int(last) - int(first) >= MOST_SEEDS:
            raise RecipeError(f"{text!r} names more than {MOST_SEEDS:,} seeds; sample them in parts")
        seeds.extend(range(int(first), int(last) + 1) if dash else [int(first)])
    return seeds


def save_samples(
    sampler: Sampler,
    seeds: Sequence[int],
    out: Path,
    *,
    batch: int,
    progress: Callable[[float], object],
    y: Shaped[Tensor, "N ..."] | None = None,
) -> list[Path]:
    """Samples of the seeds on disk, of labels y, one for each, or of their own.

    Images: a grid (x.png), an array (x.npy, (N, C, H, W) uint8) or a folder of single PNGs. Points: a picture (x.png),
    an array (x.npy, (N, D) float32) or a table with a row each (x.csv).

    Raises:
        RecipeError: if `out` ends in something else, or is a run's folder.
    """
    savers = sampler.medium.savers
    if out.suffix not in savers:
        raise RecipeError(f"{str(out)!r} is no kind of output; {sampler.medium.endings}")
    return savers[out.suffix](sampler, seeds, out, counted(sampler.batches(seeds, y=y, batch=batch), progress))


def counted(batches: Iterator[Tensor], progress: Callable[[float], object]) -> Iterator[Tensor]:
    """The batches, each told to `progress` by its length."""
    for batch in batches:
        yield batch
        progress(float(len(batch)))


def save_picture(sampler: Sampler, seeds: Sequence[int], out: Path, batches: Iterator[Tensor]) -> list[Path]:
    """All samples in one picture."""
    words = {"model": sampler.name, "seeds": ",".join(map(str, seeds))}
    save_png(out, sampler.medium.picture(torch.cat(list(batches)), None), words)
    return [out]


def save_singles(sampler: Sampler, seeds: Sequence[int], out: Path, batches: Iterator[Tensor]) -> list[Path]:
    """A PNG for each seed, in its own size."""
    if (out / "recipe.toml").exists():
        raise RecipeError(f"{str(out)!r} is a run's folder; name another one for the pictures")
    paths = [out / f"seed{seed:08d}.png" for seed in seeds]
    images = (image for batch in batches for image in batch)
    for path, seed, image in zip(paths, seeds, images, strict=True):
        save_png(path, grid(image[None], padding=0, scale=1), {"model": sampler.name, "seed": str(seed)})
    return paths


def save_array(sampler: Sampler, seeds: Sequence[int], out: Path, batches: Iterator[Tensor]) -> list[Path]:
    """An array file, written in bounded memory."""
    with replaced(out) as beside:
        array = np.lib.format.open_memmap(
            beside, mode="w+", dtype=np.dtype(sampler.medium.array), shape=(len(seeds), *sampler.shape)
        )
        done = 0
        for batch in batches:
            array[done : done + len(batch)] = batch.numpy()
            done += len(batch)
        array.flush()
    return [out]


def save_table(sampler: Sampler, seeds: Sequence[int], out: Path, batches: Iterator[Tensor]) -> list[Path]:
    """A CSV file: the seed, then the coordinates with all the digits of float32."""
    names = ",".join(["seed", *(f"x{i}" for i in range(1, sampler.shape[0] + 1))])
    rows = (point for batch in batches for point in batch.tolist())
    lines = (",".join([str(seed), *(f"{c:.9g}" for c in row)]) for seed, row in zip(seeds, rows, strict=True))
    with replaced(out) as beside:
        beside.write_text("\n".join([names, *lines]) + "\n")
    return [out]


Saver = Callable[[Sampler, Sequence[int], Path, Iterator[Tensor]], list[Path]]


@dataclass(frozen=True)
class Medium:
    """What samples of a kind are kept and shown as.

    Attributes:
        stored: a generator's output as it is kept.
        dtype, array: the type that it then has, in torch and on disk.
        picture: samples, and real ones or None -> one picture.
        savers: ending of a file -> how it is written.
        endings: the endings, in a sentence.
    """

    stored: Callable[[Tensor], Tensor]
    dtype: torch.dtype
    array: str
    picture: Callable[[Tensor, Tensor | None], Image.Image]
    savers: dict[str, Saver]
    endings: str


MEDIA = {
    3: Medium(
        stored=to_uint8,
        dtype=torch.uint8,
        array="uint8",
        picture=lambda images, real: grid(images),
        savers={".png": save_picture, ".npy": save_array, "": save_singles},
        endings="end it in .png (a grid), .npy, or name a folder",
    ),
    1: Medium(
        stored=lambda x: x.float(),
        dtype=torch.float32,
        array="float32",
        picture=scatter,
        savers={".png": save_picture, ".npy": save_array, ".csv": save_table},
        endings="points go into .png (a picture), .npy or .csv",
    ),
}
"""By the number of dimensions of a sample."""
