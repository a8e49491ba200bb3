"""What a discriminator says when it is asked for everything."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

__all__ = ["Output"]


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
