"""Which tensor went bad first, when a game has gone to infinity: the last turn played again on copies, watched."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.plan import Plan
from ganforge.state import TrainState

__all__ = ["first_bad_tensor"]


def first_bad_tensor(plan: Plan, state: TrainState) -> str:
    """The name of the first tensor that isn't finite, in the order of computation: weights, real samples, activations
    of both players, terms of their losses, gradients. Empty if all are finite when the last batch is played again
    (with other noise). Nothing of the run changes.
    """
    players = copy.deepcopy(state.players)
    weights = {f"{n}.{k}": v for n, network in players.items() for k, v in network.state_dict().items()}
    if named := first(weights):
        return named
    devices = [plan.device] if plan.device.type == "cuda" else []
    with torch.random.fork_rng(devices), watched(players) as found:
        torch.manual_seed(0)
        return replayed(plan, state, players, found)


def replayed(plan: Plan, state: TrainState, players: dict[str, nn.Module], found: list[str]) -> str:
    """The turns of both players on the last batch."""
    with plan.stream(position=max(state.position - plan.training.batch * plan.training.seeds, 0)) as stream:
        batch = stream.next()
    if named := first({"the real samples": batch.x}):
        return named
    rng, memory = torch.Generator(plan.device).manual_seed(0), copy.deepcopy(state.memory)
    kept: Any = None
    for player in ("discriminator", "generator"):
        moment = replace(state.moment(plan, player), rng=rng, memory=memory)
        given = () if player == "discriminator" else (kept,)
        move = getattr(plan.game, player)(players, batch, moment, *given)
        kept = move.fakes
        if named := next(iter(found), "") or first({f"loss_{player}.{k}": v for k, v in move.terms.items()}):
            return named
        loss = sum(term.mean() for term in move.terms.values())
        own = dict(players[player].named_parameters())
        slopes = torch.autograd.grad(loss, list(own.values()), allow_unused=True, retain_graph=True)
        gradients = {f"the gradient of {player}.{k}": g for k, g in zip(own, slopes, strict=True) if g is not None}
        if named := first(gradients):
            return named
    return ""


def first(tensors: Mapping[str, Tensor]) -> str:
    """The name of the first tensor that holds a number that isn't finite."""
    return next((name for name, x in tensors.items() if not torch.isfinite(x).all()), "")


@contextmanager
def watched(players: Mapping[str, nn.Module]) -> Iterator[list[str]]:
    """Within it the names of layers whose output isn't finite are added to the list, in the order in which they ran."""
    found: list[str] = []

    def watch(name: str, module: nn.Module) -> Any:
        def look(part: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not torch.isfinite(output).all():
                found.append(f"the output of {name}")

        return module.register_forward_hook(look)

    hooks = [
        watch(f"{player}.{name}" if name else player, module)
        for player, network in players.items()
        for name, module in network.named_modules()
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
