"""The report of a run: one HTML page that needs nothing beside itself, made from what the run's folder holds."""

import html
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from ganforge.io.disk import write_whole
from ganforge.io.folder import RunFolder
from ganforge.io.page import address, template

__all__ = ["write_report"]

MOST_GRIDS = 24
MOST_TICKS = 2_000
NAMES = {
    "frechet_distance": "Fréchet distance",
    "kernel_distance": "Kernel distance",
    "sliced_distance": "Sliced Wasserstein distance",
    "classifier_score": "Classifier score",
}
PARTS = {"test": "the test split", "held_out": "held-out training images", "train": "the training split"}
HIGHER = ("_score", "_found", "_quality", "precision", "recall", "density", "coverage", "accuracy")
LOWER = ("_distance", "_loss", "_divergence")
SPREADS = ("_error", "_standard_error", "_deviation")  # how sure the figure before it is
MEMBER = re.compile(r"^(.+)_(\d+)$")

T = TypeVar("T")


def write_report(folder: RunFolder) -> Path:
    """Writes `report.html` into the run's folder, whole or not at all, and returns its path.

    Figures beside their floor, the sample grids over time, every curve, findings, recipe, machine and command. The page
    opens from the disk with no network, in a light or a dark scheme, and stays small: at most 24 grids and 2,000 ticks,
    evenly chosen, the first and the last among them. A run without ticks or judgements gets a page that says so.

    Raises:
        CheckpointError: a record is altered, or the page can't be written.
    """
    data = _data(folder)
    page = template("report.html")
    page = page.replace("__TITLE__", html.escape(data["title"])).replace("__DATA__", _embedded(data))
    path = folder.path / "report.html"
    write_whole(path, page.encode())
    return path


def _data(folder: RunFolder) -> dict[str, Any]:
    """All that the page shows, as JSON's types."""
    ticks, evaluations = folder.records("ticks"), folder.records("evaluations")
    final = _final(evaluations)
    return {
        "title": folder.path.resolve().name,
        "verdict": _verdict(folder, ticks, final),
        "facts": _facts(folder, ticks),
        "final": final and {"about": _about(final), "rows": _rows(final), "shares": _shares(final)},
        "best": _best(folder),
        "every": max(1, math.ceil(len(ticks) / MOST_TICKS)),
        "ticks": _columns(_thinned(ticks, MOST_TICKS)),
        "judgements": _curves(evaluations),
        "grids": [grid for path in _thinned(folder.samples(), MOST_GRIDS) if (grid := _picture(path))],
        "findings": folder.records("findings"),
        "disagreement": _disagreement(folder, ticks, evaluations),
        "recipe": folder.recipe(),
        "environment": folder.environment(),
        "command": folder.command(),
    }


def _embedded(data: Mapping[str, Any]) -> str:
    """JSON that may stand inside a script element: no `<` and no `&`, whatever a text says."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _thinned(items: Sequence[T], most: int) -> list[T]:
    """At most so many, evenly chosen, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _final(evaluations: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The last judgement of the finished run, on the test split; without one, the last of all."""
    tested = [record for record in evaluations if record.get("final") or record.get("split") == "test"]
    return next(reversed([*evaluations, *tested]), None)


def _verdict(folder: RunFolder, ticks: Sequence[Mapping[str, Any]], final: Mapping[str, Any] | None) -> str:
    """The run in a sentence or two."""
    if final is None and not ticks:
        return "Nothing recorded yet."
    if final is None:
        seen = _count(ticks[-1].get("images"))
        return f"Not judged yet, after {seen} images seen. Judge it with: ganforge evaluate {folder.path}"
    rows = _rows(final)
    if not rows:
        return "Judged, without a figure."
    first, *others = rows
    floor = f"; real images reach {_short(first['floor'])}" if first["floor"] is not None else ""
    rest = ", ".join(f"{row['name'].lower()} {_short(row['value'])}" for row in others[:4])
    return f"{first['name']} {_short(first['value'])}{floor}. " + (f"{rest[:1].upper()}{rest[1:]}." if rest else "")


def _facts(folder: RunFolder, ticks: Sequence[Mapping[str, Any]]) -> list[str]:
    """What stands in small print below the title."""
    environment = folder.environment()
    facts = [f"{_count(ticks[-1].get('images'))} images seen"] if ticks else []
    facts += [f"{duration} of training"] if (duration := _duration(ticks)) else []
    facts += [str(environment["device"]).replace("cpu", "CPU")] if "device" in environment else []
    return facts + ([f"ganforge {environment['ganforge']}"] if "ganforge" in environment else [])


def _duration(ticks: Sequence[Mapping[str, Any]]) -> str:
    """Time in training, from images and images per second, so that pauses and resumed runs count rightly."""
    seconds, before = 0.0, 0
    for tick in ticks:
        seconds += (tick["images"] - before) / (tick.get("images_per_second") or math.inf)
        before = tick["images"]
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s" if seconds else ""
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 90 else f"{minutes} min"


def _about(record: Mapping[str, Any]) -> str:
    """What the figures are of."""
    part = PARTS.get(record.get("split", ""), str(record.get("split", "")))
    model = record.get("model") or f"the run after {_count(record.get('images'))} images seen"
    known = [model, part and f"against {part}", record.get("protocol")]
    return ", ".join(str(text) for text in known if text)


def _rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table of figures: name, value, error, floor, and which way is better."""
    figures, floor = _numbers(record.get("figures")), _numbers(record.get("floor"))
    members = {f"{group}_{name}" for group, entries in _shares(record).items() for name in entries}
    return [
        {
            "name": _name(key),
            "value": value,
            "error": next((figures[key + ending] for ending in SPREADS if key + ending in figures), None),
            "floor": floor.get(key),
            "better": "lower" if key.endswith(LOWER) else "higher" if key.endswith(HIGHER) else "",
        }
        for key, value in figures.items()
        if not key.endswith(SPREADS) and key not in members
    ]


def _shares(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Figures that come one a class: `share_0`, `share_1`, ... or a mapping or list by itself."""
    groups: dict[str, dict[str, Any]] = {}
    for key, value in (record.get("figures") or {}).items():
        if isinstance(value, list):
            value = dict(enumerate(value))
        if isinstance(value, Mapping):
            groups[key] = {str(name): entry for name, entry in value.items() if _is_number(entry)}
        elif member := MEMBER.match(key):
            groups.setdefault(member[1], {})[member[2]] = value
    return {name: group for name, group in groups.items() if len(group) > 1}


def _curves(evaluations: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Figure -> series (a split each) -> points over images seen, with the last floor of the series."""
    curves: dict[str, dict[str, Any]] = {}
    for record in evaluations:
        series = PARTS.get(record.get("split", ""), str(record.get("split", "")))
        floors = _numbers(record.get("floor"))
        for key, value in _numbers(record.get("figures")).items():
            if key.endswith(SPREADS) or MEMBER.match(key):
                continue
            curve = curves.setdefault(_name(key), {}).setdefault(series, {"points": [], "floor": None})
            curve["points"].append([record.get("images", 0), value])
            curve["floor"] = floors.get(key, curve["floor"])
    return curves


def _columns(ticks: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Key -> numbers over all ticks, six digits each, null where a tick has none."""
    keys = dict.fromkeys(key for tick in ticks for key, value in tick.items() if _is_number(value))
    return {key: [_rounded(tick.get(key), whole=key == "images") for tick in ticks] for key in keys}


def _rounded(value: Any, whole: bool) -> Any:
    if not _is_number(value):
        return None
    return value if whole else float(f"{value:.6g}")


def _best(folder: RunFolder) -> str:
    """Which checkpoint was chosen, and by what."""
    mark = folder.best_mark()
    if mark is None:
        return ""
    name, figure = _name(str(mark.get("name", ""))), mark.get("figure")
    return f"Best checkpoint: {folder.checkpoint(mark['images']).name}, {name} {_short(figure)}"


def _disagreement(
    folder: RunFolder, ticks: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any]]
) -> str:
    """Which checkpoint the generator's loss would have chosen, beside the one that the figure chose."""
    mark, losses = folder.best_mark(), {t["images"]: t.get("loss_generator") for t in ticks}
    name = str(mark.get("name", "")) if mark else ""
    figures = {r["images"]: (r.get("figures") or {}).get(name) for r in evaluations if not r.get("final")}
    both = [i for i, figure in figures.items() if _is_number(figure) and _is_number(losses.get(i))]
    if mark is None or len(both) < 2:
        return ""
    least = min(both, key=lambda i: float(losses[i] or 0.0))
    words = (
        f"By the generator’s loss it would be {least:,} images seen ({_name(name).lower()} {_short(figures[least])})"
    )
    agree = "; here both agree" if least == mark["images"] else f", not {mark['images']:,} ({_short(mark['figure'])})"
    return (
        f"{words}{agree}. A GAN’s loss is measured against an opponent that moves, so it says little about the samples."
    )


def _picture(path: Path) -> dict[str, Any] | None:
    """A sample grid as a data address; None where the file is broken."""
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            size, source = picture.size, address(picture, data)
    except (OSError, SyntaxError, ValueError):
        return None
    return {"images": int(path.stem), "width": size[0], "height": size[1], "source": source}


def _numbers(figures: Any) -> dict[str, Any]:
    """The entries that are a number each, or null where a number was not finite."""
    return {k: v for k, v in (figures or {}).items() if v is None or _is_number(v)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(key: str) -> str:
    return NAMES.get(key, key.replace("_", " ").capitalize())


def _count(images: Any) -> str:
    return f"{images:,}" if isinstance(images, int) else "0"


def _short(value: Any) -> str:
    """Three digits that count, as the page's script writes them."""
    if value is None:
        return "not finite"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")
