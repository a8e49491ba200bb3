"""Pictures of what directions do: a row for each seed, a column for each step."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ganforge.edit.effects import edited
from ganforge.sample import Sampler
from ganforge.walking import asked

__all__ = ["strips"]


def strips(
    sampler: Sampler, vectors: Sequence[Float[Tensor, " z"]], seeds: Sequence[int], steps: Sequence[float],
    labels: str | None = None,
) -> Tensor:  # fmt: skip
    """Samples by direction, then seed, then step, as one batch, (K·N·S, ...); labels as in a walk, or the seeds' own.

    Raises:
        RecipeError: for labels that don't fit.
    """
    z = sampler.latents(seeds)
    y = asked(sampler, labels, seeds)
    moved = [edited(sampler, z, y, vector, steps).transpose(0, 1).flatten(0, 1) for vector in vectors]
    return torch.cat(moved)
