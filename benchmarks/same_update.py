"""That both sides of a contest compute the same update, and how much memory each takes."""

import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import classic
import classic_residual
import torch
from contests import CONTESTS
from plans import FULL, MLP_BATCH, Scale, critic_plan, dcgan_plan, mlp_plan, relativistic_plan
from torch import Tensor, nn

from ganforge.batch import Batch
from ganforge.data import Stream
from ganforge.plan import Plan
from ganforge.state import TrainState
from ganforge.train import play_round

__all__ = ["KINDS", "largest_difference", "peak_memory"]

SMALL = replace(FULL, critic=16, batch=8)  # residual networks in float64: widths change nothing about the order of sums


@dataclass
class Doubled:
    """A stream in float64 that remembers the batches of a round."""

    stream: Stream
    seen: list[Tensor] = field(default_factory=list)

    @property
    def position(self) -> int:
        return self.stream.position

    def next(self) -> Batch:
        batch = self.stream.next()
        self.seen.append(batch.x.double())
        return replace(batch, x=self.seen[-1])


@torch.no_grad()
def take_over(theirs: nn.Module, ours: nn.Module) -> None:
    """Our weights and running statistics in their network, which has the same ones in the same order."""
    pairs = zip([*theirs.parameters(), *theirs.buffers()], [*ours.parameters(), *ours.buffers()], strict=True)
    for their, our in pairs:
        their.copy_(our)


@torch.no_grad()
def furthest(a: list[Tensor], b: list[Tensor]) -> float:
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


Side = tuple[Plan, nn.Module, nn.Module, Callable[[nn.Module], Any], Callable[..., None]]
"""Our plan; their networks, optimiser and round, which takes the round's images in a list."""


def first_only(step: Callable[..., None], shaped: Callable[[Tensor], Tensor]) -> Callable[..., None]:
    """A round of one discriminator update."""

    def round_of(G: nn.Module, D: nn.Module, *rest: Any) -> None:
        *optimizers, reals, log, noise = rest
        step(G, D, *optimizers, shaped(reals[0]), log, noise)

    return round_of


def mlp_side(scale: Scale) -> Side:
    """Without dropout, whose masks come in another order."""
    step = first_only(classic.mlp_step, partial(torch.flatten, start_dim=1))
    networks = classic.mlp_generator(), classic.mlp_discriminator(dropout=0.0)
    return mlp_plan("discriminator.dropout=0"), *networks, classic.adam, step


def dcgan_side(fakes: str, scale: Scale) -> Side:
    step = {"shared": classic.dcgan_step, "fresh": classic.dcgan_fresh_step}[fakes]
    G = classic.dcgan_generator(scale.width, size=scale.size)
    D = classic.dcgan_discriminator(scale.width, size=scale.size)
    shaped = first_only(step, lambda x: x.contiguous())
    return dcgan_plan(scale, f"game.fakes={fakes}"), G, D, classic.adam, shaped


def residual_side(name: str, scale: Scale) -> Side:
    scale = replace(SMALL, critic=min(SMALL.critic, scale.critic))
    plan = relativistic_plan(scale) if name == "relativistic" else critic_plan(name, scale)
    return plan, *classic_residual.networks(name, scale.critic), classic_residual.adam, classic_residual.ROUNDS[name]


KINDS: dict[str, Callable[[Scale], Side]] = {
    "mlp": mlp_side,
    "dcgan": partial(dcgan_side, "shared"),
    "dcgan_fresh": partial(dcgan_side, "fresh"),
    "sngan": partial(residual_side, "sngan"),
    "wgan_gp": partial(residual_side, "wgan_gp"),
    "relativistic": partial(residual_side, "relativistic"),
}


def largest_difference(kind: str, scale: Scale = FULL, *, rounds: int = 5) -> dict[str, float]:
    """How far the weights of both sides are apart after a few rounds in float64, and how far they have moved.

    Same first weights, data and noise. In float32 such a comparison proves nothing: Adam's first steps are nearly
    signs, so that any rounding of a gradient near 0 moves a weight by twice the learning rate.
    """
    plan, G, D, optimizer, play = KINDS[kind](scale)
    state = TrainState.start(plan)
    ours = list(state.players.values())
    for mine, theirs in zip([*ours, state.ema], [G, D, G], strict=True):
        mine.double()
        theirs.double()
    take_over(G, state.players["generator"])
    take_over(D, state.players["discriminator"])
    weights = [p for network in ours for p in network.parameters()]
    start = [p.detach().clone() for p in weights]
    opt_g, opt_d, log = optimizer(G), optimizer(D), []
    noise = torch.Generator()
    noise.set_state(state.rng.get_state())
    for _ in range(rounds):
        stream = Doubled(plan.stream(position=state.position))
        play_round(plan, state, stream)
        play(G, D, opt_g, opt_d, contiguous(stream.seen), log, noise)
    theirs = [*G.parameters(), *D.parameters()]
    return {"rounds": rounds, "difference": furthest(weights, theirs), "moved": furthest(weights, start)}


def contiguous(images: Sequence[Tensor]) -> list[Tensor]:
    """As plain loops have them."""
    return [x.contiguous() for x in images]


def peak_memory(contest: str | None, side: str | None, scale: Scale) -> float:
    """Peak memory in MiB of this process, after a few units of a side's work; None: after the imports alone.

    To be called in a process of its own.
    """
    if contest is not None and side is not None:
        run = CONTESTS[contest].sides[side](replace(scale, epoch_images=min(scale.epoch_images, 10 * MLP_BATCH)))
        run(3 if CONTESTS[contest].calibrated else 1)
    return high_water() / 2**20


def high_water() -> int:
    """The most bytes that this process has held. On Linux not by `ru_maxrss`, which a child inherits of its parent."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
