"""Where the weights of large networks are found: a file that is given, the cache, or a published address, once.

They aren't in the package. InceptionV3's file, of 91 MiB, is fetched: its published name carries the first digits of
its SHA-256, which is what tells a whole file from another. So is CLIP's large one, whose SHA-256 its host publishes.
DINOv2's has none, so it has to be given.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from ganforge.errors import CheckpointError

__all__ = [
    "CLIP",
    "INCEPTION",
    "Published",
    "Weights",
    "cached_path",
    "clip_weights",
    "dinov2_weights",
    "file_digest",
    "inception_weights",
    "signed",
    "state_digest",
    "tensors_in",
]

NAME = "pt_inception-2015-12-05-6726825d.pth"
DINOV2_VARIABLE = "GANFORGE_DINOV2"
DINOV2_URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth"
DIGITS = 12
PATIENCE = 30  # seconds without an answer


class Published(NamedTuple):
    """A file of weights that can be fetched.

    Attributes:
        of: whose weights.
        name: the file's, in the cache.
        url: from where it is fetched.
        digest: how its SHA-256 begins.
        size: in words.
        variable: of the environment, that may name another file.
    """

    of: str
    name: str
    url: str
    digest: str
    size: str
    variable: str


INCEPTION = Published(
    of="InceptionV3",
    name=NAME,
    url=f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{NAME}",
    digest="6726825d",
    size="91 MiB",
    variable="GANFORGE_INCEPTION",
)
CLIP = Published(
    of="CLIP",
    name="clip-vit-large-patch14.safetensors",
    url="https://huggingface.co/openai/clip-vit-large-patch14/resolve/32bd64288804d66eefd0ccbe215aa642df71cc41/"
    "model.safetensors",
    digest="a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
    size="1.6 GiB",
    variable="GANFORGE_CLIP",
)


class Weights(NamedTuple):
    """Tensors in the published layout, 12 digits of their SHA-256, and what to add to the network's name."""

    tensors: dict[str, Tensor]
    digest: str
    label: str


def inception_weights(path: Path | str | None = None) -> Weights:
    """The weights in a file: the one that is given, else `$GANFORGE_INCEPTION`, else the cached, else the fetched one.

    A given file may hold other weights than the published ones; the label then says so.

    Raises:
        CheckpointError: if there is none and none can be fetched, or if it can't be read.
    """
    file, digest = found(INCEPTION, path)
    label = "" if digest.startswith(INCEPTION.digest) else f"_other_weights@{digest[:8]}"
    return Weights(tensors_in(file), digest[:DIGITS], label)


def clip_weights(path: Path | str | None = None) -> tuple[Path, str, str]:
    """The file of CLIP's weights, found as InceptionV3's is, 12 digits of its SHA-256, and what to add to the name.

    Raises:
        CheckpointError: if there is none and none can be fetched.
    """
    file, digest = found(CLIP, path)
    return file, digest[:DIGITS], "" if digest.startswith(CLIP.digest) else f"@{digest[:8]}"


def found(what: Published, path: Path | str | None) -> tuple[Path, str]:
    """The file that is given, else that the variable names, else the cached, else the fetched one; and its SHA-256."""
    given = path or os.environ.get(what.variable)
    file = Path(given).expanduser() if given else cached(what)
    digest = file_digest(file)
    if not given and not digest.startswith(what.digest):
        raise CheckpointError(f"{mismatch(str(file), what, digest)}; delete that file, and it is fetched anew")
    return file, digest


def mismatch(name: str, what: Published, digest: str) -> str:
    """That a file isn't the published one."""
    return f"'{name}' is cut short or altered: its SHA-256 begins with {digest[:8]}, not {what.digest[:8]}"


def dinov2_weights(path: Path | str | None = None) -> Path:
    """The file of DINOv2's weights: the one that is given, else `$GANFORGE_DINOV2`, else the one in the cache.

    Raises:
        CheckpointError: if there is none.
    """
    if given := path or os.environ.get(DINOV2_VARIABLE):
        return Path(given).expanduser()
    kept = cached_path(DINOV2_URL.rpartition("/")[2])
    if not kept.exists():
        raise CheckpointError(f"the weights of DINOv2 aren't here; {remedy(kept, DINOV2_URL, DINOV2_VARIABLE)}")
    return kept


def cached_path(name: str = NAME) -> Path:
    """Where a published file is kept: `$XDG_CACHE_HOME/ganforge`, else `~/.cache/ganforge`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganforge" / name


def cached(what: Published) -> Path:
    """The published file in the cache, fetched if it isn't there yet."""
    path = cached_path(what.name)
    if not path.exists():
        fetch(what, path)
    return path


def fetch(what: Published, path: Path) -> None:
    """The published file, written beside its place and moved there when it is whole; nothing is kept otherwise."""
    print(f"fetching the weights of {what.of} ({what.size}), once, to {path}: {what.url}", file=sys.stderr)
    by_hand = remedy(path, what.url, what.variable)
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{what.name}.", delete=False) as file:
            part = Path(file.name)
            with urllib.request.urlopen(what.url, timeout=PATIENCE) as answer:
                shutil.copyfileobj(answer, file)
        if not (digest := file_digest(part)).startswith(what.digest):
            raise CheckpointError(f"{mismatch(what.url, what, digest)}; nothing was kept; try again, or {by_hand}")
        os.replace(part, path)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise CheckpointError(
            f"the weights of {what.of} aren't here and can't be fetched ({reason}); {by_hand}"
        ) from None
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def remedy(path: Path, url: str, variable: str) -> str:
    """What to do by hand."""
    return f"get {url} where there is a network, and put it at '{path}' or set {variable} to where it is"


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex digits.

    Raises:
        CheckpointError: if it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"'{path}' can't be read ({error.strerror}); give the path of a weights file") from None


def state_digest(state: Mapping[str, Tensor]) -> str:
    """12 hex digits of the SHA-256 of tensors, their names, types and shapes; "none" where there are none."""
    total = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:DIGITS] if state else "none"


def tensors_in(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of one that `torch.save` wrote, without running what is in it."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file raises whatever its first wrong byte leads to
        words = " ".join(str(error).split())[:200]
        raise CheckpointError(f"'{path}' holds no weights ({words}); give a .pth or .safetensors file") from None
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise CheckpointError(f"'{path}' holds no table of tensors; give a .pth or .safetensors file")
    return found


def signed(name: str, digest: str) -> str:
    """A name with the first digits of its weights: what is a user's own changes under the same name."""
    return name if digest == "none" else f"{name}@{digest[:8]}"
