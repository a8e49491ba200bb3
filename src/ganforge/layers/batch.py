"""Which networks let the samples of a batch see each other."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["mixes_samples"]


def mixes_samples(module: nn.Module) -> bool:
    """Whether one sample's output depends on the others in its batch, in training.

    So it is with batch norm, and with any layer that says so by an attribute `mixes_samples = True` (minibatch
    discrimination). Then a gradient penalty means nothing per sample, and real and fake can't share a pass.

    >>> mixes_samples(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    True
    """
    return any(isinstance(part, _BatchNorm) or getattr(part, "mixes_samples", False) for part in module.modules())
