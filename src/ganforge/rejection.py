"""Which samples of a trained generator are kept: those of a high density ratio by the discriminator, or those where the
generator is flat."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.batch import Batch
from ganforge.errors import RecipeError
from ganforge.latent import seeded, tangent
from ganforge.layers import advance_spectral_norms, called
from ganforge.plan import Plan, told_labels
from ganforge.sample import latents

__all__ = ["JacobianTruncation", "Rejection", "calibrated", "flattest", "least_error", "otsu", "parted", "steepness"]

BURN_IN = 10_000  # samples that set the cap, or the limit
FIRST = 2**33  # of their seeds and of all coins'
LEAST = 200  # one value in so many is a part of its own


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


@dataclass(frozen=True)
class JacobianTruncation:
    """Keeps a sample if the Jacobian of the generator at its latent has a norm of at most `limit`.

    A generator is continuous, so it passes over every gap between two modes, and is steep there: what it makes on the
    way lies in between. Tanielian et al. 2020, arXiv:2006.04596. It asks neither the discriminator nor
    data, and what it keeps of a mode doesn't depend on how well another one was learnt.

    Attributes:
        G: the generator, in evaluation mode.
        limit: of the Jacobian's Frobenius norm.
    """

    G: nn.Module
    limit: float

    def keeps(self, z: Float[Tensor, "B z_dim"], y: Tensor | None = None) -> Bool[Tensor, " B"]:
        """Which latents are kept, (B,) bool."""
        return steepness(self.G, z, y) <= self.limit


@torch.enable_grad()
def steepness(G: nn.Module, z: Float[Tensor, "B z_dim"], y: Tensor | None = None) -> Float[Tensor, " B"]:
    """The Frobenius norm of the Jacobian ∂G/∂z at each latent, (B,), by a product Jv for each number of z."""
    z = z.detach().requires_grad_()
    J = tangent(called(G, z, y), z)
    square = torch.zeros(len(z), device=z.device, dtype=z.dtype)
    for v in torch.eye(z.shape[1]):
        square += J(v).flatten(1).square().sum(1)
    return square.sqrt()


def flattest(plan: Plan, G: nn.Module, *, share: float | None = None) -> JacobianTruncation:
    """The truncation that keeps the samples where a generator is flat.

    Of a generator that passes over gaps the norms are of two kinds, many times apart, and the limit lies between the
    two. *Differs:* Tanielian et al. truncate a share that is given, and a game knows of no share.

    Args:
        G: the generator that will be sampled, in evaluation mode.
        share: how much is kept, above 0 and at most 1; None for what lies on the near side of the limit.

    Raises:
        RecipeError: for a share outside.
    """
    if share is not None and not 0 < share <= 1:
        raise RecipeError(f"a share of {share:g} of the samples can't be kept; give one above 0 and at most 1")
    seeds = range(FIRST, FIRST + BURN_IN)
    asked = None if plan.labels is None else plan.labels.of_seeds(seeds).to(plan.device)
    z = latents(seeds, int(G.z_dim)).to(plan.device)  # type: ignore[arg-type]
    norms = steepness(G, z, asked)
    if share is not None:
        return JacobianTruncation(G, float(norms.quantile(share)))
    moving = norms[norms > 0]  # where nothing moves is as flat as can be, and has no logarithm
    return JacobianTruncation(G, float(parted(moving.log()).exp()) if len(moving) > 1 else 0.0)


def parted(values: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """The largest of the lower ones, if values are parted in two: the higher one of two limits.

    Otsu's divides the larger part where the other one is small; that of least error divides it where it is far from a
    normal distribution. Either leaves too few, so the higher one is taken.
    """
    ordered = values.sort().values
    return ordered[max(otsu(ordered), least_error(ordered)) - 1]


def otsu(ordered: Float[Tensor, " N"]) -> int:
    """How many of the values are the lower part, if the parts' means differ most: N₁N₂(m₁ - m₂)² is largest.

    Otsu 1979, "A threshold selection method from gray-level histograms", eq. 14. *Differs:* of the values themselves,
    without a histogram.

    >>> otsu(torch.tensor([0.5, 1.0, 1.5, 5.0, 6.0]))
    3
    """
    sums, N = ordered.double().cumsum(0)[:-1], len(ordered)
    lower = torch.arange(1, N, device=ordered.device)
    gap = sums / lower - (ordered.double().sum() - sums) / (N - lower)
    return 1 + int((lower * (N - lower) * gap.square()).argmax())


def least_error(ordered: Float[Tensor, " N"]) -> int:
    """How many of the values are the lower part, if each part is a normal distribution of its own mean and variance:
    P₁ log σ₁ + P₂ log σ₂ - P₁ log P₁ - P₂ log P₂ is least, P the parts' shares. All, if a single one is likelier.

    Kittler & Illingworth 1986, "Minimum error thresholding", eq. 15. *Differs:* of the values themselves, without a
    histogram; a part holds at least one value in 200, and at least two.

    >>> least_error(torch.tensor([0.5, 1.0, 1.5, 5.0, 6.0]))
    3
    """
    x, N = ordered.double(), len(ordered)
    least, whole = max(2, N // LEAST), float(x.var(correction=0))
    if 2 * least > N or whole == 0:
        return N
    lower = torch.arange(1, N, device=x.device)
    upper, sums, squares = N - lower, x.cumsum(0)[:-1], x.square().cumsum(0)[:-1]
    variances = (
        squares / lower - (sums / lower).square(),
        (x.square().sum() - squares) / upper - ((x.sum() - sums) / upper).square(),
    )
    error = torch.zeros_like(sums)
    for part, variance in zip((lower / N, upper / N), variances, strict=True):
        error += part * (variance.clamp_min(1e-12 * whole).log() / 2 - part.log())
    error[: least - 1] = error[N - least :] = math.inf
    best = int(error.argmin())
    return best + 1 if float(error[best]) < math.log(whole) / 2 else N
