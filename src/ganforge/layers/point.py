"""Convolutions over a whole map, from one pixel or to one, as the matrix products that they are.

Where the input of a transposed convolution has one pixel, or a convolution's kernel covers its input, no window ever
moves: the layer is a linear one whose weight is the kernel in another order. On a CPU torch's convolutions take five to
ten times as long for it.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FromPixel", "ToPixel"]


class FromPixel(nn.ConvTranspose2d):
    """(B, Z, 1, 1) -> (B, C, k, k), in channels_last: a transposed convolution, whose parameters it has.

    >>> import torch
    >>> layer, z = FromPixel(3, 5, 4), torch.randn(2, 3, 1, 1)
    >>> torch.allclose(layer(z), nn.ConvTranspose2d.forward(layer, z), atol=1e-6)
    True
    """

    def forward(self, x: Float[Tensor, "B Z 1 1"], output_size: list[int] | None = None) -> Float[Tensor, "B C k k"]:
        B, Z = x.shape[:2]
        height, width = self.kernel_size
        kernel = self.weight.permute(0, 2, 3, 1)  # (Z, k, k, C), contiguous in channels_last
        y = x.reshape(B, Z) @ kernel.reshape(Z, -1)
        y = y.view(B, height, width, self.out_channels)
        return (y if self.bias is None else y + self.bias).permute(0, 3, 1, 2)


class ToPixel(nn.Conv2d):
    """(B, C, k, k) -> (B, D, 1, 1): a convolution whose kernel covers its input, whose parameters it has.

    >>> import torch
    >>> layer, x = ToPixel(3, 5, 4), torch.randn(2, 3, 4, 4)
    >>> torch.allclose(layer(x), nn.Conv2d.forward(layer, x), atol=1e-6)
    True
    """

    def forward(self, x: Float[Tensor, "B C k k"]) -> Float[Tensor, "B D 1 1"]:
        kernel = self.weight.permute(0, 2, 3, 1).reshape(self.out_channels, -1)
        return F.linear(x.permute(0, 2, 3, 1).reshape(len(x), -1), kernel, self.bias)[:, :, None, None]
