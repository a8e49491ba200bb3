"""Packs: several samples that the discriminator judges as one (Lin et al. 2018, arXiv:1712.04086)."""

from jaxtyping import Shaped
from torch import Tensor

__all__ = ["packed", "unpacked"]


def packed(x: Shaped[Tensor, "B C ..."], m: int) -> Shaped[Tensor, "packs wide ..."]:
    """Every m samples in a row become one, their channels (or coordinates) side by side.

    >>> import torch
    >>> packed(torch.tensor([[1.0], [2.0], [3.0], [4.0]]), 2).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    return x if m == 1 else x.reshape(len(x) // m, m * x.shape[1], *x.shape[2:])


def unpacked(x: Shaped[Tensor, "packs wide ..."], m: int) -> Shaped[Tensor, "B C ..."]:
    """The members of packs, in order: `unpacked(packed(x, m), m)` is x."""
    return x if m == 1 else x.reshape(len(x) * m, x.shape[1] // m, *x.shape[2:])
