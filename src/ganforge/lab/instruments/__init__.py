"""The instruments, one file each: what a visitor plays with, its state, its knobs and its frames.

An instrument's file has

- `TITLE`: its name on the page,
- `MESSAGES`: kind -> pydantic dataclass, what its page may say beside `ganforge.lab.messages.COMMON`,
- `open_seat(link, room)`: a `Seat` with the state that a link holds,
- perhaps `warm()`, which is called once before anyone comes.

It is found by its name, and its page is `static/instruments/NAME.js`, which draws what the seat's frames hold.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

__all__ = ["INSTRUMENTS", "ORDER", "Room", "Seat"]

ORDER = ("game", "simulator", "collapse", "ramp", "walk", "losses", "runs")
"""The order of the tabs; an instrument that isn't named comes last."""


@dataclass(frozen=True)
class Room:
    """What instruments share: the folder of runs, if there is one."""

    runs: Path | None = None


@runtime_checkable
class Seat(Protocol):
    """One visitor's instrument. All of it runs on the worker's thread."""

    @property
    def busy(self) -> bool:
        """Whether it has work to do without being asked."""

    @property
    def wake(self) -> float:
        """From when on it has, as `time.perf_counter` counts; 0: now."""

    def receive(self, message: Any) -> list[dict[str, Any]]:
        """Do what a message says; what is to be answered. Raises GanforgeError where that can't be done."""

    def advance(self, seconds: float) -> list[dict[str, Any]]:
        """Work for about so long; what there is to say of it."""

    def state(self) -> dict[str, Any]:
        """What the controls show, and what a link to this holds (`kind`: "state")."""

    def frames(self) -> list[bytes]:
        """What is to be drawn now; nothing if it is as it was."""

    def close(self) -> None:
        """The visitor has left."""


_FILES = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
_FOUND = {f.__name__.rsplit(".", 1)[1]: f for f in _FILES if hasattr(f, "open_seat")}

INSTRUMENTS: dict[str, ModuleType] = {
    name: _FOUND[name] for name in sorted(_FOUND, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n))
}
"""Name -> file."""
