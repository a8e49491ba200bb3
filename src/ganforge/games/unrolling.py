"""Unrolling: the generator plays against the discriminator that it will meet some updates later."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganforge.moment import Moment

__all__ = ["unrolled"]

Judge = Callable[..., Tensor]


def unrolled(D: nn.Module, loss: Callable[[Judge], Tensor], moment: Moment, *, steps: int) -> Judge:
    """D as it would be after `steps` more updates by its own optimiser, differentiable in what `loss` depends on.

    The generator's gradient then has a second part, how the discriminator would answer to a change of the fakes, which
    is what keeps it from rushing into one mode. D itself stays as it is, its buffers too.

    Metz et al. 2017, arXiv:1611.02163, eq. 10 and 11: there, as here, all imagined updates are on this turn's batch.

    Args:
        loss: the discriminator's loss, a 0-dim tensor, as a function of (x, y) -> logits.
    """
    params = {k: p.detach().requires_grad_() for k, p in D.named_parameters()}
    buffers = {k: b.clone() for k, b in D.named_buffers()}
    assert moment.lookahead is not None
    lookahead = moment.lookahead("discriminator")
    slots = lookahead.start()

    def imagined(values: dict[str, Tensor]) -> Judge:
        return lambda *given: functional_call(D, {**values, **buffers}, given)

    for _ in range(steps):
        gradients = torch.autograd.grad(loss(imagined(params)), list(params.values()), create_graph=True)
        params, slots = lookahead.step(params, dict(zip(params, gradients, strict=True)), slots)
    return imagined(params)
