"""Diagnosis: what a run records, and what it shows of the ways in which games fail. One file a finding.

A finding's file has `check(trace)`, pure, which gives a `Finding` or None; `sick(rng)`, a trace on which it fires; and
`healthy(rng)`, a trace that comes close and on which neither it nor any other fires. It is found by its name.
"""

import importlib
import pkgutil
from types import ModuleType

from ganforge.diagnosis.finding import Finding
from ganforge.diagnosis.trace import Trace, read_trace

__all__ = ["FINDINGS", "Finding", "Trace", "diagnose", "read_trace"]

_FILES = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]

FINDINGS: dict[str, ModuleType] = {f.__name__.rsplit(".", 1)[1]: f for f in _FILES if hasattr(f, "check")}
"""File name -> the file, with its `check`, `sick` and `healthy`."""


def diagnose(trace: Trace) -> list[Finding]:
    """Everything that a trace shows, the surest first.

    >>> import numpy as np
    >>> from ganforge.diagnosis import dominance
    >>> [finding.name for finding in diagnose(dominance.sick(np.random.default_rng(0)))][:1]
    ['discriminator dominance']
    """
    found = [finding for file in FINDINGS.values() if (finding := file.check(trace)) is not None]
    return sorted(found, key=lambda finding: -finding.certainty)
