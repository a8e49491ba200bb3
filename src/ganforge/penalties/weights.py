"""Penalties and projections that look at the discriminator's weights alone."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from ganforge.penalties.penalty import Context, Interval, Penalty
from ganforge.schedules import Number, at

__all__ = ["orthogonal", "weight_clipping"]


def weight_clipping(
    *, limit: Annotated[float, Field(description="largest absolute value of a weight or bias", gt=0)] = 0.01
) -> Penalty:
    """Every weight of the discriminator back into [-c, c] after each update: some bound on its slope.

    The first Wasserstein critics' way. It is crude: the bound on the slope is the product of the layers', it depends on
    widths and depth, and weights gather at ±c. Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1, line 7.
    """

    def project(D: nn.Module) -> None:
        for weight in D.parameters():
            weight.clamp_(-limit, limit)

    return Penalty("weight_clipping", None, project=project, per_sample=False, of_weights=True)


def _gram(weight: Float[Tensor, "rows ..."]) -> Float[Tensor, "n n"]:
    """WWᵀ or WᵀW, whichever is smaller, of a weight as a matrix of (outputs, all else)."""
    matrix = weight.flatten(1)
    return matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix


def _distance_from_orthogonal(weight: Float[Tensor, "rows ..."], diagonal: bool) -> Float[Tensor, ""]:
    """‖WWᵀ - I‖² (Frobenius), or the part of it off the diagonal."""
    gram = _gram(weight)
    wanted = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return (gram - wanted if diagonal else gram * (1 - wanted)).square().sum()


def orthogonal(
    *,
    weight: Annotated[Number, Field(description="strength β of the penalty", ge=0)] = 1e-4,
    diagonal: Annotated[
        bool, Field(description="true: rows of length 1 too, ‖WWᵀ - I‖²; false: at right angles only (BigGAN)")
    ] = True,
    every: Interval = 1,
) -> Penalty:
    """β·Σ‖WWᵀ - I‖² over the discriminator's weight matrices: layers that neither stretch nor squash.

    Brock et al. 2017, arXiv:1609.07093, squared as in Brock et al. 2019, arXiv:1809.11096, section 3.1; with
    `diagonal=False` the latter's own form, which leaves the lengths of the rows free. A kernel counts as the matrix
    (outputs, all else). *Differs:* of WWᵀ and WᵀW the smaller is taken, so that zero can be reached; with the diagonal
    the two differ by a constant. BigGAN's code adds half the gradient of its equation; this is the equation.
    """

    def term(context: Context) -> Float[Tensor, " B"]:
        matrices = [w for w in context.D.parameters() if w.ndim >= 2]
        with torch.autocast(context.real.device.type, enabled=False):
            total = torch.stack([_distance_from_orthogonal(w, diagonal) for w in matrices]).sum()
        return at(weight, context.images) * total.expand(len(context.real_logits))

    return Penalty("orthogonal", term, frozenset(), every, per_sample=False, of_weights=True, of_batch=True)
