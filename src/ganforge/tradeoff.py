"""Fidelity against variety: what truncated latents do to the figures of a generator, threshold by threshold."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganforge.crowd import Progress, generated
from ganforge.data import Source
from ganforge.errors import RecipeError
from ganforge.evaluate import part, standard
from ganforge.experiments.frame.plots import COLOURS, FAKE, REAL, panels
from ganforge.features import Extractor
from ganforge.sample import Sampler

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DEFAULT", "FIGURES", "plot", "thresholds_in", "tradeoff"]

DEFAULT = ".1,.25,.5,.75,1,1.5,2,inf"
FIGURES = ("frechet_distance", "classifier_score", "precision", "recall", "density", "coverage")


def thresholds_in(text: str) -> list[float]:
    """The thresholds that a text names, ascending; "inf" for the whole normal distribution.

    >>> thresholds_in("1, .5, inf")
    [0.5, 1.0, inf]

    Raises:
        RecipeError: for fewer than two, and for one that isn't positive.
    """
    try:
        found = sorted({float(word) for word in text.split(",")})
    except ValueError:
        raise RecipeError(f"{text!r} names no thresholds; write for instance .25,.5,1,2,inf") from None
    if len(found) < 2 or not found[0] > 0:
        raise RecipeError(f"{text!r}: a curve takes two thresholds or more, all positive; write for instance .5,1,inf")
    return found


def tradeoff(
    sampler: Sampler,
    source: Source,
    extractor: Extractor,
    *,
    thresholds: Sequence[float],
    split: str = "test",
    samples: int = 5_000,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[dict[str, Any]]:
    """The figures at each threshold, of the same seeds, against the same real images.

    Brock et al. 2019, arXiv:1809.11096, section 3.1 and figure 2: as τ falls, precision rises, and recall falls.

    Yields:
        `threshold`, `samples`, `protocol` and `figures`.
    """
    wanted = [name for name in FIGURES if name != "classifier_score" or extractor.classes]
    against = standard(source, extractor, split=split, samples=samples, metrics=wanted, cache=cache)
    for threshold in thresholds:
        fake = generated(sampler.truncated(threshold), extractor, against.real.count, progress=part(progress, 0.9))
        record = against.record(sampler, fake, progress=part(progress, 0.1))
        yield {
            "threshold": threshold,
            "samples": fake.count,
            "protocol": record["protocol"],
            "figures": record["figures"],
            "floor": record["floor"],
        }


def plot(rows: Sequence[dict[str, Any]]) -> "Figure":
    """Precision against recall, and figures over the threshold; real images' own beside them."""
    figure, (plane, curves, distances) = panels(3, 1, width=4.2, height=3.4)
    labels = ["∞" if math.isinf(row["threshold"]) else f"{row['threshold']:g}" for row in rows]
    taken = {name: [row["figures"][name] for row in rows] for name in rows[0]["figures"] if name in FIGURES}
    floor = rows[0]["floor"]
    plane.plot(taken["recall"], taken["precision"], color=FAKE, marker="o", markersize=4)
    for label, x, y in zip(labels, taken["recall"], taken["precision"], strict=True):
        plane.annotate(label, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=8)
    plane.plot(floor["recall"], floor["precision"], color=REAL, marker="*", markersize=9, linestyle="")
    plane.set(title="precision and recall by threshold", xlabel="recall", ylabel="precision")
    for name, colour in zip(("precision", "recall", "coverage"), COLOURS, strict=False):
        curves.plot(labels, taken[name], color=colour, marker="o", markersize=3.5, label=name)
    curves.set(title="fidelity and variety", xlabel="threshold", ylim=(0, 1))
    curves.legend()
    distances.plot(labels, taken["frechet_distance"], color=FAKE, marker="o", markersize=3.5)
    distances.axhline(floor["frechet_distance"], color=REAL, linestyle="--", linewidth=1.2)
    distances.set(title="Fréchet distance", xlabel="threshold", ylim=(0, None))
    return figure
