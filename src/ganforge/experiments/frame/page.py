"""An experiment's folder: figures.json, its plots, and a page that says what to look at."""

import html
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from ganforge.experiments.frame.experiment import Experiment, Outcome
from ganforge.experiments.frame.plots import save
from ganforge.io import environment
from ganforge.io.disk import write_whole
from ganforge.io.page import template
from ganforge.recipe import literal, plain

__all__ = ["write_index", "write_outcome"]


def write_outcome(outcome: Outcome, folder: Path, *, command: Sequence[str], one_of_many: bool = False) -> Path:
    """Write figures.json, every plot as PNG and SVG, and index.html; the page's path. One of many links to them all."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = outcome.plots()
    for name, figure in plots.items():
        save(figure, folder / name)
    record = outcome.record | {"command": shlex.join(command), "environment": environment("cpu")}
    write_whole(folder / "figures.json", (json.dumps(record, indent=1) + "\n").encode())
    page = folder / "index.html"
    up = '<p class="up"><a href="../index.html">all experiments</a></p>' if one_of_many else ""
    write_whole(page, whole(outcome.experiment.title, up + body(outcome, list(plots))).encode())
    return page


def write_index(outcomes: Sequence[Outcome], folder: Path) -> Path:
    """A page over all experiments: a card each, with its verdict and its first plot."""
    shown = sum(o.shown for o in outcomes)
    cards = "\n".join(card(o, folder) for o in outcomes)
    text = f'<h1>The phenomena of GANs</h1><p class="lead">{shown} of {len(outcomes)} shown.</p><div class="cards">'
    page = folder / "index.html"
    write_whole(page, whole("The phenomena of GANs", f"{text}{cards}</div>").encode())
    return page


def whole(title: str, content: str) -> str:
    """A page around its content."""
    page = template("page.html", Path(__file__).parent)
    return page.replace("__TITLE__", html.escape(title)).replace("__BODY__", content)


def card(outcome: Outcome, folder: Path) -> str:
    """An experiment on the page of all."""
    name = outcome.experiment.name
    first = min(picture.name for picture in (folder / name).glob("*.png"))
    return (
        f'<a class="card" href="{name}/index.html"><img src="{name}/{first}" alt="">'
        f"<h2>{html.escape(outcome.experiment.title)}</h2>{badge(outcome)}</a>"
    )


def badge(outcome: Outcome) -> str:
    """The verdict, its first word set off."""
    word = "shown" if outcome.shown else "not shown"
    rest = outcome.verdict.removeprefix(word)
    return f'<p class="verdict"><b class="{word.replace(" ", "-")}">{word}</b>{html.escape(rest)}</p>'


def body(outcome: Outcome, plots: Sequence[str]) -> str:
    """The page of one experiment."""
    experiment = outcome.experiment
    pictures = "".join(f'<a href="{p}.svg"><img src="{p}.png" alt="{html.escape(p)}"></a>' for p in plots)
    return "\n".join(
        [
            f"<h1>{html.escape(experiment.title)}</h1>",
            badge(outcome),
            f'<div class="plots">{pictures}</div>',
            '<div class="look">' + "".join(f"<p>{p}</p>" for p in paragraphs(experiment.module.LOOK)) + "</div>",
            "<h2>Figures</h2>" + figures_table(outcome),
            "<h2>What was checked</h2>" + checks_table(outcome),
            "<h2>Keys</h2>" + keys_table(experiment, outcome.settings),
            f"<p class='soft'>{outcome.seconds:.0f} seconds of one core. All numbers: "
            "<a href='figures.json'>figures.json</a></p>",
        ]
    )


def paragraphs(text: str) -> list[str]:
    """Paragraphs as HTML; `words` in backticks become code."""
    found = []
    for paragraph in text.strip().split("\n\n"):
        pieces = html.escape(" ".join(paragraph.split()), quote=False).split("`")
        found.append("".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces)))
    return found


def row(cells: Sequence[str], tag: str = "td") -> str:
    """A row of a table, from cells that are HTML already."""
    return "<tr>" + "".join(f"<{tag}>{c}</{tag}>" for c in cells) + "</tr>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls in its own box where the window is narrow."""
    return f'<div class="box"><table>{row(head, "th")}{"".join(row(r) for r in rows)}</table></div>'


def number(value: Any) -> str:
    """A figure, four digits of it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def figures_table(outcome: Outcome) -> str:
    """Single numbers: a row each, the median and every seed."""
    head = ["figure", "median", *(f"seed {t.seed}" for t in outcome.trials)]
    rows = [
        [html.escape(k.replace("_", " ")), f"<b>{number(v)}</b>", *(number(t.figures[k]) for t in outcome.trials)]
        for k, v in outcome.medians.items()
    ]
    return table(head, rows)


def checks_table(outcome: Outcome) -> str:
    """What must hold, seed by seed."""
    rows = [
        [str(t.seed), html.escape(words), "yes" if holds else "<b>no</b>"]
        for t in outcome.trials
        for words, holds in t.checks.items()
    ]
    return table(["seed", "it holds that", ""], rows)


def keys_table(experiment: Experiment, settings: dict[str, Any]) -> str:
    """Keys, what they were set to, and what they mean."""
    rows = []
    for name, (hint, _) in experiment.keys.items():
        words = next(m.description or "" for m in hint.__metadata__ if isinstance(m, FieldInfo))
        rows.append([f"<code>{name}={html.escape(literal(plain(settings[name])))}</code>", html.escape(words)])
    return table(["key", "what it is"], rows)
