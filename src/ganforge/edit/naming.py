"""What a direction is asked for by: `class:7` and `slant` as sides of latents, for hyperplanes."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ganforge.edit.attributes import attributes
from ganforge.edit.steering import attribute_of
from ganforge.edit.supervised import Plane, beside, hyperplane
from ganforge.edit.unsupervised import SEED
from ganforge.features import Extractor
from ganforge.features.extractor import Features
from ganforge.sample import Sampler
from ganforge.walking import number_of

__all__ = ["planes"]


def sides(read: Features, measured: dict[str, Tensor], judge: Extractor, word: str) -> Bool[Tensor, " N"]:
    """Which samples have what a word says: are read as the class of `class:NAME`, or have more than the median of an
    attribute.

    Raises:
        RecipeError: for a class or an attribute that there isn't.
    """
    kind, colon, name = word.partition(":")
    if colon and kind == "class":
        return read.logits.argmax(1) == number_of(judge, name)
    values = attribute_of(measured, word)
    return values > values.median()


def planes(
    sampler: Sampler,
    wanted: Sequence[str],
    keep: Sequence[str],
    judge: Extractor,
    *,
    samples: int = 8192,
    progress: Callable[[float], object] = lambda done: None,
) -> list[tuple[Plane, Float[Tensor, " z"]]]:
    """For each word the hyperplane between the latents, and its normal without the normals of what is to be kept.

    Raises:
        RecipeError: as `sides`, `hyperplane` and `beside`.
    """
    seeds = range(SEED, SEED + samples)
    images = sampler.sample(seeds)
    z, read, measured = sampler.latents(seeds), judge(images), dict(attributes(images))
    found = {}
    for word in dict.fromkeys([*wanted, *keep]):
        found[word] = hyperplane(z, sides(read, measured, judge, word))
        progress(1.0)
    rows = []
    for word in wanted:
        others = [found[other].normal for other in keep if other != word]
        rows.append((found[word], beside(found[word].normal, torch.stack(others) if others else z[:0])))
    return rows
