"""A trained generator as a function of its latent alone: with its gradients, its first linear map, its activations."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ganforge.errors import RecipeError
from ganforge.labels import checked_labels
from ganforge.layers import called
from ganforge.layers.folded import FoldedConv
from ganforge.sample import Sampler, latents

__all__ = ["activations", "first_map", "image_of"]

CHECKED = 4  # latents on which a layer is seen to be affine
TOLERANCE = 1e-3  # of the largest output


def image_of(sampler: Sampler, z: Float[Tensor, "B z"], y: Shaped[Tensor, "B ..."] | None) -> Float[Tensor, "B ..."]:
    """Samples in [-1, 1], or points, through which gradients reach z; `Sampler.generate` without its inference mode.

    Raises:
        RecipeError: as `Sampler.generate`.
    """
    y = checked_labels(sampler.labels, y, count=len(z))
    return called(sampler.G, z.to(sampler.device), None if y is None else y.to(sampler.device))


def parts(G: nn.Module) -> list[nn.Module]:
    """The layers that have weights."""
    return [part for part in G.modules() if part is not G and next(part.parameters(), None) is not None]


def rows(x: Tensor) -> Float[Tensor, "B F"]:
    """A float copy that no layer can overwrite, a row a sample."""
    return x.detach().float().flatten(1).clone() if x.ndim > 1 else x.detach().float()[:, None].clone()


@torch.no_grad()
def recorded(
    sampler: Sampler, z: Tensor, y: Tensor | None, layers: Sequence[nn.Module]
) -> list[tuple[nn.Module, Tensor, Tensor]]:
    """Layers in the order in which they end, each with copies of its first input and its output, as rows."""
    found: list[tuple[nn.Module, Tensor, Tensor]] = []
    kept: dict[nn.Module, Tensor] = {}

    def before(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        kept[layer] = rows(given[0])

    def after(layer: nn.Module, given: object, output: object) -> None:
        if isinstance(output, Tensor) and len(output) == len(z):
            found.append((layer, kept[layer], rows(output)))

    hooks = [hook for part in layers for hook in (part.register_forward_pre_hook(before),
                                                  part.register_forward_hook(after))]  # fmt: skip
    try:
        image_of(sampler, z, y)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def same_label(sampler: Sampler, count: int) -> Shaped[Tensor, "N ..."] | None:
    """One label, so many times; None for a generator without labels."""
    return None if sampler.labels is None else sampler.labels.of_seeds([0] * count)


def first_map(sampler: Sampler) -> tuple[nn.Module, Float[Tensor, "F z"]]:
    """The first layer with weights that maps the latent linearly, and its matrix A, (outputs, z).

    Found by trying: layers are watched on 0, on the basis vectors and on random latents, at one label. The first whose
    output moves with z, is affine in it and isn't z itself is it, whatever its class; so norms' and spectral norms'
    scales are in A, and a layer that sees a part of z has columns of 0 for the rest.

    Raises:
        RecipeError: if no layer is.
    """
    z_dim = sampler.z_dim
    random = latents(range(CHECKED), z_dim)
    z = torch.cat([torch.zeros(1, z_dim), torch.eye(z_dim), random])
    for layer, _, output in recorded(sampler, z, same_label(sampler, len(z)), parts(sampler.G)):
        output = output.cpu()
        A = (output[1 : z_dim + 1] - output[0]).T  # (F, z)
        off = (output[z_dim + 1 :] - output[0] - random @ A.T).abs().max()
        if A.abs().max() > 0 and off <= TOLERANCE * output.abs().max() and not copies(A):
            return layer, A
    raise RecipeError(f"no layer of {sampler.name} is linear in its latent; find directions by the Jacobian")


def copies(A: Float[Tensor, "F z"]) -> bool:
    """Whether a map only hands latents on: no output has more than one of them."""
    return bool(((A != 0).sum(1) <= 1).all()) and A.shape[1] > 1


def hidden_layer(sampler: Sampler) -> tuple[nn.Module, bool]:
    """The layer whose input is the first hidden activation, true; or, where only one follows the latent, that layer,
    false, for its output."""
    first, _ = first_map(sampler)
    linear = [p for p in parts(sampler.G) if isinstance(p, nn.Linear | nn.modules.conv._ConvNd | FoldedConv)]
    order = recorded(sampler, latents(range(CHECKED), sampler.z_dim), same_label(sampler, CHECKED), linear)
    seen = [layer for layer, given, _ in order if layer is not first and bool((given != given[0]).any())]
    behind = [layer for layer in seen if not inside(layer, first)]
    return (behind[0], True) if behind else (first, False)


def inside(layer: nn.Module, other: nn.Module) -> bool:
    """Whether a layer is a part of another."""
    return any(part is layer for part in other.modules())


def activations(
    sampler: Sampler, z: Float[Tensor, "N z"], y: Shaped[Tensor, "N ..."] | None, *, batch: int = 256
) -> Float[Tensor, "N F"]:
    """What the first hidden layer says of latents, behind its nonlinearity, on the CPU.

    Raises:
        RecipeError: as `first_map`.
    """
    layer, incoming = hidden_layer(sampler)
    labels = [None] * len(z) if y is None else y.split(batch)
    found = [recorded(sampler, part, asked, [layer])[0] for part, asked in zip(z.split(batch), labels, strict=False)]
    return torch.cat([(given if incoming else output).cpu() for _, given, output in found])
