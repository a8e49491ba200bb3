"""What a reader should hold against the figures of a judgement."""

from collections.abc import Iterator, Mapping
from typing import Any

from ganforge.figures import MEANINGS

__all__ = ["cautions"]

FEW = 2_000  # images under which figures deserve a warning
LEAST = 2  # samples that can be asked for
EXPLAINED = ("kernel_subsets", "intra_class_distance")  # figures whose lack of samples has a sentence of its own
NOTHING = 1e-6  # a Fréchet distance that is rounding


def cautions(record: Mapping[str, Any], *, own: bool = True) -> Iterator[str]:
    """What is to be said of a record of `evaluate`, a sentence each.

    Args:
        own: what was judged learnt from the source of these real images.
    """
    if own and record["split"] != "test":
        yield "these aren't test images; they chose the checkpoint or trained it, so figures flatter"
    figures, least, dims = record["figures"], min(record["samples"], record["real_samples"]), record["features"]
    if least < FEW:
        yield f"{least:,} images are few; distances are biased upwards and the rest is rough"
    if not record["floor_samples"]:
        half = record["real_samples"] // 2
        remedy = f": --samples {half} leaves as many for it" if half >= LEAST and "published" not in record else ""
        yield f"there is no floor, as all real images are on the real side{remedy}"
    elif record["floor_samples"] < record["real_samples"] // 2 and "published" not in record:
        some, half = record["floor_samples"], (record["floor_samples"] + record["real_samples"]) // 2
        yield (
            f"the floor stands on {some:,} image{'s' * (some > 1)}, fewer than the others, and is worse for it: "
            f"--samples {half} leaves as many for it"
        )
    if (found := figures.get("frechet_distance")) is not None and abs(found) < NOTHING:
        yield "the Fréchet distance is 0, as of the same samples on both sides: do A and B name the same ones?"
    open_ones = [name for name, value in figures.items() if value is None and name in MEANINGS]
    if lacking := [name.replace("_", " ") for name in open_ones if name not in EXPLAINED]:
        yield f"too few samples for {', '.join(lacking)}"
    if least <= dims and figures.get("frechet_distance") is not None:
        yield (
            f"{least:,} samples of {dims:,} features leave the covariances singular, and the Fréchet distance too "
            f"large by much of itself: judge more than {dims:,}, or read kernel_distance, which has no such bias"
        )
    if figures.get("kernel_subsets", 0) is None:
        yield f"subsets of 1,000 can't be drawn from {least:,} samples: judge more, or take kernel_distance"
    smallest = figures.get("intra_class_least")
    if smallest is not None and smallest < 2:
        yield f"a class has {smallest} images on one side, and a distance within it takes 2: judge more"
    elif smallest is not None and smallest <= dims:
        beside = "read it beside the floor, or judge more" if record["floor_samples"] else "judge more"
        yield (
            f"the smallest class has {smallest:,} images on one side, for {dims:,} features: the distance within it is "
            f"too large by much of itself; {beside}"
        )
