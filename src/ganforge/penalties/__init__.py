"""Terms on the discriminator's gradient and weights, one number per sample, and projections of its weights.

A norm is never taken over the batch: a perfect critic of slope 1 is penalised 0 at any batch size. A new penalty is
one more function in `PENALTIES`.
"""

from collections.abc import Callable

from ganforge.penalties.gradient import gradient_penalty, r1, r2
from ganforge.penalties.penalty import Context, Penalty

__all__ = ["PENALTIES", "Context", "Penalty", "gradient_penalty", "r1", "r2"]

PENALTIES: dict[str, Callable[..., Penalty]] = {"r1": r1, "r2": r2, "gradient_penalty": gradient_penalty}
