"""Recipes: load, override, check, write. Names become functions, keys become their parameters (see `sections`)."""

import contextlib
import difflib
import importlib.util
import inspect
import re
import tomllib
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from ganforge.errors import RecipeError
from ganforge.keys import deep_copy, each, fanned_out, put, toml_value
from ganforge.outside import imported
from ganforge.schedules import Schedule
from ganforge.sections import SECTIONS, Part, Section, Value, tunable

__all__ = [
    "DEFAULT",
    "Recipe",
    "literal",
    "load_recipe",
    "nearest",
    "override",
    "plain",
    "recipe_names",
    "resolve",
    "sourced",
    "to_toml",
]

DEFAULT = "dcgan_mnist_28"
MANY = {  # a key of each section of sub-tables, for examples
    "penalties": "penalties.r1.gamma=1",
    "terms": "terms.feature_matching.weight=1",
    "augment": "augment.instance_noise.sigma=.1",
}
STRICT = ConfigDict(arbitrary_types_allowed=True, extra="forbid", allow_inf_nan=False)
ASKED = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "a whole number is asked for"),
    **dict.fromkeys(("float_parsing", "float_type"), "a number is asked for"),
    "finite_number": "a finite number is asked for",
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false is asked for"),
    "tuple_type": "a list is asked for, in brackets",
}  # pydantic's kind of mistake -> what a reader of its sentence would want to know


@dataclass(frozen=True)
class Recipe:
    """A named table of sections; see `resolve` for the check and `ganforge recipe NAME` for all keys."""

    name: str
    sections: dict[str, Any]


def recipe_names() -> list[str]:
    """The recipes that ship with the package."""
    files = resources.files("ganforge.recipes").iterdir()
    return sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml"))


def load_recipe(name: str = DEFAULT) -> Recipe:
    """A recipe by its name, or from a TOML file by its path.

    Raises:
        RecipeError: if there is neither, or if the file isn't TOML.
    """
    if name in recipe_names():
        text = resources.files("ganforge.recipes").joinpath(f"{name}.toml").read_text()
    elif Path(name).suffix == ".toml":
        text = read_recipe_file(Path(name))
    else:
        raise RecipeError(
            f"there is no recipe {name!r}{nearest(name, recipe_names())}; `ganforge recipes` lists them, "
            f"and a file of your own is given by its path, ending in .toml"
        )
    return parse(text, Path(name).stem, origin=name)


def read_recipe_file(path: Path) -> str:
    """The text of a recipe file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"the recipe file {str(path)!r} can't be read ({error}); check the path") from None


def parse(text: str, name: str, *, origin: str) -> Recipe:
    """A recipe from TOML text."""
    try:
        return Recipe(name, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{origin!r} is not valid TOML: {error}; mend that line") from None


def override(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """The recipe with `dotted.key=value` settings applied, later ones last; `optimizer.both.key` sets both players'.

    A value is read as TOML, and as a string where it isn't TOML. `section=name` replaces the whole section by that
    name's defaults: `objective=hinge` is the hinge objective and nothing that was left of another.

    Raises:
        RecipeError: for every setting that has no `=`, all at once.
    """
    settings = list(settings)
    if wrong := [s for s in settings if "=" not in s]:
        raise RecipeError(*(f"{s!r} is no setting; write it as key=value, for instance train.batch=64" for s in wrong))
    sections = deep_copy(recipe.sections)
    for setting in settings:
        key, text = setting.split("=", 1)
        for one in each(key.strip()):
            put(sections, one, toml_value(text.strip()))
    return Recipe(recipe.name, sections)


def sourced(recipe: Recipe, source: str | None) -> Recipe:
    """The recipe with other data: keys of its [data] that these have too stay, those of the former alone are gone.

    >>> sourced(Recipe("eight", {"data": {"source": "ring", "sigma": 0.05, "held_out": 99}}), "a.csv").sections["data"]
    {'source': 'a.csv', 'held_out': 99}
    """
    if source is None:
        return recipe
    kept = recipe.sections.get("data", {})
    with contextlib.suppress(RecipeError):  # `resolve` says it, with all other mistakes
        known = tunable(functions_of(SECTIONS["data"], source))
        kept = {key: value for key, value in kept.items() if key in known}
    return Recipe(recipe.name, deep_copy(recipe.sections) | {"data": kept | {"source": source}})


def resolve(recipe: Recipe) -> dict[str, Any]:
    """Section -> `Part` (a dict of them for `penalties`), checked and with every default filled in.

    Raises:
        RecipeError: every mistake in the recipe at once, a sentence each.
    """
    flat, mistakes = flatten(recipe.sections)
    parts: dict[str, Any] = {}
    for key, section in SECTIONS.items():
        values = flat.get(key, {})
        if section.many:
            parts[key] = {n: part(f"{key}.{n}", section, {"name": n, **v}, mistakes) for n, v in subtables(values)}
            odd = [(n, v) for n, v in values.items() if not isinstance(v, dict)]
            mistakes += [f"{key}.{n} = {v!r}: set one of its keys instead, as in {MANY[key]}" for n, v in odd]
        else:
            parts[key] = part(key, section, values, mistakes)
    if mistakes:
        raise RecipeError(*mistakes)
    return parts


def subtables(values: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The entries that are tables."""
    return [(n, v) for n, v in values.items() if isinstance(v, dict)]


def flatten(sections: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Sections by their dotted names, and a sentence for each name that is none."""
    flat, mistakes = {}, []
    parents = {key.split(".")[0] for key in SECTIONS if "." in key}
    known = f"; there are: {', '.join(SECTIONS)}"
    for name, table in sections.items():
        if name not in parents and name not in SECTIONS:
            mistakes.append(f"there is no section {name!r}{nearest(name, parents | SECTIONS.keys()) or known}")
        elif not isinstance(table, dict):
            mistakes.append(f"{name} = {table!r}: it is a table of keys; set one of them, as in {example(name)}")
        elif name in SECTIONS:
            flat[name] = table
        else:
            inner, more = flatten_children(name, table)
            flat |= inner
            mistakes += more
    return flat, mistakes


def example(name: str) -> str:
    """A key of a section, as the command line would set it."""
    section = SECTIONS.get(name)
    if section is None or section.many:
        return MANY.get(name, f"{name}.generator.lr=1e-4")
    return f"{name}.{next(iter(tunable(section.functions)), 'name')}=..."


def flatten_children(parent: str, table: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The same for the sub-sections of a section such as [optimizer]."""
    flat, mistakes = {}, []
    names = [key.split(".")[1] for key in SECTIONS if key.startswith(f"{parent}.")]
    for name, child in fanned_out(table, names).items():
        if name in names and isinstance(child, dict):
            flat[f"{parent}.{name}"] = child
        else:
            whole = " and ".join(f"{parent}.{n}" for n in names)
            mistakes.append(f"{parent}.{name}: there are only {whole}; write for instance {parent}.{names[0]}.lr")
    return flat, mistakes


def part(key: str, section: Section, values: dict[str, Any], mistakes: list[str]) -> Part | None:
    """One section's function with its checked parameters; what is wrong is added to `mistakes`."""
    chosen = {} if section.table is None else {section.chooser: values.get(section.chooser, section.default)}
    try:
        functions = functions_of(section, chosen.get(section.chooser))
    except RecipeError as error:
        mistakes.append(f"{key}.{section.chooser}: {error}")
        return None
    names = {} if functions is section.functions else chosen
    rest = {k: v for k, v in values.items() if k not in names}
    checked = validated(key, functions, rest, mistakes)
    if section.table and section.chooser in rest and not rest.keys() <= tunable(functions).keys():
        there = ", ".join(section.table)
        mistakes.append(f"{key}.{section.chooser} = {rest[section.chooser]!r} is none of {there}, whose keys differ")
    return None if checked is None else Part(functions[0], names | checked)


def functions_of(section: Section, name: Value) -> tuple[Callable[..., Any], ...]:
    """The functions that a section's keys reach, given what stands at its chooser.

    Raises:
        RecipeError: for a name that leads nowhere.
    """
    if section.table is None:
        return section.functions
    known = isinstance(name, str) and (name in section.table or is_import_path(name))
    if section.functions and not known:
        return section.functions
    return (function_named(name, section),)


def is_import_path(name: str) -> bool:
    """Whether a dotted name begins with a package that can be imported, and nothing on the disk is called so."""
    words = name.split(".")
    if len(words) < 2 or not all(word.isidentifier() for word in words) or Path(name).exists():
        return False
    return importlib.util.find_spec(words[0]) is not None


def function_named(name: Value, section: Section) -> Callable[..., Any]:
    """A row of the section's table, or whatever a dotted import path leads to."""
    assert section.table is not None
    if isinstance(name, str) and name in section.table:
        return section.table[name]
    if not isinstance(name, str) or "." not in name:
        hint = nearest(str(name), section.table) or f"; there are: {', '.join(section.table)}"
        raise RecipeError(f"there is no {name!r}{hint}")
    return imported(name)


def validated(
    key: str, functions: tuple[Callable[..., Any], ...], values: dict[str, Any], mistakes: list[str]
) -> dict[str, Any] | None:
    """All parameters with their defaults, or None and a sentence for each mistake."""
    fields = tunable(functions)
    required = {n: (hint, ... if d is inspect.Parameter.empty else d) for n, (hint, d) in fields.items()}
    model = create_model("Section", __config__=STRICT, **required)  # type: ignore[call-overload]
    try:
        checked = model(**{name: unset(value, fields.get(name)) for name, value in values.items()})
    except ValidationError as error:
        mistakes += sentences(key, functions, list(fields), error)
        return None
    return {name: getattr(checked, name) for name in fields}


def unset(value: Value, field: tuple[Any, Any] | None) -> Value:
    """None where "none" stands for a parameter that may be None: TOML has no word for it."""
    optional = field is not None and type(None) in typing.get_args(typing.get_args(field[0])[0])
    return None if optional and value == "none" else value


def sentences(
    key: str, functions: tuple[Callable[..., Any], ...], known: list[str], error: ValidationError
) -> list[str]:
    """One sentence for each mistake that pydantic found."""
    found: dict[str, str] = {}
    for mistake in error.errors():
        name = str(mistake["loc"][0])
        where = f"{key}.{name}"
        if mistake["type"] == "extra_forbidden":
            owner = " and ".join(f.__name__ for f in functions)
            hint = nearest(name, known) or f"; it has: {', '.join(known) or 'none'}"
            found[where] = f"{where}: {owner} has no parameter {name!r}{hint}"
        elif mistake["type"] == "missing" and len(mistake["loc"]) > 1:  # a row of fixed length
            found[where] = f"{where} = {mistake['input']!r}: it has too few values"
        elif mistake["type"] == "missing":
            words = help_of(name, tunable(functions))
            found[where] = f"{where} is missing, and {functions[0].__name__} needs it ({words}); set {where}=..."
        elif where in found:  # a union reports each of its members
            continue
        else:
            found[where] = f"{where} = {mistake['input']!r}: {reason(mistake)}"
    return list(found.values())


def reason(mistake: Mapping[str, Any]) -> str:
    """Why a value can't stand where it does."""
    if mistake["input"] != mistake["input"]:
        return "this is no number"
    words = ASKED.get(mistake["type"], mistake["msg"].removeprefix("Value error, "))
    choices = re.findall("'([^']*)'", mistake["ctx"]["expected"]) if mistake["type"] == "literal_error" else []
    return words[:1].lower() + words[1:] + nearest(str(mistake["input"]), choices)


def nearest(word: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' for the most similar known word, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def plain(value: Any) -> Any:
    """A checked value as TOML can hold it."""
    return value.table() if isinstance(value, Schedule) else "none" if value is None else value


def literal(value: Any) -> str:
    """A value in TOML's notation, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(v) for v in value) + "]"
    return tomli_w.dumps({"value": value}).removeprefix("value = ").rstrip()


def to_toml(parts: Mapping[str, Any], *, comments: bool = True) -> str:
    """A resolved recipe as TOML with every key written out, each with its help behind it; it loads back as it was."""
    lines: list[str] = []
    for key, section in SECTIONS.items():
        children = parts[key].items() if section.many else [(None, parts[key])]
        if comments:
            lines.append(f"# {section.help}" + (f": {', '.join(section.table or ())}" if section.many else ""))
        for child, part in children:
            lines.append(f"[{key}.{child}]" if child else f"[{key}]")
            lines += key_lines(part, section, comments=comments)
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def key_lines(part: Part, section: Section, *, comments: bool) -> list[str]:
    """`key = value  # help` for one part."""
    fields = tunable(section.functions if part.function in section.functions else (part.function,))
    helps = {name: help_of(name, fields) for name in fields}
    if section.table is not None:
        helps[section.chooser] = choice_help(section)
    lines = []
    for name, value in part.values.items():
        if name == "name" and section.many:
            continue
        text = f"{name} = {literal(plain(value))}"
        lines.append(f"{text:<32} # {helps[name]}" if comments else text)
    return lines


def help_of(name: str, fields: dict[str, tuple[Any, Any]]) -> str:
    """The help that stands in the signature."""
    return next(m.description or "" for m in fields[name][0].__metadata__ if isinstance(m, FieldInfo))


def choice_help(section: Section) -> str:
    """What can stand at a section's chooser: the table's names, after what stands beside them."""
    beside = tunable(section.functions)
    words = [help_of(section.chooser, beside)] if section.chooser in beside else []
    return "; or ".join([*words, "one of " + ", ".join(section.table or ())])
