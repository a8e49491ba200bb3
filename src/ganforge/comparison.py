"""Two sets of samples compared: which figures can be had, their values, and how far those would move."""

import difflib
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

import torch

from ganforge.crowd import Crowd, Progress
from ganforge.errors import RecipeError
from ganforge.figures import MEANINGS, METRICS, Figures, Metric
from ganforge.subject import Subject

__all__ = [
    "check_packages",
    "compare",
    "intervals",
    "names_for",
    "needs",
    "resampled",
]

ALIASES = {"fid": "frechet_distance", "fd": "frechet_distance", "kid": "kernel_distance", "mmd": "kernel_distance",
           "is": "classifier_score", "inception_score": "classifier_score", "ppl": "path_length",
           "cas": "classification_accuracy", "gan_train": "classification_accuracy",
           "mifid": "memorisation_informed_distance", "swd": "pyramid_distance"}  # fmt: skip
"""What figures are called elsewhere."""
QUANTILES = (0.025, 0.975)
Need = Literal["samples", "images", "labels", "path", "taught"]


def names_for(subject: Subject, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """The figures that a subject has, or those of them that are wanted; some only then.

    >>> names_for(Subject(), ["coverage", "frechet_distance"])
    ('frechet_distance', 'coverage')

    Raises:
        RecipeError: for a name that is none, and for a figure that the subject can't have.
    """
    there = [metric for metric in METRICS if not metric.lacks(subject)]
    if wanted is None:
        return tuple(name for metric in there if not metric.asked for name in metric.meanings)
    fitting = [name for metric in there for name in metric.meanings]
    if mistakes := [mistake(name, fitting, subject) for name in wanted or ("",) if name not in fitting]:
        raise RecipeError(*mistakes)
    return tuple(name for name in fitting if name in wanted)


def mistake(name: str, fitting: Sequence[str], subject: Subject) -> str:
    """Why a figure of that name can't be had, and which can."""
    there = f"there are {', '.join(fitting)}"
    if name in MEANINGS:
        lacks = next(metric.lacks(subject) for metric in METRICS if name in metric.meanings)
        return f"{name} needs {lacks}; {there}"
    meant = ALIASES.get(name.lower(), name)
    near = [one for one in fitting if meant and one.startswith(meant)] or difflib.get_close_matches(meant, fitting, n=1)
    return f"no figure is called {name!r}; {f'did you mean {near[0]!r}? ' if near else ''}{there}"


def behind(names: Sequence[str]) -> list[Metric]:
    """The computations that these figures come from."""
    return [metric for metric in METRICS if metric.meanings.keys() & set(names)]


def needs(names: Sequence[str], what: Need) -> bool:
    """Whether one of these figures looks at the features of single samples (and not at mean and covariance alone), at
    the images themselves, at the class of each sample, is the generator's path length, or what its samples taught."""
    return any(getattr(metric, what) for metric in behind(names))


def check_packages(names: Sequence[str]) -> None:
    """See that what these figures are computed with is installed, before anything else is computed.

    Raises:
        RecipeError: if not.
    """
    for metric in behind(names):
        if metric.package and find_spec(metric.package) is None:
            (name,) = metric.meanings
            raise RecipeError(f"{name} needs {metric.package}, which isn't installed: pip install 'ganforge[theory]'")


def compare(
    *, real: Crowd, fake: Crowd, subject: Subject, names: Sequence[str] | None = None, progress: Progress | None = None
) -> Figures:
    """The figures of these names (all that the subject has, by default), with how sure each is; None where there are
    too few samples for one. Nothing else is computed.

    >>> near = Crowd(torch.zeros(3, 2), torch.empty(3, 0))
    >>> compare(real=near, fake=near, subject=Subject(), names=("frechet_distance",))
    {'frechet_distance': 0.0}
    """
    names = names_for(subject) if names is None else names
    wanted = behind(names)
    found: Figures = {}
    for metric in wanted:
        shown = set(names) | {spread for name, spread in metric.spreads if name in names}
        found |= {name: value for name, value in metric.taken(real, fake, subject).items() if name in shown}
        if progress:
            progress(1 / len(wanted))
    return found


def intervals(
    *,
    real: Crowd,
    fake: Crowd,
    subject: Subject,
    figures: Figures,
    resamples: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, list[float]]:
    """Bootstrap intervals, 2.5 to 97.5 %, of those of the figures that have any.

    Both sides are drawn anew, with replacement, as often as asked. A plug-in distance grows by its own bias once more
    with every resample, so the percentiles are moved by (figure - mean of the resamples): they say how far the figure
    would move with other samples, not what its bias is.

    Nearest neighbours can't be resampled: every copy lies at distance 0 of itself, radii shrink, and precision, recall,
    density and coverage fall whatever the generator. The kernel distance counts pairs of distinct samples, which copies
    aren't; it has its own standard error. Counts of classes or modes only fall. None of them has an interval here.

    Raises:
        RecipeError: if none of the figures can have one.
    """
    able = [name for name in resampled([*figures]) if figures[name] is not None]
    rng, found = torch.Generator().manual_seed(seed), []
    for _ in range(resamples):
        x, y = (c.drawn(torch.randint(len(c.features), (len(c.features),), generator=rng)) for c in (real, fake))
        found.append(compare(real=x, fake=y, subject=subject, names=able))
        if progress:
            progress(1 / resamples)
    return {name: moved([f[name] for f in found], figures[name]) for name in able}


def resampled(names: Sequence[str]) -> list[str]:
    """Those of the figures that can have an interval.

    Raises:
        RecipeError: if none can.
    """
    able = [name for metric in METRICS for name in metric.resampled]
    if not set(able) & set(names):
        raise RecipeError(f"--bootstrap has nothing to resample in {', '.join(names)}; it is for {', '.join(able)}")
    return [name for name in able if name in names]


def moved(found: Sequence[float], figure: float) -> list[float]:
    """The percentiles of resamples, as far from the figure as they are from their own mean."""
    values = torch.tensor(found, dtype=torch.float64)
    return (values.quantile(values.new_tensor(QUANTILES)) - values.mean() + figure).tolist()
