"""Toy data: densities in one and two dimensions whose truth is known, drawn anew for ever.

`TOYS` is the table: name -> function of the toy's own parameters, which are the keys of a recipe's [data] when
`data.source` is that name. Points are float32 (B, D) in their own units.
"""

import math
from collections.abc import Callable
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from ganforge.data.drawing import drawing
from ganforge.data.endless import endless
from ganforge.data.images import Source
from ganforge.data.mixture import Mixture
from ganforge.data.sketch import sketch

__all__ = [
    "TOYS",
    "blobs",
    "checkerboard",
    "ellipse",
    "gaussians",
    "grid",
    "line",
    "mixture",
    "moons",
    "one_gaussian",
    "ring",
    "spirals",
    "swiss_roll",
    "two_clusters",
    "two_gaussians",
]

HeldOut = Annotated[int, Field(description="points of the fixed held-out drawing, and of the test's", ge=1, le=10**6)]
Count = Annotated[
    int | None, Field(ge=1, le=10**7, description="points of a fixed training set; none: fresh ones for ever")
]
Sigma = Annotated[float, Field(description="standard deviation of a mode in every direction", gt=0)]
Noise = Annotated[float, Field(description="standard deviation of the noise around the curve", ge=0)]
Radius = Annotated[float, Field(description="distance from the origin to the outer end", gt=0)]
Share = Annotated[float, Field(description="share of the points that the first mode gets", gt=0, lt=1)]


def of_modes(name: str, density: Mixture, held_out: int, count: int | None = None) -> Source:
    """The source of a mixture."""
    return endless(name, density.draw, dim=density.dim, held_out=held_out, mixture=density, count=count)


def mixture(
    *,
    means: Annotated[
        tuple[tuple[float, ...], ...], Field(description="the modes, a row of coordinates each", min_length=1)
    ] = ((-1.0,), (1.0,)),
    sigmas: Annotated[
        tuple[float, ...], Field(description="standard deviation of each mode, or one for all", min_length=1)
    ] = (0.25,),
    weights: Annotated[
        tuple[float, ...] | None, Field(description="share of each mode, summing to 1; by default equal")
    ] = None,
    held_out: HeldOut = 10_000,
) -> Source:
    """Any mixture of round Gaussians, in as many dimensions as its means have coordinates.

    Raises RecipeError where the lengths don't fit or the weights aren't probabilities.

    >>> mixture(means=((0.0, 0.0), (3.0, 4.0)), weights=(0.9, 0.1)).shape
    (2,)
    """
    return of_modes("mixture", Mixture.of(means, sigmas, weights), held_out)


def one_gaussian(
    *,
    mean: Annotated[float, Field(description="the centre")] = 2.0,
    sigma: Sigma = 0.5,
    held_out: HeldOut = 10_000,
) -> Source:
    """N(mean, sigma²) on the line: what a generator μ + σz can learn exactly."""
    return of_modes("one_gaussian", Mixture.of(((mean,),), (sigma,)), held_out)


def two_gaussians(
    *,
    means: Annotated[tuple[float, float], Field(description="the two centres")] = (3.0, -3.0),
    sigma: Sigma = 0.4,
    share: Share = 0.7,
    held_out: HeldOut = 10_000,
) -> Source:
    """A major and a minor mode on the line, far apart: what a generator of one bump cannot hold at once."""
    density = Mixture.of(tuple((mean,) for mean in means), (sigma,), (share, 1 - share))
    return of_modes("two_gaussians", density, held_out)


def ring(
    *,
    modes: Annotated[int, Field(description="Gaussians on the circle, evenly apart", ge=1)] = 8,
    radius: Radius = 1.0,
    sigma: Sigma = 0.01,
    count: Count = None,
    held_out: HeldOut = 10_000,
) -> Source:
    """Equal Gaussians on a circle, the first at (radius, 0): the classic of mode collapse.

    Metz et al. 2017, arXiv:1611.02163, section 3.1, have σ = .01 on a circle of radius 1 or 2.
    """
    angles = [2 * math.pi * k / modes for k in range(modes)]
    density = Mixture.of(tuple((radius * math.cos(a), radius * math.sin(a)) for a in angles), (sigma,))
    return of_modes("ring", density, held_out, count)


def grid(
    *,
    side: Annotated[int, Field(description="Gaussians in a row and in a column", ge=1)] = 5,
    spacing: Annotated[float, Field(description="distance between neighbours", gt=0)] = 2.0,
    sigma: Sigma = 0.05,
    count: Count = None,
    held_out: HeldOut = 10_000,
) -> Source:
    """Equal Gaussians on a square grid around the origin: by default 25 at {-4, -2, 0, 2, 4}².

    Dumoulin et al. 2017, arXiv:1606.00704, section 4.3; with σ = .05 in Srivastava et al. 2017, arXiv:1705.07761.
    """
    line = [spacing * (k - (side - 1) / 2) for k in range(side)]
    return of_modes("grid", Mixture.of(tuple((x, y) for x in line for y in line), (sigma,)), held_out, count)


def two_clusters(
    *,
    distance: Annotated[float, Field(description="distance between the two centres", gt=0)] = 2.0,
    sigma: Sigma = 0.2,
    share: Share = 0.5,
    held_out: HeldOut = 10_000,
) -> Source:
    """Two Gaussians in the plane, side by side: the smallest data on which a mode can be lost."""
    half = distance / 2
    return of_modes("two_clusters", Mixture.of(((-half, 0.0), (half, 0.0)), (sigma,), (share, 1 - share)), held_out)


def blobs(
    *,
    modes: Annotated[int, Field(description="Gaussians on a circle, the first above its centre", ge=1)] = 3,
    radius: Radius = 1.0,
    sigma: Sigma = 0.1,
    held_out: HeldOut = 10_000,
) -> Source:
    """Disjoint blobs: no way leads from one to another through the data, yet a continuous generator has to make one."""
    angles = [math.pi / 2 + 2 * math.pi * k / modes for k in range(modes)]
    density = Mixture.of(tuple((radius * math.cos(a), radius * math.sin(a)) for a in angles), (sigma,))
    return of_modes("blobs", density, held_out)


def uniform(count: int, rng: torch.Generator) -> Float[Tensor, " count"]:
    """Numbers in [0, 1)."""
    return torch.rand(count, generator=rng, dtype=torch.float32)


def noisy(curve: Float[Tensor, "count 2"], sigma: float, rng: torch.Generator) -> Float[Tensor, "count 2"]:
    """Points moved off their curve in every direction."""
    return curve.add_(torch.randn(curve.shape, generator=rng, dtype=torch.float32), alpha=sigma)


def polar(radius: Tensor, angle: Tensor) -> Float[Tensor, "count 2"]:
    """Cartesian coordinates."""
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)


def gaussians(
    *,
    distance: Annotated[float, Field(description="distance between the two centres", gt=0)] = 2.0,
    sigma: Sigma = 0.3,
    stretch: Annotated[float, Field(description="long over short axis of each", ge=1)] = 2.5,
    share: Share = 0.65,
    held_out: HeldOut = 10_000,
) -> Source:
    """Two unequal Gaussians in the plane, drawn out at right angles to each other: the larger one lies, on the left,
    along (1, 1), the smaller one, on the right, across it. `sigma` is the deviation along the long axis."""

    def draw(count: int, rng: torch.Generator) -> Tensor:
        side = torch.where(uniform(count, rng) < share, -1.0, 1.0)  # -1 for the larger one
        along, across = torch.randn(2, count, generator=rng, dtype=torch.float32) * math.sqrt(0.5) * sigma
        across = across / stretch
        x, y = along - across, -side * (along + across)
        return torch.stack([x + side * (distance / 2), y], 1)

    return endless("gaussians", draw, dim=2, held_out=held_out)


def line(
    *,
    length: Annotated[float, Field(description="from end to end", gt=0)] = 2.0,
    angle: Annotated[float, Field(description="degrees from the first axis, anticlockwise")] = 45.0,
    sigma: Noise = 0.03,
    held_out: HeldOut = 10_000,
) -> Source:
    """A straight line through the origin, evenly full: one dimension in two, with which a game's zero sum begins."""
    turn = math.radians(angle)
    way = torch.tensor([math.cos(turn), math.sin(turn)])

    def draw(count: int, rng: torch.Generator) -> Tensor:
        return noisy((uniform(count, rng) - 0.5)[:, None] * length * way, sigma, rng)

    return endless("line", draw, dim=2, held_out=held_out)


def ellipse(
    *,
    radii: Annotated[tuple[float, float], Field(description="half axes along both coordinates")] = (1.0, 0.6),
    sigma: Noise = 0.03,
    held_out: HeldOut = 10_000,
) -> Source:
    """An ellipse around the origin, a closed curve with a hole that a generator from one piece of the plane must tear.

    Even in the angle of the circle that it is drawn out from, so not quite along the curve.
    """

    def draw(count: int, rng: torch.Generator) -> Tensor:
        circle = polar(torch.ones(count), 2 * math.pi * uniform(count, rng))
        return noisy(circle * torch.tensor(radii), sigma, rng)

    return endless("ellipse", draw, dim=2, held_out=held_out)


def moons(*, sigma: Noise = 0.1, held_out: HeldOut = 10_000) -> Source:
    """Two half circles of radius 1 that reach into each other, their common centre at the origin.

    The upper one around (-½, -¼), the lower one around (½, ¼), half of the points each, uniform along the arc.
    """

    def draw(count: int, rng: torch.Generator) -> Tensor:
        side = torch.randint(2, (count,), generator=rng) * 2.0 - 1.0  # 1 for the upper one
        arc = polar(side, uniform(count, rng) * math.pi)
        arc -= side[:, None] * torch.tensor([0.5, 0.25])
        return noisy(arc, sigma, rng)

    return endless("moons", draw, dim=2, held_out=held_out)


def spirals(
    *,
    arms: Annotated[int, Field(description="spirals, evenly turned against each other", ge=1)] = 2,
    turns: Annotated[float, Field(description="times that an arm goes around the origin", gt=0)] = 1.5,
    radius: Radius = 2.0,
    sigma: Noise = 0.05,
    held_out: HeldOut = 10_000,
) -> Source:
    """Archimedean spirals around the origin: distance and angle grow alike, with as many points on each ring's width
    as its area asks for (the distance is `radius`·√u)."""

    def draw(count: int, rng: torch.Generator) -> Tensor:
        along = uniform(count, rng).sqrt_()
        arm = torch.randint(arms, (count,), generator=rng) / arms
        return noisy(polar(radius * along, 2 * math.pi * (turns * along + arm)), sigma, rng)

    return endless("spirals", draw, dim=2, held_out=held_out)


def swiss_roll(*, radius: Radius = 2.0, sigma: Noise = 0.03, held_out: HeldOut = 10_000) -> Source:
    """A rolled-up sheet seen from its end: t·(cos t, sin t) for t uniform in [1.5π, 4.5π], its end at `radius`.

    With radius 1.885 and sigma .033 the data of Gulrajani et al. 2017, arXiv:1704.00028, figure 1b.
    """

    def draw(count: int, rng: torch.Generator) -> Tensor:
        t = 1.5 * math.pi * (1 + 2 * uniform(count, rng))
        return noisy(polar(t * (radius / (4.5 * math.pi)), t), sigma, rng)

    return endless("swiss_roll", draw, dim=2, held_out=held_out)


def checkerboard(
    *,
    cells: Annotated[int, Field(description="squares in a row, dark and light", ge=2, multiple_of=2)] = 4,
    radius: Annotated[float, Field(description="half the length of the board's side", gt=0)] = 2.0,
    held_out: HeldOut = 10_000,
) -> Source:
    """Uniform on the dark squares of a board around the origin; the square at the lower left corner is dark."""

    def draw(count: int, rng: torch.Generator) -> Tensor:
        row = torch.randint(cells, (count,), generator=rng)
        column = 2 * torch.randint(cells // 2, (count,), generator=rng) + row % 2
        inside = torch.rand(count, 2, generator=rng, dtype=torch.float32)
        return torch.stack([column, row], 1).add(inside).mul_(2 * radius / cells).sub_(radius)

    return endless("checkerboard", draw, dim=2, held_out=held_out)


TOYS: dict[str, Callable[..., Source]] = {
    "mixture": mixture,
    "one_gaussian": one_gaussian,
    "two_gaussians": two_gaussians,
    "ring": ring,
    "grid": grid,
    "two_clusters": two_clusters,
    "gaussians": gaussians,
    "blobs": blobs,
    "line": line,
    "ellipse": ellipse,
    "moons": moons,
    "spirals": spirals,
    "checkerboard": checkerboard,
    "swiss_roll": swiss_roll,
    "drawing": drawing,
    "sketch": sketch,
}
