"""What `ganforge doctor` says of a run: its findings and the change against each, for people and for programs."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from ganforge.diagnosis import Finding, Trace, diagnose, read_trace
from ganforge.doctor import HEALED
from ganforge.io.folder import RunFolder
from ganforge.view import stdout

__all__ = ["Examination", "as_record", "as_words", "examine"]

FEW_LOOKS = 6  # mode collapse and mode hopping are judged by several in a row


@dataclass(frozen=True)
class Examination:
    """A run, looked at.

    Attributes:
        run: its folder.
        trace: what it recorded.
        found: what shows at its end, the surest first.
        said: the lines of its findings.jsonl.
    """

    run: Path
    trace: Trace
    found: Sequence[Finding]
    said: Sequence[Mapping[str, Any]]

    @property
    def images(self) -> int:
        """Images seen."""
        return int(self.trace.images[-1]) if len(self.trace.images) else 0

    @property
    def looks(self) -> int:
        """How often the samples were looked at."""
        return len(self.trace.probed("modes", "diversity").images)

    @property
    def past(self) -> list[Mapping[str, Any]]:
        """What was said along the way and doesn't show any more."""
        present = {f.name for f in self.found} | {HEALED}
        return [r for r in self.said if r["finding"] not in present]

    @property
    def healed(self) -> list[Mapping[str, Any]]:
        """The changes that healing has made."""
        return [r for r in self.said if r["finding"] == HEALED]

    @property
    def healthy(self) -> bool | None:
        """Whether nothing shows; None where too few looks were taken to say so."""
        return False if self.found else True if self.looks >= FEW_LOOKS else None


def examine(path: Path) -> Examination:
    """Diagnose a run by what stands in its folder.

    Raises:
        CheckpointError: if it is no run, or a line of it is altered.
    """
    trace = read_trace(path)
    return Examination(path, trace, diagnose(trace), RunFolder.open(path).records("findings"))


def as_record(seen: Examination) -> str:
    """One JSON object."""
    return json.dumps(
        {
            "run": str(seen.run),
            "healthy": seen.healthy,
            "looks": seen.looks,
            "findings": [f.record(seen.images) for f in seen.found],
            "past": seen.past,
            "healed": seen.healed,
        }
    )


def as_words(seen: Examination) -> str:
    """A verdict, or a table of the findings with the command that changes the recipe against each."""
    return "\n".join([*(sick(seen) if seen.found else well(seen)), *treatments(seen)])


def well(seen: Examination) -> Iterator[str]:
    """The verdict on a run without findings."""
    words = f"the {len(seen.trace.images):,} ticks up to {seen.images:,} images seen"
    if seen.healthy is None:
        taken = f"too few looks at the samples were taken to see a collapse by: {seen.looks} of at least {FEW_LOOKS}"
        remedy = "train with a smaller train.tick" + (
            "" if seen.trace.setting("run.probe", 0) == 1 else ", or with run.probe=1"
        )
        yield f"nothing found up to {seen.images:,} images seen, but {taken}; {remedy}"
    elif seen.past:
        yield f"healthy at the end of {words}; along the way, and gone by then: {gone(seen)}"
    else:
        yield f"healthy: nothing that ganforge knows is wrong in {words}"


def sick(seen: Examination) -> Iterator[str]:
    """The findings, and what to change."""
    title = f"{escape(str(seen.run))}  ·  {seen.images:,} images seen"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 1, 0))
    for column in ("finding", "since", "sure", "evidence"):
        table.add_column(column, justify="right" if column in {"since", "sure"} else "left", overflow="fold")
    for f in seen.found:
        table.add_row(f"[yellow]{f.name}[/yellow]", f"{f.since:,}", f"{f.certainty:.0%}", escape(f.evidence))
    yield rendered(table)
    yield "To rebalance the game, one change at a time, the surest first:"
    for remedy in dict.fromkeys(f.remedy for f in seen.found):
        yield f"  against {', '.join(f.name for f in seen.found if f.remedy == remedy)}:"
        yield f"  ganforge train {shlex.quote(str(seen.run / 'recipe.toml'))} {shlex.quote(remedy)}"
    if seen.past:
        yield f"along the way, and gone by now: {gone(seen)}"


def treatments(seen: Examination) -> Iterator[str]:
    """What was changed while it trained."""
    for r in seen.healed:
        yield f"healed along the way: {r['text']}"


def gone(seen: Examination) -> str:
    """What doesn't show any more, with its moments."""
    return ", ".join(f"{r['finding']} (said at {r['images']:,})" for r in seen.past)


def rendered(table: Table) -> str:
    """A table as text, in colours where stdout shows them."""
    with stdout.capture() as capture:
        stdout.print(table)
    return capture.get().rstrip("\n")
