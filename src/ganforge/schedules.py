"""Numbers that change with images seen: learning rates, penalty weights.

Wherever a signature says `Number`, a recipe may write a number or a table:

    gamma = { schedule = "cosine", start = 1.0, end = 0.1, images = 1_000_000, delay = 50_000 }
"""

import dataclasses
import math
from bisect import bisect_right
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, TypeAdapter, ValidationError

__all__ = ["CURVES", "Cosine", "Exponential", "Linear", "Number", "Schedule", "Steps", "at"]

Images = Annotated[int, Field(gt=0)]


@dataclasses.dataclass(frozen=True)
class Linear:
    """A straight line from `start` to `end` over `images`, constant after it."""

    start: float
    end: float
    images: Images

    @property
    def extremes(self) -> tuple[float, ...]:
        return self.start, self.end

    def value(self, images: int) -> float:
        if images >= self.images:
            return self.end
        return self.start + (self.end - self.start) * (images / self.images)


@dataclasses.dataclass(frozen=True)
class Cosine:
    """Half a cosine from `start` to `end` over `images`, constant after it: flat at both ends (Loshchilov 2017)."""

    start: float
    end: float
    images: Images

    @property
    def extremes(self) -> tuple[float, ...]:
        return self.start, self.end

    def value(self, images: int) -> float:
        if images >= self.images:
            return self.end
        share = (1 - math.cos(math.pi * images / self.images)) / 2
        return self.start + (self.end - self.start) * share


@dataclasses.dataclass(frozen=True)
class Exponential:
    """From `start` to `end`, both positive, by the same factor each image: as long for .1 to .01 as for .01 to .001."""

    start: float
    end: float
    images: Images

    def __post_init__(self) -> None:
        if min(self.extremes) <= 0:
            raise ValueError(f"from start = {self.start} to end = {self.end} no factor leads; both must be over 0")

    @property
    def extremes(self) -> tuple[float, ...]:
        return self.start, self.end

    def value(self, images: int) -> float:
        if images >= self.images:
            return self.end
        return float(self.start * (self.end / self.start) ** (images / self.images))


@dataclasses.dataclass(frozen=True)
class Steps:
    """`values[0]` until `at[0]` images are seen, then `values[1]`, and so on: one value more than places."""

    values: tuple[float, ...]
    at: tuple[Images, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.at) + 1:
            raise ValueError(f"{len(self.at)} places in 'at' need {len(self.at) + 1} 'values', not {len(self.values)}")
        if list(self.at) != sorted(set(self.at)):
            raise ValueError(f"the places in 'at' must grow, and {list(self.at)} don't")

    @property
    def extremes(self) -> tuple[float, ...]:
        return self.values

    def value(self, images: int) -> float:
        return self.values[bisect_right(self.at, images)]


Curve = Linear | Cosine | Exponential | Steps
CURVES: dict[str, type[Curve]] = {"linear": Linear, "cosine": Cosine, "exponential": Exponential, "steps": Steps}


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A number as a function of images seen: a curve that starts `delay` images late.

    It compares with a number if all of its values do, so a parameter's bounds (`gt=0`) hold for a schedule too.

    >>> Schedule(Linear(start=1.0, end=0.0, images=100)).value(25)
    0.75
    >>> Schedule(Linear(start=1.0, end=0.0, images=100)) > 0  # it ends at 0
    False
    """

    curve: Curve
    delay: int = 0

    @classmethod
    def parsed(cls, table: Mapping[str, Any]) -> "Schedule":
        """The schedule of a recipe's table; ValueError with one sentence otherwise."""
        arguments = dict(table)
        name, delay = arguments.pop("schedule", None), arguments.pop("delay", 0)
        if name not in CURVES:
            raise ValueError(f"schedule = {name!r} is unknown; it can be {_listed(CURVES)}")
        if not isinstance(delay, int) or isinstance(delay, bool) or delay < 0:
            raise ValueError(f"delay = {delay!r} must be a number of images, 0 or more")
        return cls(_curve(name, arguments), delay)

    def table(self) -> dict[str, Any]:
        """What a recipe would say: `Schedule.parsed(schedule.table()) == schedule`."""
        name = next(name for name, curve in CURVES.items() if isinstance(self.curve, curve))
        fields = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self.curve).items()}
        return {"schedule": name} | fields | ({"delay": self.delay} if self.delay else {})

    def value(self, images: int) -> float:
        """Its value after so many images."""
        return self.curve.value(max(images - self.delay, 0))

    def __gt__(self, bound: float | int) -> bool:
        return min(self.curve.extremes) > bound

    def __ge__(self, bound: float | int) -> bool:
        return min(self.curve.extremes) >= bound

    def __lt__(self, bound: float | int) -> bool:
        return max(self.curve.extremes) < bound

    def __le__(self, bound: float | int) -> bool:
        return max(self.curve.extremes) <= bound


def _listed(names: Mapping[str, Any]) -> str:
    *most, last = (repr(name) for name in names)
    return f"{', '.join(most)} or {last}"


def _curve(name: str, arguments: dict[str, Any]) -> Curve:
    curve = CURVES[name]
    known = [field.name for field in dataclasses.fields(curve)]
    for key in set(arguments) - set(known):
        near = (get_close_matches(key, known) or known)[0]
        raise ValueError(f"schedule {name!r} has no {key!r}; did you mean {near!r}?")
    try:
        return TypeAdapter(curve).validate_python(arguments)
    except ValidationError as error:
        raise ValueError(f"schedule {name!r}: " + "; ".join(map(_sentence, error.errors()))) from None


def _sentence(mistake: Any) -> str:
    place = ".".join(map(str, mistake["loc"]))
    message = mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "missing":
        return f"{place!r} is missing"
    return f"{place} = {mistake['input']!r}: {message.lower()}" if place else message


def _number(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Schedule.parsed(value)
    if isinstance(value, Schedule):
        return value
    try:
        return float("a truth value is none" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is neither a number nor a table with a 'schedule' in it") from None


def _plain(value: Any) -> Any:
    return value.table() if isinstance(value, Schedule) else value


Number = Annotated[float | Schedule, BeforeValidator(_number), PlainSerializer(_plain)]


def at(number: float | int | Schedule, images: int) -> float:
    """A number's value after `images` images seen: itself, or its schedule's.

    >>> at(0.5, 10_000)
    0.5
    """
    return number.value(images) if isinstance(number, Schedule) else number
