"""Numbers over images seen."""

from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError

from ganforge.schedules import CURVES, Number, Schedule, at

TABLES = {
    "linear": {"schedule": "linear", "start": 1.0, "end": 0.0, "images": 100},
    "cosine": {"schedule": "cosine", "start": 2e-4, "end": 5e-5, "images": 1000},
    "exponential": {"schedule": "exponential", "start": 1e-1, "end": 1e-4, "images": 1000},
    "steps": {"schedule": "steps", "values": [1.0, 0.5, 0.1], "at": [100, 200]},
}


class Section(BaseModel):
    rate: Annotated[Number, Field(gt=0)] = 1.0


def test_every_kind_has_a_table_here() -> None:
    assert set(TABLES) == set(CURVES)


def test_a_plain_number_is_itself() -> None:
    assert at(0.5, 0) == at(0.5, 10**9) == 0.5


def middle(kind: str, start: float, end: float) -> float:
    """What stands half-way."""
    return (start * end) ** 0.5 if kind == "exponential" else (start + end) / 2


@pytest.mark.parametrize("kind", ["linear", "cosine", "exponential"])
def test_curves_start_and_end_exactly_and_stay(kind: str) -> None:
    table = TABLES[kind]
    schedule = Schedule.parsed(table)
    start, end, images = table["start"], table["end"], table["images"]
    assert at(schedule, 0) == start
    assert at(schedule, images) == at(schedule, 10 * images) == end
    assert at(schedule, images // 2) == pytest.approx(middle(kind, start, end))
    values = [at(schedule, seen) for seen in range(0, images + 1, 10)]
    assert values == sorted(values, reverse=True)


def test_no_factor_leads_to_nothing() -> None:
    with pytest.raises(ValueError, match="both must be over 0"):
        Schedule.parsed(TABLES["exponential"] | {"end": 0.0})


def test_steps_change_at_their_places() -> None:
    schedule = Schedule.parsed(TABLES["steps"])
    assert [at(schedule, images) for images in (0, 99, 100, 199, 200, 10**6)] == [1, 1, 0.5, 0.5, 0.1, 0.1]


@pytest.mark.parametrize("kind", TABLES)
def test_a_delay_shifts_the_curve(kind: str) -> None:
    plain, late = Schedule.parsed(TABLES[kind]), Schedule.parsed(TABLES[kind] | {"delay": 40})
    assert at(late, 0) == at(late, 40) == at(plain, 0)
    assert all(at(late, images + 40) == at(plain, images) for images in range(0, 1200, 37))


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("delay", [{}, {"delay": 7}])
def test_tables_survive_the_way_through_a_model(kind: str, delay: dict) -> None:
    section = (
        Section(rate=TABLES[kind] | delay) if kind != "linear" else Section(rate=TABLES[kind] | delay | {"end": 0.1})
    )
    again = Section(**section.model_dump())
    assert again == section
    assert section.model_dump()["rate"]["schedule"] == kind


def test_bounds_hold_for_every_value_of_a_schedule() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Section(rate=TABLES["linear"])
    schedule = Schedule.parsed(TABLES["steps"])
    assert schedule > 0
    assert not schedule > 0.1
    assert schedule >= 0.1
    assert schedule <= 1
    assert not schedule < 1


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"schedule": "cosin", "start": 1}, "'cosin' is unknown; it can be 'linear', 'cosine', 'expon.* or 'steps'"),
        ({"start": 1, "end": 2}, "schedule = None is unknown"),
        ({"schedule": "linear", "start": 1, "stop": 2, "images": 3}, "has no 'stop'; did you mean 'start'"),
        ({"schedule": "linear", "start": 1, "images": 3}, "'end' is missing"),
        ({"schedule": "linear", "start": 1, "end": 2, "images": 0}, "images = 0: input should be greater than 0"),
        ({"schedule": "cosine", "start": "x", "end": 2, "images": 5}, "start = 'x'"),
        ({"schedule": "steps", "values": [1, 2], "at": [1, 2]}, "2 places in 'at' need 3 'values', not 2"),
        ({"schedule": "steps", "values": [1, 2, 3], "at": [5, 2]}, "must grow"),
        ({"schedule": "linear", "start": 1, "end": 2, "images": 3, "delay": -1}, "delay = -1 must be"),
        ("fast", "'fast' is neither a number nor a table"),
        (True, "True is neither a number nor a table"),
    ],
)
def test_mistakes_are_one_sentence(table: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        Section(rate=table)
    assert caught.value.error_count() == 1
