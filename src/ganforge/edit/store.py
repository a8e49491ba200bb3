"""Directions in a file that knows which generator they belong to."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ganforge.errors import CheckpointError, RecipeError
from ganforge.io.disk import write_whole
from ganforge.sample import Sampler

__all__ = ["Directions", "generator_digest", "load_directions", "save_directions"]

FORMAT = "ganforge directions 1"


@dataclass(frozen=True)
class Directions:
    """Directions of one generator's latent space.

    Attributes:
        vectors: (K, z), each of length 1: a step of 1 is one standard deviation of a latent along it.
        names: of each, as `jacobian 0` or `class:7`.
        notes: of each, how it was found and how far it is to be trusted.
        model: the generator's name.
        digest: 12 hex digits of its weights.
    """

    vectors: Float[Tensor, "K z"]
    names: tuple[str, ...]
    notes: tuple[str, ...]
    model: str
    digest: str

    def chosen(self, word: str) -> int:
        """The number of the direction that a word names: its number from 0, or its name.

        Raises:
            RecipeError: if there is none.
        """
        if word in self.names:
            return self.names.index(word)
        if not word.isdecimal() or int(word) >= len(self.names):
            raise RecipeError(f"there is no direction {word!r}; there are 0 to {len(self.names) - 1}: "
                              f"{', '.join(self.names)}")  # fmt: skip
        return int(word)


def generator_digest(sampler: Sampler) -> str:
    """12 hex digits of the SHA-256 of a generator's weights and their names; not of standing statistics, which depend
    on the truncation."""
    found = hashlib.sha256()
    for name, tensor in sorted(sampler.G.named_parameters()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:12]


def save_directions(path: Path, directions: Directions) -> None:
    """A safetensors file: `directions` (K, z), and as metadata the names, the notes and the model.

    Raises:
        RecipeError: for another ending.
        CheckpointError: the disk is full or the path not writable.
    """
    check_directions_file(path)
    metadata = {
        "format": FORMAT,
        "model": directions.model,
        "generator": directions.digest,
        "names": json.dumps(directions.names),
        "notes": json.dumps(directions.notes),
    }
    write_whole(path, save({"directions": directions.vectors.contiguous()}, metadata))


def check_directions_file(path: Path) -> None:
    """See that directions can be kept under a name.

    Raises:
        RecipeError: for an ending that isn't .safetensors.
    """
    if path.suffix != ".safetensors":
        raise RecipeError(f"{str(path)!r} is no file of directions; end it in .safetensors")


def load_directions(path: Path, sampler: Sampler) -> Directions:
    """The directions in a file.

    Raises:
        CheckpointError: if it is none, or of another generator than this one.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {str(path)!r}; find directions with `ganforge directions RUN`")
    try:
        with safe_open(path, "pt") as file:
            words, vectors = file.metadata() or {}, file.get_tensor("directions")
        if words.get("format") != FORMAT or vectors.ndim != 2:
            raise KeyError(FORMAT)
        names, notes = (tuple(json.loads(words[key])) for key in ("names", "notes"))
        found = Directions(vectors.float(), names, notes, words["model"], words["generator"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r} holds no directions; find some with `ganforge directions RUN`") from error
    if (found.digest, found.vectors.shape[1]) != (generator_digest(sampler), sampler.z_dim):
        raise CheckpointError(
            f"{str(path)!r} holds directions of {found.model} ({found.digest}), not of {sampler.name} "
            f"({generator_digest(sampler)}); find them anew with `ganforge directions RUN`"
        )
    return found


def collected(parts: Sequence[tuple[str, Float[Tensor, " z"], str]], sampler: Sampler) -> Directions:
    """Directions of a generator from names, vectors and notes."""
    names, vectors, notes = zip(*parts, strict=True)
    return Directions(torch.stack(vectors), tuple(names), tuple(notes), sampler.name, generator_digest(sampler))
