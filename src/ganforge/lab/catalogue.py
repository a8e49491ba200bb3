"""What a page's controls offer: the toolkit's own tables, keys, bounds, defaults and help, read off the signatures."""

import inspect
import typing
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from ganforge.lab.limits import BASE, LEAST, LONGEST, MOST, NAMES, WIDEST
from ganforge.plan import Plan
from ganforge.recipe import literal, plain
from ganforge.sections import SECTIONS, tunable

__all__ = ["catalogue", "changes", "settings_of"]

PLAIN = ("ema", "train")  # sections without a choice that a page may set


def catalogue() -> dict[str, Any]:
    """Section -> its help and its choices, each with what it is and its keys."""
    found: dict[str, Any] = {}
    for key, names in NAMES.items():
        section = SECTIONS[key]
        table = section.table or {}
        chooser = "source" if key == "data" else "name"
        found[key] = {
            "help": section.help,
            "chooser": chooser,
            "many": section.many,
            "choices": {name: {"help": about(table[name]), "keys": keys(key, (table[name],))} for name in names},
        }
    for key in PLAIN:
        found[key] = {"help": SECTIONS[key].help, "keys": keys(key, SECTIONS[key].functions)}
    return found


def about(function: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split("*Differs")[0].split())


def keys(section: str, functions: tuple[Any, ...]) -> dict[str, Any]:
    """Key -> its kind, default, bounds and help."""
    return {name: key(f"{section}.{name}", *field) for name, field in tunable(functions).items()}


def key(path: str, hint: Any, default: Any) -> dict[str, Any]:
    """One key as a control needs it."""
    inner, *marks = typing.get_args(hint)
    field = next(m for m in marks if isinstance(m, FieldInfo))
    found: dict[str, Any] = {"help": field.description or "", "kind": kind(inner)}
    if default is not inspect.Parameter.empty:
        found["default"] = plain(default) if not isinstance(default, tuple) else list(default)
    if typing.get_origin(inner) is typing.Literal:
        found["choices"] = list(typing.get_args(inner))
    for mark in field.metadata:
        found |= {word: getattr(mark, word) for word in ("ge", "gt", "le", "lt") if hasattr(mark, word)}
    found |= {"le": MOST[path]} if path in MOST else {}
    found |= {"ge": LEAST[path]} if path in LEAST else {}
    found |= {"longest": LONGEST[path]} if path in LONGEST else {}
    found |= {"widest": WIDEST} if path.endswith("hidden") else {}
    return found


def kind(hint: Any) -> str:
    """What a control for it looks like: a choice, a switch, a whole number, a number, or text in TOML."""
    if typing.get_origin(hint) is typing.Literal:
        return "choice"
    options = {hint, *typing.get_args(hint)} if typing.get_origin(hint) is not tuple else {tuple}
    for option, word in ((bool, "switch"), (float, "number"), (int, "whole")):
        if option in options or (option is float and "Number" in str(hint)):
            return word
    return "number" if "float" in str(hint) else "text"


def settings_of(plan: Plan) -> dict[str, Any]:
    """Every key of a plan that a page may know, by its dotted path."""
    found: dict[str, Any] = {}
    for key_, part in plan.parts.items():
        if key_ in NAMES and SECTIONS[key_].many:
            for name, inner in part.items():
                found |= {f"{key_}.{name}.{k}": readable(v) for k, v in inner.values.items() if k != "name"}
                found.setdefault(f"{key_}.{name}", True)
        elif key_ in NAMES or key_ in PLAIN:
            found |= {f"{key_}.{k}": readable(v) for k, v in part.values.items()}
    return found


def readable(value: Any) -> Any:
    """A value as JSON."""
    value = plain(value)
    return list(value) if isinstance(value, tuple) else value


def changes(sections: Mapping[str, Any]) -> list[str]:
    """The settings that make a recipe's sections of the lab's base recipe."""
    before, after = by_path(BASE.sections), by_path(sections)
    found: list[str] = []
    for path in dict.fromkeys([*before, *after]):
        if before.get(path) == after.get(path):
            continue
        old, new = before.get(path, {}), after.get(path, {})
        head = path.split(".")[0]
        if head in ("penalties", "terms", "augment"):
            found += [f"{path}=none"] if path not in after else [f"{path}={literal(new)}"]
            continue
        chooser = SECTIONS[path].chooser
        anew = SECTIONS[path].table is not None and (
            old.get(chooser) != new.get(chooser) or not old.keys() <= new.keys()
        )
        if anew and chooser in new:
            found.append(f"{path}={new[chooser]}")
            old = {chooser: new[chooser]}
        found += [f"{path}.{k}={literal(v)}" for k, v in new.items() if k not in old or old[k] != v]
    return found


def by_path(sections: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Sections and sub-tables by their dotted paths."""
    found: dict[str, dict[str, Any]] = {}
    for key_, table in sections.items():
        nested = key_ == "optimizer" or (key_ in SECTIONS and SECTIONS[key_].many)
        found |= {f"{key_}.{name}": inner for name, inner in table.items()} if nested else {key_: table}
    return found
