"""The one training that a page can have begun: `ganforge train` or `resume` as a process of its own.

A page names a recipe of the package whose data come with it, and a run inside of the folder of runs; nothing else of
the command line is its to say. There is one process for the whole lab.
"""

import atexit
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import IO

from ganforge.data import TOYS
from ganforge.errors import RecipeError
from ganforge.io.folder import RunFolder
from ganforge.recipe import load_recipe, recipe_names

__all__ = ["NAME", "WORKSHOP", "Workshop", "offered"]

NAME_LENGTH = 60
NAME = rf"^[A-Za-z0-9][A-Za-z0-9_.-]{{0,{NAME_LENGTH - 1}}}$"
EMBEDDED = ("mnist", *TOYS)
START = "from ganforge.cli import main; main()"


@lru_cache(maxsize=1)
def offered() -> tuple[str, ...]:
    """The named recipes whose data come with the package."""
    return tuple(name for name in recipe_names() if source_of(name) in EMBEDDED)


def source_of(name: str) -> str:
    """Where a named recipe's data come from: those of digits leave it to the default, which is mnist."""
    return str(load_recipe(name).sections.get("data", {}).get("source", "mnist" if "_mnist_" in name else ""))


@dataclass
class Workshop:
    """At most one process, and what it last said on its error stream."""

    run: Path | None = None
    process: "subprocess.Popen[bytes] | None" = None
    said: IO[bytes] | None = field(default=None, repr=False)
    stopping: bool = False

    @property
    def busy(self) -> bool:
        """Whether it trains just now."""
        return self.process is not None and self.process.poll() is None

    @property
    def words(self) -> str:
        """How it stands, in a sentence; empty before anything was begun here."""
        if self.process is None or self.run is None:
            return ""
        if self.busy:
            return f"{self.run.name} is {'being stopped and saves' if self.stopping else 'training'}"
        if self.process.returncode in (0, 130, -signal.SIGINT):
            return f"{self.run.name} has ended"
        return f"{self.run.name} has failed: {self.last_line()}"

    def last_line(self) -> str:
        """The last line that it wrote to its error stream."""
        if self.said is None:
            return ""
        self.said.seek(max(0, self.said.seek(0, 2) - 4_000))
        lines = [line.strip() for line in re.split(r"[\r\n]+", self.said.read().decode(errors="replace"))]
        return next((line for line in reversed(lines) if line), "it said nothing")[:300]

    def begin(self, verb: str, words: list[str], run: Path) -> None:
        """Begin.

        Raises:
            RecipeError: while it trains something.
        """
        if self.busy:
            raise RecipeError(f"{self.words}, and the lab trains one run at a time; stop it first")
        if self.said is not None:
            self.said.close()
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self.run, self.stopping = run, False
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, verb, *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.said, start_new_session=True,
        )  # fmt: skip

    def train(self, recipe: str, folder: Path, name: str) -> None:
        """A new run of a named recipe.

        Raises:
            RecipeError: for a recipe that isn't offered, and a name that is none or is taken.
        """
        if recipe not in offered():
            raise RecipeError(f"there is no recipe {recipe[:60]!r} here; choose one of {', '.join(offered())}")
        if not re.fullmatch(NAME, name):
            raise RecipeError(f"{name[:60]!r} is no name for a run; take letters, digits, - and _")
        if (folder / name).exists():
            raise RecipeError(f"there is something called {name!r} already; resume it, or take another name")
        self.begin("train", [recipe, "--out", str(folder / name), "--device", "cpu"], folder / name)

    def treat(self, run: Path, remedy: str) -> str:
        """A new run of an old one's recipe with the change that the doctor proposed for it; gives its name.

        Raises:
            RecipeError: for a change that no finding of the run proposes.
        """
        proposed = {row.get("remedy") for row in RunFolder(run).records("findings")}
        if not remedy or remedy not in proposed:
            raise RecipeError(f"the doctor of {run.name} never proposed {remedy[:60]!r}; apply one of its findings")
        stem = run.name[: NAME_LENGTH - 12]
        name = next(made for n in count(1) if not (run.parent / (made := f"{stem}_treated_{n}")).exists())
        self.begin("train", [str(run / "recipe.toml"), remedy, "--out", str(run.parent / name)], run.parent / name)
        return name

    def resume(self, run: Path) -> None:
        """Go on with a run."""
        self.begin("resume", [str(run)], run)

    def stop(self) -> None:
        """As Ctrl-C does: it saves and ends.

        Raises:
            RecipeError: if nothing was begun here that still trains.
        """
        if not self.busy or self.process is None:
            raise RecipeError(
                "nothing that was begun here is training; a run from elsewhere is stopped by Ctrl-C there"
            )
        self.stopping = True
        self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """The lab ends, and what it has begun saves and ends, too."""
        if self.busy and self.process is not None:
            self.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=30)


WORKSHOP = Workshop()
atexit.register(WORKSHOP.close)
