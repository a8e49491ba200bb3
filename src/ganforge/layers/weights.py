"""Where weights begin."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["normal_weights_"]


@torch.no_grad()
def normal_weights_(module: nn.Module, *, std: float = 0.02, rng: torch.Generator | None = None) -> None:
    """Draw all weights of `module` anew as DCGAN does: N(0, std), batch norm's gains N(1, std), every bias 0.

    Convolutions, transposed convolutions, linear layers and batch norms; the rest is left alone.
    Radford et al. 2016, arXiv:1511.06434, section 4.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            part.weight.normal_(0.0, std, generator=rng)
        elif isinstance(part, _BatchNorm) and part.affine:
            part.weight.normal_(1.0, std, generator=rng)
        else:
            continue
        if part.bias is not None:
            part.bias.zero_()
