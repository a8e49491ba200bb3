"""Spectral normalisation: a layer whose linear map has norm 1."""

import torch
from jaxtyping import Float, Shaped
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
    kernel stands for the convolution, unless its inputs' `size` is given: then W is the whole linear map from images
    of that size to feature maps, and u and v are a map and an image. The kernel's σ is the smaller one, by up
    to √n where n windows share a pixel (4 of side 4 at stride 2), so only the map's own bounds the layer's slope. It
    costs a convolution of one more image. Power iteration as in Gouk et al. 2021, arXiv:1804.04368.

    Args:
        layer: the layer whose `weight` is divided: a convolution, a linear layer, an embedding of labels.
        steps: power iterations in each `advance`. One follows weights that change slowly.
        size: (height, width) of the convolution's inputs.

    Raises:
        ValueError: if a size is given with anything but a `Conv2d` that pads with zeros.

    >>> layer = SpectralNorm(nn.Linear(3, 2))
    >>> advance(layer, steps=100)
    >>> round(torch.linalg.matrix_norm(layer.weight, 2).item(), 4)
    1.0
    """

    u: Tensor
    v: Tensor

    def __init__(
        self,
        layer: nn.Module,
        *,
        steps: int = 1,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.layer, self.steps, self.size = layer, steps, size
        rows, columns = self._shapes()
        self.register_buffer("u", _unit(torch.randn(rows)))
        self.register_buffer("v", _unit(torch.randn(columns)))
        advance(self, steps=WARM_UP)

    @torch.no_grad()
    def _shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of u and v: a feature map and an image, or the sides of the matrix."""
        if self.size is None:
            rows, columns = self._matrix().shape
            return (rows,), (columns,)
        if not isinstance(self.layer, nn.Conv2d) or self.layer.padding_mode != "zeros" or self.layer.padding == "same":
            raise ValueError(f"size is for a Conv2d with a number of zeros as padding, not for {self.layer}; leave it")
        image = (1, self.layer.in_channels, *self.size)
        return tuple(self._image(torch.zeros(image)).shape), image

    def _matrix(self) -> Float[Tensor, "rows columns"]:
        weight: Tensor = self.layer.weight  # type: ignore[assignment]
        if isinstance(self.layer, nn.ConvTranspose2d):
            weight = weight.transpose(0, 1)
        return weight.flatten(1)

    def _image(self, v: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Wv."""
        if self.size is None:
            return torch.mv(self._matrix(), v)
        conv: nn.Conv2d = self.layer  # type: ignore[assignment]
        return F.conv2d(v, conv.weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)

    def _preimage(self, u: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Wᵀu."""
        if self.size is None:
            return torch.mv(self._matrix().t(), u)
        conv: nn.Conv2d = self.layer  # type: ignore[assignment]
        left = [_unreached(conv, side, i) for i, side in enumerate(self.size)]
        return F.conv_transpose2d(u, conv.weight, None, conv.stride, conv.padding, left, conv.groups, conv.dilation)  # type: ignore[arg-type]

    def sigma(self) -> Float[Tensor, ""]:
        """The estimate of W's largest singular value; in W's precision, autocast or not."""
        with torch.autocast(self.u.device.type, enabled=False):
            return torch.dot(self.u.flatten(), self._image(self.v).flatten())

    @property
    def weight(self) -> Float[Tensor, "..."]:
        """W/σ, what forward multiplies with."""
        weight: Tensor = self.layer.weight  # type: ignore[assignment]
        return weight / self.sigma()

    def forward(self, x: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        return functional_call(self.layer, {"weight": self.weight}, (x,))


def _unit(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """x/|x|."""
    return F.normalize(x.flatten(), dim=0).view(x.shape)


def _unreached(conv: nn.Conv2d, side: int, axis: int) -> int:
    """How many of the last pixels along an axis no window of the convolution begins to cover."""
    padding, reach = int(conv.padding[axis]), conv.dilation[axis] * (conv.kernel_size[axis] - 1) + 1
    return (side + 2 * padding - reach) % conv.stride[axis]


@torch.no_grad()
def advance(norm: SpectralNorm, *, steps: int | None = None) -> None:
    """Power iterations v <- Wᵀu/|Wᵀu|, u <- Wv/|Wv|, in place; the layer's own number of them, if none is given."""
    with torch.autocast(norm.u.device.type, enabled=False):
        for _ in range(norm.steps if steps is None else steps):
            norm.v.copy_(_unit(norm._preimage(norm.u)))
            norm.u.copy_(_unit(norm._image(norm.v)))


def advance_spectral_norms(module: nn.Module, *, steps: int | None = None) -> None:
    """Power iterations in every spectral norm inside `module`: to be called once per discriminator update."""
    for part in module.modules():
        if isinstance(part, SpectralNorm):
            advance(part, steps=steps)
