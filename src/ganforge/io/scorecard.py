"""The scorecard of a judgement: Markdown, or one HTML page with pictures that needs nothing beside itself."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ganforge.errors import RecipeError
from ganforge.io.disk import write_whole
from ganforge.io.page import address, template

__all__ = ["Card", "Line", "Picture", "Point", "check_ending", "write_card"]

SIDE, LEFT, LOW, HIGH = 420, 44, 40, 14  # of the plane: its side, and what is left of, below and above the square


class Line(NamedTuple):
    """A figure beside the floor, as text, with a sentence on what it says."""

    name: str
    value: str
    floor: str
    says: str


class Picture(NamedTuple):
    """A picture with its title and what to see in it."""

    title: str
    note: str
    image: Image.Image


class Point(NamedTuple):
    """Recall and precision of a checkpoint."""

    images: int
    recall: float
    precision: float


@dataclass(frozen=True)
class Card:
    """All that a scorecard says.

    Attributes:
        title: what was judged.
        verdict: the result in a sentence or two.
        lines: a figure each.
        facts: the protocol, name -> text.
        notes: what a reader should hold against the figures, a sentence each.
        shares: class -> its share; nothing where there are no classes, or too many.
        pictures: title of a section -> its pictures; only for a page.
        path: the checkpoints of a run, earliest first; on a page beside the pictures of the first section.
        floor: recall and precision of real images.
        images: images seen by what was judged.
    """

    title: str
    verdict: str
    lines: Sequence[Line]
    facts: Mapping[str, str]
    notes: Sequence[str] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[str, Sequence[Picture]] = field(default_factory=dict)
    path: Sequence[Point] = ()
    floor: tuple[float, float] | None = None
    images: int = 0


def check_ending(path: Path) -> None:
    """A scorecard's path, before there is anything to write.

    Raises:
        RecipeError: if it ends in something else than .md or .html.
    """
    if path.suffix not in FORMS:
        raise RecipeError(f"{str(path)!r} is no kind of scorecard; end it in {' or '.join(FORMS)}")


def write_card(path: Path, card: Card) -> None:
    """Writes a card by the ending of its path, whole or not at all; parents are made.

    Raises:
        RecipeError: for another ending.
        CheckpointError: the disk is full or the place not writable; what was there before is untouched.
    """
    check_ending(path)
    write_whole(path, FORMS[path.suffix](card).encode())


def markdown(card: Card) -> str:
    """The card as Markdown, without pictures."""
    parts = [f"# {card.title}", card.verdict]
    parts.append(rows(("figure", "value", "real images", "what it says"), card.lines))
    if card.shares:
        parts.append("Share of each class: " + ", ".join(f"{name} {share:.1%}" for name, share in card.shares.items()))
    parts += card.notes
    if card.path:
        points = [(f"{p.images:,}", f"{p.precision:.3f}", f"{p.recall:.3f}") for p in card.path]
        parts += ["## Checkpoints", rows(("images seen", "precision", "recall"), points)]
    parts += ["## Protocol", "\n".join(f"- {name}: {text}" for name, text in card.facts.items())]
    return "\n\n".join(parts) + "\n"


def rows(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    cells = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells)


def page(card: Card) -> str:
    """The card as an HTML page."""
    figures = f'<div class="card figures"><h3>Figures</h3>{table(card)}{bars(card.shares)}</div>'
    notes = "".join(f'<p class="note">{escaped(note)}</p>' for note in card.notes)
    sections = {title: [sheet(p) for p in pictures] for title, pictures in card.pictures.items()}
    if card.path:
        sections.setdefault(next(iter(sections), "Checkpoints"), []).append(plane(card))
    drawn = "".join(section(title, cards) for title, cards in sections.items())
    facts = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(text)}</dd>" for name, text in card.facts.items())
    body = (
        f'<header><h1>{escaped(card.title)}</h1><p class="verdict">{escaped(card.verdict)}</p></header>'
        f'{figures}{notes}{drawn}<h2>Protocol</h2><div class="card"><dl>{facts}</dl></div>'
    )
    return template("scorecard.html").replace("__TITLE__", escaped(card.title)).replace("__BODY__", body)


def escaped(text: str) -> str:
    """Text that never becomes markup."""
    return html.escape(text)


def section(title: str, cards: Sequence[str]) -> str:
    """Cards under a title, two beside each other."""
    return f'<h2>{escaped(title)}</h2><div class="pair">{"".join(cards)}</div>'


def table(card: Card) -> str:
    """The figures."""
    head = "".join(f"<th>{name}</th>" for name in ("Figure", "Value", "Real images", "What it says"))
    lines = "".join(
        f'<tr><td>{escaped(line.name)}</td><td class="value">{escaped(line.value)}</td><td>{escaped(line.floor)}</td>'
        f'<td class="soft">{escaped(line.says)}</td></tr>'
        for line in card.lines
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def bars(shares: Mapping[str, float]) -> str:
    """The share of each class as bars."""
    if not shares:
        return ""
    high = max(*shares.values(), 1e-9)
    columns = "".join(
        f'<div style="height:{max(1.0, 100 * share / high):.1f}%" title="{escaped(name)}: {share:.1%}"></div>'
        for name, share in shares.items()
    )
    names = "".join(f"<span>{escaped(name)}</span>" for name in shares)
    title = f"Share of each class, {min(shares.values()):.1%} to {max(shares.values()):.1%}"
    return f'<div class="share"><h3>{title}</h3><div class="bars">{columns}</div><div class="ticks">{names}</div></div>'


def sheet(picture: Picture) -> str:
    """A picture in a card."""
    size = f'width="{picture.image.width}" height="{picture.image.height}"'
    image = f'<img {size} src="{address(picture.image)}" alt="{escaped(picture.title)}">'
    note = f'<p class="note">{escaped(picture.note)}</p>'
    return f'<div class="card sheet"><h3>{escaped(picture.title)}</h3>{image}{note}</div>'


def spot(recall: float, precision: float) -> tuple[float, float]:
    """Where a point of the plane is drawn."""
    span = SIDE - LEFT - HIGH
    return LEFT + recall * span, HIGH + (1 - precision) * span


def plane(card: Card) -> str:
    """The checkpoints in the plane of recall (to the right) and precision (upwards)."""
    places = [spot(p.recall, p.precision) for p in card.path]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = [
        f'<circle class="{"here" if p.images == card.images else "step"}" cx="{x:.1f}" cy="{y:.1f}" '
        f'r="{6 if p.images == card.images else 4}"><title>{p.images:,} images seen: precision {p.precision:.3f}, '
        f"recall {p.recall:.3f}</title></circle>"
        for p, (x, y) in zip(card.path, places, strict=True)
    ]
    ends = {card.path[0].images: places[0], card.path[-1].images: places[-1]}
    names = [f'<text class="name" x="{x + 9:.1f}" y="{y + 4:.1f}">{images:,}</text>' for images, (x, y) in ends.items()]
    if card.floor:
        x, y = spot(*card.floor)
        marks.append(f'<circle class="floor" cx="{x:.1f}" cy="{y:.1f}" r="6"><title>real images</title></circle>')
    drawn = f'{axes()}<polyline points="{line}"/>{"".join(marks)}{"".join(names)}'
    note = "A point for each checkpoint, its images seen at the first and the last. Ring: real images."
    note += " Orange: what is judged here." if any(p.images == card.images for p in card.path) else ""
    title = "Precision and recall over the checkpoints"
    return (
        f'<div class="card plane"><h3>{title}</h3><svg viewBox="0 0 {SIDE} {SIDE + LOW - HIGH}" role="img" '
        f'aria-label="{title}">{drawn}</svg><p class="note">{note}</p></div>'
    )


def axes() -> str:
    """Rules at every fifth, and their numbers."""
    (left, bottom), (right, top) = spot(0.0, 0.0), spot(1.0, 1.0)
    found = []
    for fifth in range(6):
        x, y = spot(fifth / 5, fifth / 5)
        kind = "rule" if fifth else "base"
        found += [
            f'<line class="{kind}" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>',
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{fifth / 5:g}</text>',
            f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{fifth / 5:g}</text>',
        ]
    middle = (left + right) / 2
    found.append(f'<text class="name" x="{middle}" y="{bottom + 34}" text-anchor="middle">recall</text>')
    upright = f'text-anchor="middle" transform="rotate(-90 12 {middle})"'
    found.append(f'<text class="name" x="12" y="{middle}" {upright}>precision</text>')
    return "".join(found)


FORMS: dict[str, Callable[[Card], str]] = {".md": markdown, ".html": page}
