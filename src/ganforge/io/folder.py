"""A run's folder: everything that a run leaves behind, readable without this toolkit.

```
recipe.toml  environment.json  command.txt
ticks.jsonl  evaluations.jsonl  findings.jsonl     one JSON object a line; "images" is the images seen
samples/000200000.png  checkpoints/000200000/      named after the images seen
best.json    report.html    .lock
```
"""

import contextlib
import json
import math
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, final

from PIL import Image

from ganforge.errors import CheckpointError
from ganforge.io.checkpoint import is_checkpoint
from ganforge.io.disk import ASIDE, remove, spoken, sweep, whole_folder, write_synced, write_whole
from ganforge.io.images import save_png
from ganforge.io.machine import environment
from ganforge.io.tensorboard import EventWriter

try:
    import fcntl
except Exception:  # Windows has none; there a folder isn't locked
    fcntl = None  # type: ignore[assignment]

__all__ = ["KINDS", "EventWriter", "RunFolder", "environment"]

KINDS = ("ticks", "evaluations", "findings")
ORPHANS_LIVE = 10.0  # seconds that a killed run's loader processes may hold its lock


@final
class RunFolder:
    """What a run writes and what a reader finds; a value that holds nothing but the path.

    Every method either does what it says or leaves what was there and raises a `CheckpointError`.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a"
    >>> run = RunFolder.create(path, recipe="", environment={}, command=["ganforge", "train"])
    >>> run.append("ticks", {"images": 64, "d_real": 0.5})
    >>> run.records("ticks"), run.checkpoints(), run.latest()
    ([{'images': 64, 'd_real': 0.5}], [], None)
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @classmethod
    def create(cls, path: Path, *, recipe: str, environment: Mapping[str, Any], command: Sequence[str]) -> "RunFolder":
        """A new run's folder, whole or not at all; parents are made.

        Args:
            path: where; an empty folder may stand there.
            recipe: the recipe as TOML text, complete.
            environment: as `ganforge.io.environment()` gives it.
            command: the command line, word by word.

        Raises:
            CheckpointError: something stands there already, or the place isn't writable.
        """
        _check_free(path)
        with whole_folder(path) as temporary:
            (temporary / "samples").mkdir()
            (temporary / "checkpoints").mkdir()
            write_synced(temporary / "environment.json", _json(environment, indent=1))
            write_synced(temporary / "command.txt", f"{shlex.join(command)}\n".encode())
            write_synced(temporary / "recipe.toml", recipe.encode())
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """The run in a folder that exists.

        Raises:
            CheckpointError: there is no such folder, or no run in it.
        """
        if not path.is_dir():
            raise CheckpointError(f"{path} is no run, there is no such folder: begin one with `ganforge train`.")
        if not (path / "recipe.toml").is_file():
            raise CheckpointError(f"{path} is no run, it holds no recipe.toml: name the folder that --out named.")
        return cls(path)

    def recipe(self) -> str:
        """The recipe, TOML text."""
        return self._text("recipe.toml")

    def write_recipe(self, recipe: str) -> None:
        """Replaces the recipe, for a run that goes on with other settings."""
        write_whole(self.path / "recipe.toml", recipe.encode())

    def command(self) -> str:
        """The command line that began the run, as a shell takes it."""
        return self._text("command.txt").strip()

    def environment(self) -> dict[str, Any]:
        """Versions and machine at the beginning; empty where the file is broken."""
        return _parsed(self._text("environment.json").encode()) or {}

    def append(self, kind: str, record: Mapping[str, Any]) -> None:
        """One record more, on the disk's side of this process when it returns; NaN and infinity become null.

        Args:
            kind: "ticks", "evaluations" or "findings".
            record: what JSON can hold; "images" says when.
        """
        path, line = self._records(kind), _json(record) + b"\n"
        with spoken(path), path.open("ab") as file:
            size = file.tell()
            try:
                file.write(line)
                file.flush()
            except OSError:
                os.truncate(path, size)
                raise

    def records(self, kind: str) -> list[dict[str, Any]]:
        """All records of a kind, oldest first; a last line that a kill has torn is passed over.

        Raises:
            CheckpointError: a line before the last is no JSON object.
        """
        path = self._records(kind)
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        whole = [_parsed(line) for line in lines[:-1]]  # what follows the last line feed is torn, or nothing
        if None in whole:
            where = whole.index(None) + 1
            raise CheckpointError(f"line {where} of {path} is altered, no JSON object: remove that line and go on.")
        return [record for record in whole if record is not None]

    def truncate(self, images: int) -> None:
        """Goes back to when `images` were seen: later records and sample grids are dropped, and a later best.json.

        Checkpoints stay, and so do the findings that record a healing. What a kill has torn is mended; after a kill in
        here, calling it again ends the work.
        """
        for kind in KINDS:
            path = self._records(kind)
            stays = [r for r in self.records(kind) if r.get("images", 0) <= images or r.get("finding") == "healed"]
            kept = b"".join(_json(r) + b"\n" for r in stays)
            if path.exists() and path.read_bytes() != kept:
                write_whole(path, kept)
        for grid in self.samples():
            if int(grid.stem) > images:
                grid.unlink()
        mark = self.best_mark()
        if mark and mark["images"] > images:
            (self.path / "best.json").unlink()

    def checkpoint(self, images: int) -> Path:
        """Where the checkpoint after so many images belongs."""
        return self.path / "checkpoints" / f"{images:09d}"

    def checkpoints(self) -> list[Path]:
        """The whole checkpoints, earliest first."""
        return [path for path in self.all_checkpoints() if is_checkpoint(path)]

    def all_checkpoints(self) -> list[Path]:
        """Everything that bears a checkpoint's name, whole or not, earliest first."""
        names = {entry.name.removeprefix(ASIDE) for entry in (self.path / "checkpoints").glob("*")}
        return sorted((self.checkpoint(int(name)) for name in names if name.isdecimal()), key=_images)

    def latest(self) -> Path | None:
        """The checkpoint that has seen most, if there is one."""
        return next(reversed(self.checkpoints()), None)

    def best(self) -> Path | None:
        """The checkpoint that was marked best, if it is there and whole."""
        mark = self.best_mark()
        path = mark and self.checkpoint(mark["images"])
        return path if path and is_checkpoint(path) else None

    def chosen(self) -> Path | None:
        """The checkpoint that was marked best, else the last, whole or not: another in the stead of a broken one would
        be judged under its name."""
        mark, there = self.best_mark(), self.all_checkpoints()
        best = mark and self.checkpoint(mark["images"])
        return best if best in there else next(reversed(there), None)

    def best_mark(self) -> dict[str, Any] | None:
        """What `mark_best` wrote: `{"images": ..., "figure": ..., "name": ...}`."""
        path = self.path / "best.json"
        mark = _parsed(path.read_bytes()) if path.exists() else None
        return mark if mark and isinstance(mark.get("images"), int) else None

    def mark_best(self, images: int, figure: float | int, name: str) -> None:
        """Says which checkpoint is the best so far, by which figure (`name`, such as "frechet_distance")."""
        write_whole(self.path / "best.json", _json({"images": images, "figure": figure, "name": name}))

    def prune(self, keep: int) -> None:
        """Removes all checkpoints but the last `keep` (>= 1) and the best."""
        best = self.best()
        for path in self.checkpoints()[:-keep]:
            if path != best:
                remove(path)

    def clean(self) -> None:
        """Removes what killed writes left; only for the process that holds the lock."""
        for folder in (self.path, self.path / "samples", self.path / "checkpoints"):
            with spoken(folder):
                sweep(folder)

    def samples(self) -> list[Path]:
        """The sample grids, earliest first."""
        return sorted((p for p in (self.path / "samples").glob("*.png") if p.stem.isdecimal()), key=_images)

    def sample(self, images: int) -> Path:
        """Where the sample grid after so many images belongs."""
        return self.path / "samples" / f"{images:09d}.png"

    def save_samples(self, images_seen: int, picture: Image.Image) -> Path:
        """Writes a sample grid and returns its path."""
        path = self.sample(images_seen)
        save_png(path, picture, {"images seen": str(images_seen)})
        return path

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the folder for this process; the system lets go of it however the process ends.

        Where a file system or a platform has no locks, nothing is held.

        Raises:
            CheckpointError: another process trains into this folder.
        """
        path = self.path / ".lock"
        with spoken(path):
            file = path.open("a+b")
        with file:
            _hold(file, self.path)
            try:
                yield
            finally:
                _release(file)

    def _records(self, kind: str) -> Path:
        assert kind in KINDS, f"kind {kind!r}, not one of {KINDS}"
        return self.path / f"{kind}.jsonl"

    def _text(self, name: str) -> str:
        try:
            return (self.path / name).read_text("utf-8", errors="replace")
        except OSError as error:
            raise CheckpointError(
                f"{self.path / name} can't be read ({error.strerror}): put it back, or begin anew with --out."
            ) from error


def _check_free(path: Path) -> None:
    """A folder that holds anything, or a file, is nobody's to write into."""
    if (path / "recipe.toml").exists():
        raise CheckpointError(
            f"{path} holds a run already: continue it with `ganforge resume {path}`, or name another folder with --out."
        )
    if path.is_dir() and any(path.iterdir()):
        raise CheckpointError(f"{path} is not empty and holds no run: name another folder with --out.")
    if path.exists() and not path.is_dir():
        raise CheckpointError(f"{path} is a file, where a run's folder should stand: name another with --out.")


def _hold(file: BinaryIO, folder: Path) -> None:
    """Takes the lock and writes this process's number into it; waits only for the orphans of a process that is gone."""
    if fcntl is None:
        return
    patience = time.monotonic() + ORPHANS_LIVE
    while not _locked(file):
        file.seek(0)
        holder = file.read().decode(errors="replace").strip()
        if _lives(holder) or time.monotonic() > patience:
            raise CheckpointError(
                f"{folder} is being trained by process {holder or 'of another user'}: "
                "wait for it or stop it, or name another folder with --out."
            )
        time.sleep(0.1)
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()


def _locked(file: BinaryIO) -> bool:
    """Whether the lock is ours now; a file system without locks grants it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _release(file: BinaryIO) -> None:
    """Lets go now, although children may still hold the file open."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)


def _lives(process: str) -> bool:
    """Whether a process of that number runs; one that isn't ours to ask about does."""
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _json(record: Mapping[str, Any], indent: int | None = None) -> bytes:
    return json.dumps(_finite(record), indent=indent, allow_nan=False, ensure_ascii=False).encode()


def _finite(value: Any) -> Any:
    """The same, in JSON's own types: numbers of torch and numpy become Python's, NaN and infinity None."""
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if not isinstance(value, str | int | float | None):
        return _finite(value.tolist() if hasattr(value, "tolist") else str(value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A JSON object, or None where there is none."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _images(path: Path) -> int:
    return int(path.stem)
