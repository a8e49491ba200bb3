"""An update in slow motion: the five stages of the very update that comes next, seen on a copy of the game."""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganforge.batch import Batch
from ganforge.games.packing import packed, unpacked
from ganforge.lab.pictures import Scenery, believed
from ganforge.lab.play import carried
from ganforge.layers import advance, called
from ganforge.plan import Plan
from ganforge.state import TrainState
from ganforge.train import total

__all__ = ["STAGES", "Rehearsal", "rehearsed"]

STAGES = ("noise", "fakes", "judgement", "loss", "gradient")


@dataclass(frozen=True)
class Rehearsal:
    """What an update of a player goes through.

    Attributes:
        player: whose update.
        z: the latents, (B, z_dim).
        fakes: what the generator makes of them, (B, 2).
        real: the real samples that D sees, (B, 2); none in the generator's update.
        fake_belief, real_belief: what D believes of each, (B,), from 0 (fake) to 1 (real); a pack's for its members.
        loss: the mean of all terms.
        terms: each term's mean.
        gradient_norm: the norm of the gradient in all of the player's weights.
        arrows: minus the gradient of the generator's loss at each fake, (B, 2).
    """

    player: str
    z: Float[Tensor, "B z_dim"]
    fakes: Float[Tensor, "B 2"]
    real: Float[Tensor, "N 2"]
    fake_belief: Float[Tensor, " B"]
    real_belief: Float[Tensor, " N"]
    loss: float
    terms: dict[str, float]
    gradient_norm: float
    arrows: Float[Tensor, "B 2"]


@dataclass
class Witness:
    """What passes through two networks while hooks are in place."""

    z: list[Tensor] = field(default_factory=list)
    made: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)

    def sees(self, G: nn.Module, D: nn.Module) -> list[torch.utils.hooks.RemovableHandle]:
        """Hooks on both."""

        def maker(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self.z.append(inputs[0].detach())
            self.made.append(output.detach())

        def judge(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self.logits.append(output.detach())

        return [G.register_forward_hook(maker), D.register_forward_hook(judge)]


def rehearsed(plan: Plan, state: TrainState, scenery: Scenery, player: str, piece: tuple[Any, ...]) -> Rehearsal:
    """The next update of a player on a batch, all but its step; the game itself is as before, its random states too.

    With the batch comes what the discriminator's turn has kept for the generator's, None where it keeps nothing.
    """
    batch: Batch = piece[0]
    kept = piece[1]
    copy = carried(plan, state, plan)
    G, D = copy.players["generator"], copy.players["discriminator"]
    if player == "discriminator":
        for layer in copy.spectral_norms:
            advance(layer)
    witness = Witness()
    hooks = witness.sees(G, D)
    with copy.randomness(plan.device):
        moment = copy.moment(plan, player)
        if player == "discriminator":
            move = plan.game.discriminator(copy.players, batch, moment)
        else:
            fakes = None if kept is None else kept._replace(x=called(G, kept.z, kept.y))
            move = plan.game.generator(copy.players, batch, moment, fakes)
    for hook in hooks:
        hook.remove()
    whole = total(move)
    weights = [p for p in copy.players[player].parameters() if p.requires_grad]
    found = torch.autograd.grad(whole, weights, allow_unused=True)
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm([g for g in found if g is not None])))
    z, made = witness.z[0], witness.made[0]
    if player == "discriminator":
        fake_logits, real_logits = move.signals["fake_logits"], move.signals["real_logits"]
    else:
        count = len(packed(made, scenery.pack))
        fake_logits = next(x for x in witness.logits if len(x) == count)
        real_logits = fake_logits[:0]
    beliefs = [
        believed(scenery.objective, x, real=real_logits if len(real_logits) else fake_logits, fake=fake_logits)
        for x in (fake_logits, real_logits)
    ]
    members = [x.repeat_interleave(scenery.pack) for x in beliefs]
    real = unpacked(packed(batch.x, scenery.pack), scenery.pack) if player == "discriminator" else batch.x[:0]
    terms = {name: float(term.mean().detach()) for name, term in move.terms.items()}
    arrows = scenery.arrows(D, made)
    return Rehearsal(player, z, made, real, members[0], members[1], float(whole.detach()), terms, float(norm), arrows)
