"""Every adversarial objective, as a row of one table.

p is the density of the data, q that of the generator, m = (p + q)/2. Divergences are in nats:
KL(p‖q) = Σ p log p/q, JSD = (KL(p‖m) + KL(q‖m))/2, TV = ½ Σ |p - q|, χ²(p‖q) = Σ (p - q)²/q, H² = ½ Σ (√p - √q)².
A new objective is one more function in `OBJECTIVES`: two elementwise losses of logits, and what they mean. What a row
states is measured by `agreement`, with a discriminator that is trained on it.
"""

from collections.abc import Callable

from ganforge.objectives.agreement import Agreement, agreement, trained_logits
from ganforge.objectives.classic import (
    hinge,
    least_squares,
    minimax,
    non_saturating,
    relativistic_pairing,
    wasserstein,
)
from ganforge.objectives.f_gan import f_hellinger, f_js, f_kl, f_pearson, f_reverse_kl, f_total_variation
from ganforge.objectives.objective import Objective, Statement, stated

__all__ = [
    "OBJECTIVES",
    "Agreement",
    "Objective",
    "Statement",
    "agreement",
    "f_hellinger",
    "f_js",
    "f_kl",
    "f_pearson",
    "f_reverse_kl",
    "f_total_variation",
    "hinge",
    "least_squares",
    "minimax",
    "non_saturating",
    "relativistic_pairing",
    "stated",
    "trained_logits",
    "wasserstein",
]

OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "minimax": minimax,
    "non_saturating": non_saturating,
    "least_squares": least_squares,
    "wasserstein": wasserstein,
    "hinge": hinge,
    "relativistic_pairing": relativistic_pairing,
    "f_kl": f_kl,
    "f_reverse_kl": f_reverse_kl,
    "f_pearson": f_pearson,
    "f_hellinger": f_hellinger,
    "f_total_variation": f_total_variation,
    "f_js": f_js,
}
