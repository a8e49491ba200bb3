"""Fully connected networks for points in few dimensions: what the games on rings and grids are played with.

The generator ends in a linear map, since points have units of their own and no bounds.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, Literal

from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.layers import (
    MINIBATCH,
    ClassHead,
    Condition,
    Entry,
    Minibatch,
    Output,
    Reader,
    SpectralNorm,
    entry,
    expect_labels,
    layered,
    reader,
)

__all__ = ["ACTIVATIONS", "TINY", "Discriminator", "Generator"]

TINY: dict[str, Any] = {
    "generator": {"z_dim": 4, "hidden": (16, 16)},
    "discriminator": {"hidden": (16, 16)},
    "shape": (2,),
}

Width = Annotated[int, Field(gt=0)]
Hidden = Annotated[tuple[Width, ...], Field(description="widths of the hidden layers", min_length=1)]
Activation = Annotated[
    Literal["relu", "leaky_relu", "tanh", "silu"],
    Field(description="between layers: relu, leaky_relu (slope .2), tanh or silu"),
]
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
}
NORMS: dict[str, Callable[[nn.Linear], nn.Module]] = {"none": lambda layer: layer, "spectral": SpectralNorm}
LATENTS: dict[str, Callable[[Tensor], Tensor]] = {
    "normal": lambda z: z,
    "uniform": lambda z: (z * math.sqrt(0.5)).erf(),
}


def layers(widths: tuple[int, ...], activation: str, norm: str = "none") -> nn.ModuleList:
    """Linear and activation from each width to the next."""
    return nn.ModuleList(
        nn.Sequential(NORMS[norm](nn.Linear(*two)), ACTIVATIONS[activation]()) for two in pairwise(widths)
    )


class Generator(nn.Module):
    """z (B, z_dim) -> points (B, D): hidden layers, then a linear one. Weights start as torch's.

    z is standard normal whatever the layers see, so samplers and walks need not know of `latent`.

    >>> import torch
    >>> G = Generator(shape=(2,))
    >>> G(torch.randn(4, G.z_dim)).shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        z_dim: Annotated[int, Field(description="how many random numbers a point is made of", gt=0)] = 2,
        hidden: Hidden = (128, 128),
        activation: Activation = "relu",
        latent: Annotated[
            Literal["normal", "uniform"],
            Field(description="what the first layer sees: normal, or uniform: erf(z/√2), even on (-1, 1)"),
        ] = "normal",
        condition: Condition | None = None,
        labels: Entry = "embedding",
    ) -> None:
        super().__init__()
        if condition is not None and labels == "batch_norm":
            raise RecipeError(
                "generator.labels = 'batch_norm': points has no batch norm; set generator.labels=embedding"
            )
        self.shape, self.z_dim, self.condition, self.latent = shape, z_dim, condition, LATENTS[latent]
        self.labels = entry(labels, condition, z_dim)
        self.blocks = layers((z_dim + int(self.labels.extra), *hidden), activation)  # type: ignore[arg-type]
        self.head = nn.Linear(hidden[-1], math.prod(shape))

    def forward(
        self, z: Float[Tensor, "B z_dim"], y: Shaped[Tensor, "B ..."] | None = None, noise: Any = None
    ) -> Float[Tensor, "B ..."]:
        expect_labels(self, self.condition, y)
        z = self.labels(self.latent(z), y)
        for block in self.blocks:
            z = block(z)
        return self.head(z).unflatten(1, self.shape)


class Discriminator(nn.Module):
    """Points (B, D) -> logits (B,): hidden layers, then one number.

    With `norm="spectral"` each layer's slope is at most 1, and so is the whole function's: relu, leaky_relu and tanh
    have slopes of at most 1 (silu reaches 1.1).

    >>> import torch
    >>> Discriminator(shape=(2,))(torch.zeros(4, 2)).shape
    torch.Size([4])
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        hidden: Hidden = (128, 128),
        activation: Activation = "leaky_relu",
        norm: Annotated[
            Literal["none", "spectral"], Field(description="none, or spectral: each layer's slope at most 1")
        ] = "none",
        minibatch: Minibatch = "none",
        condition: Condition | None = None,
        labels: Reader = "projection",
    ) -> None:
        super().__init__()
        self.condition = condition
        self.labels = reader(labels, condition, hidden[-1], spectral=norm == "spectral")
        self.blocks = layers((math.prod(shape) + int(self.labels.extra), *hidden), activation, norm)  # type: ignore[arg-type]
        self.minibatch = MINIBATCH[minibatch]((hidden[-1],))
        self.head = NORMS[norm](nn.Linear(hidden[-1] + int(self.minibatch.extra), 1))  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, " B"]:
        return self.full(x, y).logits[0]

    def full(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """Logits, and the activations of every hidden layer."""
        expect_labels(self, self.condition, y, required=not isinstance(self.labels, ClassHead))
        x = self.labels(x.flatten(1), y)
        return self.labels.answer(layered(x, self.blocks, lambda h: self.head(self.minibatch(h))), y)  # type: ignore[operator]
