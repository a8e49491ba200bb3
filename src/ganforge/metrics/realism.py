"""The realism of single samples: which fakes look most and least like real ones."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ganforge.errors import DataError
from ganforge.metrics.manifold import k_nearest_radius

__all__ = ["realism"]

ROWS = 256  # of the distance matrix at once


def realism(*, real: Float[Tensor, "N D"], fake: Float[Tensor, "M D"], k: int = 3) -> Float64[Tensor, " M"]:
    """How real each of M fakes is: the largest over N reals of (radius of the real's ball) / (distance to that real).

    The ball of a real reaches to its k-th nearest other one, so 1 or more means inside some real's ball, and the share
    of such fakes is a precision; the further below 1, the further away from anything real. It sorts one generator's
    samples from best to worst, and says nothing of diversity. The reals with the widest balls, the half beyond the
    median radius, are left out: few and far between, they would make a fake "real" that is close to nothing. A fake
    that is an exact copy of a real has an infinite realism.

    The nearest ball is found by products of vectors moved to the reals' mean, in float64, in blocks of 256 rows, and
    its distance is then taken from the difference itself, so close copies lose no digits.

    Args:
        real: features of N real samples, N > k.
        fake: features of M fakes; M may be 0.
        k: which neighbour a ball reaches to.

    Raises `DataError` unless 1 <= k < N, and if all the balls that are left have radius 0.

    >>> real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    >>> realism(real=real, fake=torch.tensor([[2.5], [4.0], [9.0]]), k=1).tolist()
    [2.0, 0.5, 0.14285714285714285]

    Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models", section 5.
    *Differs:* a ball as wide as the median stays.
    """
    radius = k_nearest_radius(real, k)
    narrow = radius <= radius.median()
    if not radius[narrow].any():
        raise DataError("more than half of the real samples are copies of others: realism has no scale; remove copies")
    centre = real.double().mean(0)
    x, y, radius = (real.double() - centre)[narrow], fake.double() - centre, radius[narrow]
    norms, found = x.square().sum(1), []
    for rows in y.split(ROWS):
        squared = torch.addmm(norms, rows, x.T, alpha=-2) + rows.square().sum(1, keepdim=True)  # (rows, reals)
        best = (radius.square() / squared.clamp_min(torch.finfo(x.dtype).tiny)).argmax(1)
        found.append(radius[best] / (rows - x[best]).norm(dim=1))
    return torch.cat(found)
