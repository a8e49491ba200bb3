"""The original game: the generator turns noise into samples (Goodfellow et al. 2014, algorithm 1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.augment import Augmentation
from ganforge.batch import Batch
from ganforge.games.move import Moment, Move, frozen
from ganforge.games.packing import packed, unpacked
from ganforge.games.unrolling import unrolled
from ganforge.layers import mixes_samples
from ganforge.moment import Memory
from ganforge.objectives import Objective
from ganforge.penalties import Context, Penalty
from ganforge.schedules import Number, at
from ganforge.terms import Scene, Term

__all__ = ["FAKES", "NoiseGame"]


def fresh(G: nn.Module, z: Tensor) -> tuple[Tensor, None]:
    """Fakes for the discriminator alone, made without a graph; the generator's turn makes its own."""
    with torch.no_grad():
        return G(z), None


def shared(G: nn.Module, z: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One pass for both players: the discriminator sees it detached, the generator's turn goes on with its graph."""
    x = G(z)
    return x.detach(), (z, x)


FAKES: dict[str, Callable[[nn.Module, Tensor], tuple[Tensor, tuple[Tensor, Tensor] | None]]] = {
    "fresh": fresh,
    "shared": shared,
}


@dataclass(frozen=True)
class NoiseGame:
    """A generator of noise against a discriminator, under any objective, penalties, terms and augmentations.

    Attributes:
        objective: a row of the objective table.
        penalties: terms on the discriminator, each on its turn and weighted by its interval.
        terms: terms on the generator beside its adversarial loss.
        augmentations: what is done, in this order, to every sample before the discriminator sees it.
        fakes: where the discriminator's fakes come from. "fresh" draws new noise for each player and builds no graph
            that nobody needs; "shared" uses one generator pass for both, one discriminator step a round, which saves a
            generator pass and is the order of the public DCGAN example.
        pack: samples that the discriminator judges together, as one: several from one mode look unlike the data, so a
            collapse is seen. Its input is m times as wide (PacGAN, Lin et al. 2018, arXiv:1712.04086).
        unroll: discriminator updates that the generator looks ahead (Metz et al. 2017, arXiv:1611.02163).
        top_k: the share of a batch's fakes that the generator learns from, those that the discriminator likes best
            (Sinha et al. 2020, arXiv:2002.06224).

    *Differs:* Goodfellow et al. draw new noise for each player, as "fresh" does; most published code shares.
    """

    objective: Objective
    penalties: tuple[Penalty, ...] = ()
    terms: tuple[Term, ...] = ()
    augmentations: tuple[Augmentation, ...] = ()
    fakes: Annotated[
        Literal["fresh", "shared"], Field(description="where the discriminator's fakes come from: fresh or shared")
    ] = "fresh"
    pack: Annotated[int, Field(ge=1, description="samples that the discriminator judges together (PacGAN's m)")] = 1
    unroll: Annotated[int, Field(ge=0, description="discriminator updates that the generator looks ahead")] = 0
    top_k: Annotated[
        Number, Field(gt=0, le=1, description="share of the fakes, the most convincing, that the generator learns from")
    ] = 1.0

    @property
    def max_d_steps(self) -> int | None:
        """A shared pass serves exactly one discriminator step."""
        return {"shared": 1}.get(self.fakes)

    def seen_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """What the discriminator is built for: a pack of samples of that shape, side by side as channels."""
        return (shape[0] * self.pack, *shape[1:])

    def memory(self, players: Mapping[str, nn.Module]) -> dict[str, Memory]:
        """What penalties, augmentations and terms keep between turns."""
        kept = {p.name: p.memory() for p in self.penalties} | {a.name: a.memory() for a in self.augmentations}
        return kept | {term.name: term.memory(players["generator"]) for term in self.terms}

    @torch.no_grad()
    def project(self, player: str, network: nn.Module) -> None:
        """The penalties' projections of the discriminator's weights (clipping)."""
        for penalty in self.penalties:
            if player == "discriminator" and penalty.project is not None:
                penalty.project(network)

    def discriminator(self, players: Mapping[str, nn.Module], batch: Batch, moment: Moment) -> Move:
        """Objective and penalties on real samples and as many fakes."""
        D, G = players["discriminator"], players["generator"]
        z = noise(G, len(batch.x), moment.rng)
        fake, kept = FAKES[self.fakes](G, z)
        active = [p for p in self.penalties if p.term is not None and moment.turn % p.every == 0]
        needs = frozenset[str]().union(*(p.inputs for p in active))
        real = packed(batch.x, self.pack).detach().requires_grad_("real" in needs)
        fake = packed(fake, self.pack).requires_grad_("fake" in needs)
        judge = partial(self.judged, D, moment=moment)
        real_logits, fake_logits = both(D, judge, real, fake, apart=bool(needs))
        self.watch(real_logits, moment)
        terms = {"adversarial": self.objective.d(real=real_logits, fake=fake_logits)}
        for p in active:
            context = Context(D, real, fake, real_logits, fake_logits, batch.y, moment.rng, moment.images,
                              moment.remembered(p.name), judge, G, z)  # fmt: skip
            assert p.term is not None
            terms[p.name] = p.every * p.term(context)
        return Move(terms, self.beliefs(real_logits, fake_logits), kept)

    def generator(self, players: Mapping[str, nn.Module], batch: Batch, moment: Moment, fakes: Any) -> Move:
        """The objective on fakes, through the discriminator, and the generator's own terms."""
        D, G = players["discriminator"], players["generator"]
        z, fake = fakes or made(G, noise(G, len(batch.x), moment.rng))
        with frozen(D):
            opponent: Callable[[Tensor], Tensor] = D
            if self.unroll:
                opponent = unrolled(D, partial(self.prospect, batch, fake, moment), moment, steps=self.unroll)
            judge = partial(self.judged, opponent, moment=moment)
            fake_logits = judge(packed(fake, self.pack))
            real_logits = torch.zeros_like(fake_logits)
            if self.objective.paired:
                with torch.no_grad():
                    real_logits = judge(packed(batch.x, self.pack))
            loss = self.objective.g(real=real_logits, fake=fake_logits)
            terms = {"adversarial": best(loss, fake_logits, at(self.top_k, moment.images))}
            for term in self.terms:
                scene = Scene(D, G, z, fake, batch.x, partial(self.features, D, moment=moment), moment.rng,
                              moment.images, moment.remembered(term.name))  # fmt: skip
                terms[term.name] = term.term(scene)
        return Move(terms)

    def prospect(self, batch: Batch, fake: Tensor, moment: Moment, D: Callable[[Tensor], Tensor]) -> Tensor:
        """The discriminator's loss in a round that is only imagined; without penalties, as in the paper."""
        real_logits, fake_logits = (self.judged(D, packed(x, self.pack), moment=moment) for x in (batch.x, fake))
        return self.objective.d(real=real_logits, fake=fake_logits).mean() * moment.games

    def view(self, x: Tensor, moment: Moment) -> Tensor:
        """Packs as the discriminator sees them: their members augmented, each on its own."""
        if not self.augmentations:
            return x
        members = unpacked(x, self.pack)
        for augmentation in self.augmentations:
            members = augmentation.apply(members, moment)
        return packed(members, self.pack)

    def judged(self, D: Callable[[Tensor], Tensor], x: Tensor, *, moment: Moment) -> Tensor:
        """What D says of packs, through augmentation."""
        return D(self.view(x, moment))

    def features(self, D: nn.Module, x: Tensor, *, moment: Moment) -> list[Tensor]:
        """D's hidden activations of samples."""
        return D.full(self.view(packed(x, self.pack), moment)).features  # type: ignore[operator]

    @torch.no_grad()
    def watch(self, real_logits: Tensor, moment: Moment) -> None:
        """Show the real logits to the augmentations' controllers."""
        for augmentation in self.augmentations:
            if augmentation.watch is not None:
                augmentation.watch(real_logits.detach() - (self.objective.level or 0.0), moment)

    def beliefs(self, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        """D(real) and D(G(z)), probabilities where the objective has a link, else the bare logits; those logits; and
        D's accuracy: the share on the right side of the level where it decides, or of pairs in the right order."""
        link, level = self.objective.probability or (lambda logit: logit), self.objective.level
        real, fake = real_logits.detach().float(), fake_logits.detach().float()
        if level is None:
            accuracy = (real - fake).sign_().mul_(0.5).add_(0.5)  # 1 or 0, a tie .5
        else:
            accuracy = (real - level).sign_().sub_((fake - level).sign_()).mul_(0.25).add_(0.5)
        return {
            "d_real": link(real),
            "d_fake": link(fake),
            "real_logits": real,
            "fake_logits": fake,
            "accuracy": accuracy,
        }


def noise(G: nn.Module, count: int, rng: torch.Generator) -> Tensor:
    """Standard normal latents, (count, z_dim)."""
    weight = next(G.parameters())
    z_dim: int = G.z_dim  # type: ignore[assignment]
    return torch.randn(count, z_dim, generator=rng, device=weight.device, dtype=weight.dtype)


def made(G: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    """Latents and the fakes that they become."""
    return z, G(z)


def best(loss: Tensor, logits: Tensor, share: float) -> Tensor:
    """The losses of the share of fakes with the largest logits."""
    if share >= 1:
        return loss
    return loss[logits.detach().topk(max(1, round(share * len(logits)))).indices]


def both(
    D: nn.Module, judge: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, *, apart: bool
) -> tuple[Tensor, Tensor]:
    """Logits of both halves: in one pass where no layer mixes samples and no penalty needs an input's gradient."""
    if apart or mixes_samples(D) or getattr(D, "apart", False):
        return judge(real), judge(fake)
    joint = judge(torch.cat([real, fake]))
    return joint[: len(real)], joint[len(real) :]
