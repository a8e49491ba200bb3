"""Terms on the generator's side, one number per sample, added to its adversarial loss.

A new term is one more function in `TERMS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import torch
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from ganforge.layers import called, label_loss
from ganforge.moment import Memory
from ganforge.schedules import Number, at

__all__ = [
    "TERMS",
    "Scene",
    "Term",
    "auxiliary_classifier",
    "feature_matching",
    "historical_averaging",
    "latent_spread",
    "mode_seeking",
]


@dataclass
class Scene:
    """What a term may look at in one generator step. The discriminator's weights take no gradient.

    Attributes:
        D, G: the players.
        z: the latents, (B, z_dim).
        fake: G(z), (B, ...), with its graph.
        real: as many real samples.
        features: samples, labels -> D's hidden activations, as the game asks D (augmented, packed).
        rng: where random numbers come from.
        images: real images seen so far, for schedules.
        memory: what this term keeps between turns.
        y: the labels that the generator got; None without.
        y_fake: those of them that D gets; y_real: those of the real samples.
        aux: what D's class head says of the fakes, (B, classes), where a term is of classes.
    """

    D: nn.Module
    G: nn.Module
    z: Float[Tensor, "B z_dim"]
    fake: Float[Tensor, "B ..."]
    real: Float[Tensor, "B ..."]
    features: Callable[..., list[Tensor]]
    rng: torch.Generator
    images: int
    memory: Memory = field(default_factory=dict)
    y: Shaped[Tensor, "B ..."] | None = None
    y_fake: Shaped[Tensor, "B ..."] | None = None
    y_real: Shaped[Tensor, "B ..."] | None = None
    aux: Float[Tensor, "B ..."] | None = None

    def make(self, z: Float[Tensor, "B z_dim"]) -> Float[Tensor, "B ..."]:
        """What the generator makes of other latents, asked for the same."""
        return called(self.G, z, self.y)


@dataclass(frozen=True)
class Term:
    """One term of the generator's loss.

    Attributes:
        name: its name in `TERMS`.
        term: scene -> (B,), or (1,) where it is no single sample's; with a graph to the generator's weights.
        memory: generator -> the tensors that it keeps between turns, as they are at the start.
        per_sample: whether the numbers are single samples', not the batch's or the weights'.
        layer: the discriminator's hidden layer that it looks at; None: it looks at none.
        of_classes: whether it looks at what D's class head says.
    """

    name: str
    term: Callable[[Scene], Float[Tensor, " B"]]
    memory: Callable[[nn.Module], Memory] = lambda G: {}
    per_sample: bool = True
    layer: int | None = None
    of_classes: bool = False


Weight = Annotated[Number, Field(ge=0, description="weight of the term beside the adversarial loss")]


def feature_matching(
    *, weight: Weight = 1.0, layer: Annotated[int, Field(description="which hidden layer; -1: the last")] = -1
) -> Term:
    """‖E f(x) - E f(G(z))‖², f a hidden layer of the discriminator: match statistics, don't win.

    Salimans et al. 2016, arXiv:1606.03498, section 3.1. The batch gives one number, so a gradient needs large batches.
    *Differs:* the square is divided by the number of features, so that the weight doesn't depend on the width.

    Raises:
        RecipeError: by the plan, if the discriminator shows no such layer.
    """

    def term(scene: Scene) -> Float[Tensor, " one"]:
        with torch.no_grad():
            real = scene.features(scene.real, scene.y_real)[layer].flatten(1).mean(0)
        fake = scene.features(scene.fake, scene.y_fake)[layer].flatten(1).mean(0)
        return at(weight, scene.images) * (fake - real).square().mean().reshape(1)

    return Term("feature_matching", term, per_sample=False, layer=layer)


def historical_averaging(*, weight: Weight = 1.0) -> Term:
    """‖θ - mean of all θ so far‖²: orbits around an equilibrium are drawn into it.

    Salimans et al. 2016, arXiv:1606.03498, section 3.3.
    """

    def memory(G: nn.Module) -> Memory:
        means = {f"mean.{k}": p.detach().clone() for k, p in G.named_parameters()}
        return means | {"turns": torch.zeros((), device=next(G.parameters()).device)}

    def term(scene: Scene) -> Float[Tensor, " one"]:
        turns = scene.memory["turns"].add_(1)
        distance = scene.z.new_zeros(())
        for name, p in scene.G.named_parameters():
            mean = scene.memory[f"mean.{name}"]
            mean.lerp_(p.detach(), 1 / turns.to(p.dtype))
            distance = distance + (p - mean).square().sum()
        return at(weight, scene.images) * distance.reshape(1)

    return Term("historical_averaging", term, memory, per_sample=False)


def mode_seeking(
    *,
    weight: Weight = 1.0,
    eps: Annotated[float, Field(gt=0, description="added to the ratio, so that a collapse costs at most 1/eps")] = 0.1,
) -> Term:
    """1 / (d(G(z₁), G(z₂)) / d(z₁, z₂) + ε), d the mean absolute difference: latents apart must give samples apart.

    Mao et al. 2019, arXiv:1903.05628, eq. 2 and 4, minimised as the authors do, by the inverse of the ratio.
    *Differs:* ε is .1, where their code has 1e-5 and a collapsed generator's gradient explodes; each latent is
    paired with a fresh one of its own, so the term costs a generator pass.
    """

    def term(scene: Scene) -> Float[Tensor, " B"]:
        z = torch.randn(scene.z.shape, generator=scene.rng, device=scene.z.device, dtype=scene.z.dtype)
        apart = (scene.make(z) - scene.fake).abs().flatten(1).mean(1)
        ratio = apart / (z - scene.z).abs().mean(1)
        return at(weight, scene.images) / (ratio + eps)

    return Term("mode_seeking", term)


def latent_spread(
    *,
    weight: Weight = 0.5,
    sigma: Annotated[float, Field(gt=0, description="standard deviation of the latents' change")] = 0.03,
) -> Term:
    """-λ·‖G(z) - G(z + δ)‖², δ small and Gaussian: each latent's change has to show.

    The generator's half of zCR; the discriminator's is the penalty `latent_consistency`, without which nothing holds
    this one back: it has no least value where samples have no bounds. Costs a generator pass. Zhao et al. 2020,
    arXiv:2002.04724, algorithm 2. *Differs:* the square is divided by the number of features, so that the weight
    doesn't depend on the size of the images.
    """

    def term(scene: Scene) -> Float[Tensor, " B"]:
        noise = torch.randn(scene.z.shape, generator=scene.rng, device=scene.z.device, dtype=scene.z.dtype)
        apart = scene.make(scene.z + sigma * noise) - scene.fake
        apart = apart.to(torch.promote_types(apart.dtype, torch.float32))  # squares of half floats vanish
        return -at(weight, scene.images) * apart.square().flatten(1).mean(1)

    return Term("latent_spread", term)


def auxiliary_classifier(*, weight: Weight = 1.0) -> Term:
    """-log p(y|x) by the discriminator's class head, at the generator's samples: make what you were asked for.

    The generator's half of AC-GAN, Odena et al. 2017, arXiv:1610.09585, eq. 3; of InfoGAN with `game.labels=code`. The
    discriminator's is the penalty of the same name.
    """

    def term(scene: Scene) -> Float[Tensor, " B"]:
        assert scene.aux is not None
        return at(weight, scene.images) * label_loss(scene.aux, scene.y)

    return Term("auxiliary_classifier", term, of_classes=True)


TERMS: Mapping[str, Callable[..., Term]] = {
    "auxiliary_classifier": auxiliary_classifier,
    "feature_matching": feature_matching,
    "historical_averaging": historical_averaging,
    "latent_spread": latent_spread,
    "mode_seeking": mode_seeking,
}
"""Name -> function of the term's own parameters, the keys of a recipe's [terms.NAME]."""
