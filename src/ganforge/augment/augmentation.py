"""What an augmentation is."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ganforge.moment import Memory, Moment

__all__ = ["Augmentation"]


@dataclass(frozen=True)
class Augmentation:
    """A random change of samples, the same in distribution for real and fake ones.

    Attributes:
        name: its name in `AUGMENTATIONS`.
        apply: (x, moment) -> x changed, each sample on its own, (B, C, H, W) or (B, D); differentiable twice in x.
            Random numbers come from `moment.rng`; its memory is `moment.remembered(name)`.
        watch: (real logits minus the level where D decides, moment) -> None: a controller that changes its memory in
            place, called once in each discriminator step, under no_grad, without waiting for the device. None: none.
        memory: () -> the tensors that it keeps between turns, as they are at the start.
        images_only: whether it has a meaning for images alone, not for points.
    """

    name: str
    apply: Callable[[Float[Tensor, "B ..."], Moment], Float[Tensor, "B ..."]]
    watch: Callable[[Float[Tensor, " B"], Moment], None] | None = None
    memory: Callable[[], Memory] = dict
    images_only: bool = True
