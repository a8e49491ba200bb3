"""The geometry of latent space: how to walk from one latent to another, and how to add them."""

from ganforge.latent.interpolation import direction, lerp, slerp
from ganforge.latent.mixing import mix, of_typical_length
from ganforge.latent.norms import expected_norm, lerp_norm_ratio, line_minimum, segment_minimum
from ganforge.latent.seeds import seeded
from ganforge.latent.tangent import tangent
from ganforge.latent.truncation import truncated, truncated_deviation
from ganforge.latent.walks import WAYS, bilinear, cubic, positions, walk

__all__ = [
    "WAYS",
    "bilinear",
    "cubic",
    "direction",
    "expected_norm",
    "lerp",
    "lerp_norm_ratio",
    "line_minimum",
    "mix",
    "of_typical_length",
    "positions",
    "seeded",
    "segment_minimum",
    "slerp",
    "tangent",
    "truncated",
    "truncated_deviation",
    "walk",
]
