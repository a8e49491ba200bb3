"""Inversion: the latent whose sample is nearest to a given image, by optimisation from many starts."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Num, Shaped
from PIL import Image
from torch import Tensor

from ganforge.data.picture import eight_bits
from ganforge.edit.maps import image_of
from ganforge.errors import DataError, RecipeError
from ganforge.features import ClassifierFeatures, Extractor, extractor
from ganforge.features.images import in_unit_range
from ganforge.latent import truncated_deviation
from ganforge.latent.norms import expected_norm
from ganforge.sample import Sampler

__all__ = ["Inverted", "feature_map", "fitting_image", "inverted", "starts_from_pool"]

SEED = 3_100_000_000  # the first of the seeds of the pool: none that anybody asks for, nor directions are found with
LAST = 0.05  # of the learning rate, where it ends
PULL = 0.02  # of latents to the typical length, where images are compared


@dataclass(frozen=True)
class Inverted:
    """What inversion came to, for N images.

    Attributes:
        z: the latents found, (N, z).
        y: their labels as they were used; None for a generator without labels.
        images: the samples of these, as they are kept, (N, ...).
        pixel_distance: root mean square over an image's numbers, on [-1, 1], (N,).
        start_distance: the same of the best start.
        start: which start won, (N,); the encoder's guess, if there is one, is the last.
    """

    z: Float[Tensor, "N z"]
    y: Shaped[Tensor, "N ..."] | None
    images: Num[Tensor, "N ..."]
    pixel_distance: Float[Tensor, " N"]
    start_distance: Float[Tensor, " N"]
    start: Shaped[Tensor, " N"]


def feature_map(name: str | None, device: torch.device) -> Callable[[Tensor], Float[Tensor, "B D"]] | None:
    """An embedded classifier's features as a function with gradients, of images in [-1, 1]; None for no name or "none".

    Raises:
        RecipeError: for an extractor through which no gradient can be had.
    """
    if name is None or name == "none":
        return None
    found: Extractor = extractor(name, device=device)
    if not isinstance(found, ClassifierFeatures):
        raise RecipeError(f"no gradients can be had through the extractor {name!r}; take mnist, cifar10 or none")
    network = found
    return lambda x: network.network(network.adapted(x)).features


def rms(x: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
    """Root mean square of each sample's numbers."""
    return x.flatten(1).square().mean(1).sqrt()


def starts_from_pool(
    sampler: Sampler, targets: Float[Tensor, "N ..."], count: int, *, pool: int = 2048
) -> tuple[Float[Tensor, "N S z"], Shaped[Tensor, "N S ..."] | None]:
    """For each target the latents, and labels, of its nearest samples among a pool of seeds that nobody asks for."""
    seeds = range(SEED, SEED + pool)
    made = torch.cat([x.float() for x in sampler.batches(seeds)]).flatten(1)
    if len(sampler.shape) == 3:
        made = made / 127.5 - 1
    nearest = torch.cdist(targets.flatten(1).cpu(), made).topk(min(count, pool), largest=False).indices  # (N, S)
    y = sampler.labels_of(seeds)
    return sampler.latents(seeds)[nearest], None if y is None else y[nearest]


def descended(
    sampler: Sampler, z: Float[Tensor, "M z"], y: Shaped[Tensor, "M ..."] | None, targets: Float[Tensor, "M ..."], *,
    steps: int, lr: float, pull: float, features: Callable[[Tensor], Tensor] | None, weight: float,
) -> Float[Tensor, "M z"]:  # fmt: skip
    """Latents after Adam on each one's own loss: mean square error of pixels, `weight` times that of features (in
    their mean square over the targets), and `pull` times the squared relative distance of |z| from its mean."""
    z = z.to(sampler.device).clone().requires_grad_()
    targets = targets.to(sampler.device)
    with torch.no_grad():
        wanted = targets if features is None else features(targets)
        unit = float(wanted.square().mean()) or 1.0
    optimizer = torch.optim.Adam([z], lr=lr)
    typical = expected_norm(z.shape[1]) * truncated_deviation(sampler.truncation)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * step / steps)))
        x = image_of(sampler, z, y)
        loss = (x - targets).flatten(1).square().mean(1) + pull * (z.norm(dim=1) / typical - 1).square()
        if features is not None:
            loss = loss + weight * (features(x) - wanted).square().mean(1) / unit
        optimizer.zero_grad()
        loss.sum().backward()  # each latent's gradient is its own
        optimizer.step()
    return z.detach().cpu()


def inverted(
    sampler: Sampler,
    images: Num[Tensor, "N ..."],
    *,
    starts: int = 4,
    guess: Float[Tensor, "N z"] | None = None,
    steps: int = 200,
    lr: float = 0.1,
    pull: float | None = None,
    features: Callable[[Tensor], Tensor] | None = None,
    weight: float = 0.02,
    batch: int = 256,
    progress: Callable[[float], object] = lambda done: None,
) -> Inverted:
    """The latents whose samples are nearest to images.

    As Abdal et al. 2019, arXiv:1904.03189, with Adam on z, and a start for each of the nearest samples of a pool,
    since the loss has many minima; an encoder's guess is one start more (Zhu et al. 2016, arXiv:1609.03552, section
    3.1). The best in pixels is kept, a start itself where no descent came nearer. A start brings its label, so
    conditional generators search over labels too.

    Args:
        images: bytes, or floats in [-1, 1], or points, of the generator's shape.
        starts: from the pool.
        pull: how much a latent is drawn to the typical length; by default .02 for images, and 0 for points, whose
            squared distances are soon far below that.
        features: a network whose features are to agree as well (`feature_map`).
        weight: of that.

    Raises:
        RecipeError: for images of another shape.
    """
    if tuple(images.shape[1:]) != sampler.shape:
        raise RecipeError(
            f"samples of shape {tuple(images.shape[1:])} don't fit {sampler.name}, which makes {sampler.shape}"
        )
    targets = in_unit_range(images) if images.ndim == 4 else images.float()
    pull = (PULL if len(sampler.shape) == 3 else 0.0) if pull is None else pull
    z, y = starts_from_pool(sampler, targets, starts)
    if guess is not None:
        z = torch.cat([z, guess[:, None]], 1)
        y = None if y is None else torch.cat([y, y[:, :1]], 1)
    N, S, _ = z.shape
    flat, asked = z.flatten(0, 1), None if y is None else y.flatten(0, 1)
    goals = targets.repeat_interleave(S, 0)
    before = distances(sampler, flat, asked, goals, batch).view(N, S)
    done = []
    for rows in torch.arange(N * S).split(batch):
        done.append(descended(sampler, flat[rows], None if asked is None else asked[rows], goals[rows], steps=steps,
                              lr=lr, pull=pull, features=features, weight=weight))  # fmt: skip
        progress(len(rows) / S)
    moved = torch.cat(done)
    after = distances(sampler, moved, asked, goals, batch).view(N, S)
    nearer = after < before
    reached = torch.where(nearer, after, before)
    z = torch.where(nearer[..., None], moved.view(N, S, -1), z)
    best, each = reached.argmin(1), torch.arange(N)
    z, y = z[each, best], None if y is None else y[each, best]
    made = sampler.medium.stored(sampler.generate(z, y)).cpu()
    return Inverted(z, y, made, reached[each, best], before.min(1).values, best)


@torch.no_grad()
def distances(sampler: Sampler, z: Tensor, y: Tensor | None, targets: Tensor, batch: int) -> Float[Tensor, " M"]:
    """The pixels' distance of each latent's sample from its target."""
    found = []
    for rows in torch.arange(len(z)).split(batch):
        x = image_of(sampler, z[rows], None if y is None else y[rows]).cpu()
        found.append(rms(x - targets[rows]))
    return torch.cat(found)


MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
KINDS = {1: "grey", 2: "grey with alpha", 3: "colour", 4: "colour with alpha"}


def fitting_image(path: Path, sampler: Sampler) -> Num[Tensor, "C H W"]:
    """An image file as bytes, if a generator could have made it: its size, and grey only if it is to be grey.

    Raises:
        DataError: if it can't be read or doesn't fit.
    """
    if len(sampler.shape) != 3 or sampler.shape[0] not in MODES:
        raise DataError(f"{sampler.name} makes samples of shape {sampler.shape}, which are in no image file")
    C, H, W = sampler.shape
    try:
        with Image.open(path) as picture:
            picture.load()
            image = eight_bits(picture)
            image = image.convert("RGBA" if "transparency" in picture.info else None)  # a palette as its colours
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{str(path)!r} can't be read as an image ({error}); name a PNG or a JPEG") from None
    array = np.asarray(image.convert("RGB"))
    coloured = bool((array != array[..., :1]).any())
    if image.size != (W, H) or (coloured and C < 3):
        width, height = image.size
        raise DataError(
            f"{str(path)!r} is {width}×{height} pixels and {'colour' if coloured else 'grey'}, and {sampler.name} "
            f"makes {W}×{H} in {KINDS[C]}; crop, resize or convert it first"
        )
    found = np.array(image.convert(MODES[C]))
    return torch.from_numpy(found.reshape(H, W, C)).movedim(-1, 0)
