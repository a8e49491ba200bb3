"""What a run records, as plain arrays over its ticks: all that a finding may look at."""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ganforge.errors import CheckpointError

__all__ = ["Array", "Trace", "lasting", "read_trace", "travel"]

Array = np.ndarray


@dataclass(frozen=True)
class Trace:
    """A run's signals over images seen. Needs neither torch nor the networks.

    Attributes:
        images: images seen at each tick, (T,).
        signals: name -> its values, (T,) float64, NaN where a tick has none; see `Tick` and `Probe` for the names.
        places: shares of the fakes at each place, (T, K), rows of NaN where a tick has none; (T, 0) without any.
        bad: the first figure or tensor that was not finite, at the last tick that names one.
        judgements: figure's name -> ((images, value), ...), those that checkpoints were chosen by.
        recipe: the sections of the recipe, as TOML reads them; empty if unknown.

    >>> trace = Trace.of([{"images": 100, "d_real": 0.7}, {"images": 200, "d_real": None}])
    >>> trace["d_real"].tolist(), trace["no such signal"].tolist()
    ([0.7, nan], [nan, nan])
    """

    images: Array
    signals: dict[str, Array]
    places: Array
    bad: str = ""
    judgements: dict[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        ticks: Sequence[Mapping[str, Any]],
        evaluations: Iterable[Mapping[str, Any]] = (),
        recipe: Mapping[str, Any] | None = None,
    ) -> "Trace":
        """A trace from records, as a run folder's files hold them."""
        names = dict.fromkeys(k for tick in ticks for k, v in tick.items() if is_number(v) and k != "images")
        signals = {name: np.array([number(tick.get(name)) for tick in ticks]) for name in names}
        images = np.array([tick["images"] for tick in ticks], dtype=np.int64)
        bad = next((str(tick["bad"]) for tick in reversed(ticks) if tick.get("bad")), "")
        return cls(
            images, signals, stacked([tick.get("places") for tick in ticks]), bad, judged(evaluations), recipe or {}
        )

    def __getitem__(self, name: str) -> Array:
        """A signal over all ticks; NaN where there is none."""
        return self.signals.get(name, np.full(len(self.images), np.nan))

    def setting(self, key: str, default: Any = None) -> Any:
        """A key of the recipe by its dotted path; the default where the recipe has none."""
        value: Any = self.recipe
        for word in key.split("."):
            if not isinstance(value, Mapping) or word not in value:
                return default
            value = value[word]
        return value

    @property
    def passed(self) -> Array:
        """The share of the planned images seen at each tick; of the last tick's, where the plan is unknown."""
        planned = self.setting("train.images") or (self.images[-1] if len(self.images) else 1)
        return self.images / planned

    def probed(self, *names: str) -> "Trace":
        """The ticks alone at which all these signals were looked at."""
        there = ~np.any([np.isnan(self[name]) for name in names], axis=0)
        signals = {name: values[there] for name, values in self.signals.items()}
        return Trace(self.images[there], signals, self.places[there], self.bad, self.judgements, self.recipe)


def read_trace(path: Path) -> Trace:
    """The trace of a run folder.

    Raises:
        CheckpointError: if it is none, or a line of it is altered.
    """
    if not path.exists():
        raise CheckpointError(f"there is no {path}: name the folder of a run, the one that --out named.")
    if not (path / "recipe.toml").is_file():
        raise CheckpointError(f"{path} is no run, it holds no recipe.toml: name the folder that --out named.")
    try:
        recipe = tomllib.loads((path / "recipe.toml").read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path / 'recipe.toml'} is damaged ({error}); restore it from a copy") from None
    return Trace.of(lines(path / "ticks.jsonl"), lines(path / "evaluations.jsonl"), recipe)


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines; a torn last line is passed over."""
    whole = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    try:
        return [json.loads(line) for line in whole]
    except ValueError:
        raise CheckpointError(f"a line of {path} is altered, no JSON object: remove that line and go on.") from None


def is_number(value: object) -> bool:
    """Whether a record's entry is a signal; null stands for a number that was not finite."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def number(value: Any) -> float:
    """A record's entry as a float; NaN for null and for what isn't there."""
    return float("nan") if value is None else float(value)


def stacked(rows: Sequence[Sequence[float] | None]) -> Array:
    """Rows of one length as (T, K), NaN where there is none."""
    width = max((len(row) for row in rows if row is not None), default=0)
    nothing = [np.nan] * width
    return np.array([nothing if row is None else row for row in rows], dtype=np.float64).reshape(len(rows), width)


def judged(evaluations: Iterable[Mapping[str, Any]]) -> dict[str, tuple[tuple[int, float], ...]]:
    """Figure -> its points over images seen, final judgements left out."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for record in evaluations:
        for name, value in ({} if record.get("final") else record.get("figures", {})).items():
            if is_number(value) and value is not None:
                curves.setdefault(name, []).append((record["images"], float(value)))
    return {name: tuple(points) for name, points in curves.items()}


def lasting(condition: Array, least: int) -> int | None:
    """Where the run of True that reaches to the end begins, if it is at least so long; NaN counts as False.

    >>> lasting(np.array([True, False, True, True]), least=2)
    2
    """
    false = np.flatnonzero(~condition.astype(bool))
    start = int(false[-1]) + 1 if len(false) else 0
    return start if len(condition) - start >= max(least, 1) else None


def travel(looks: Trace) -> Array:
    """The share of the fakes that change their place from one look to the next, (T,); 0 at the first.

    >>> travel(Trace(np.arange(2), {}, np.array([[1.0, 0.0], [0.25, 0.75]]))).tolist()
    [0.0, 0.75]
    """
    return np.abs(np.diff(looks.places, axis=0, prepend=looks.places[:1])).sum(1) / 2
