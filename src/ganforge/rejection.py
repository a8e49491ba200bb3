"""Rejection sampling by the discriminator: what it knows of the density ratio decides which samples are kept."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.batch import Batch
from ganforge.errors import RecipeError
from ganforge.latent import seeded
from ganforge.layers import advance_spectral_norms, called
from ganforge.plan import Plan, told_labels
from ganforge.sample import latents

__all__ = ["Rejection", "calibrated"]

BURN_IN = 10_000  # samples that set the cap
FIRST = 2**33  # of their seeds and of all coins'


@dataclass(frozen=True)
class Rejection:
    """Keeps a sample x with probability min(1, r(x)/c), r the density ratio p_data/p_G by a calibrated discriminator.

    Azadi et al. 2019, arXiv:1810.06758. *Differs:* the cap c is a quantile of r over samples, where they take the
    largest r that was seen and shift all logits by a percentile: both buy acceptance with exactness.

    Attributes:
        D: a discriminator whose logit is log r.
        cap: log c.
    """

    D: nn.Module
    cap: float

    @torch.no_grad()
    def keeps(self, x: Float[Tensor, "B ..."], seeds: Sequence[int], y: Tensor | None = None) -> Bool[Tensor, " B"]:
        """Which samples are kept, (B,) bool; a seed's coin is its own, so the same ones whatever else is asked for."""
        coins = torch.Generator()
        u = torch.tensor([torch.rand((), generator=seeded(coins, FIRST + seed)).item() for seed in seeds])
        return u.log().to(x.device) < called(self.D, x, y).flatten() - self.cap


def calibrated(
    plan: Plan, G: nn.Module, D: nn.Module, *, steps: int = 4000, lr: float = 2e-4, quantile: float = 0.9
) -> Rejection:
    """A discriminator trained on against a generator that stands still, until its logit is a density ratio.

    In a game the discriminator lags behind, and penalties keep it flat on purpose; alone, with the logistic loss and no
    penalty, it tends to log p_data/p_G (Goodfellow et al. 2014, proposition 1). `D` isn't changed.

    Args:
        G: the generator that will be sampled, in evaluation mode.
        D: the discriminator that it was trained against.
        steps: updates, on batches of the recipe's size.
        lr: Adam's learning rate at the start; it falls linearly to 0. At 1e-3 the ratio differs from mode to mode.
        quantile: of the ratio, the cap above which every sample is kept.

    Raises:
        RecipeError: for a discriminator of packs, whose logit is no single sample's.
    """
    if plan.game.seen_shape(plan.source.shape) != tuple(plan.source.shape):
        raise RecipeError("rejection asks the discriminator for single samples, and this one judges packs of them")
    device, batch = plan.device, plan.training.batch
    rng, z_dim = torch.Generator(device).manual_seed(plan.training.seed), int(G.z_dim)  # type: ignore[arg-type]
    C = copy.deepcopy(D).train().requires_grad_(True)
    optimizer = torch.optim.Adam(C.parameters(), lr=lr, betas=(0.9, 0.999))
    with replace(plan, training=replace(plan.training, seeds=1)).stream(position=0) as stream:
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
            real = stream.next()
            y, wanted = labels_in(plan, real, rng)
            with torch.no_grad():
                fake = called(G, torch.randn(batch, z_dim, generator=rng, device=device), wanted)
            advance_spectral_norms(C)
            told = wanted if told_labels(plan) else None
            loss = F.softplus(-called(C, real.x, y)).mean() + F.softplus(called(C, fake, told)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    C.eval().requires_grad_(False)
    seeds = range(FIRST, FIRST + BURN_IN)
    asked = None if plan.labels is None else plan.labels.of_seeds(seeds).to(device)
    with torch.no_grad():
        x = called(G, latents(seeds, z_dim).to(device), asked)
        logits = called(C, x, asked if told_labels(plan) else None)
    return Rejection(C, float(logits.quantile(quantile)))


def labels_in(plan: Plan, real: Batch, rng: torch.Generator) -> tuple[Tensor | None, Tensor | None]:
    """The labels of real samples and of as many fakes, as the game asks for them."""
    return (None, None) if plan.labels is None else plan.game.asked_for(real, rng)  # type: ignore[attr-defined]
