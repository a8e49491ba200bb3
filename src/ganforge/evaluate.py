"""Judging: samples -> features -> statistics -> numbers, always with their protocol and real data's own floor."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ganforge.cautions import cautions
from ganforge.comparison import (
    check_packages,
    compare,
    intervals,
    names_for,
    needs,
    resampled,
)
from ganforge.crowd import ALL, SPLITS, Crowd, Maker, Progress, floor, generated, real_images, reference, walked
from ganforge.data import Mixture, Source
from ganforge.errors import DataError, RecipeError
from ganforge.features import Extractor, PointFeatures, extractor_for
from ganforge.figures import QUICK
from ganforge.gan_train import taught_by_reals, taught_by_samples
from ganforge.labels import class_names
from ganforge.published import by_name
from ganforge.sample import Sampler
from ganforge.subject import Subject

__all__ = [
    "Standard",
    "Verdict",
    "check_enough",
    "choosing_metric",
    "choosing_split",
    "evaluate",
    "extractor_name",
    "protocol",
    "quick_distance",
    "reporting_split",
    "standard",
    "verdict",
]

LESSON = 6  # times as many samples teach a classifier as are judged
CHOOSING_SEED = 2**32  # the seeds that choose a checkpoint aren't those that it is reported on, which start at 0


def extractor_name(source: Source, chosen: str | None) -> str:
    """The extractor that judges a source: the chosen one, else by the samples' shape.

    Raises:
        RecipeError: for a classifier of images before points, or the other way round.
    """
    fitting = source.extractor or extractor_for(source.shape)
    if chosen is not None and (chosen == PointFeatures.name) != (fitting == PointFeatures.name):
        raise RecipeError(f"judge.extractor = {chosen!r} can't judge {source.name}; set judge.extractor={fitting}")
    return chosen or fitting


def reporting_split(source: Source, *, own: bool = True) -> str:
    """The real images that final figures are taken against: test, else held-out, else training images; where what is
    judged never learnt from them (they aren't its `own`), test, else all."""
    if not own:
        return ALL if source.test is None else "test"
    return next(split for split in SPLITS if getattr(source, split) is not None)


def choosing_split(source: Source) -> str:
    """The real images that choose a checkpoint: held-out training images, else training images; never the test's."""
    return "train" if source.held_out is None else "held_out"


def choosing_metric(source: Source, chosen: str | None) -> str:
    """The figure that chooses a checkpoint: the chosen one, else by what is known of the data."""
    if chosen is not None:
        return chosen
    if extractor_for(source.shape) != PointFeatures.name:
        return "frechet_distance"
    return "sliced_distance" if source.mixture is None else "mode_distance"


def quick_distance(
    sampler: Maker, real: Crowd, extractor: Extractor, *, mixture: Mixture | None = None
) -> dict[str, float | None]:
    """The figures that choose a checkpoint; as many fakes as there are real ones."""
    fake = generated(sampler, extractor, real.count, CHOOSING_SEED)
    subject = Subject.of(extractor, mixture)
    names = [name for name in names_for(subject) if name in QUICK]
    return compare(real=real, fake=fake, subject=subject, names=names)


@dataclass(frozen=True)
class Standard:
    """What generators are judged against, taken once for all of them.

    Attributes:
        extractor: whose features are compared.
        split: of the real images.
        subject: what is known of the samples.
        names: the figures that are taken.
        real: the real images of the split.
        train: real training images that stand where fakes do, for the floor.
        fakes: how many are made; None for as many as there are real images.
        published: the name of a published protocol, which stands for this one; or None.
        own: those who are judged learnt from the source of the real images.
        source: of the real images, where a figure needs it once more.
    """

    extractor: Extractor
    split: str
    subject: Subject
    names: tuple[str, ...]
    real: Crowd
    train: Crowd
    fakes: int | None = None
    published: str | None = None
    own: bool = True
    source: Source | None = None

    @property
    def protocol(self) -> str:
        """The name under which figures can be compared."""
        return self.published or protocol(self.extractor, self.real.count, self.split)

    def made(self, maker: Maker, progress: Progress | None = None) -> Crowd:
        """As many of a maker's samples as there are real images, or as were asked for; its path length, if that is one
        of the figures, between as many pairs of latents; and what a classifier learns from its samples, if that is."""
        count, also = self.fakes or self.real.count, [need for need in ("path", "taught") if needs(self.names, need)]
        keeping = {"images": needs(self.names, "images"), "labelled": needs(self.names, "labels")}
        share = part(progress, 1 / (1 + 2 * len(also)))
        made = generated(maker, self.extractor, count, **keeping, progress=share)
        more = part(progress, 2 / (1 + 2 * len(also)))
        if not isinstance(maker, Sampler):
            return made
        if "path" in also:
            made = replace(made, path=walked(maker, self.extractor, count, more))
        if "taught" in also:
            assert self.source is not None
            lesson = taught_by_samples(maker, self.source, split=self.split, images=LESSON * count, progress=more)
            made = replace(made, taught=lesson)
        return made

    @property
    def cached(self) -> bool:
        """Whether no real image had to pass the network."""
        return self.real.cached and (self.train.cached or not self.train.count)

    @cached_property
    def floor(self) -> dict[str, Any]:
        """What real training images reach."""
        return compare(real=self.real, fake=self.train, subject=self.subject, names=self.names)

    @property
    def judge(self) -> dict[str, Any]:
        """The feature network by name and weights, and how it resizes where it can do so in several ways."""
        resize = getattr(self.extractor, "resize", None)
        facts = {"name": self.extractor.name, "weights": self.extractor.digest}
        return facts if resize is None else facts | {"resize": resize}

    def record(
        self, maker: Maker, fake: Crowd, *, bootstrap: int = 0, progress: Progress | None = None
    ) -> dict[str, Any]:
        """The judgement of what a generator, or an album, has made; see `evaluate`."""
        share = part(progress, 0.5 if bootstrap else 1.0)
        found = compare(real=self.real, fake=fake, subject=self.subject, names=self.names, progress=share)
        sides: dict[str, Any] = {"real": self.real, "fake": fake, "subject": self.subject}
        spans = intervals(**sides, figures=found, resamples=bootstrap, progress=share) if bootstrap else {}
        record = {
            **({"images": maker.images} if isinstance(maker, Sampler) else {}),
            "split": self.split,
            "protocol": self.protocol,
            "extractor": self.judge,
            "data": self.real.digest,
            "shape": list(self.subject.shape),
            "cached": self.cached,
            "samples": fake.count,
            "real_samples": self.real.count,
            "features": self.real.dims,
            **({"seeds": f"0-{fake.count - 1}"} if isinstance(maker, Sampler) else {}),
            "figures": found,
            **({"intervals": spans, "bootstrap": bootstrap} if bootstrap else {}),
            **({} if self.published is None else {"published": by_name(self.published, found)}),
            "floor": self.floor,
            "floor_samples": self.train.count,
        }
        return record | {"notes": [*cautions(record, own=self.own and isinstance(maker, Sampler))]}


def standard(
    source: Source,
    extractor: Extractor,
    *,
    split: str = "test",
    samples: int = 10_000,
    metrics: Sequence[str] | None = None,
    bootstrap: int = 0,
    whole: bool = False,
    cache: Path | None = None,
    fakes: int | None = None,
    published: str | None = None,
    own: bool = True,
    maker: Maker | None = None,
    progress: Progress | None = None,
) -> Standard:
    """The real side of a judgement: as many real images as asked for, or as there are, and the floor's.

    Args:
        metrics: the figures to take; None for all that there are.
        bootstrap: resamples that will be asked for; 0 for none.
        whole: keep the features themselves, whatever the figures need.
        cache: the folder where what the network says of real images is kept.
        fakes, published: the count of a published protocol, and its name; see `published.asked`.
        own: whoever is judged learnt from this source.
        maker: one of those that will be judged, for figures that not every maker has.

    Raises:
        DataError: if the source has no such split.
        RecipeError: for a figure that is none, that these data can't have, or that can't be resampled.
    """
    subject = subject_of(source, split, extractor, maker)
    names = names_for(subject, metrics)
    check_packages(names)
    again = resampled(names) if bootstrap else []
    whole = whole or needs(names, "samples") or bool(again)
    keeping: dict[str, Any] = {"cache": cache, "whole": whole, "images_too": needs(names, "images")}
    real = reference(source, split, extractor, samples, **keeping, progress=part(progress, 0.5))
    train = floor(source, split, extractor, real.count, **keeping, progress=part(progress, 0.5))
    if needs(names, "taught"):
        train = replace(train, taught=taught_by_reals(source, split=split, images=LESSON * real.count))
    return Standard(extractor, split, subject, names, real, train, fakes, published, own, source)


def subject_of(source: Source, split: str, extractor: Extractor, maker: Maker | None) -> Subject:
    """What is known of the samples of a maker, and of the real images that they are judged against."""
    classes = () if real_images(source, split).labels is None else class_names(source)
    return Subject.of(
        extractor,
        source.mixture,
        shape=source.shape,
        real_classes=classes,
        fake_classes=() if maker is None else maker.classes,
        generated=isinstance(maker, Sampler),
    )


@dataclass(frozen=True)
class Verdict:
    """A judgement with what it was taken from."""

    record: dict[str, Any]
    standard: Standard
    fake: Crowd


def evaluate(sampler: Maker, source: Source, extractor: Extractor, **options: Any) -> dict[str, Any]:
    """The full judgement of a generator, or of an album, against a split of real images; as many of each.

    The floor is what real training images reach against the same real images (as many of them, if there are as many):
    no generator that has learnt from them can be asked for less. The options are those of `verdict`.

    Returns:
        A record with `images` (seen in training; not of an album), `split`, `protocol` (a name that fixes features,
        counts and split), `extractor` (with the digest of its weights), `data` (digest of the real images), `shape`,
        `cached` (no real image had to pass the network), `samples`, `figures`, `floor`, `notes` (what to hold against
        the figures) and `seconds`.

    Raises:
        DataError: if the source has no such split.
        RecipeError: for a figure that is none, or that these data can't have.
    """
    return verdict(sampler, source, extractor, **options).record


def verdict(
    sampler: Maker,
    source: Source,
    extractor: Extractor,
    *,
    samples: int = 10_000,
    bootstrap: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> Verdict:
    """What `evaluate` returns, and the features behind it.

    Args:
        samples: at most so many of either side.
        bootstrap: resamples behind `intervals`; 0 for none.

    Raises:
        DataError: for fewer generated images than a published protocol takes.

    The other options are those of `standard`: `split`, `metrics`, `whole`, `cache`, `fakes`, `published`, `own`.
    """
    started, fakes = time.perf_counter(), options.get("fakes")
    check_enough(sampler, fakes, options.get("published"))
    count = min(samples, sampler.most or samples) if fakes is None else samples
    more: dict[str, Any] = {"samples": count, "bootstrap": bootstrap, "maker": sampler, "progress": part(progress, 0.4)}
    against = standard(source, extractor, **more, **options)
    fake = against.made(sampler, part(progress, 0.3))
    record = against.record(sampler, fake, bootstrap=bootstrap, progress=part(progress, 0.3))
    return Verdict(record | {"seconds": round(time.perf_counter() - started, 2)}, against, fake)


def check_enough(maker: Maker, fakes: int | None, published: str | None) -> None:
    """See that there are as many images as a published protocol takes.

    Raises:
        DataError: if not.
    """
    if fakes is not None and (maker.most or fakes) < fakes:
        raise DataError(
            f"{published} takes {fakes:,} generated images, and {maker.name} has {maker.most:,}: make more, or ask for "
            "its figures by name (--metrics frechet_distance), on as many as there are."
        )


def part(progress: Progress | None, share: float) -> Progress | None:
    """What hears of a part of the work, of which the whole is `share`."""
    return None if progress is None else lambda done: progress(done * share)


def protocol(extractor: Extractor, count: int, split: str) -> str:
    """The name under which figures can be compared: the same name, the same protocol."""
    size = f"{count // 1000}k" if count % 1000 == 0 else str(count)
    return f"{extractor.name}_{size}_{split}"
