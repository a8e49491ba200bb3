"""The original game: the generator turns noise into samples (Goodfellow et al. 2014, algorithm 1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.augment import Augmentation
from ganforge.batch import Batch
from ganforge.games.move import Moment, Move, frozen
from ganforge.games.packing import packed, unpacked
from ganforge.games.unrolling import unrolled
from ganforge.layers import Condition, called, cheap_double_backward, mixes_samples
from ganforge.moment import Memory
from ganforge.objectives import Objective
from ganforge.penalties import Context, Penalty
from ganforge.schedules import Number, at
from ganforge.terms import Scene, Term

__all__ = ["FAKES", "NoiseGame"]


class Fakes(NamedTuple):
    """A pass of the generator: what went in, what it was asked for, what came out, and the real samples' labels."""

    z: Tensor
    y: Tensor | None
    x: Tensor
    y_real: Tensor | None


class Answer(NamedTuple):
    """What a discriminator says: logits, (B,), and a class head's, (B, classes), where somebody wants them."""

    logits: Tensor
    aux: Tensor | None


Labels = tuple[Tensor | None, Tensor | None]
"""Of the real samples, as they are told, and of as many fakes."""


def fresh(G: nn.Module, z: Tensor, labels: Labels) -> tuple[Tensor, None]:
    """Fakes for the discriminator alone, made without a graph; the generator's turn makes its own."""
    with torch.no_grad():
        return called(G, z, labels[1]), None


def shared(G: nn.Module, z: Tensor, labels: Labels) -> tuple[Tensor, Fakes]:
    """One pass for both players: the discriminator sees it detached, the generator's turn goes on with its graph."""
    made = made_of(G, z, labels)
    return made.x.detach(), made


def made_of(G: nn.Module, z: Tensor, labels: Labels) -> Fakes:
    """A pass of the generator."""
    return Fakes(z, labels[1], called(G, z, labels[1]), labels[0])


FAKES: dict[str, Callable[[nn.Module, Tensor, Labels], tuple[Tensor, Fakes | None]]] = {
    "fresh": fresh,
    "shared": shared,
}


class Asking(NamedTuple):
    """A value of `game.labels`.

    Attributes:
        draw: labels of the data, classes, count, random numbers -> labels of the real samples and of as many fakes.
        told: whether the discriminator hears the fakes' labels.
    """

    draw: Callable[[Tensor | None, int, int, torch.Generator], Labels]
    told: bool = True


def uniform(classes: int, count: int, rng: torch.Generator) -> Tensor:
    """Class numbers, each as often as any other."""
    return torch.randint(classes, (count,), generator=rng, device=rng.device)


ASKED: dict[str, Asking] = {
    "none": Asking(lambda y, classes, count, rng: (None, None)),
    "data": Asking(lambda y, classes, count, rng: (y, y)),
    "balanced": Asking(lambda y, classes, count, rng: (y, uniform(classes, count, rng))),
    "code": Asking(lambda y, classes, count, rng: (None, uniform(classes, count, rng)), told=False),
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
        labels: what the generator is asked for, and the discriminator told: nothing ("none"); the labels of the data,
            of fakes those of the batch's real samples ("data") or every class alike ("balanced"); a code that means
            nothing beforehand, drawn for fakes alone and told by nobody, for a class head to find ("code", InfoGAN,
            Chen et al. 2016, arXiv:1606.03657).
        label_dropout: the share of samples whose label is left out, so that the generator learns to do without.
        condition: what those labels are; None without.

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
    unroll: Annotated[int, Field(ge=0, le=100, description="discriminator updates that the generator looks ahead")] = 0
    top_k: Annotated[
        Number, Field(gt=0, le=1, description="share of the fakes, the most convincing, that the generator learns from")
    ] = 1.0
    labels: Annotated[
        Literal["none", "data", "balanced", "code"],
        Field(
            description="what the generator is asked for: none, data (the labels' own shares), balanced (every class "
            "alike), code (game.codes classes that nobody named, for a class head to find)"
        ),
    ] = "none"
    label_dropout: Annotated[float, Field(ge=0, lt=1, description="share of samples whose label is left out")] = 0.0
    codes: Annotated[int, Field(gt=1, description="classes of game.labels=code")] = 10
    condition: Condition | None = None

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

    @property
    def classified(self) -> bool:
        """Whether a part of it wants what a class head says."""
        return any(p.of_classes for p in self.penalties) or any(t.of_classes for t in self.terms)

    @property
    def tells(self) -> bool:
        """Whether the discriminator hears the labels of fakes."""
        return ASKED[self.labels].told

    def asked_for(self, batch: Batch, rng: torch.Generator) -> Labels:
        """The labels of the real samples, as they are told, and those of as many fakes; some left out of both."""
        classes = 0 if self.condition is None else self.condition.size
        labels = ASKED[self.labels].draw(batch.y, classes, len(batch.x), rng)
        if self.label_dropout == 0:
            return labels
        out = torch.rand(len(batch.x), generator=rng, device=rng.device) < self.label_dropout
        return without(labels[0], out), without(labels[1], out)

    def told(self, y: Tensor | None) -> Tensor | None:
        """What the discriminator hears of fakes' labels."""
        return y if self.tells else None

    def discriminator(self, players: Mapping[str, nn.Module], batch: Batch, moment: Moment) -> Move:
        """Objective and penalties on real samples and as many fakes."""
        D, G = players["discriminator"], players["generator"]
        z = noise(G, len(batch.x), moment.rng)
        y, wanted = labels = self.asked_for(batch, moment.rng)
        fake, kept = FAKES[self.fakes](G, z, labels)
        active = [p for p in self.penalties if p.term is not None and moment.turn % p.every == 0]
        needs = frozenset[str]().union(*(p.inputs for p in active))
        real = packed(batch.x, self.pack).detach().requires_grad_("real" in needs)
        fake = packed(fake, self.pack).requires_grad_("fake" in needs)
        ask = partial(self.answer, D, moment=moment)
        with cheap_double_backward(bool(needs)):
            on_real, on_fake = both(D, ask, (real, y), (fake, self.told(wanted)), apart=bool(needs))
        self.watch(on_real.logits, moment)
        terms = {"adversarial": self.objective.d(real=on_real.logits, fake=on_fake.logits)}
        for p in active:
            context = Context(D, real, fake, on_real.logits, on_fake.logits, y, moment.rng, moment.images,
                              moment.remembered(p.name), partial(self.judged, D, moment=moment), G, z,
                              wanted, self.told(wanted), on_real.aux, on_fake.aux)  # fmt: skip
            assert p.term is not None
            terms[p.name] = p.every * p.term(context)
        signals = {"real_logits": on_real.logits.detach(), "fake_logits": on_fake.logits.detach()}
        return Move(terms, signals, self.beliefs, kept)

    def generator(self, players: Mapping[str, nn.Module], batch: Batch, moment: Moment, fakes: Any) -> Move:
        """The objective on fakes, through the discriminator, and the generator's own terms."""
        D, G = players["discriminator"], players["generator"]
        made: Fakes = fakes or made_of(G, noise(G, len(batch.x), moment.rng), self.asked_for(batch, moment.rng))
        with frozen(D):
            opponent: Callable[..., Tensor] = D
            if self.unroll:
                opponent = unrolled(D, partial(self.prospect, batch.x, made, moment), moment, steps=self.unroll)
            answer = self.answer(opponent, packed(made.x, self.pack), self.told(made.y), moment=moment)
            real_logits = torch.zeros_like(answer.logits)
            if self.objective.paired:
                with torch.no_grad():
                    real_logits = self.judged(opponent, packed(batch.x, self.pack), made.y_real, moment=moment)
            loss = self.objective.g(real=real_logits, fake=answer.logits)
            terms = {"adversarial": best(loss, answer.logits, at(self.top_k, moment.images))}
            for term in self.terms:
                scene = Scene(D, G, made.z, made.x, batch.x, partial(self.features, D, moment=moment), moment.rng,
                              moment.images, moment.remembered(term.name),
                              made.y, self.told(made.y), made.y_real, answer.aux)  # fmt: skip
                terms[term.name] = term.term(scene)
        return Move(terms)

    def prospect(self, real: Tensor, made: Fakes, moment: Moment, D: Callable[..., Tensor]) -> Tensor:
        """The discriminator's loss in a round that is only imagined; without penalties, as in the paper."""
        real_logits = self.judged(D, packed(real, self.pack), made.y_real, moment=moment)
        fake_logits = self.judged(D, packed(made.x, self.pack), self.told(made.y), moment=moment)
        return self.objective.d(real=real_logits, fake=fake_logits).mean() * moment.games

    def view(self, x: Tensor, moment: Moment) -> Tensor:
        """Packs as the discriminator sees them: their members augmented, each on its own."""
        if not self.augmentations:
            return x
        members = unpacked(x, self.pack)
        for augmentation in self.augmentations:
            members = augmentation.apply(members, moment)
        return packed(members, self.pack)

    def judged(self, D: Callable[..., Tensor], x: Tensor, y: Tensor | None = None, *, moment: Moment) -> Tensor:
        """D's logits of packs, through augmentation."""
        return called(D, self.view(x, moment), y)

    def answer(self, D: Callable[..., Tensor], x: Tensor, y: Tensor | None, *, moment: Moment) -> Answer:
        """All that D says of packs, through augmentation, in one pass."""
        if not self.classified:
            return Answer(self.judged(D, x, y, moment=moment), None)
        output = D.full(self.view(x, moment), y)  # type: ignore[attr-defined]
        return Answer(output.logits[0], output.aux)

    def features(self, D: nn.Module, x: Tensor, y: Tensor | None = None, *, moment: Moment) -> list[Tensor]:
        """D's hidden activations of samples."""
        return D.full(self.view(packed(x, self.pack), moment), y).features  # type: ignore[operator]

    @torch.no_grad()
    def watch(self, real_logits: Tensor, moment: Moment) -> None:
        """Show the real logits to the augmentations' controllers."""
        for augmentation in self.augmentations:
            if augmentation.watch is not None:
                augmentation.watch(real_logits.detach() - (self.objective.level or 0.0), moment)

    def beliefs(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """D(real) and D(G(z)), probabilities where the objective has a link, else the bare logits; those logits; and
        D's accuracy: the share on the right side of the level where it decides, or of pairs in the right order."""
        link, level = self.objective.probability or (lambda logit: logit), self.objective.level
        real, fake = logits["real_logits"].float(), logits["fake_logits"].float()
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


def without(y: Tensor | None, out: Tensor) -> Tensor | None:
    """Labels, some of them left out: class -1, or NaN."""
    if y is None:
        return None
    return torch.where(out[:, None], torch.nan, y) if y.is_floating_point() else torch.where(out, -1, y)


def best(loss: Tensor, logits: Tensor, share: float) -> Tensor:
    """The losses of the share of fakes with the largest logits."""
    if share >= 1:
        return loss
    return loss[logits.detach().topk(max(1, round(share * len(logits)))).indices]


def both(
    D: nn.Module,
    ask: Callable[[Tensor, Tensor | None], Answer],
    real: tuple[Tensor, Tensor | None],
    fake: tuple[Tensor, Tensor | None],
    *,
    apart: bool,
) -> tuple[Answer, Answer]:
    """What D says of both halves: in one pass where no layer mixes samples and no penalty needs an input's gradient."""
    if apart or mixes_samples(D) or getattr(D, "apart", False):
        return ask(*real), ask(*fake)
    count, labels = len(real[0]), [y for y in (real[1], fake[1]) if y is not None]
    logits, aux = ask(torch.cat([real[0], fake[0]]), torch.cat(labels) if labels else None)
    halves = (None, None) if aux is None else (aux[:count], aux[count:])
    return Answer(logits[:count], halves[0]), Answer(logits[count:], halves[1])
