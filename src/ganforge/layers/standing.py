"""Batch norm's standing statistics: the means and variances that samples are normalised by in evaluation."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["ROUNDS", "restate_norms"]

ROUNDS = 3  # after two, the statistics of five layers move by less than their sampling error


def restate_norms(network: nn.Module, calls: Callable[[], None], *, rounds: int = ROUNDS) -> None:
    """Takes the standing statistics of a network's batch norms anew, from what arrives at them in `calls`.

    An average of the batches' own statistics (Brock et al. 2019, arXiv:1809.11096, section 4.1) is biased: behind other
    norms that use their batch's statistics too, a layer sees other activations than it will see in evaluation (Wu &
    Johnson 2021, arXiv:2105.07576, section 3). So it is only where the search starts: `rounds` times the moments of all
    that arrives at every norm are taken, in evaluation, while all use the statistics of the round before. What remains
    are those that evaluation has itself, whatever the size of the batches; of norms in a row, the first n are exact
    after n rounds. The network is in evaluation mode afterwards; batches that differ in size weigh the same.
    """
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
        norm.train()
    calls()
    network.eval()
    for _ in range(rounds):
        moments = [Moments(norm) for norm in norms]
        calls()
        for seen in moments:
            seen.settle()


class Moments:
    """Mean and variance of all that arrives at a norm (B, C, ...), until they become its standing statistics."""

    def __init__(self, norm: _BatchNorm) -> None:
        self.norm, self.means, self.variances = norm, list[Tensor](), list[Tensor]()
        self.hook = norm.register_forward_pre_hook(self.see)

    def see(self, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """One batch of them."""
        x = inputs[0].float().transpose(0, 1).flatten(1)
        self.means.append(x.mean(1))
        self.variances.append(x.var(1, correction=0))

    @torch.no_grad()
    def settle(self) -> None:
        """Writes them into the norm: the variance within batches, plus that of the batches' means."""
        self.hook.remove()
        means, variances = torch.stack(self.means), torch.stack(self.variances)
        self.norm.running_mean.copy_(means.mean(0))  # type: ignore[union-attr]
        self.norm.running_var.copy_(variances.mean(0) + means.var(0, correction=0))  # type: ignore[union-attr]
