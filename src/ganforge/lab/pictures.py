"""What is drawn of a game in the plane: clouds, what D believes, where G is sent, how G lays out its latents.

Everything is computed by the game's own networks and objective, on latents and reals that stay the same, and changes
nothing of the game.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ganforge.games.packing import packed
from ganforge.latent import seeded
from ganforge.layers import mixes_samples
from ganforge.objectives import Objective
from ganforge.plan import Plan
from ganforge.theory.optimum import optimal_discriminator

__all__ = ["CELLS", "HEAT", "NOWHERE", "Scenery", "believed", "finite", "logits_of", "shares", "shown"]

SHOWN = 420  # fakes and reals drawn; a multiple of 2 to 7 for packs
HEAT = 48  # cells a side where D is asked
MIXED = 20  # the same where D sees a batch at once and has to be asked point by point
COMPANY = 11  # samples beside a point whose judgement depends on its batch
MESH = 21  # lines a side of the latent's grid
CELLS = 24  # cells a side on which densities are counted
NOWHERE = 255  # where neither density has mass
SEED = 2**33 + 5  # of latents that no sampler, game or probe draws


@dataclass(frozen=True)
class Scenery:
    """What stays the same while a plan is played.

    Attributes:
        plan: the plan, of points in the plane.
    """

    plan: Plan

    @cached_property
    def objective(self) -> Objective:
        """The game's objective."""
        return self.plan.game.objective  # type: ignore[attr-defined]

    @cached_property
    def pack(self) -> int:
        """Samples that D judges together."""
        return self.plan.game.seen_shape(self.plan.source.shape)[0] // self.plan.source.shape[0]

    @cached_property
    def held_out(self) -> Float[Tensor, "N 2"]:
        """Real samples that no player sees."""
        split = self.plan.source.held_out
        assert split is not None
        return split.read(torch.arange(min(len(split), 10_000)))

    @cached_property
    def real(self) -> Float[Tensor, "N 2"]:
        """Those that are drawn; a number that packs divide."""
        return self.held_out[: SHOWN // self.pack * self.pack]

    @cached_property
    def half(self) -> float:
        """Half the side of the window, its centre the origin: the data and a quarter more."""
        return round(1.3 * float(self.held_out.abs().max()), 3)

    def latents(self, count: int, z_dim: int) -> Float[Tensor, "count z_dim"]:
        """Fixed latents."""
        return torch.randn(count, z_dim, generator=seeded(torch.Generator(), SEED))

    def places(self, side: int) -> Float[Tensor, "cells 2"]:
        """Centres of square cells, the first row at the bottom, from left to right."""
        line = ((torch.arange(side) + 0.5) / side * 2 - 1) * self.half
        return torch.cartesian_prod(line, line).flip(1)

    @torch.no_grad()
    def fakes(self, G: nn.Module, count: int | None = None) -> Float[Tensor, "N 2"]:
        """What G makes of the fixed latents."""
        return G(self.latents(len(self.real) if count is None else count, int(G.z_dim)))  # type: ignore[arg-type]

    @torch.no_grad()
    def heat(self, D: nn.Module) -> Float[Tensor, "side side"]:
        """D's logit at each place of the window.

        Where D judges packs or sees a batch, a place is judged in the company of real samples, the same ones always.
        """
        if mixes_samples(D):
            company = packed(self.held_out[: COMPANY * self.pack], self.pack)
            beside = packed(self.places(MIXED), 1).repeat(1, self.pack)
            beside[:, 2:] = company[0, 2:]
            ask = torch.func.vmap(lambda x: D(torch.cat([x[None], company]))[0])
            return ask(beside).reshape(MIXED, MIXED)
        places = self.places(HEAT)
        company = self.held_out[torch.arange(len(places) * (self.pack - 1)) % len(self.held_out)]
        return D(torch.cat([places, company.reshape(len(places), -1)], 1)).reshape(HEAT, HEAT)

    def arrows(self, D: nn.Module, fake: Float[Tensor, "N 2"]) -> Float[Tensor, "N 2"]:
        """Where the generator's loss sends each fake: minus its gradient there, as if it were the only loss."""
        fake = fake.detach().requires_grad_()
        with torch.enable_grad():
            logits = D(packed(fake, self.pack))
            with torch.no_grad():
                reals = packed(self.held_out[: len(fake)], self.pack)
                real = D(reals) if self.objective.paired else logits.detach()
            loss = self.objective.g(real=real, fake=logits)
            (gradient,) = torch.autograd.grad(loss.sum(), fake)
        return -gradient

    @torch.no_grad()
    def mesh(self, G: nn.Module) -> Float[Tensor, "rows columns 2"]:
        """G's image of a grid over its latents whose cells all have the same probability: (21, 21, 2) in the plane of
        the first two coordinates, the others 0, and (1, 441, 2) along the one coordinate where there is one."""
        z_dim = int(G.z_dim)  # type: ignore[arg-type]
        count = MESH * MESH if z_dim == 1 else MESH
        line = torch.special.ndtri((torch.arange(count) + 0.5) / count)
        z = torch.zeros(MESH * MESH, z_dim)
        z[:, : min(z_dim, 2)] = line[:, None] if z_dim == 1 else torch.cartesian_prod(line, line)
        return G(z).reshape((1, -1, 2) if z_dim == 1 else (MESH, MESH, 2))

    @cached_property
    def real_shares(self) -> Float[Tensor, " masses"]:
        """The data's mass in each cell of the window, and outside of it."""
        return shares(self.held_out, self.half)

    def optimum(self, fake_shares: Float[Tensor, " masses"]) -> Shaped[Tensor, "side side"] | None:
        """What the best of all discriminators that are constant on each cell believes, as `shown` has it, 255 where
        neither density has mass; None where the objective has no finite optimum without a constraint."""
        if self.objective.lipschitz or self.objective.level is None:
            return None
        best: Tensor = optimal_discriminator(self.objective, self.real_shares[:-1], fake_shares[:-1])
        if self.objective.probability is None:
            best = torch.sigmoid(best.clamp(-30, 30) - self.objective.level)
        found = torch.where(best.isnan(), float(NOWHERE), (best * 254).round())
        return found.to(torch.uint8).reshape(CELLS, CELLS)


def shares(points: Float[Tensor, "N 2"], half: float) -> Float[Tensor, " masses"]:
    """The share of points in each of 24 x 24 cells of the window, rows from the bottom, and last the share outside.

    >>> shares(torch.tensor([[-0.99, -0.99], [5.0, 0.0]]), 1.0)[[0, -1]].tolist()
    [0.5, 0.5]
    """
    column, row = ((points / half + 1) / 2 * CELLS).floor().long().unbind(1)
    inside = (column >= 0) & (column < CELLS) & (row >= 0) & (row < CELLS)
    cell = torch.where(inside, row * CELLS + column, CELLS * CELLS)
    return torch.bincount(cell, minlength=CELLS * CELLS + 1).double() / len(points)


def believed(objective: Objective, logits: Tensor, *, real: Tensor, fake: Tensor) -> Tensor:
    """Logits as numbers between 0 (fake) and 1 (real), ½ where D can't tell.

    The objective's own probability where it has a link. Otherwise the logistic function of the logit from the level
    where it decides, or where it has none from halfway between what `real` and `fake` samples get on the average;
    unbounded logits count in units of a quarter of the distance between these, if that is more than 1.
    """
    if objective.probability is not None:
        return objective.probability(logits).clamp(0, 1)
    upper, lower = real.mean(), fake.mean()
    centre = (upper + lower) / 2 if objective.level is None else torch.as_tensor(objective.level)
    unit = ((upper - lower).abs() / 4).clamp(min=1.0 if objective.level is not None else 1e-3)
    return torch.sigmoid((logits - centre) / unit)


def shown(belief: Float[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """Beliefs as bytes, 0 to 254; what is no number is 127, like a half."""
    return (belief.nan_to_num(0.5).clamp(0, 1) * 254).round().to(torch.uint8)


def finite(points: Tensor) -> Tensor:
    """Points that a page can draw."""
    return points.nan_to_num(0.0, posinf=1e6, neginf=-1e6).clamp(-1e6, 1e6)


@torch.no_grad()
def logits_of(scenery: Scenery, D: nn.Module, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """D's logits of the drawn reals and of fakes."""
    return D(packed(scenery.real, scenery.pack)), D(packed(fakes, scenery.pack))
