"""The smallest players: a generator that shifts and scales noise, and a discriminator whose logit is a polynomial.

Everything about their game can be written down. Between N(μ, σ²) and N(ν, τ²) the optimal logit log p/q is a polynomial
of degree 2 at most, and of degree 1 where the spreads agree: so a discriminator of degree 1 can see where two bumps
lie and never how wide they are, and one of degree 2 sees all there is.
"""

import math
from itertools import combinations_with_replacement
from typing import Annotated, Any

import torch
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from ganforge.layers import Output, refuse_labels

__all__ = ["TINY", "Discriminator", "Generator"]

TINY: dict[str, Any] = {"generator": {}, "discriminator": {"degree": 2}, "shape": (2,)}


class Generator(nn.Module):
    """x = μ + σ·z, coordinate by coordinate: z (B, D) -> points (B, D), μ and σ learnt.

    Where σ has passed through 0 it is negative, and -σ is the spread.

    >>> import torch
    >>> Generator(shape=(1,), mean=3.0, sigma=2.0)(torch.ones(1, 1)).tolist()
    [[5.0]]
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        mean: Annotated[float, Field(description="where μ starts, in every coordinate")] = 0.0,
        sigma: Annotated[float, Field(description="where σ starts, in every coordinate")] = 1.0,
    ) -> None:
        super().__init__()
        self.z_dim = math.prod(shape)
        self.mean = nn.Parameter(torch.full(shape, mean))
        self.sigma = nn.Parameter(torch.full(shape, sigma))

    def forward(
        self, z: Float[Tensor, "B z_dim"], y: Shaped[Tensor, "B ..."] | None = None, noise: Any = None
    ) -> Float[Tensor, "B ..."]:
        refuse_labels(self, y)
        return torch.addcmul(self.mean, self.sigma, z.view(-1, *self.mean.shape))


class Discriminator(nn.Module):
    """logit(x) = b + Σ a_m·m(x) over all monomials m of degree 1 to `degree` in the D coordinates: points -> (B,).

    On the line these are x, x², ...; in the plane of degree 2: x₁, x₂, x₁², x₁x₂, x₂². They stand in `coefficients` in
    that order, (M,), M = C(D + degree, degree) - 1. The linear ones start at `slope`, all else at 0.

    >>> D = Discriminator(shape=(1,), degree=2)
    >>> _ = D.coefficients.data.copy_(torch.tensor([1.0, 3.0]))
    >>> D(torch.tensor([[2.0]])).tolist()
    [14.0]
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        degree: Annotated[int, Field(description="highest degree of the polynomial: 1 sees means only", ge=1)] = 1,
        slope: Annotated[float, Field(description="where the linear coefficients start; the others at 0")] = 1.0,
    ) -> None:
        super().__init__()
        D = math.prod(shape)
        self.factors = [list(combinations_with_replacement(range(D), n)) for n in range(1, degree + 1)]
        self.bias = nn.Parameter(torch.zeros(()))
        start = [torch.full((len(same),), slope if n == 0 else 0.0) for n, same in enumerate(self.factors)]
        self.coefficients = nn.Parameter(torch.cat(start))

    def forward(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, " B"]:
        return self.full(x, y).logits[0]

    def full(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """Logits, and the monomials (B, M)."""
        refuse_labels(self, y)
        monomials = self.monomials(x.flatten(1))
        return Output(logits=[torch.addmv(self.bias, monomials, self.coefficients)], features=[monomials])

    def monomials(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B M"]:
        """All products of 1 to `degree` coordinates; each is one of a degree lower times a coordinate."""
        columns = list(x.unbind(1))
        found: dict[tuple[int, ...], Tensor] = {(i,): column for i, column in enumerate(columns)}
        for same in self.factors[1:]:
            found |= {factors: found[factors[:-1]] * columns[factors[-1]] for factors in same}
        return torch.stack(list(found.values()), 1)
