"""What the sections of a recipe lead to: functions, and the parameters of theirs that a recipe may set.

A key of a section *is* a parameter of the function that the section reaches: its type, bounds, default and help stand
in that function's signature alone. So nothing here knows what a width or a learning rate is, and a new function brings
its keys along.
"""

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field
from pydantic.fields import FieldInfo

from ganforge import networks
from ganforge.augment import AUGMENTATIONS
from ganforge.data import TOYS, ImageStream, open_source
from ganforge.errors import RecipeError
from ganforge.games import GAMES
from ganforge.objectives import OBJECTIVES
from ganforge.optimizers import OPTIMIZERS
from ganforge.penalties import PENALTIES
from ganforge.settings import Averaging, Judging, Recording, Speed, Training
from ganforge.terms import TERMS

__all__ = ["SECTIONS", "Part", "Section", "Value", "tunable"]

Value = Any  # what TOML can hold


@dataclass(frozen=True)
class Part:
    """A function with the parameters that a recipe gives it."""

    function: Callable[..., Any]
    values: dict[str, Value]

    def __call__(self, *args: Any, **given: Any) -> Any:
        """The function's result; `given` are the parameters that a recipe doesn't know (shapes, penalties, ...)."""
        own = {k: v for k, v in self.values.items() if k in inspect.signature(self.function).parameters}
        try:
            return self.function(*args, **own, **given)
        except TypeError as error:
            if self.function.__module__.startswith("ganforge."):
                raise
            path = f"{self.function.__module__}.{self.function.__qualname__}"
            raise RecipeError(f"{path} can't stand here: {error}") from None


@dataclass(frozen=True)
class Section:
    """Where a section's keys lead: to fixed functions, or to the one that its `name` chooses from a table.

    Attributes:
        help: one line on what the section decides.
        functions: functions that share the section's keys; their tunable parameters are the keys. Beside a table, where
            a name leads that the table doesn't have: the chooser is then a parameter of theirs (a path, say).
        table: name -> function, if the section has a `name`.
        chooser: the key that chooses from the table.
        default: the name, where none is given.
        many: the section holds one sub-table for each name (penalties).
    """

    help: str
    functions: tuple[Callable[..., Any], ...] = ()
    table: Mapping[str, Callable[..., Any]] | None = None
    chooser: str = "name"
    default: str | None = None
    many: bool = False


def networks_with(player: str) -> dict[str, Callable[..., Any]]:
    """File name -> the class `player`, for every file of the networks room that has one."""
    files = [importlib.import_module(f"{networks.__name__}.{m.name}") for m in pkgutil.iter_modules(networks.__path__)]
    return {f.__name__.rsplit(".", 1)[1]: getattr(f, player) for f in files if hasattr(f, player)}


SECTIONS: dict[str, Section] = {
    "data": Section(
        "where the samples come from", (open_source, ImageStream), table=TOYS, chooser="source", default="mnist"
    ),
    "generator": Section("the network that makes samples", table=networks_with("Generator"), default="dcgan"),
    "discriminator": Section(
        "the network that tells real from fake", table=networks_with("Discriminator"), default="dcgan"
    ),
    "game": Section("who plays what", table=GAMES, default="noise"),
    "objective": Section("what both players want", table=OBJECTIVES, default="non_saturating"),
    "penalties": Section("terms on the discriminator, a sub-table each", table=PENALTIES, many=True),
    "terms": Section("terms on the generator, a sub-table each", table=TERMS, many=True),
    "augment": Section(
        "what every sample goes through before the discriminator sees it, a sub-table each",
        table=AUGMENTATIONS,
        many=True,
    ),
    "optimizer.generator": Section("how the generator learns", table=OPTIMIZERS, default="adam"),
    "optimizer.discriminator": Section("how the discriminator learns", table=OPTIMIZERS, default="adam"),
    "ema": Section("the average of the generator that is judged and sampled", (Averaging,)),
    "train": Section("how long, how large", (Training,)),
    "speed": Section("how the arithmetic is done", (Speed,)),
    "run": Section("what is written, how often", (Recording,)),
    "judge": Section("how checkpoints are compared", (Judging,)),
}


def tunable(functions: tuple[Callable[..., Any], ...]) -> dict[str, tuple[Any, Any]]:
    """Parameter -> (type with its help and bounds, default), for the parameters that a recipe may set.

    In this package those are the ones annotated with a `Field`; of a function from outside, also every keyword-only
    parameter with a default.
    """
    fields = {}
    for function in functions:
        foreign = not function.__module__.startswith("ganforge.")
        hints, parameters = signature_of(function, strict=not foreign)
        for name, parameter in parameters.items():
            hint = hints.get(name, Any)
            plainly = foreign and parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
            if any(isinstance(m, FieldInfo) for m in getattr(hint, "__metadata__", ())):
                fields[name] = (hint, parameter.default)
            elif plainly:
                fields[name] = (Annotated[hint, Field(description="")], parameter.default)
    return fields


def signature_of(
    function: Callable[..., Any], *, strict: bool
) -> tuple[dict[str, Any], Mapping[str, inspect.Parameter]]:
    """Type hints and parameters of a function or constructor; nothing where there is no way to know, unless strict."""
    constructor = isinstance(function, type) and not hasattr(function, "__dataclass_fields__")
    try:
        hints = typing.get_type_hints(function.__init__ if constructor else function, include_extras=True)
        return hints, inspect.signature(function).parameters
    except Exception:  # what stands in foreign annotations may need modules that aren't there
        if strict:
            raise
        return {}, {}
