"""The figures of two sets of samples: a table of what there is, what each needs, and what a reader should know."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import mean
from typing import Any

import torch

from ganforge.crowd import Crowd
from ganforge.data import Mixture
from ganforge.errors import DataError
from ganforge.features import Extractor, PointFeatures
from ganforge.metrics import (
    class_coverage,
    class_shares,
    classifier_score,
    frechet_distance,
    frechet_infinity,
    kernel_distance,
    kernel_distance_subsets,
    manifold_scores,
    memorisation,
    mode_coverage,
    pyramid_distances,
    sliced_distance,
)

__all__ = ["MEANINGS", "METRICS", "QUICK", "Figures", "Metric", "Subject"]

MANY = 100  # classes that nobody reads one by one
Figures = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """What is known of samples before they are judged.

    Attributes:
        classes: the names of the classes that the extractor knows.
        points: the samples are their own features.
        mixture: the density that they come from, where it is known.
        foreign: the classes are those of other data, as ImageNet's are to faces: good for a score, not to be counted.
    """

    classes: tuple[str, ...] = ()
    points: bool = False
    mixture: Mixture | None = None
    foreign: bool = False

    @classmethod
    def of(cls, extractor: Extractor, mixture: Mixture | None = None) -> "Subject":
        """What an extractor tells, and the data."""
        foreign = getattr(extractor, "accuracy", None) is None  # only a classifier of such data knows how good it is
        return cls(extractor.classes, isinstance(extractor, PointFeatures), mixture, foreign)


@dataclass(frozen=True)
class Metric:
    """Figures that come from one computation.

    Attributes:
        meanings: name of each figure -> what a reader should know of it.
        taken: (real, fake, subject) -> all its figures; None for one that needs more samples.
        needs: what the subject must have, in words; "" for nothing.
        fits: whether it has that.
        spreads: figure -> the name of the one that says how sure it is.
        statistics_only: mean and covariance of the features are enough.
        images: the images themselves are looked at.
        resampled: the figures whose interval may be taken by resampling.
        asked: only for those who ask for it by name.
    """

    meanings: dict[str, str]
    taken: Callable[[Crowd, Crowd, Subject], Figures]
    needs: str = ""
    fits: Callable[[Subject], bool] = lambda subject: True
    spreads: tuple[tuple[str, str], ...] = ()
    statistics_only: bool = False
    images: bool = False
    resampled: tuple[str, ...] = ()
    asked: bool = False


def figures(names: tuple[str, ...], taken: Callable[[], Iterable[float]]) -> Figures:
    """Figures by name; None where there are too few images for them."""
    try:
        return dict(zip(names, taken(), strict=True))
    except DataError:
        return dict.fromkeys(names)


def modes(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """Of a mixture: the modes found, the share of samples at one, and how far the shares are from the weights."""
    known = subject.mixture
    assert known is not None, "a subject with a mixture"

    def taken() -> tuple[float, float, float]:
        found = mode_coverage(samples=fake.features, modes=known.means, sigma=known.sigmas, weights=known.weights)
        return float(found.found), found.quality, found.distance

    return figures(("modes_found", "mode_quality", "mode_distance"), taken)


def sliced(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The sliced Wasserstein distance."""
    return figures(("sliced_distance",), lambda: (sliced_distance(real=real.features, fake=fake.features),))


def frechet(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The Fréchet distance."""
    return figures(("frechet_distance",), lambda: (frechet_distance(real=real.statistics, fake=fake.statistics),))


def kernel(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The kernel distance, with its standard error."""
    names = ("kernel_distance", "kernel_distance_error")
    return figures(names, lambda: kernel_distance(real=real.features, fake=fake.features))


def infinity(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The Fréchet distance at infinitely many fakes."""
    names = ("frechet_infinity", "frechet_infinity_error")
    return figures(names, lambda: frechet_infinity(real=real.statistics, fake=fake.features))


def subsets(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The kernel distance over 100 subsets of 1,000."""
    names = ("kernel_subsets", "kernel_subsets_deviation")
    return figures(names, lambda: kernel_distance_subsets(real=real.features, fake=fake.features))


def copies(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """Whether the real images come back."""
    return figures(
        ("authenticity", "cosine_distance"), lambda: memorisation(training=real.features, fake=fake.features)
    )


def pyramid(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The sliced Wasserstein distance of patches, mean over the levels."""

    a, b = (torch.empty(0, 0, 0, 0) if crowd.images is None else crowd.images for crowd in (real, fake))
    return figures(("pyramid_distance",), lambda: (mean(pyramid_distances(real=a, fake=b).values()),))


def score(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The classifier score, with its deviation between the splits."""
    names = ("classifier_score", "classifier_score_deviation")
    return figures(names, lambda: classifier_score(logits=fake.logits))


def classes(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """How many classes are there, and how unevenly."""
    return figures(("classes_found", "class_divergence"), lambda: map(float, class_coverage(logits=fake.logits)))


def manifold(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """Precision, recall, density and coverage."""
    names = ("precision", "recall", "density", "coverage")
    return figures(names, lambda: manifold_scores(real=real.features, fake=fake.features, k=3))


def shares(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The share of each class."""
    return {"shares": figures(subject.classes, lambda: class_shares(logits=fake.logits).tolist())}


METRICS = (
    Metric(
        {
            "modes_found": "of the mixture's modes, those with .8 % of the samples or more",
            "mode_quality": "share of samples within 3 standard deviations of a mode",
            "mode_distance": "lower is better; from the modes' weights, of 1",
        },
        modes,
        needs="data whose modes are known",
        fits=lambda subject: subject.points and subject.mixture is not None,
        resampled=("mode_quality",),
    ),
    Metric(
        {"sliced_distance": "lower is better; in the data's own units"},
        sliced,
        needs="points",
        fits=lambda subject: subject.points,
        resampled=("sliced_distance",),
    ),
    Metric(
        {"frechet_distance": "lower is better"},
        frechet,
        statistics_only=True,
        resampled=("frechet_distance",),
    ),
    Metric(
        {"kernel_distance": "lower is better; unbiased, so it may fall below 0"},
        kernel,
        spreads=(("kernel_distance", "kernel_distance_error"),),
    ),
    Metric(
        {"frechet_infinity": "lower is better; without the bias of finitely many fakes"},
        infinity,
        spreads=(("frechet_infinity", "frechet_infinity_error"),),
        asked=True,
    ),
    Metric(
        {"kernel_subsets": "lower is better; mean over 100 subsets of 1,000, as published"},
        subsets,
        spreads=(("kernel_subsets", "kernel_subsets_deviation"),),
        asked=True,
    ),
    Metric(
        {
            "authenticity": "share of fakes that are no copies of the reals; near 0 for copies",
            "cosine_distance": "from the most similar real image (MiFID's); near 0 for copies",
        },
        copies,
        asked=True,
    ),
    Metric(
        {"pyramid_distance": "lower is better; of patches, mean over the levels of a Laplacian pyramid, times 1000"},
        pyramid,
        needs="images",
        fits=lambda subject: not subject.points,
        statistics_only=True,
        images=True,
        asked=True,
    ),
    Metric(
        {"classifier_score": "higher is better"},
        score,
        needs="an extractor that knows classes",
        fits=lambda subject: bool(subject.classes),
        spreads=(("classifier_score", "classifier_score_deviation"),),
        resampled=("classifier_score",),
    ),
    Metric(
        {
            "classes_found": "of the classes, those with one image or more",
            "class_divergence": "lower is better; of the classes' shares from equal ones, at this number of images",
        },
        classes,
        needs=f"an extractor that knows more than {MANY} classes of the data",
        fits=lambda subject: len(subject.classes) > MANY and not subject.foreign,
    ),
    Metric(
        {
            "precision": "share of fakes that look real",
            "recall": "share of reals that the generator could make",
            "density": "how deep fakes lie among reals; about 1 for real data",
            "coverage": "share of reals with a fake close by",
        },
        manifold,
    ),
    Metric(
        {"shares": "share of each class"},
        shares,
        needs=f"an extractor that knows 1 to {MANY} classes",
        fits=lambda subject: 0 < len(subject.classes) <= MANY,
    ),
)
"""What there is, in the order in which it is shown."""

MEANINGS = {name: meaning for metric in METRICS for name, meaning in metric.meanings.items()}
QUICK = {
    "modes_found",
    "mode_quality",
    "mode_distance",
    "sliced_distance",
    "frechet_distance",
    "kernel_distance",
    "classes_found",
    "class_divergence",
}
"""The figures that choose a checkpoint."""
