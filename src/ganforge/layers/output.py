"""What a discriminator says when it is asked for everything."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Output", "layered"]


@dataclass(frozen=True)
class Output:
    """`D.full(x, y)`: for games that need more than one number per image.

    Attributes:
        logits: one tensor per scale, each (B,) or (B, patches...).
        features: hidden activations from the input to the head, each (B, ...), for feature matching.
        aux: the class head's logits, (B, classes), or None.
    """

    logits: list[Float[Tensor, "..."]]
    features: list[Float[Tensor, "..."]] = field(default_factory=list)
    aux: Float[Tensor, "..."] | None = None


def layered(x: Float[Tensor, "B ..."], blocks: Iterable[nn.Module], head: Callable[[Tensor], Tensor]) -> Output:
    """A discriminator that is a row of blocks and a head: one logit a sample, and what comes out of every block."""
    features: list[Tensor] = []
    for block in blocks:
        x = block(x)
        features.append(x)
    return Output(logits=[head(x).flatten()], features=features)
