"""The class head's loss: a discriminator that also says which class a sample is of."""

from typing import Annotated

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from ganforge.layers import label_loss
from ganforge.penalties.penalty import Context, Interval, Penalty
from ganforge.schedules import Number, at

__all__ = ["auxiliary_classifier"]


def auxiliary_classifier(
    *,
    real: Annotated[Number, Field(ge=0, description="weight at real samples; it has none with game.labels=code")] = 1.0,
    fake: Annotated[Number, Field(ge=0, description="weight at the generator's samples")] = 1.0,
    every: Interval = 1,
) -> Penalty:
    """-log p(y|x) by the discriminator's class head, at real samples and at fakes.

    The discriminator's half of AC-GAN, L_C of Odena et al. 2017, arXiv:1610.09585, eq. 3; the generator's is the term
    of the same name. With `game.labels=code` both are InfoGAN's bound on the mutual information, Chen et al. 2016,
    arXiv:1606.03657, eq. 5. *Differs:* there the code's head is trained in the generator's turn.
    """

    def term(context: Context) -> Float[Tensor, " B"]:
        assert context.real_aux is not None
        assert context.fake_aux is not None
        on_real = at(real, context.images) * label_loss(context.real_aux, context.y)
        return on_real + at(fake, context.images) * label_loss(context.fake_aux, context.wanted)

    return Penalty("auxiliary_classifier", term, frozenset(), every, per_sample=False, of_classes=True)
