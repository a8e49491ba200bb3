"""The figures of two sets of samples: a table of what there is, what each needs, and what a reader should know."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import mean
from typing import Any

import torch

from ganforge.crowd import Crowd
from ganforge.errors import DataError
from ganforge.metrics import (
    class_coverage,
    class_shares,
    classifier_score,
    cosine_distance,
    frechet_distance,
    frechet_infinity,
    intra_class_distances,
    kernel_distance,
    kernel_distance_subsets,
    manifold_scores,
    memorisation,
    memorisation_penalty,
    mode_coverage,
    pairwise_similarity,
    pyramid_distances,
    sliced_distance,
    wasserstein_distance,
)
from ganforge.metrics.ms_ssim import WINDOW
from ganforge.metrics.pyramid import COARSEST
from ganforge.metrics.wasserstein import MOST
from ganforge.subject import Need, Subject

__all__ = ["MEANINGS", "METRICS", "QUICK", "Figures", "Metric"]

MANY = 100  # classes that nobody reads one by one
COPIED = 0.1  # cosine distance below which memorisation counts: that of the contest that MiFID was made for
Figures = dict[str, Any]


@dataclass(frozen=True)
class Metric:
    """Figures that come from one computation.

    Attributes:
        meanings: name of each figure -> what a reader should know of it.
        taken: (real, fake, subject) -> all its figures; None for one that needs more samples.
        needs: what the subject must have.
        least: pixels that either side of an image has at least.
        spreads: figure -> the name of the one that says how sure it is, or how many samples it stands on.
        samples: the features of single samples are looked at, and not mean and covariance alone.
        images: the images themselves are looked at.
        labels: the class of each sample is.
        path: the generator's path length is taken.
        taught: a classifier is taught by the samples.
        package: what has to be installed, as `scipy`; "" for nothing.
        resampled: the figures whose interval may be taken by resampling.
        asked: only for those who ask for it by name.
    """

    meanings: dict[str, str]
    taken: Callable[[Crowd, Crowd, Subject], Figures]
    needs: tuple[Need, ...] = ()
    least: int = 0
    spreads: tuple[tuple[str, str], ...] = ()
    samples: bool = True
    images: bool = False
    labels: bool = False
    path: bool = False
    taught: bool = False
    package: str = ""
    resampled: tuple[str, ...] = ()
    asked: bool = False

    def lacks(self, subject: Subject) -> str:
        """The first of its needs that a subject doesn't meet, in words; "" where it has all."""
        if unmet := [need.words for need in self.needs if not need.met(subject)]:
            return f"{unmet[0]}, which isn't so here"
        if min(subject.shape[1:], default=self.least) >= self.least:
            return ""
        size = " × ".join(map(str, subject.shape[1:]))
        return f"images of {self.least} × {self.least} pixels or more, and these have {size}"


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


def informed(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The memorisation-informed Fréchet distance."""

    def taken() -> tuple[float]:
        apart = cosine_distance(training=real.features, fake=fake.features)
        penalty = memorisation_penalty(cosine_distance=apart, threshold=COPIED)
        return (penalty * frechet_distance(real=real.statistics, fake=fake.statistics),)

    return figures(("memorisation_informed_distance",), taken)


def within(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The mean over the classes of the Fréchet distances within them, and how many samples the smallest class has."""
    assert real.labels is not None, "a subject with labels"
    labels = fake.labels if fake.labels is not None else real.labels[:0]
    least = min(int((y == label).sum()) for label in real.labels.unique() for y in (real.labels, labels))
    sides: dict[str, Any] = {"real": real.features, "fake": fake.features, "real_labels": real.labels}

    def taken() -> tuple[float]:
        return (mean(intra_class_distances(**sides, fake_labels=labels).values()),)

    return figures(("intra_class_distance",), taken) | {"intra_class_least": least}


def match(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The exact Wasserstein distance, and how many samples of either side were matched."""
    names = ("wasserstein", "wasserstein_samples")
    return figures(names, lambda: wasserstein_distance(real=real.features, fake=fake.features))


def similarity(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """How alike the fakes are to each other."""
    images = torch.empty(0, 0, 0, 0) if fake.images is None else fake.images
    return figures(("ms_ssim", "ms_ssim_error"), lambda: pairwise_similarity(images)[:2])


def path(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """The generator's path length; none of real images."""
    return dict(zip(("path_length", "path_length_error"), fake.path or (None, None), strict=True))


def lesson(real: Crowd, fake: Crowd, subject: Subject) -> Figures:
    """How often a classifier is right that the samples taught."""
    return {"classification_accuracy": fake.taught}


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
        needs=(Need("data whose modes are known", lambda subject: subject.points and subject.mixture is not None),),
        resampled=("mode_quality",),
    ),
    Metric(
        {"sliced_distance": "lower is better; in the data's own units"},
        sliced,
        needs=(Need("points", lambda subject: subject.points),),
        resampled=("sliced_distance",),
    ),
    Metric(
        {"frechet_distance": "lower is better"},
        frechet,
        samples=False,
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
        {"memorisation_informed_distance": f"lower is better; Fréchet, over the cosine distance below {COPIED:g}"},
        informed,
        asked=True,
    ),
    Metric(
        {"intra_class_distance": "lower is better; Fréchet within each class, mean over the classes"},
        within,
        needs=(
            Need("real images with labels", lambda subject: bool(subject.real_classes)),
            Need("a generator that is asked for classes, or images with labels", lambda s: bool(s.fake_classes)),
            Need("the same classes, by name, on both sides", lambda s: s.real_classes == s.fake_classes),
        ),
        spreads=(("intra_class_distance", "intra_class_least"),),
        labels=True,
        asked=True,
    ),
    Metric(
        {"classification_accuracy": "of a small classifier on real images, after it learnt from these samples alone"},
        lesson,
        needs=(
            Need("a generator that is asked for classes", lambda s: s.generated and bool(s.fake_classes)),
            Need("real images with these very classes, by name", lambda s: s.real_classes == s.fake_classes),
        ),
        samples=False,
        taught=True,
        asked=True,
    ),
    Metric(
        {"wasserstein": f"lower is better; exact W1 of the features of at most {MOST:,} of either side"},
        match,
        spreads=(("wasserstein", "wasserstein_samples"),),
        package="scipy",
        asked=True,
    ),
    Metric(
        {"ms_ssim": "of pairs of fakes; above that of real images: less variety"},
        similarity,
        needs=(Need("images", lambda subject: not subject.points),),
        least=WINDOW,
        spreads=(("ms_ssim", "ms_ssim_error"),),
        samples=False,
        images=True,
        asked=True,
    ),
    Metric(
        {"path_length": "lower is smoother; squared speed of these features along walks through latent space"},
        path,
        needs=(
            Need("a generator, in whose latent space it walks", lambda subject: subject.generated),
            Need(
                "features of unrounded images (inception, dinov2 and clip see bytes; --extractor pixels doesn't)",
                lambda subject: not subject.rounded,
            ),
        ),
        spreads=(("path_length", "path_length_error"),),
        samples=False,
        path=True,
        asked=True,
    ),
    Metric(
        {"pyramid_distance": "lower is better; of patches, mean over the levels of a Laplacian pyramid, times 1000"},
        pyramid,
        needs=(Need("images", lambda subject: not subject.points),),
        least=COARSEST,
        samples=False,
        images=True,
        asked=True,
    ),
    Metric(
        {"classifier_score": "higher is better"},
        score,
        needs=(Need("an extractor that knows classes", lambda subject: bool(subject.classes)),),
        spreads=(("classifier_score", "classifier_score_deviation"),),
        resampled=("classifier_score",),
    ),
    Metric(
        {
            "classes_found": "of the classes, those with one image or more",
            "class_divergence": "lower is better; of the classes' shares from equal ones, at this number of images",
        },
        classes,
        needs=(
            Need(
                f"an extractor that knows more than {MANY} classes of the data",
                lambda subject: len(subject.classes) > MANY and not subject.foreign,
            ),
        ),
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
        needs=(Need(f"an extractor that knows 1 to {MANY} classes", lambda subject: 0 < len(subject.classes) <= MANY),),
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
