"""Spectral normalisation: a layer whose linear map has norm 1."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

__all__ = ["SpectralNorm", "advance", "advance_spectral_norms"]

WARM_UP = 15  # power iterations from random vectors: within a few per cent of the norm


class SpectralNorm(nn.Module):
    """A convolution or linear layer with weight W/σ(W), σ the largest singular value: its slope is bounded.

    W is a matrix of (outputs, all else), σ = uᵀWv with the singular vectors u and v as buffers: they are saved, they
    are constants to the gradient (σ is differentiable in W), and they move in `advance` only, never in forward. So a
    forward pass is a pure function of the state, in training too.

    Miyato et al. 2018, arXiv:1802.05957, algorithm 1. *Differs:* there (and in torch) each forward pass in training
    iterates once; here once per discriminator update, however many passes that takes. As there, a convolution's
    kernel stands for the convolution.

    >>> layer = SpectralNorm(nn.Linear(3, 2))
    >>> advance(layer, steps=100)
    >>> round(torch.linalg.matrix_norm(layer.weight, 2).item(), 4)
    1.0
    """

    u: Tensor
    v: Tensor

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        rows, columns = self._matrix().shape
        self.register_buffer("u", F.normalize(torch.randn(rows), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(columns), dim=0))
        advance(self, steps=WARM_UP)

    def _matrix(self) -> Float[Tensor, "rows columns"]:
        weight = self.layer.weight
        if isinstance(self.layer, nn.ConvTranspose2d):
            weight = weight.transpose(0, 1)
        return weight.flatten(1)

    def sigma(self) -> Float[Tensor, ""]:
        """The estimate of W's largest singular value; in W's precision, autocast or not."""
        matrix = self._matrix()
        with torch.autocast(matrix.device.type, enabled=False):
            return torch.dot(self.u, torch.mv(matrix, self.v))

    @property
    def weight(self) -> Float[Tensor, "..."]:
        """W/σ, what forward multiplies with."""
        return self.layer.weight / self.sigma()

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        return functional_call(self.layer, {"weight": self.weight}, (x,))


@torch.no_grad()
def advance(norm: SpectralNorm, *, steps: int = 1) -> None:
    """Power iterations v <- Wᵀu/|Wᵀu|, u <- Wv/|Wv|, in place."""
    matrix = norm._matrix()
    with torch.autocast(matrix.device.type, enabled=False):
        for _ in range(steps):
            norm.v.copy_(F.normalize(torch.mv(matrix.t(), norm.u), dim=0))
            norm.u.copy_(F.normalize(torch.mv(matrix, norm.v), dim=0))


def advance_spectral_norms(module: nn.Module, *, steps: int = 1) -> None:
    """One power iteration in every spectral norm inside `module`: to be called once per discriminator update."""
    for part in module.modules():
        if isinstance(part, SpectralNorm):
            advance(part, steps=steps)
