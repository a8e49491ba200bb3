"""Dotted keys of a recipe: which entry of which table one means, and how its value is read."""

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from ganforge.sections import SECTIONS, Value

__all__ = ["deep_copy", "each", "fanned_out", "put", "toml_value"]

BOTH = "both"


def each(key: str) -> list[str]:
    """The keys that one stands for: `optimizer.both.lr` is every player's.

    >>> each("optimizer.both.lr")
    ['optimizer.generator.lr', 'optimizer.discriminator.lr']
    >>> each("train.batch")
    ['train.batch']
    """
    parent, word, rest = key.partition(f".{BOTH}")
    fans = word and (not rest or rest.startswith("."))
    return [f"{name}{rest}" for name in SECTIONS if fans and name.startswith(f"{parent}.")] or [key]


def fanned_out(table: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """A section's sub-tables, with what stands under `both` in each of these, where it has no such key itself.

    >>> fanned_out({"both": {"lr": 1.0}, "generator": {"lr": 2.0}}, ["generator", "discriminator"])
    {'generator': {'lr': 2.0}, 'discriminator': {'lr': 1.0}}
    """
    common = table.get(BOTH)
    if not isinstance(common, Mapping):
        return dict(table)
    own = {name: child for name, child in table.items() if name != BOTH}
    return own | {name: {**common, **child} for name in names if isinstance(child := own.get(name, {}), Mapping)}


def put(sections: dict[str, Any], key: str, value: Value) -> None:
    """Set one dotted key in place; `penalties.r1=none` takes that penalty out."""
    if key in SECTIONS and SECTIONS[key].table and not SECTIONS[key].many and not isinstance(value, dict):
        value = {SECTIONS[key].chooser: value}
    *path, last = key.split(".")
    if value == "none" and path and path[0] in SECTIONS and SECTIONS[path[0]].many and len(path) == 1:
        sections.get(path[0], {}).pop(last, None)
        return
    table = sections
    for word in path:
        if not isinstance(table.get(word), dict):
            table[word] = {}
        table = table[word]
    table[last] = value


def toml_value(text: str) -> Value:
    """A value as TOML reads it; anything that isn't TOML is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def deep_copy(table: Any) -> Any:
    """Nested tables, copied."""
    return {k: deep_copy(v) for k, v in table.items()} if isinstance(table, dict) else table
