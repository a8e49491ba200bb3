"""The original game: the generator turns noise into samples (Goodfellow et al. 2014, algorithm 1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.batch import Batch
from ganforge.games.move import Moment, Move, frozen
from ganforge.layers import mixes_samples
from ganforge.objectives import Objective
from ganforge.penalties import Context, Penalty

__all__ = ["FAKES", "NoiseGame"]


def fresh(G: nn.Module, z: Tensor) -> tuple[Tensor, None]:
    """Fakes for the discriminator alone, made without a graph; the generator's turn makes its own."""
    with torch.no_grad():
        return G(z), None


def shared(G: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    """One pass for both players: the discriminator sees it detached, the generator's turn goes on with its graph."""
    x = G(z)
    return x.detach(), x


FAKES: dict[str, Callable[[nn.Module, Tensor], tuple[Tensor, Tensor | None]]] = {"fresh": fresh, "shared": shared}


@dataclass(frozen=True)
class NoiseGame:
    """A generator of noise against a discriminator, under any objective and any penalties.

    Attributes:
        objective: a row of the objective table.
        penalties: terms on the discriminator, each on its turn and weighted by its interval.
        fakes: where the discriminator's fakes come from. "fresh" draws new noise for each player and builds no graph
            that nobody needs; "shared" uses one generator pass for both, one discriminator step a round, which saves a
            generator pass and is the order of the public DCGAN example.

    *Differs:* Goodfellow et al. draw new noise for each player, as "fresh" does; most published code shares.
    """

    objective: Objective
    penalties: tuple[Penalty, ...] = ()
    fakes: Annotated[
        Literal["fresh", "shared"], Field(description="where the discriminator's fakes come from: fresh or shared")
    ] = "fresh"

    @property
    def max_d_steps(self) -> int | None:
        """A shared pass serves exactly one discriminator step."""
        return {"shared": 1}.get(self.fakes)

    def discriminator(self, players: Mapping[str, nn.Module], batch: Batch, moment: Moment) -> Move:
        """Objective and penalties on real samples and as many fakes."""
        D, G = players["discriminator"], players["generator"]
        fake, kept = FAKES[self.fakes](G, noise(G, len(batch.x), moment.rng))
        active = [p for p in self.penalties if moment.turn % p.every == 0]
        needs = frozenset().union(*(p.inputs for p in active))
        real = batch.x.detach().requires_grad_("real" in needs)
        fake = fake.requires_grad_("fake" in needs)
        real_logits, fake_logits = judged(D, real, fake, apart=bool(needs))
        context = Context(D, real, fake, real_logits, fake_logits, batch.y, moment.rng, moment.images)
        terms = {"adversarial": self.objective.d(real=real_logits, fake=fake_logits)}
        terms |= {p.name: p.every * p.term(context) for p in active}
        return Move(terms, self.beliefs(real_logits, fake_logits), kept)

    def generator(self, players: Mapping[str, nn.Module], batch: Batch, moment: Moment, fakes: Tensor | None) -> Move:
        """The objective on fakes, through the discriminator."""
        D, G = players["discriminator"], players["generator"]
        fake = G(noise(G, len(batch.x), moment.rng)) if fakes is None else fakes
        with frozen(D):
            fake_logits = D(fake)
        real_logits = torch.zeros_like(fake_logits)
        if self.objective.paired:
            with torch.no_grad():
                real_logits = D(batch.x)
        return Move({"adversarial": self.objective.g(real=real_logits, fake=fake_logits)})

    def beliefs(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        """D(real) and D(G(z)): probabilities where the objective has a link, else the bare logits."""
        link = self.objective.probability or (lambda logit: logit)
        return {"d_real": link(real_logits.detach().float()), "d_fake": link(fake_logits.detach().float())}


def noise(G: nn.Module, count: int, rng: torch.Generator) -> Tensor:
    """Standard normal latents, (count, z_dim)."""
    weight = next(G.parameters())
    z_dim: int = G.z_dim  # type: ignore[assignment]
    return torch.randn(count, z_dim, generator=rng, device=weight.device, dtype=weight.dtype)


def judged(D: nn.Module, real: Tensor, fake: Tensor, *, apart: bool) -> tuple[Tensor, Tensor]:
    """Logits of both halves: in one pass where no layer mixes samples and no penalty needs an input's gradient."""
    if apart or mixes_samples(D):
        return D(real), D(fake)
    joint = D(torch.cat([real, fake]))
    return joint[: len(real)], joint[len(real) :]
