"""Exact divergences, optimal discriminators and optimal transport: the theory that training is checked against.

Divergences of discrete distributions go by their plain names and give floats; those of densities go through
`divergence` and give an `Estimate` with its error. `ganforge.theory.measures` holds the formulae on tensors.
"""

from ganforge.theory.densities import Density, Estimate, Gaussian, Grid, Mixture
from ganforge.theory.divergences import (
    entropy,
    jsd,
    kl,
    neyman_chi2,
    pearson_chi2,
    probabilities,
    reverse_kl,
    squared_hellinger,
    total_variation,
)
from ganforge.theory.optimum import Losses, game_value, generator_gradient, optimal_discriminator
from ganforge.theory.quadrature import DIVERGENCES, differential_entropy, divergence
from ganforge.theory.transport import (
    Potential,
    Transport,
    dual,
    matching,
    potential,
    transport,
    wasserstein_1d,
    wasserstein_1d_of_densities,
)

__all__ = [
    "DIVERGENCES",
    "Density",
    "Estimate",
    "Gaussian",
    "Grid",
    "Losses",
    "Mixture",
    "Potential",
    "Transport",
    "differential_entropy",
    "divergence",
    "dual",
    "entropy",
    "game_value",
    "generator_gradient",
    "jsd",
    "kl",
    "matching",
    "neyman_chi2",
    "optimal_discriminator",
    "pearson_chi2",
    "potential",
    "probabilities",
    "reverse_kl",
    "squared_hellinger",
    "total_variation",
    "transport",
    "wasserstein_1d",
    "wasserstein_1d_of_densities",
]
