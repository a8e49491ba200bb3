"""The geometry of latent space: how to walk from one latent to another."""

from ganforge.latent.interpolation import lerp, slerp
from ganforge.latent.norms import expected_norm, lerp_norm_ratio, line_minimum, segment_minimum
from ganforge.latent.seeds import seeded
from ganforge.latent.truncation import truncated

__all__ = [
    "expected_norm",
    "lerp",
    "lerp_norm_ratio",
    "line_minimum",
    "seeded",
    "segment_minimum",
    "slerp",
    "truncated",
]
