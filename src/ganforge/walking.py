"""What a trained generator shows along a walk, at a mix and over a field: seeds to latents and labels to samples."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Num, Shaped
from torch import Tensor

from ganforge.errors import RecipeError
from ganforge.features import Extractor
from ganforge.latent import (
    WAYS,
    bilinear,
    lerp,
    mix,
    of_typical_length,
    positions,
    slerp,
    truncated_deviation,
    walk,
)
from ganforge.sample import Sampler, seeds_in

__all__ = ["Term", "asked", "between_labels", "decoded", "exemplars", "field", "mixed", "shares", "terms_in", "walked"]

TERM = re.compile(r"(?P<seeds>\d[\d,-]*)|class:(?P<name>.+)")
SEARCHED = 20_000  # samples among which exemplars of a class are looked for
BATCH = 256


@torch.no_grad()
def decoded(
    sampler: Sampler, z: Float[Tensor, "N z"], y: Shaped[Tensor, "N ..."] | None, *, batch: int = BATCH
) -> Num[Tensor, "N ..."]:
    """Samples of latents on the CPU as they are kept (images uint8), a batch at a time."""
    parts = zip(z.split(batch), [None] * len(z) if y is None else y.split(batch), strict=False)
    return torch.cat([sampler.medium.stored(sampler.generate(*part)).cpu() for part in parts])


def shares(sampler: Sampler, y: Shaped[Tensor, "N ..."]) -> Float[Tensor, "N K"]:
    """Labels as vectors, which can be interpolated: classes as shares, 1 for the one that it is; NaN for no label."""
    assert sampler.labels is not None
    if y.is_floating_point():
        return y
    known = torch.nn.functional.one_hot(y.clamp_min(0), sampler.labels.condition.size).float()
    return torch.where(y[:, None] < 0, torch.nan, known)


def asked(sampler: Sampler, text: str | None, seeds: Sequence[int]) -> Float[Tensor, "N K"] | None:
    """The labels of N keys, as vectors: the classes that a text names, one for all keys or one for each; without a
    text each seed's own. None for a generator without labels.

    Raises:
        RecipeError: for classes that the generator doesn't know or takes none of, and for another number of them.
    """
    if sampler.labels is None:
        if text is not None:
            raise RecipeError(f"labels {text!r}: {sampler.name} takes no labels; leave them out")
        return None
    if text is None:
        return shares(sampler, sampler.labels.of_seeds(seeds))
    found = sampler.labels.named(text)
    if len(found) not in (1, len(seeds)):
        raise RecipeError(f"labels {text!r} name {len(found)} classes for {len(seeds)} seeds; give one or one for each")
    if 0 < sum(label < 0 for label in found) < len(found):
        raise RecipeError(f"labels {text!r}: there is no way from no label to a class; name classes, or none alone")
    return shares(sampler, torch.tensor(found * (len(seeds) // len(found))))


def between_labels(y: Float[Tensor, "K c"] | None, frames: int, *, loop: bool) -> Float[Tensor, "T c"] | None:
    """Labels along a walk from key to key: always on straight lines, so that shares of classes stay shares."""
    return None if y is None else WAYS["lerp"](y, positions(len(y), frames, loop=loop), loop=loop)


def walked(
    sampler: Sampler, seeds: Sequence[int], *, frames: int, way: str = "slerp", loop: bool = False,
    labels: str | None = None,
) -> Num[Tensor, "T ..."]:  # fmt: skip
    """The samples along a walk through the latents of seeds, and through their labels.

    Raises:
        RecipeError: as `walk`, and as `asked`.
    """
    y = asked(sampler, labels, seeds)
    z = walk(sampler.latents(seeds), frames, way=way, loop=loop)
    return decoded(sampler, z, between_labels(y, frames, loop=loop))


def field(
    sampler: Sampler, seeds: Sequence[int], *, side: int, way: str = "slerp", labels: str | None = None
) -> Num[Tensor, "N ..."]:
    """side × side samples between four seeds in the corners, row by row.

    Raises:
        RecipeError: for other than four seeds, for a cubic way, and as `asked`.
    """
    if len(seeds) != 4:
        raise RecipeError(f"a grid has four corners, and {len(seeds)} seeds were given; give four: --seeds 1,7,23,5")
    if way not in (straight := {"lerp": lerp, "slerp": slerp}):
        raise RecipeError(f"a grid between four corners can't be walked by {way!r}; take lerp or slerp")
    y = asked(sampler, labels, seeds)
    z = bilinear(sampler.latents(seeds), side, side, between=straight[way])
    return decoded(sampler, z.flatten(0, 1), None if y is None else bilinear(y, side, side, between=lerp).flatten(0, 1))


@dataclass(frozen=True)
class Term:
    """A part of a sum of latents: its weight, and where its exemplars come from: seeds, or a class."""

    weight: float
    text: str
    seeds: tuple[int, ...] = ()
    class_name: str = ""


def terms_in(text: str) -> list[Term]:
    """The terms of a sum.

    A sign stands alone between spaces; a term is a list of seeds (their mean is taken) or `class:NAME`, and may have a
    factor before it.

    >>> [(t.weight, t.seeds, t.class_name) for t in terms_in("1,2,3 - 0.5*4-6 + class:7")]
    [(1.0, (1, 2, 3), ''), (-0.5, (4, 5, 6), ''), (1.0, (), '7')]

    Raises:
        RecipeError: for what is none.
    """
    words = re.split(r"\s+([+-])\s+", f" + {text.strip()}")[1:]
    terms = []
    for sign, word in zip(words[::2], words[1::2], strict=True):
        factor, _, name = word.rpartition("*")
        found = TERM.fullmatch(name.strip())
        try:
            weight = float(factor or 1) * (1 if sign == "+" else -1)
        except ValueError:
            found = None
        if found is None or not math.isfinite(weight):
            raise RecipeError(
                f"{word!r} is no term of a sum; write seeds, classes, signs between spaces: '1,2,3 - 4,5 + class:7' "
                "(a class whose name has a sign or a comma in it goes by its number)"
            )
        seeds = tuple(seeds_in(found["seeds"])) if found["seeds"] else ()
        terms.append(Term(weight, name.strip(), seeds, (found["name"] or "").strip()))
    return terms


def exemplars(sampler: Sampler, term: Term, judge: Callable[[], Extractor], *, count: int = 16) -> list[int]:
    """The seeds of a term: its own; of a class the first so many that a classifier reads as it.

    A conditional generator is asked for the class, and the first seeds that have that label are taken.

    Raises:
        RecipeError: for a class that nobody knows, and where too few samples are read as it.
    """
    if not term.class_name:
        return list(term.seeds)
    read, wanted = reading(sampler, term.class_name, judge)
    found: list[int] = []
    for first in range(0, SEARCHED, BATCH):
        seeds = range(first, first + BATCH)
        found += [seed for seed, label in zip(seeds, read(seeds).tolist(), strict=True) if label in wanted]
        if len(found) >= count:
            return found[:count]
    if not found:
        raise RecipeError(f"none of {SEARCHED:,} samples is of class {term.class_name!r}; take another class, or seeds")
    return found


def reading(
    sampler: Sampler, name: str, judge: Callable[[], Extractor]
) -> tuple[Callable[[Sequence[int]], Tensor], list[int]]:
    """What tells the classes of seeds, and the classes that a name stands for."""
    labels = sampler.labels
    if labels is not None and labels.condition.kind == "class":
        return labels.of_seeds, labels.named(name)
    network = judge()
    return lambda seeds: network(sampler.sample(seeds)).logits.argmax(1), [number_of(network, name)]


def number_of(judge: Extractor, name: str) -> int:
    """The number of a classifier's class.

    Raises:
        RecipeError: if it knows no such class.
    """
    if name in judge.classes:
        return judge.classes.index(name)
    if name.isdecimal() and int(name) < len(judge.classes):
        return int(name)
    known = f"knows {', '.join(judge.classes)}" if judge.classes else "knows no classes"
    raise RecipeError(f"there is no class {name!r}: the classifier {judge.name} {known}; name seeds instead")


@dataclass(frozen=True)
class Mixed:
    """A sum of latents and what it was made of.

    Attributes:
        z: the result, then each term's mean, all at the typical length, (1 + terms, D).
        y: their labels, as vectors; None for a generator without labels.
        seeds: of each term's exemplars.
    """

    z: Float[Tensor, "M z"]
    y: Float[Tensor, "M c"] | None
    seeds: list[list[int]]


def mixed(
    sampler: Sampler, terms: Sequence[Term], judge: Callable[[], Extractor], *, labels: str | None = None
) -> Mixed:
    """The sum of the terms' means, each at the typical length, however many exemplars it has.

    Labels are added up alike, unless a text names one for all: of classes what is negative is cut off, and the rest
    are shares.

    Raises:
        RecipeError: as `exemplars`, `mix` and `asked`.
    """
    seeds = [exemplars(sampler, term, judge) for term in terms]
    weights = torch.tensor([term.weight for term in terms])
    means = of_typical_length(torch.stack([sampler.latents(part).mean(0) for part in seeds]))
    y = None
    if sampler.labels is not None:
        if labels is not None and len(sampler.labels.named(labels)) > 1:
            raise RecipeError(f"labels {labels!r} are several classes for one sum; name one, or leave them out")
        single = [asked(sampler, labels, part) for part in seeds]
        rows = torch.stack([part.mean(0) for part in single if part is not None])
        total = weights @ rows if labels is None else rows[0]
        if sampler.labels.condition.kind == "class":
            total = total.clamp_min(0)
            total = total / total.sum() if total.sum() > 0 else rows[0]
        y = torch.cat([total[None], rows])
    elif labels is not None:
        asked(sampler, labels, [0])  # says why not
    z = torch.cat([mix(means, weights)[None], means]) * truncated_deviation(sampler.truncation)
    return Mixed(z, y, seeds)
