"""An experiment found by its file's name, and what its trials come to."""

import importlib
import inspect
import pkgutil
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ganforge import experiments
from ganforge.errors import RecipeError
from ganforge.experiments.frame.plots import style
from ganforge.keys import toml_value
from ganforge.recipe import nearest, plain, validated
from ganforge.sections import tunable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ENOUGH", "SEEDS", "Experiment", "Outcome", "Trial", "experiment_names", "load_experiment"]

SEEDS = 5
ENOUGH = 0.8  # the share of seeds in which a phenomenon must show

Figures = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """A phenomenon that can be performed.

    Attributes:
        name: as the command line takes it, `one-gaussian`.
        module: its file.
    """

    name: str
    module: ModuleType

    @property
    def title(self) -> str:
        """The first line of its docstring."""
        return (self.module.__doc__ or "").splitlines()[0].rstrip(".")

    @property
    def keys(self) -> dict[str, tuple[Any, Any]]:
        """Key -> (type with its help, default)."""
        return tunable((self.module.trial,))

    def settings(self, words: Iterable[str] = (), *, quick: bool = False, full: bool = False) -> dict[str, Any]:
        """All keys with their values: the defaults, what `quick` or `full` set, and `KEY=VALUE` words on top.

        Raises:
            RecipeError: every wrong word at once, a sentence each.
        """
        words = list(words)
        if wrong := [w for w in words if "=" not in w]:
            raise RecipeError(*(f"{w!r} is no setting; write it as key=value" for w in wrong))
        given = {key.strip(): toml_value(text.strip()) for key, text in (w.split("=", 1) for w in words)}
        return self.checked((self.module.QUICK if quick else self.module.FULL if full else {}) | given)

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The given keys checked, all others at their defaults."""
        mistakes: list[str] = []
        values = validated(self.name, (self.module.trial,), dict(given), mistakes)
        if values is None:
            raise RecipeError(*(m.replace("trial has no parameter", "this experiment has no key") for m in mistakes))
        return values

    def trial(self, seed: int, settings: Mapping[str, Any]) -> "Trial":
        """One performance."""
        figures = self.module.trial(seed=seed, **settings)
        return Trial(seed, figures, self.module.checks(figures))


@dataclass(frozen=True)
class Trial:
    """One performance of an experiment.

    Attributes:
        seed: what its randomness came from.
        figures: numbers, and rows of numbers for the plots.
        checks: what must hold, in words -> whether it does.
    """

    seed: int
    figures: Figures
    checks: dict[str, bool]

    @property
    def shown(self) -> bool:
        """Whether the phenomenon showed."""
        return all(self.checks.values())


@dataclass(frozen=True)
class Outcome:
    """What an experiment came to over its seeds."""

    experiment: Experiment
    settings: dict[str, Any]
    trials: list[Trial]
    seconds: float

    @property
    def shown(self) -> bool:
        """Whether the phenomenon showed in four fifths of the seeds."""
        return sum(t.shown for t in self.trials) >= ENOUGH * len(self.trials)

    @property
    def medians(self) -> dict[str, float]:
        """Figure -> its median over the seeds, for figures that are single numbers."""
        first = self.trials[0].figures
        numbers = [k for k, v in first.items() if isinstance(v, int | float)]
        return {k: statistics.median(t.figures[k] for t in self.trials) for k in numbers}

    @property
    def verdict(self) -> str:
        """One sentence: shown, or not shown, because."""
        count, total = sum(t.shown for t in self.trials), len(self.trials)
        if self.shown:
            return f"shown in {count} of {total} seeds: {self.experiment.module.CLAIM.format(**self.medians)}"
        failing = next(t for t in self.trials if not t.shown)
        broken = "; ".join(words for words, holds in failing.checks.items() if not holds)
        missed = f"in {total - count} of {total} seeds" if total > 1 else "in the one seed"
        return f"not shown, because {missed} it does not hold that {broken} (seed {failing.seed})"

    def plots(self) -> "dict[str, Figure]":
        """Name -> figure, in the look of all plots."""
        import matplotlib as mpl

        with mpl.rc_context(style()):
            return self.experiment.module.plots([t.figures for t in self.trials])

    @property
    def record(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "experiment": self.experiment.name,
            "shown": self.shown,
            "verdict": self.verdict,
            "settings": {k: plain(v) for k, v in self.settings.items()},
            "medians": self.medians,
            "seconds": round(self.seconds, 1),
            "trials": [
                {"seed": t.seed, "shown": t.shown, "checks": t.checks, "figures": t.figures} for t in self.trials
            ],
        }


def experiment_names() -> list[str]:
    """Every experiment, in the order of the alphabet."""
    return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(experiments.__path__) if not m.ispkg)


def load_experiment(name: str) -> Experiment:
    """An experiment by its name.

    Raises:
        RecipeError: if there is none of that name.
    """
    known = experiment_names()
    if name not in known:
        hint = nearest(name, known) or f"; there are: {', '.join(known)}"
        raise RecipeError(f"there is no experiment {name!r}{hint}")
    module = importlib.import_module(f"{experiments.__name__}.{name.replace('-', '_')}")
    assert inspect.signature(module.trial).parameters["seed"].kind is inspect.Parameter.KEYWORD_ONLY
    return Experiment(name, module)
