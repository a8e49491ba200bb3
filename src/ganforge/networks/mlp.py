"""Fully connected networks: the classic of the tutorials, for images of any shape."""

import math
from itertools import pairwise
from typing import Annotated, Any

from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.layers import (
    MINIBATCH,
    ClassHead,
    Condition,
    Dropout,
    Entry,
    Minibatch,
    Output,
    Reader,
    entry,
    expect_labels,
    layered,
    reader,
)

__all__ = ["TINY", "Discriminator", "Generator"]

TINY: dict[str, Any] = {
    "generator": {"z_dim": 8, "hidden": (16, 16)},
    "discriminator": {"hidden": (16, 16)},
    "shape": (1, 16, 16),
}

Width = Annotated[int, Field(gt=0)]


def _blocks(widths: tuple[int, ...], slope: float, dropout: float = 0.0) -> nn.ModuleList:
    """Linear, LeakyReLU and dropout from each width to the next."""
    return nn.ModuleList(
        nn.Sequential(
            nn.Linear(before, after),
            nn.LeakyReLU(slope, inplace=True),
            *([Dropout(dropout)] if dropout else []),
        )
        for before, after in pairwise(widths)
    )


class Generator(nn.Module):
    """z (B, z_dim) -> images (B, C, H, W) in [-1, 1]: hidden layers with LeakyReLU, then tanh.

    As in Goodfellow et al. 2014, arXiv:1406.2661, with the tutorials' widths. Weights start as torch's.

    >>> import torch
    >>> G = Generator(shape=(1, 28, 28))
    >>> G(torch.randn(4, G.z_dim)).shape
    torch.Size([4, 1, 28, 28])
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        z_dim: Annotated[int, Field(description="how many random numbers an image is made of", gt=0)] = 64,
        hidden: Annotated[tuple[Width, ...], Field(description="widths of the hidden layers", min_length=1)] = (
            256,
            512,
        ),
        slope: Annotated[float, Field(description="slope of LeakyReLU below 0", ge=0, le=1)] = 0.2,
        condition: Condition | None = None,
        labels: Entry = "embedding",
    ) -> None:
        super().__init__()
        if condition is not None and labels == "batch_norm":
            raise RecipeError("generator.labels = 'batch_norm': mlp has no batch norm; set generator.labels=embedding")
        self.shape = shape
        self.z_dim = z_dim
        self.condition = condition
        self.labels = entry(labels, condition, z_dim)
        self.blocks = _blocks((z_dim + int(self.labels.extra), *hidden), slope)  # type: ignore[arg-type]
        self.head = nn.Linear(hidden[-1], math.prod(shape))

    def forward(
        self, z: Float[Tensor, "B z_dim"], y: Shaped[Tensor, "B ..."] | None = None, noise: Any = None
    ) -> Float[Tensor, "B ..."]:
        expect_labels(self, self.condition, y)
        z = self.labels(z, y)
        for block in self.blocks:
            z = block(z)
        return self.head(z).tanh_().unflatten(1, self.shape)


class Discriminator(nn.Module):
    """Images (B, C, H, W) -> logits (B,): hidden layers with LeakyReLU and dropout, then one number.

    >>> import torch
    >>> Discriminator(shape=(1, 28, 28))(torch.zeros(4, 1, 28, 28)).shape
    torch.Size([4])
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        hidden: Annotated[tuple[Width, ...], Field(description="widths of the hidden layers", min_length=1)] = (
            512,
            256,
        ),
        slope: Annotated[float, Field(description="slope of LeakyReLU below 0", ge=0, le=1)] = 0.2,
        dropout: Annotated[float, Field(description="share of hidden units dropped in training", ge=0, lt=1)] = 0.3,
        minibatch: Minibatch = "none",
        condition: Condition | None = None,
        labels: Reader = "projection",
    ) -> None:
        super().__init__()
        self.condition = condition
        self.labels = reader(labels, condition, hidden[-1])
        self.blocks = _blocks((math.prod(shape) + int(self.labels.extra), *hidden), slope, dropout)  # type: ignore[arg-type]
        self.minibatch = MINIBATCH[minibatch]((hidden[-1],))
        self.head = nn.Linear(hidden[-1] + int(self.minibatch.extra), 1)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, " B"]:
        return self.full(x, y).logits[0]

    def full(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """Logits, and the activations of every hidden layer."""
        expect_labels(self, self.condition, y, required=not isinstance(self.labels, ClassHead))
        x = self.labels(x.flatten(1), y)
        return self.labels.answer(layered(x, self.blocks, lambda h: self.head(self.minibatch(h))), y)  # type: ignore[operator]
