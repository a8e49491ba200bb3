"""Figures by the names that papers report, each of which fixes a whole protocol: features, counts, split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganforge.crowd import ALL
from ganforge.errors import RecipeError

__all__ = ["PUBLISHED", "Asked", "Published", "asked", "by_name"]

FAKES = 50_000
EVERY = 10**9  # real images: all that there are


@dataclass(frozen=True)
class Published:
    """What a name fixes besides InceptionV3 with TensorFlow's resizing and 50,000 generated images.

    Attributes:
        figures: what it reports.
        reals: real images, at most, those held out of training among them but none for testing; None where none are
            looked at.
    """

    figures: tuple[str, ...]
    reals: int | None


PUBLISHED = {
    "fid50k": Published(("frechet_distance",), FAKES),
    "fid50k_full": Published(("frechet_distance",), EVERY),
    "kid50k": Published(("kernel_subsets",), FAKES),
    "kid50k_full": Published(("kernel_subsets",), EVERY),
    "pr50k3": Published(("precision", "recall"), FAKES),
    "pr50k3_full": Published(("precision", "recall"), EVERY),
    "is50k": Published(("classifier_score",), None),
}
"""StyleGAN's names: k = 3 neighbours, 100 subsets of 1,000 and 10 splits are the figures' own."""


@dataclass(frozen=True)
class Asked:
    """A judgement's settings, resolved. `fakes` and `name` are None where no published name was called."""

    metrics: list[str] | None
    extractor: str | None
    split: str | None
    samples: int
    fakes: int | None = None
    name: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Those of `evaluate.standard` that a name decides, without the split."""
        return {"metrics": self.metrics, "samples": self.samples, "fakes": self.fakes, "published": self.name}


def asked(
    metrics: Sequence[str] | None, *, extractor: str | None, resize: str | None, split: str | None, samples: int | None
) -> Asked:
    """What figures by their names mean: `kid50k` and its like are looked up, other names stay.

    Raises:
        RecipeError: for published names beside others, beside settings of another protocol, or beside each other where
            they take different real images.

    >>> asked(["fid50k_full"], extractor=None, resize=None, split=None, samples=None).metrics
    ['frechet_distance']
    """
    names = [name for name in metrics or () if name in PUBLISHED]
    if not names:
        return Asked(
            None if metrics is None else list(metrics), extractor, split, 10_000 if samples is None else samples
        )
    name = ",".join(names)
    if rest := [word for word in metrics or () if word not in PUBLISHED]:
        raise RecipeError(f"{name} fixes its whole protocol, and {', '.join(rest)} has another: ask for it by itself")
    fixed = {"extractor": "inception", "resize": "legacy", "split": ALL, "samples": FAKES}
    given = {"extractor": extractor, "resize": resize, "split": split, "samples": samples}
    for key, value in fixed.items():
        if given[key] not in (None, value):
            raise RecipeError(
                f"{name} fixes {key} = {value}, not {given[key]}: leave --{key} out, or ask by a figure's name"
            )
    reals = {PUBLISHED[one].reals for one in names} - {None}
    if len(reals) > 1:
        raise RecipeError(
            f"{name} take different real images: those that end in _full all of them; ask for each by itself"
        )
    figures = [figure for one in names for figure in PUBLISHED[one].figures]
    return Asked(figures, "inception", ALL, reals.pop() or FAKES if reals else FAKES, FAKES, name)


def by_name(name: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Published name -> its figure, or figures.

    >>> by_name("fid50k_full", {"frechet_distance": 2.5})
    {'fid50k_full': 2.5}
    """
    found = {}
    for one in name.split(","):
        of = PUBLISHED[one].figures
        found[one] = figures[of[0]] if len(of) == 1 else {figure: figures[figure] for figure in of}
    return found
