"""Terms on the discriminator's gradient, weights and opinions, one number per sample, and projections of its weights.

A norm is never taken over the batch: a perfect critic of slope 1 is penalised 0 at any batch size. A new penalty is
one more function in `PENALTIES`.
"""

from collections.abc import Callable

from ganforge.penalties.classes import auxiliary_classifier
from ganforge.penalties.consistency import balanced_consistency, consistency, latent_consistency
from ganforge.penalties.gradient import dragan, gradient_penalty, r1, r2
from ganforge.penalties.lecam import lecam
from ganforge.penalties.penalty import Context, Penalty
from ganforge.penalties.weights import orthogonal, weight_clipping

__all__ = [
    "PENALTIES",
    "Context",
    "Penalty",
    "auxiliary_classifier",
    "balanced_consistency",
    "consistency",
    "dragan",
    "gradient_penalty",
    "latent_consistency",
    "lecam",
    "orthogonal",
    "r1",
    "r2",
    "weight_clipping",
]

PENALTIES: dict[str, Callable[..., Penalty]] = {
    "r1": r1,
    "r2": r2,
    "gradient_penalty": gradient_penalty,
    "dragan": dragan,
    "weight_clipping": weight_clipping,
    "orthogonal": orthogonal,
    "consistency": consistency,
    "balanced_consistency": balanced_consistency,
    "latent_consistency": latent_consistency,
    "lecam": lecam,
    "auxiliary_classifier": auxiliary_classifier,
}
"""Name -> function of the penalty's own parameters, the keys of a recipe's [penalties.NAME]."""
