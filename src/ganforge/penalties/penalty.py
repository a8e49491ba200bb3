"""What a penalty is, and what it may look at."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import torch
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from ganforge.layers import called, cheap_double_backward
from ganforge.moment import Memory

__all__ = ["Context", "Interval", "Penalty", "widened"]

Interval = Annotated[
    int, Field(description="compute it every n-th discriminator step only, weighted n: cheaper, nearly as good", ge=1)
]


@dataclass
class Context:
    """What a penalty may look at in one discriminator step.

    With packing a sample is a pack, its members side by side as channels.

    Attributes:
        D: the discriminator.
        real, fake: the samples before augmentation, (B, C, H, W) or (B, D); those in the penalty's `inputs` require a
            gradient.
        real_logits, fake_logits: what D said of them, in the same forward pass.
        y: the labels of the real samples that D got, or None.
        rng: where random numbers come from.
        images: real images seen so far, for schedules.
        memory: what this penalty keeps between turns, by the names that its `memory` gave.
        judge: samples and labels -> logits as the game asks D, through augmentation; None where that is D itself.
        G, z: the generator and the latents of these fakes; None outside of a game.
        wanted: the labels that the generator got; None without.
        y_fake: those of them that D got.
        real_aux, fake_aux: what D's class head said, (B, classes), where a penalty is of classes.
    """

    D: nn.Module
    real: Float[Tensor, "B ..."]
    fake: Float[Tensor, "B ..."]
    real_logits: Float[Tensor, "B ..."]
    fake_logits: Float[Tensor, "B ..."]
    y: Shaped[Tensor, "B ..."] | None
    rng: torch.Generator
    images: int
    memory: Memory = field(default_factory=dict)
    judge: Callable[[Tensor, Tensor | None], Tensor] | None = None
    G: nn.Module | None = None
    z: Float[Tensor, "N z_dim"] | None = None
    wanted: Shaped[Tensor, "N ..."] | None = None
    y_fake: Shaped[Tensor, "N ..."] | None = None
    real_aux: Float[Tensor, "B ..."] | None = None
    fake_aux: Float[Tensor, "B ..."] | None = None

    def ask(self, x: Float[Tensor, "B ..."], *, fake: bool = False) -> Float[Tensor, "B ..."]:
        """The logits of other samples, asked as the game asks, with the labels of the real ones or of the fakes.

        If x requires a gradient, it is cheap to differentiate that gradient again.
        """
        y = self.y_fake if fake else self.y
        with cheap_double_backward(x.requires_grad):
            return called(self.D, x, y) if self.judge is None else self.judge(x, y)

    def make(self, z: Float[Tensor, "N z_dim"]) -> Float[Tensor, "N ..."]:
        """What the generator makes of other latents, asked for the same."""
        assert self.G is not None
        return called(self.G, z, self.wanted)


def widened(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """x in float32 at least: half precision can hold a logit, but not its square or a sum of a thousand squares."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@dataclass(frozen=True)
class Penalty:
    """One term of the discriminator's loss, or a projection of its weights, or both.

    Attributes:
        name: its name in `PENALTIES`.
        term: context -> (B,), one number per sample, with a graph to the discriminator's weights; a term of the weights
            alone gives the same number for each. None: no term.
        inputs: which of "real" and "fake" must require a gradient and share the main forward pass.
        every: computed on every n-th discriminator step only, and weighted n then.
        project: changes the discriminator's weights in place, under no_grad, after each of its updates.
        memory: () -> the tensors that it keeps between turns, as they are at the start.
        per_sample: whether the term is one sample's own (gradient norms are): then it has no meaning with a
            discriminator that mixes the samples of a batch.
        of_weights: whether it is about the discriminator's weights as they stand: then it has no meaning where a layer
            multiplies by something else than its weights.
        of_batch: whether the number depends on the whole batch or on all weights, so that games that are played side by
            side would see each other.
        of_classes: whether it looks at what D's class head says.
    """

    name: str
    term: Callable[[Context], Float[Tensor, " B"]] | None
    inputs: frozenset[str] = frozenset()
    every: int = 1
    project: Callable[[nn.Module], None] | None = None
    memory: Callable[[], Memory] = dict
    per_sample: bool = True
    of_weights: bool = False
    of_batch: bool = False
    of_classes: bool = False
