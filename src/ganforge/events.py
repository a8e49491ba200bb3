"""What a run tells whoever follows it, beside the ticks."""

from dataclasses import dataclass
from typing import Any

from ganforge.diagnosis import Finding

__all__ = ["Diagnosis", "Healed", "Judgement", "Stage"]


@dataclass(frozen=True)
class Stage:
    """Something that takes a while has begun."""

    text: str


@dataclass(frozen=True)
class Diagnosis:
    """A failure has begun to show."""

    finding: Finding


@dataclass(frozen=True)
class Healed:
    """The recipe was changed, and the game goes on from `images` seen."""

    finding: Finding
    images: int


@dataclass(frozen=True)
class Judgement:
    """The figures of a checkpoint; `best` if no earlier one was better, `final` if on the test split."""

    record: dict[str, Any]
    best: bool = False
    final: bool = False
