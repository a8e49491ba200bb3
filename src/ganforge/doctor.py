"""The doctor of a running game: hears every tick, says each finding once, when it begins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ganforge.diagnosis import FINDINGS, Finding, Trace, diagnose
from ganforge.io.folder import RunFolder

__all__ = ["HEALED", "Doctor"]

HEALED = "healed"  # what a line of findings.jsonl is called that records a change of the recipe


@dataclass
class Doctor:
    """What is known of a run so far.

    Attributes:
        recipe: the recipe's sections.
        rows: the ticks' records.
        known: names of the findings that were said.
        present: the findings that show now, the surest first.
    """

    recipe: Mapping[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    present: list[Finding] = field(default_factory=list)

    @classmethod
    def of(cls, folder: RunFolder, recipe: Mapping[str, Any]) -> "Doctor":
        """A doctor who has read what a run's folder holds; of a healed run, what came after the last change."""
        rows, said = folder.records("ticks"), folder.records("findings")
        since = next((r["images"] for r in reversed(said) if r["finding"] == HEALED), -1)
        return cls(
            recipe, [r for r in rows if r["images"] > since], {r["finding"] for r in said if r["images"] > since}
        )

    def hears(self, record: Mapping[str, Any]) -> list[Finding]:
        """The findings that a new tick's record brings about."""
        self.rows.append(dict(record))
        self.present = diagnose(Trace.of(self.rows, recipe=self.recipe))
        new = [f for f in self.present if f.name not in self.known]
        self.known |= {f.name for f in new}
        return new

    def certifies(self, record: Mapping[str, Any]) -> Finding:
        """The finding of a game that has gone to infinity."""
        self.rows.append(dict(record))
        found = FINDINGS["not_finite"].check(Trace.of(self.rows, recipe=self.recipe))
        assert isinstance(found, Finding)
        self.present = [found]
        return found
