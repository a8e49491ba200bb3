"""Data faults: copies, channels without content, labels that are all one."""

import numpy as np

from ganforge.diagnosis.finding import Finding
from ganforge.diagnosis.made import RECIPE, made
from ganforge.diagnosis.trace import Trace

__all__ = ["check", "healthy", "sick"]

COPIES = 0.02


def check(trace: Trace) -> Finding | None:
    """Of some thousand training samples over 2 % are there before, bit for bit; or a channel of several is one number
    in all of them; or all their labels are the same. Known from the first look on.
    """
    looks = trace.probed("duplicates")
    if not len(looks.images):
        return None
    copies, channels, labels = (float(looks[k][-1]) for k in ("duplicates", "constant_channels", "labels"))
    faults = [
        (channels > 0, f"channels that are one number in all samples: {channels:.0f}", "data.channels=1"),
        (copies > COPIES, f"{copies:.1%} of the samples are copies of another one", "data.source=without_copies"),
        (labels == 1, "all labels are the same, 1 class", "data.source=with_all_classes"),
    ]
    found = [(evidence, remedy) for wrong, evidence, remedy in faults if wrong]
    if not found:
        return None
    return Finding(
        "data fault",
        int(looks.images[0]),
        " and ".join(evidence for evidence, _ in found),
        0.95,
        found[0][1],
        "The generator learns what the data are, faults and all; where the remedy names a source, it stands for your "
        "mended data.",
    )


def sick(rng: np.random.Generator) -> Trace:
    """One fault of the three."""
    fault = [{"duplicates": 0.3}, {"constant_channels": 2.0}, {"labels": 1.0}][int(rng.integers(3))]
    return Trace(**vars(made(rng, 0, **fault)) | {"recipe": RECIPE | {"data": {"source": "images"}}})


def healthy(rng: np.random.Generator) -> Trace:
    """Hardly a copy, ten classes."""
    return made(rng, 0, duplicates=float(rng.uniform(0, 0.01)), labels=10.0)
