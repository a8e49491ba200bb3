"""A checkpoint: named parts of named tensors and one record, in a folder that other programs can read.

```
000200000/
  checkpoint.json         format, version of ganforge, size and SHA-256 of each file, the record
  state.safetensors       one file a part
  generator.safetensors
```
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ganforge import __version__
from ganforge.errors import CheckpointError
from ganforge.io.disk import place, whole_folder, write_synced

__all__ = ["FORMAT", "is_checkpoint", "is_meant", "load_checkpoint", "part_digest", "save_checkpoint"]

FORMAT = 1
INDEX = "checkpoint.json"
ELSEWHERE = "use an earlier checkpoint of the run, or copy this one again from where it is whole"


def save_checkpoint(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], record: Mapping[str, Any]) -> None:
    """Writes a checkpoint, wholly or not at all; one that stands there already is replaced.

    Training must survive being killed at any moment, also in here: the folder is made under a hidden name, flushed to
    the disk and renamed. Tensors come back bit for bit whatever their layout, type (bool, uint8, bfloat16, float64)
    or size (0-dim and empty ones included), on the CPU and contiguous; tensors that share memory are written apart.

    Args:
        folder: where; parents are made.
        tensors: part -> name -> tensor; each part becomes a file `PART.safetensors`.
        record: what JSON can hold (tuples come back as lists, keys as strings; NaN and infinity are kept).

    Raises:
        CheckpointError: the disk is full or the folder not writable; what was there before is untouched.

    >>> import tempfile, torch
    >>> folder = Path(tempfile.mkdtemp()) / "000000064"
    >>> save_checkpoint(folder, {"generator": {"w": torch.eye(2)}}, {"images": 64})
    >>> parts, record = load_checkpoint(folder, "generator")
    >>> parts["generator"]["w"].tolist(), record["images"]
    ([[1.0, 0.0], [0.0, 1.0]], 64)
    """
    with whole_folder(folder) as temporary:
        files = {}
        for part, named in tensors.items():
            data = save(_apart(named))
            files[_file(part)] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            write_synced(temporary / _file(part), data)
        index = {"format": FORMAT, "ganforge": __version__, "files": files, "record": record}
        write_synced(temporary / INDEX, json.dumps(index, indent=1).encode())


def load_checkpoint(folder: Path, *names: str) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """The parts asked for (all of them if none is named) and the record, verified.

    Every file's size is compared with the index, and the SHA-256 of those that are read.

    Raises:
        CheckpointError: the checkpoint is missing, cut short, altered, of another format, or has no such part.

    >>> load_checkpoint(Path("nowhere"))
    Traceback (most recent call last):
    ganforge.errors.CheckpointError: nowhere is no checkpoint: there is no such folder; check the path, ...
    """
    index = _index(folder)
    _check_parts(folder, index, names)
    _check_sizes(folder, index)
    parts = {part: _part(folder, index, part) for part in names or _parts(index)}
    return parts, index["record"]


def is_checkpoint(folder: Path) -> bool:
    """Whether a whole checkpoint of this format stands there: the index, and every file in its full size."""
    try:
        _check_sizes(folder, _index(folder))
    except CheckpointError:
        return False
    return True


def is_meant(folder: Path) -> bool:
    """Whether a folder is a checkpoint by name or index, whole or not; `load_checkpoint` says what is broken."""
    return (place(folder) / INDEX).exists() or (
        folder.is_dir() and folder.name.isdecimal() and folder.parent.name == "checkpoints"
    )


def part_digest(folder: Path, part: str) -> str:
    """The SHA-256 of a part as the index states it: equal digests, equal tensors.

    Raises:
        CheckpointError: as `load_checkpoint`.
    """
    index = _index(folder)
    _check_parts(folder, index, [part])
    return str(index["files"][_file(part)]["sha256"])


def _apart(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors on the CPU, no two of them in the same memory: the file format wants both."""
    seen: set[int] = set()
    result = {}
    for name, tensor in named.items():
        x = tensor.detach().cpu().contiguous()
        address = x.untyped_storage().data_ptr()
        result[name] = x.clone() if address in seen else x
        seen.add(address)
    return result


def _index(folder: Path) -> dict[str, Any]:
    """The parsed `checkpoint.json`, of the format that this version reads."""
    try:
        index = json.loads((place(folder) / INDEX).read_bytes())
    except OSError as error:
        raise CheckpointError(f"{folder} is no checkpoint: {_absence(folder, error)}.") from error
    except ValueError as error:
        raise _broken(folder, f"{INDEX} is cut short or altered") from error
    found = index.get("format") if isinstance(index, dict) else None
    if found == FORMAT and isinstance(index.get("files"), dict) and "record" in index:
        return index
    if found in (None, FORMAT):
        raise _broken(folder, f"{INDEX} lacks what a checkpoint says about itself")
    writer = str(index.get("ganforge", "of another version"))
    raise CheckpointError(
        f"{folder} is a checkpoint of format {found}, written by ganforge {writer}; "
        f"ganforge {__version__} reads format {FORMAT}: use the version that wrote it (pip install ganforge=={writer})."
    )


def _check_parts(folder: Path, index: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if name not in _parts(index):
            there = ", ".join(_parts(index)) or "nothing"
            raise CheckpointError(f"{folder} has no part {name!r}, only {there}: ask for one of these, or another run.")


def _check_sizes(folder: Path, index: dict[str, Any]) -> None:
    for name, expected in index["files"].items():
        path = place(folder) / name
        if not path.is_file():
            raise _broken(folder, f"{name} is missing")
        if (size := path.stat().st_size) != expected["bytes"]:
            how = "cut short" if size < expected["bytes"] else "altered"
            raise _broken(folder, f"{name} is {how} ({size:,} bytes where {expected['bytes']:,} were written)")


def _part(folder: Path, index: dict[str, Any], part: str) -> dict[str, Tensor]:
    """One file's tensors, its hash compared first."""
    name = _file(part)
    try:
        data = (place(folder) / name).read_bytes()
    except OSError as error:
        raise _broken(folder, f"{name} can't be read ({error.strerror})") from error
    if hashlib.sha256(data).hexdigest() != index["files"][name]["sha256"]:
        raise _broken(folder, f"{name} is altered (its SHA-256 is another)")
    try:
        return load(data)
    except SafetensorError as error:
        raise _broken(folder, f"{name} is no safetensors file ({error})") from error


def _parts(index: dict[str, Any]) -> list[str]:
    return [Path(name).stem for name in index["files"]]


def _file(part: str) -> str:
    return f"{part}.safetensors"


def _broken(folder: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{folder} is a broken checkpoint: {what}; {ELSEWHERE}.")


def _absence(folder: Path, error: OSError) -> str:
    """Why there is no index, and the remedy."""
    if not folder.exists():
        return "there is no such folder; check the path, `ls` the run's checkpoints/ for those that are there"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"it holds no {INDEX}; name a folder in a run's checkpoints/"
    return f"{INDEX} can't be read ({error.strerror}); check the rights on it"
