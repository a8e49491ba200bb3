"""Every finding: it fires on its sick trace, and is silent on its own healthy one and everybody else's."""

from types import ModuleType

import numpy as np
import pytest

from ganforge.diagnosis import FINDINGS, Finding, Trace, diagnose
from ganforge.diagnosis.made import RECIPE
from ganforge.recipe import Recipe, override, resolve

SEEDS = range(20)
ROWS = pytest.mark.parametrize("name", FINDINGS)


def check(file: ModuleType, trace: Trace) -> Finding | None:
    return file.check(trace)


def test_there_are_findings() -> None:
    assert len(FINDINGS) >= 12


@ROWS
@pytest.mark.parametrize("seed", SEEDS)
def test_it_fires_on_a_sick_trace_with_numbers_and_a_remedy_that_a_recipe_takes(name: str, seed: int) -> None:
    trace = FINDINGS[name].sick(np.random.default_rng(seed))
    finding = check(FINDINGS[name], trace)
    assert finding is not None
    assert any(c.isdigit() for c in finding.evidence)
    assert 0.5 <= finding.certainty < 1
    assert trace.images[0] <= finding.since <= trace.images[-1]
    assert finding.text.endswith(".")
    key, _, value = finding.remedy.partition("=")
    assert key
    assert value
    before = Recipe("sick", dict(trace.recipe))
    changed = resolve(override(before, [finding.remedy]))
    assert {k: str(v) for k, v in changed.items()} != {k: str(v) for k, v in resolve(before).items()}


@ROWS
@pytest.mark.parametrize("seed", SEEDS)
def test_none_fires_on_a_healthy_trace(name: str, seed: int) -> None:
    trace = FINDINGS[name].healthy(np.random.default_rng(seed))
    assert diagnose(trace) == []


@ROWS
def test_none_fires_along_the_way_of_a_healthy_run(name: str) -> None:
    trace = FINDINGS[name].healthy(np.random.default_rng(0))
    assert [f.name for ticks in range(1, 51) for f in diagnose(first(trace, ticks))] == []


@ROWS
def test_it_fires_soon_and_not_at_once(name: str) -> None:
    trace = FINDINGS[name].sick(np.random.default_rng(3))
    fired = [n for n in range(1, 51) if check(FINDINGS[name], first(trace, n)) is not None]
    assert fired[-1] == 50
    assert fired == list(range(fired[0], 51)), "once there, it stays while the signals do"


@ROWS
@pytest.mark.parametrize("ticks", [0, 1, 2])
def test_a_short_or_empty_trace_is_no_matter(name: str, ticks: int) -> None:
    check(FINDINGS[name], first(FINDINGS[name].sick(np.random.default_rng(0)), ticks))
    check(FINDINGS[name], Trace.of([{"images": 10 * (k + 1)} for k in range(ticks)]))


def first(trace: Trace, ticks: int) -> Trace:
    """The beginning of a trace."""
    signals = {name: values[:ticks] for name, values in trace.signals.items()}
    return Trace(trace.images[:ticks], signals, trace.places[:ticks], trace.bad, recipe=trace.recipe)


def test_the_recipe_of_made_traces_resolves() -> None:
    resolve(Recipe("made", RECIPE))
