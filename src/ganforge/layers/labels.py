"""What an unconditional network says to labels."""

from jaxtyping import Shaped
from torch import Tensor, nn

from ganforge.errors import RecipeError

__all__ = ["refuse_labels"]


def refuse_labels(network: nn.Module, y: Shaped[Tensor, "B ..."] | None) -> None:
    """Raise RecipeError if labels reach a network that has no use for them, rather than drop them in silence."""
    if y is not None:
        name = f"{type(network).__module__.rpartition('.')[2]}.{type(network).__name__}"
        raise RecipeError(f"{name} can't use labels: train it without labels, or choose a conditional network.")
