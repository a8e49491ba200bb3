"""What a page may say: one JSON object a message, its `kind` and nothing that isn't listed here.

Kinds that every instrument hears stand here; an instrument lists its own in its `MESSAGES`, kind -> model.
"""

import json
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ganforge.errors import RecipeError

__all__ = [
    "COMMON",
    "LARGEST",
    "STRICT",
    "Event",
    "Hide",
    "Open",
    "Seen",
    "Stated",
    "adapter",
    "message_of",
    "sentence",
]

LARGEST = 16_384  # bytes of a message

Setting = Annotated[str, Field(max_length=8_000, min_length=3)]
Stated = Annotated[tuple[Setting, ...], Field(max_length=64)]
Event = tuple[Annotated[int, Field(ge=0, le=10**9)], Literal["set", "generator", "discriminator"], Setting | str]


STRICT = ConfigDict(extra="forbid", strict=True)
"""How every message is checked: no key that isn't declared, no number for a string."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Open:
    """Take a seat: an instrument, and the state that a link holds."""

    kind: Literal["open"]
    instrument: Annotated[str, Field(max_length=40, pattern="^[a-z0-9_]+$")]
    link: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Seen:
    """A frame was drawn; until then no more than two are under way."""

    kind: Literal["seen"]
    frame: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Hide:
    """The tab is hidden, or shown again: a hidden one doesn't play."""

    kind: Literal["hide"]
    on: bool


COMMON: dict[str, type] = {"open": Open, "seen": Seen, "hide": Hide}


@lru_cache
def adapter(kind: type) -> Any:
    """What checks a kind of message: pydantic's TypeAdapter."""
    return TypeAdapter(kind)


def message_of(text: str | bytes, kinds: Mapping[str, type]) -> Any:
    """A message, checked.

    Raises:
        RecipeError: with one sentence, for whatever is wrong with it.
    """
    if isinstance(text, bytes):
        raise RecipeError("a message is JSON text, not bytes; send it as text")
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        raise RecipeError(f"a message has up to {LARGEST} bytes, and this one has {len(text)}; say less at once")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise RecipeError(f"{text[:40]!r} is no JSON; send one object a message") from None
    kind = told.get("kind") if isinstance(told, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise RecipeError(f"there is no message of the kind {kind!r:.40}; there are: {', '.join(kinds)}")
    try:
        return adapter(kinds[kind]).validate_json(text)
    except (ValidationError, RecursionError) as error:
        raise RecipeError(f"{kind}: {sentence(error)}") from None


def sentence(error: Exception) -> str:
    """The first of pydantic's complaints, in words."""
    if not isinstance(error, ValidationError):
        return "it is nested too deeply; say it flatly"
    first = error.errors(include_url=False)[0]
    where = ".".join(str(word) for word in first["loc"]) or "it"
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"it has no key {where[:40]!r}; leave it out"
    return f"{where[:40]} = {first['input']!r:.60}: {first['msg'][:1].lower()}{first['msg'][1:]}"
