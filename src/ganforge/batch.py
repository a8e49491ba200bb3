"""What walks in at the data door: one batch of real samples."""

from dataclasses import dataclass

from jaxtyping import Float, Int64, Shaped
from torch import Tensor

__all__ = ["Batch"]


@dataclass(frozen=True)
class Batch:
    """Real samples on the training device.

    Attributes:
        x: samples in the data's own units; images in [-1, 1], (B, C, H, W) float32.
        index: which samples of the split these are, (B,) int64.
        y: labels, class numbers (B,) int64 or vectors (B, K) float32; None where the game uses none.
        cond: what a generator is conditioned on besides labels (an image, a spectrogram); None for plain noise.
        pair: the other half of paired data; None otherwise.
    """

    x: Float[Tensor, "B ..."]
    index: Int64[Tensor, " B"]
    y: Shaped[Tensor, "B ..."] | None = None
    cond: Shaped[Tensor, "B ..."] | None = None
    pair: Shaped[Tensor, "B ..."] | None = None
