"""A critic that is 1-Lipschitz by construction: what it says of two clouds never exceeds their Wasserstein distance.

Anil, Lucas and Grosse 2019, arXiv:1811.05381. A gradient penalty only asks for slopes of 1 where it looks, and may be
exceeded; ReLU under spectral norm stays below 1 and far from it. Here neither: the slope is at most 1 everywhere,
and a trained one has slope 1 almost everywhere.
"""

import math
from itertools import pairwise
from typing import Annotated, Any

from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.layers import GroupSort, OrthonormalLinear, Output, layered, refuse_labels

__all__ = ["TINY", "Discriminator"]

TINY: dict[str, Any] = {"discriminator": {"hidden": (16, 16)}, "shape": (1, 16, 16)}

Width = Annotated[int, Field(gt=0)]


class Discriminator(nn.Module):
    """Points or images (B, *shape) -> logits (B,), |D(x) - D(x')| <= |x - x'| in the Euclidean distance of pixels.

    Orthonormal layers with GroupSort between them, and a head of norm 1. Its home is the Wasserstein objective without
    any penalty; weights may be trained at a learning rate of 1e-2. There is no generator in this file.

    Raises RecipeError if a hidden width isn't a multiple of `group`.

    >>> import torch
    >>> D = Discriminator(shape=(2,))
    >>> x, other = torch.randn(2, 512, 2)
    >>> bool(((D(x) - D(other)).abs() <= (x - other).norm(dim=1) * (1 + 1e-5)).all())
    True
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        hidden: Annotated[tuple[Width, ...], Field(description="widths of the hidden layers", min_length=1)] = (
            128,
            128,
        ),
        group: Annotated[int, Field(description="how many features are sorted together", ge=2)] = 2,
    ) -> None:
        super().__init__()
        odd = [width for width in hidden if width % group]
        if odd:
            raise RecipeError(
                f"lipschitz can't sort {odd[0]} features in groups of {group}: "
                f"set discriminator.hidden to multiples of {group}."
            )
        self.blocks = nn.ModuleList(
            nn.Sequential(OrthonormalLinear(before, after), GroupSort(group))
            for before, after in pairwise((math.prod(shape), *hidden))
        )
        self.head = OrthonormalLinear(hidden[-1], 1)

    def forward(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, " B"]:
        return self.full(x, y).logits[0]

    def full(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """Logits, and the activations of every hidden layer."""
        refuse_labels(self, y)
        return layered(x.flatten(1), self.blocks, self.head)
