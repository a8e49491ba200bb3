"""What was computed once and needn't be again: a file of tensors for each key, in the user's cache.

A cache can be lost at any time. So nothing here is an error: a file that is missing, cut short, altered or of another
key is none, and one that can't be written isn't.
"""

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ganforge.errors import CheckpointError
from ganforge.io.disk import write_whole

__all__ = ["cache_folder", "keep", "kept"]

OFF = {"0", "false", "no", "off"}


def cache_folder() -> Path | None:
    """`$XDG_CACHE_HOME/ganforge/statistics` (of `~/.cache` where that isn't set); None where `GANFORGE_CACHE=0`."""
    if os.environ.get("GANFORGE_CACHE", "").strip().lower() in OFF:
        return None
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path("~/.cache").expanduser()
    return base / "ganforge" / "statistics"


def keep(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors whole, with their own digest; where that fails, the next one computes them again.

    >>> import tempfile, torch
    >>> path = Path(tempfile.mkdtemp()) / "a.safetensors"
    >>> keep(path, {"mean": torch.ones(2)})
    >>> kept(path)
    {'mean': tensor([1., 1.])}
    """
    named = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with contextlib.suppress(CheckpointError, OSError):
        write_whole(path, save(named, metadata={"key": path.stem, "sha256": digest(named)}))


def kept(path: Path) -> dict[str, Tensor] | None:
    """The tensors that `keep` wrote under this name; None where there are none, or not these any more."""
    try:
        with safe_open(path, "pt") as file:
            said = file.metadata() or {}
            named = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a file, not a dictionary
    except (OSError, SafetensorError, RuntimeError, ValueError):
        return None
    return named if said == {"key": path.stem, "sha256": digest(named)} else None


def digest(named: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes."""
    total = hashlib.sha256()
    for name in sorted(named):
        total.update(f"{name} {named[name].dtype} {tuple(named[name].shape)}\n".encode())
        total.update(named[name].numpy().tobytes())
    return total.hexdigest()
