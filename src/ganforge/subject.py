"""What is known of samples before they are judged, and what a figure may need to be so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ganforge.data import Mixture
from ganforge.features import Extractor, PointFeatures

__all__ = ["Need", "Subject"]


@dataclass(frozen=True)
class Subject:
    """What is known of samples before they are judged.

    Attributes:
        classes: the names of the classes that the extractor knows.
        points: the samples are their own features.
        mixture: the density that they come from, where it is known.
        foreign: the classes are those of other data, as ImageNet's are to faces: good for a score, not to be counted.
        shape: of a sample; () where it isn't known.
        real_classes, fake_classes: the names of the classes that samples of either side are known to be of; () where
            they aren't.
        generated: the fakes come from latents.
        rounded: the extractor sees images as bytes, and none of the steps between.
    """

    classes: tuple[str, ...] = ()
    points: bool = False
    mixture: Mixture | None = None
    foreign: bool = False
    shape: tuple[int, ...] = ()
    real_classes: tuple[str, ...] = ()
    fake_classes: tuple[str, ...] = ()
    generated: bool = False
    rounded: bool = False

    @classmethod
    def of(cls, extractor: Extractor, mixture: Mixture | None = None, **known: Any) -> "Subject":
        """What an extractor tells, and the data; and what else is known of the samples."""
        foreign = getattr(extractor, "accuracy", None) is None  # only a classifier of such data knows how good it is
        rounded = getattr(extractor, "rounds", False)
        return cls(extractor.classes, isinstance(extractor, PointFeatures), mixture, foreign, rounded=rounded, **known)


class Need(NamedTuple):
    """What a subject must have, in words, and whether it has that."""

    words: str
    met: Callable[[Subject], bool]
