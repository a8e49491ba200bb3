"""What a finding is: a failure with its name, its moment, its evidence and one change of the recipe against it."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Finding", "certainty", "count"]


@dataclass(frozen=True)
class Finding:
    """A failure that a trace shows.

    Attributes:
        name: what it is called, "mode collapse".
        since: images seen when it began.
        evidence: in words, with the numbers.
        certainty: how sure, from 0 to 1.
        remedy: one change of the recipe, KEY=VALUE, that would rebalance the game.
        meaning: a sentence on what goes wrong.
    """

    name: str
    since: int
    evidence: str
    certainty: float
    remedy: str
    meaning: str

    @property
    def text(self) -> str:
        """All of it in two sentences."""
        first = self.evidence[:1].upper() + self.evidence[1:]
        return f"{first} since {self.since:,} images seen ({self.certainty:.0%} sure). {self.meaning}"

    def record(self, images: int) -> dict[str, Any]:
        """A line of findings.jsonl, written when so many images were seen."""
        return {
            "images": images,
            "finding": self.name,
            "text": self.text,
            "since": self.since,
            "evidence": self.evidence,
            "certainty": self.certainty,
            "remedy": self.remedy,
        }


def certainty(excess: float, ticks: int, *, least: int) -> float:
    """From .5, where a threshold is just crossed for just long enough, towards 1.

    Args:
        excess: how far beyond the threshold, 0 at it and 1 where there is no doubt.
        ticks: for how many ticks.
        least: how many it takes to be noticed at all.

    >>> certainty(0.0, 5, least=5), certainty(1.0, 50, least=5)
    (0.5, 0.99)
    """
    depth = min(max(excess, 0.0), 1.0)
    length = min(max(ticks - least, 0) / (2 * least), 1.0)
    return round(min(0.5 + 0.3 * depth + 0.2 * length, 0.99), 2)


def count(ticks: int, what: str = "tick") -> str:
    """A number of ticks in words."""
    return f"{ticks} {what}{'' if ticks == 1 else 's'}"
