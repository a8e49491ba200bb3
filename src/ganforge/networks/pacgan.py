"""The networks of the mode-coverage protocol on rings and grids (Lin et al. 2018, arXiv:1712.04086, section 4.1).

They were VEEGAN's (Srivastava et al. 2017, arXiv:1705.07761) before; figures are comparable only on these.
"""

import math
from itertools import pairwise
from typing import Annotated, Any

from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from ganforge.layers import MINIBATCH, Maxout, Minibatch, Output, layered, refuse_labels

__all__ = ["TINY", "Discriminator", "Generator"]

TINY: dict[str, Any] = {
    "generator": {"hidden": (16, 16)},
    "discriminator": {"hidden": (8, 8), "pieces": 3},
    "shape": (2,),
}

Width = Annotated[int, Field(gt=0)]
Hidden = Annotated[tuple[Width, ...], Field(description="widths of the hidden layers", min_length=1)]


class Generator(nn.Module):
    """z (B, z_dim) -> points (B, D): four hidden layers of 400 with batch norm and ReLU, then a linear one.

    >>> sum(weight.numel() for weight in Generator(shape=(2,)).parameters())
    486402
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        z_dim: Annotated[int, Field(description="how many random numbers a point is made of", gt=0)] = 2,
        hidden: Hidden = (400, 400, 400, 400),
    ) -> None:
        super().__init__()
        self.shape, self.z_dim = shape, z_dim
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(*two), nn.BatchNorm1d(two[1]), nn.ReLU()) for two in pairwise((z_dim, *hidden))
        )
        self.head = nn.Linear(hidden[-1], math.prod(shape))

    def forward(
        self, z: Float[Tensor, "B z_dim"], y: Shaped[Tensor, "B ..."] | None = None, noise: Any = None
    ) -> Float[Tensor, "B ..."]:
        refuse_labels(self, y)
        for block in self.blocks:
            z = block(z)
        return self.head(z).unflatten(1, self.shape)


class Discriminator(nn.Module):
    """Points (B, D) -> logits (B,): three hidden layers of 200 maxout units of 5 pieces each, then one number.

    >>> sum(weight.numel() for weight in Discriminator(shape=(2,)).parameters())
    405201
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        hidden: Hidden = (200, 200, 200),
        pieces: Annotated[int, Field(description="linear pieces of a maxout unit", gt=1)] = 5,
        minibatch: Minibatch = "none",
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Maxout(*two, pieces=pieces) for two in pairwise((math.prod(shape), *hidden)))
        self.minibatch = MINIBATCH[minibatch]((hidden[-1],))
        self.head = nn.Linear(hidden[-1] + int(self.minibatch.extra), 1)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, " B"]:
        return self.full(x, y).logits[0]

    def full(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """Logits, and the activations of every hidden layer."""
        refuse_labels(self, y)
        return layered(x.flatten(1), self.blocks, lambda h: self.head(self.minibatch(h)))
