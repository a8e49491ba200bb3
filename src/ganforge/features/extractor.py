"""What an extractor is: samples in, features out, under a name that fixes them. Points are features already."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Num
from torch import Tensor
from torch.nn import functional as F

from ganforge.features.images import in_unit_range

__all__ = ["Extractor", "Features", "PixelFeatures", "PointFeatures"]

FIELDS = 8  # along either side


class Features(NamedTuple):
    """What a classifier says of B images: its penultimate layer, and the logits of its K classes."""

    features: Float[Tensor, "B D"]
    logits: Float[Tensor, "B K"]


@runtime_checkable
class Extractor(Protocol):
    """What turns samples into features, by a name that fixes them.

    Attributes:
        name: what it is called in a protocol's name.
        digest: 12 hex digits of its weights, or "none" where there are none.
        classes: the names of its classes; none where it knows no classes.
    """

    name: str
    digest: str
    classes: tuple[str, ...]

    def __call__(self, samples: Num[Tensor, "B ..."], /) -> Features:
        """Features (B, D) and logits (B, K) on the CPU."""
        ...


class PointFeatures:
    """Points as their own features: figures are then in the data's own units.

    >>> PointFeatures()(torch.ones(5, 2)).features.shape
    torch.Size([5, 2])
    """

    name, digest = "points", "none"
    classes: tuple[str, ...] = ()

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)

    def __call__(self, samples: Num[Tensor, "B ..."]) -> Features:
        """The points (B, D), flat, in float32, and no logits (B, 0)."""
        return Features(samples.flatten(1).float().cpu(), torch.empty(len(samples), 0))


class PixelFeatures:
    """Means over the 8 × 8 fields of an image, channel by channel: for images that no classifier knows.

    They see colours, shapes and where things lie, coarsely; what things are, they don't. Figures can be compared with
    others of the same data alone.

    >>> PixelFeatures()(torch.zeros(5, 6, 32, 32, dtype=torch.uint8)).features.shape
    torch.Size([5, 384])
    """

    name, digest = "pixels", "none"
    classes: tuple[str, ...] = ()

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)

    @torch.inference_mode()
    def __call__(self, samples: Num[Tensor, "B ..."]) -> Features:
        """The means in [-1, 1], (B, C·64) on the CPU, and no logits (B, 0)."""
        fields = F.adaptive_avg_pool2d(in_unit_range(samples.to(self.device)), FIELDS).flatten(1)
        return Features(fields.cpu(), torch.empty(len(samples), 0))
