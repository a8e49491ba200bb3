"""Labels of samples that nobody took a picture of: which a fake gets in training, and which belongs to a seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ganforge.data import Source
from ganforge.errors import CheckpointError, DataError, RecipeError
from ganforge.latent import seeded
from ganforge.layers import Condition

__all__ = [
    "Labels",
    "asked_labels",
    "check_classes",
    "check_same",
    "checked_labels",
    "class_names",
    "codes",
    "labels_of",
    "wanted_labels",
]

EXAMPLES = 1024  # label vectors of training samples that a checkpoint keeps
NONE = "none"  # names what comes without a label
UNEVEN = 1e-3  # how far shares of classes may add up beside 1
APART = 2**34  # added to a seed, so that its label doesn't depend on its latent


@dataclass(frozen=True)
class Labels:
    """What a conditional generator is asked for.

    Attributes:
        condition: what its labels are.
        names: of the classes, or of a vector's numbers.
        shares: of the classes among the samples that it is to make, (classes,); None for vectors.
        examples: label vectors to draw from, (M, size); None for classes.
        nobodys: whether nobody named them: InfoGAN's codes, which mean what the generator came to mean by them.
    """

    condition: Condition
    names: tuple[str, ...]
    shares: Float[Tensor, " K"] | None = None
    examples: Float[Tensor, "M K"] | None = None
    nobodys: bool = False

    def of_seeds(self, seeds: Sequence[int]) -> Shaped[Tensor, "N ..."]:
        """Each seed's own label, drawn by the shares or from the examples; the same whatever else is asked for."""
        rng = torch.Generator()
        u = torch.tensor([torch.rand((), generator=seeded(rng, APART + seed)).item() for seed in seeds])
        if self.shares is not None:
            return torch.searchsorted(self.shares.cumsum(0), u, right=True).clamp(max=len(self.shares) - 1)
        assert self.examples is not None
        return self.examples[(u * len(self.examples)).long()]

    def spread(self, count: int) -> Shaped[Tensor, "N ..."]:
        """Labels for a picture: every class in its turn, as many of each as of any other; or the first examples."""
        if self.shares is not None:
            return torch.arange(count) * self.condition.size // count
        assert self.examples is not None
        return self.examples[torch.arange(count) % len(self.examples)]

    def named(self, text: str) -> list[int]:
        """The classes that a text names: numbers, ranges, names; -1 for "none", where training left labels out.

        Raises:
            RecipeError: for one that there isn't, and where labels are vectors.
        """
        if self.condition.kind != "class":
            raise RecipeError(
                f"labels {text!r}: this generator's labels are vectors of {self.condition.size} numbers, which can be "
                "given in Python: ganforge.load(RUN).sample(seeds, y=vectors)"
            )
        words = [text] if text in self.names else text.split(",")  # a name may have a comma in it
        return [label for word in words for label in self._range(word.strip())]

    def _range(self, word: str) -> list[int]:
        """The classes that a number, a range or a name stands for."""
        if word in self.names:
            return [self.names.index(word)]
        if word == NONE and self.condition.optional:
            return [-1]
        first, dash, last = word.partition("-")
        known = f"there are {len(self.names)}: {', '.join(self.names[:10])}{', ...' if len(self.names) > 10 else ''}"
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise RecipeError(f"there is no class {word!r}; {known}")
        found = list(range(int(first), int(last if dash else first) + 1))
        if not found or found[-1] >= self.condition.size:
            raise RecipeError(f"class {word} is out of range; {known}, numbered from 0")
        return found

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes; none where labels are vectors."""
        return self.names if self.condition.kind == "class" else ()

    @property
    def words(self) -> str:
        """What a label is, in a sentence."""
        if self.condition.kind == "class":
            return f"class numbers from 0 to {self.condition.size - 1}, (B,) int64, or shares of classes, (B, classes)"
        return f"vectors of {self.condition.size} numbers, (B, {self.condition.size}) float32"

    def record(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        return {
            "kind": self.condition.kind,
            "size": self.condition.size,
            "optional": self.condition.optional,
            "names": list(self.names),
            "shares": None if self.shares is None else self.shares.tolist(),
            "examples": None if self.examples is None else self.examples.tolist(),
            "nobodys": self.nobodys,
        }

    @classmethod
    def of(cls, record: Mapping[str, Any] | None) -> "Labels | None":
        """From a checkpoint's record; None where it has none."""
        if record is None:
            return None
        condition = Condition(record["kind"], record["size"], record["optional"])
        shares, examples = (None if record[k] is None else torch.tensor(record[k]) for k in ("shares", "examples"))
        return cls(condition, tuple(record["names"]), shares, examples, record.get("nobodys", False))


def labels_of(source: Source, *, balanced: bool, optional: bool = False) -> Labels:
    """The labels of a data set, as a game takes them.

    Raises:
        DataError: if it has none, if they name a single class, or if one is out of range.
    """
    y = source.train.labels
    if y is None:
        raise DataError(
            f"{source.name} has no labels: sort its images into a folder for each class, put a dataset.json or a "
            "labels.csv beside them, or set game.labels=none."
        )
    if y.is_floating_point():
        if balanced:
            raise RecipeError("game.labels = 'balanced': these labels are vectors, not classes; set game.labels=data")
        names = tuple(source.classes or map(str, range(y.shape[1])))
        some = y[torch.arange(min(EXAMPLES, len(y))) * len(y) // min(EXAMPLES, len(y))].float()
        return Labels(Condition("vector", y.shape[1], optional), names, examples=some)
    names = class_names(source)
    counts = torch.bincount(y[y >= 0], minlength=len(names)).float()
    if len(counts) > len(names) or bool((y < 0).any()):
        raise DataError(f"{source.name} has labels from {int(y.min())} to {int(y.max())} for {len(names)} classes.")
    if int((counts > 0).sum()) < 2:
        raise DataError(f"all labels of {source.name} say {names[int(counts.argmax())]!r}; set game.labels=none.")
    shares = torch.full((len(names),), 1 / len(names)) if balanced else counts / counts.sum()
    return Labels(Condition("class", len(names), optional), names, shares=shares)


def class_names(source: Source) -> tuple[str, ...]:
    """The names of a data set's classes, or their numbers; none where its labels are vectors, or aren't there."""
    y = source.train.labels
    if y is None or y.is_floating_point() or not len(y):
        return ()
    return tuple(source.classes or map(str, range(int(y.max()) + 1)))


def codes(count: int) -> Labels:
    """Labels that mean nothing beforehand: InfoGAN's code."""
    names = tuple(f"code {i}" for i in range(count))
    return Labels(Condition("class", count), names, shares=torch.full((count,), 1 / count), nobodys=True)


def check_same(saved: Labels | None, now: Labels | None, *, name: str) -> None:
    """See that a data set's classes are those of a checkpoint.

    Raises:
        CheckpointError: if not.
    """
    if saved is None or now is None or (saved.condition, saved.names) == (now.condition, now.names):
        return
    raise CheckpointError(
        f"the classes of {name} aren't those that the run was saved with ({difference(saved.names, now.names)}); put "
        "the data back, or start anew with `ganforge train --init-from`"
    )


def check_classes(saved: Labels | None, source: Source) -> None:
    """See that a run's own data still have the classes that its generator was taught.

    Raises:
        CheckpointError: if not.
    """
    if saved is None or saved.nobodys or not saved.classes or saved.names == class_names(source):
        return
    raise CheckpointError(
        f"the classes of {source.name} aren't those that the generator learnt "
        f"({difference(saved.names, class_names(source))}); put the data back, or name other real images: "
        "ganforge evaluate RUN IMAGES"
    )


def difference(before: Sequence[str], after: Sequence[str]) -> str:
    """Where two lists of classes differ, in words."""
    other = next((pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]), None)
    return f"{len(before)} and {len(after)} of them" if other is None else f"{other[0]!r} is {other[1]!r} now"


def asked_labels(labels: Labels | None, text: str | None, seeds: Sequence[int]) -> tuple[list[int], Tensor | None]:
    """Every seed once for each class that a text names, and the classes; the seeds alone, if there is no text.

    Raises:
        RecipeError: for a class that there isn't, and for a generator without labels.
    """
    if text is None:
        return list(seeds), None
    if labels is None:
        raise RecipeError(f"--labels {text}: this generator was trained without labels; leave it out")
    classes = labels.named(text)
    return [*seeds] * len(classes), torch.tensor(classes).repeat_interleave(len(seeds))


def wanted_labels(game: Mapping[str, Any], source: Source) -> Labels | None:
    """The labels that a game asks its generator for, by its `labels`; None where it asks for nothing.

    Raises:
        RecipeError, DataError: if the data have no such labels.
    """
    kind = game.get("labels", "none")
    if kind == "none":
        return None
    if kind == "code":
        return codes(game["codes"])
    return labels_of(source, balanced=kind == "balanced", optional=game.get("label_dropout", 0) > 0)


def checked_labels(labels: Labels | None, y: Any, *, count: int) -> Tensor | None:
    """Labels as a generator takes them, whole numbers as int64; (count,) of classes, or (count, numbers) float.

    Args:
        y: a tensor, or whatever `torch.as_tensor` takes; None for none.

    Raises:
        RecipeError: if they don't fit.
    """
    if labels is None or y is None:
        if labels is not None:
            raise RecipeError(f"this generator is conditional: give labels y, {labels.words}")
        if y is not None:
            raise RecipeError("this generator takes no labels; leave them out")
        return None
    y, condition = torch.as_tensor(y), labels.condition
    if len(y.shape) == 0 or len(y) != count:
        raise RecipeError(f"labels of shape {tuple(y.shape)} for {count} samples; give one for each: {labels.words}")
    if y.is_floating_point():
        if y.ndim != 2 or y.shape[1] != condition.size:
            raise RecipeError(f"labels of shape {tuple(y.shape)} don't fit; give {labels.words}")
        check_numbers(y, labels)
        return y
    if condition.kind != "class" or y.ndim != 1 or y.dtype == torch.bool:
        raise RecipeError(f"labels of shape {tuple(y.shape)} and type {y.dtype} don't fit; give {labels.words}")
    if len(y) and not -int(condition.optional) <= int(y.min()) <= int(y.max()) < condition.size:
        raise RecipeError(f"label {int(y.max() if y.max() >= condition.size else y.min())} is out of range; "
                          f"give {labels.words}")  # fmt: skip
    return y.long()


def check_numbers(y: Float[Tensor, "B K"], labels: Labels) -> None:
    """See that label vectors are numbers, or NaN where a label may be left out, and that shares of classes are such.

    Raises:
        RecipeError: if they aren't.
    """
    given = y[~labels.condition.none(y)] if labels.condition.optional else y
    if not bool(given.isfinite().all()):
        raise RecipeError(f"labels hold {given[~given.isfinite()][0].item()}; give {labels.words}")
    if labels.condition.kind == "class" and len(given):
        off = (given.sum(1) - 1).abs()
        worst = int(off.argmax())
        if off[worst] > UNEVEN or bool((given < -UNEVEN).any()):
            wrong = given[given.amin(1).argmin()] if bool((given < -UNEVEN).any()) else given[worst]
            raise RecipeError(f"{[round(v, 3) for v in wrong.tolist()]} are no shares of classes: give numbers from 0 "
                              "that add up to 1")  # fmt: skip
