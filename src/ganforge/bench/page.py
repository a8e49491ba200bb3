"""The table of a benchmark as Markdown."""

from collections.abc import Iterable, Mapping
from typing import Any

from ganforge.bench.modes import PUBLISHED, REMEDIES, SELECTED, SETS, written

__all__ = ["COLUMNS", "LEGEND", "cells", "markdown", "published"]

COLUMNS = ("set", "remedy", "steps", "seeds", "modes", "high quality", "reverse KL")
LEGEND = "Mean over seeds ± its standard error (the worst seed)."
FORMS = {"modes": ".1f", "quality": ".1%", "reverse_kl": ".3f"}

TRUNCATED = "samples kept where the generator's Jacobian is small (Tanielian et al. 2020), its norms parted in two"


def mean_error_worst(line: Mapping[str, Any], figure: str, form: str) -> str:
    """A figure's mean ± its standard error, and the worst seed's; the figure itself of a single seed."""
    mean, error, worst = (format(line[f"{figure}{kind}"], form) for kind in ("", "_error", "_worst"))
    return mean if line["seeds"] == 1 else f"{mean} ± {error} ({worst})"


def cells(line: Mapping[str, Any]) -> tuple[str, ...]:
    """A line of the summary as text: means ± standard errors, and the worst seed."""
    return (
        line["set"],
        line["remedy"],
        f"{line['steps']:,}",
        str(line["seeds"]),
        *(mean_error_worst(line, figure, form) for figure, form in FORMS.items()),
    )


def published(sets: Iterable[str]) -> list[tuple[str, ...]]:
    """What the paper reports of the sets, as rows of the same table."""
    return [
        (name, f"{who} (published)", "400,000", "", f"{modes}", f"{quality:.1%}", "")
        for name in sets
        for who, (modes, quality) in PUBLISHED[name].items()
    ]


def markdown(lines: Iterable[Mapping[str, Any]]) -> str:
    """All of it: ours and the published figures, set by set, then what each remedy's recipe says."""
    ours = sorted(lines, key=lambda line: (list(SETS).index(line["set"]), -line["quality"]))
    played = [name for name in SETS if any(line["set"] == name for line in ours)]
    rows = [("---",) * len(COLUMNS), *map(cells, ours), *published(played)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in (COLUMNS, *rows))
    used = {line["remedy"]: None for line in ours}
    keys = "\n".join(f"- `{name}`: {recipe(name)}" for name in used if name in REMEDIES)
    keys += "".join(f"\n- `{name}`: `{SELECTED[name]}`, {TRUNCATED}" for name in used if name in SELECTED)
    changes = "What each remedy changes of the protocol, written for a run of a million images:"
    return f"{table}\n\n{LEGEND} {changes}\n\n{keys}\n"


def recipe(remedy: str) -> str:
    """The keys of a remedy, for a run of a million images; set by set where they differ."""
    by_set = {name: written(remedy, name, 1_000_000) for name in SETS}
    first, *others = by_set.values()
    if all(keys == first for keys in others):
        return code(first)
    return "; ".join(f"{name}: {code(keys)}" for name, keys in by_set.items())


def code(keys: list[str]) -> str:
    """The keys as code, one after another."""
    return " ".join(f"`{key}`" for key in keys) or "the protocol as it stands"
