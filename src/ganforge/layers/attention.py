"""Self attention over the places of a feature map."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.layers.residual import Wrap, plain

__all__ = ["SelfAttention"]


class SelfAttention(nn.Module):
    """x + γ·o(softmax(θ(x)ᵀ φ(x)) g(x)), all four 1×1 convolutions without bias: (B, C, H, W) -> the same.

    θ and φ have C/8 channels, g has C/2; φ and g look at maxima of 2 × 2 places, which makes the attention four times
    smaller. γ begins at 0, so that the network begins local. Zhang et al. 2019, arXiv:1805.08318, eq. 1-3, with their
    code's halving, which the paper doesn't mention and BigGAN shares.
    """

    def __init__(self, channels: int, *, wrap: Wrap = plain) -> None:
        super().__init__()
        narrow, half = max(1, channels // 8), max(1, channels // 2)
        self.theta = wrap(nn.Conv2d(channels, narrow, 1, bias=False))
        self.phi = wrap(nn.Conv2d(channels, narrow, 1, bias=False))
        self.g = wrap(nn.Conv2d(channels, half, 1, bias=False))
        self.o = wrap(nn.Conv2d(half, channels, 1, bias=False))
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(
        self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."] | None = None
    ) -> Float[Tensor, "B C H W"]:
        theta = self.theta(x).flatten(2)  # (B, C/8, HW)
        phi = F.max_pool2d(self.phi(x), 2).flatten(2)  # (B, C/8, HW/4)
        g = F.max_pool2d(self.g(x), 2).flatten(2)  # (B, C/2, HW/4)
        beta = torch.softmax(torch.bmm(theta.transpose(1, 2), phi), 2)  # (B, HW, HW/4), rows sum to 1
        seen = torch.bmm(g, beta.transpose(1, 2)).unflatten(2, tuple(x.shape[2:]))  # (B, C/2, H, W)
        return x + self.gamma * self.o(seen)
