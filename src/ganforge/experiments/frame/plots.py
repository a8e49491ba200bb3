"""One look for all plots: colours that everybody can tell apart, thin axes, no global state."""

from collections.abc import Iterable, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganforge.errors import GanforgeError
from ganforge.io.disk import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "FAKE", "REAL", "band", "columns", "panels", "require_matplotlib", "save", "style"]

# Okabe and Ito's palette: blue, vermilion, green, purple, orange, sky, black
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
REAL, FAKE = "#7a7f87", "#D55E00"

Row = Sequence[float | int]

STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#b9bcc2",
    "axes.grid": True,
    "axes.labelcolor": "#3b3f46",
    "axes.prop_cycle": None,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "font.size": 9.5,
    "grid.color": "#ececea",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "ganforge",
    "text.color": "#1d1f23",
    "xtick.color": "#63676f",
    "ytick.color": "#63676f",
}


def require_matplotlib() -> None:
    """Raise one sentence where matplotlib can't be imported.

    Raises:
        GanforgeError: naming the command that installs it.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except Exception as error:  # a broken installation raises whatever it likes
        raise GanforgeError(f"plots need matplotlib ({error}): pip install 'ganforge[plot]'") from None


def panels(
    columns: int = 1, rows: int = 1, *, width: float = 4.4, height: float = 3.2, **options: Any
) -> tuple["Figure", "list[Axes]"]:
    """A figure with a row of axes (or several, read row by row), `width` by `height` inches each."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(style()):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained", facecolor="white")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.ravel())


def style() -> Any:
    """The look, as matplotlib's settings."""
    from cycler import cycler

    return STYLE | {"axes.prop_cycle": cycler(color=list(COLOURS))}


def band(
    axes: "Axes", x: Sequence[float | int], rows: Iterable[Sequence[float | int]], *, label: str, color: str
) -> None:
    """A curve for several seeds: the median, and the span of all of them behind it."""
    table = np.array([list(row) for row in rows], dtype=float)
    axes.fill_between(x, np.nanmin(table, 0), np.nanmax(table, 0), color=color, alpha=0.18, linewidth=0)
    axes.plot(x, np.nanmedian(table, 0), color=color, label=label)


def columns(points: Sequence[Row]) -> tuple[list[float | int], list[float | int]]:
    """Points of the plane as their two columns."""
    return [p[0] for p in points], [p[1] for p in points]


def save(figure: "Figure", stem: Path) -> list[Path]:
    """The figure as PNG and as SVG, each written whole; the same figure gives the same bytes."""
    import matplotlib as mpl

    png, svg = BytesIO(), StringIO()
    with mpl.rc_context(style()):
        figure.savefig(png, format="png", dpi=144, metadata={"Software": "ganforge"})
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": "ganforge"})
    contents = {stem.with_suffix(".png"): png.getvalue(), stem.with_suffix(".svg"): svg.getvalue().encode()}
    for path, content in contents.items():
        write_whole(path, content)
    return list(contents)
