"""The one object that holds all that changes while a run goes on: what isn't in it doesn't survive."""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ganforge.errors import CheckpointError
from ganforge.layers import SpectralNorm
from ganforge.moment import Lookahead, Memory, Moment
from ganforge.optimizers import lookahead
from ganforge.plan import Plan
from ganforge.schedules import at

__all__ = ["TrainState", "Turn", "figures_of"]


class Turn(NamedTuple):
    """A turn that was made, its figures unread.

    Attributes:
        player: whose turn it was.
        figures: name -> number on the device.
        terms: figures that are means -> a number per sample on the device, for each piece of the batch.
        signals: what other figures are made of, in the same form.
        recorded: those figures, by name, from the signals; see `Move`.
    """

    player: str
    figures: dict[str, Tensor]
    terms: dict[str, list[Tensor]]
    signals: dict[str, list[Tensor]]
    recorded: Callable[[dict[str, Tensor]], dict[str, Tensor]]

    @property
    def kind(self) -> object:
        """Turns of one kind can be read together: a player's, of as many pieces and samples, with the same terms."""
        pieces = next(iter((self.signals or self.terms).values()), [])
        return self.player, *self.terms, len(pieces), *(len(x) for x in pieces[:1]), self.recorded


@dataclass
class TrainState:
    """A game in progress.

    Attributes:
        players: name -> network, on the training device.
        ema: the averaged generator.
        optimizers: player -> optimiser.
        rng: the generator of all the game's noise, on the device.
        global_rng: torch's own random states (dropout draws from them); the game has its own, see `randomness`.
        memory: part of the game -> the tensors that it keeps between turns.
        images: images seen.
        position: images drawn from the data.
        turns: player -> updates made, skipped ones included.
        skipped: player -> (updates left out in a row just now, the longest such row since the last tick).
        sums: player -> signal -> sum over that player's turns since the last tick, those left out not counted.
        bad: the first figure that was not finite since the last tick, by name; empty if all were.
        unread: the latest turns, whose figures `fold` adds to these.
        tick_images: images seen at the last tick.
        seconds: time spent in rounds, over the whole run.
        tick_seconds: the same since the last tick.
    """

    players: dict[str, nn.Module]
    ema: nn.Module
    optimizers: dict[str, torch.optim.Optimizer]
    rng: torch.Generator
    global_rng: dict[str, Tensor]
    memory: dict[str, Memory] = field(default_factory=dict)
    images: int = 0
    position: int = 0
    turns: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, tuple[int, int]] = field(default_factory=dict)
    sums: dict[str, dict[str, float]] = field(default_factory=dict)
    bad: str = ""
    unread: list[Turn] = field(default_factory=list)
    tick_images: int = 0
    seconds: float = 0.0
    tick_seconds: float = 0.0

    @classmethod
    def start(cls, plan: Plan) -> "TrainState":
        """The beginning of a run: weights, noise and order of the data all follow from the recipe's seed."""
        players = plan.networks()
        ema = copy.deepcopy(players["generator"]).requires_grad_(False).train()
        with torch.random.fork_rng():
            torch.manual_seed(plan.training.seed + 1)
            global_rng = random_states(plan.device)
        return cls(
            players=players,
            ema=ema,
            optimizers={p: plan.optimizer(p, network) for p, network in players.items()},
            rng=torch.Generator(plan.device).manual_seed(plan.training.seed + 2),
            global_rng=global_rng,
            memory={
                part: {k: v.to(plan.device) for k, v in kept.items()}
                for part, kept in plan.game.memory(players).items()
            },
            turns=dict.fromkeys(players, 0),
            skipped=dict.fromkeys(players, (0, 0)),
        )

    def moment(self, plan: Plan, player: str) -> Moment:
        """Now, for the player whose turn it is."""
        ahead = partial(self.lookahead, plan)
        return Moment(self.rng, self.images, self.turns[player], self.memory, plan.training.seeds, ahead)

    def lookahead(self, plan: Plan, player: str) -> Lookahead:
        """A player's next updates as differentiable functions."""
        return lookahead(self.optimizers[player], lr=at(plan.rates[player], self.images))

    @cached_property
    def spectral_norms(self) -> list[SpectralNorm]:
        """The players' layers of bounded slope, found once: each advances once per discriminator update."""
        parts = (part for network in self.players.values() for part in network.modules())
        return [part for part in parts if isinstance(part, SpectralNorm)]

    @contextmanager
    def randomness(self, device: torch.device) -> Iterator[None]:
        """Within it torch's global generators are the game's own; outside, the caller's are as they were."""
        callers = random_states(device)
        set_random_states(self.global_rng, device)
        try:
            yield
        finally:
            self.global_rng = random_states(device)
            set_random_states(callers, device)

    @torch.no_grad()
    def fold(self) -> None:
        """Read the figures of the latest turns from the device, those of a kind at once, and add them to the sums.

        Added one by one in float64, so that it hardly matters for the sums how often this is called.
        """
        for turn, figures in zip(self.unread, figures_of(self.unread), strict=True):
            self.add_turn(turn.player, figures)
        self.unread = []

    def add_turn(self, player: str, figures: dict[str, float]) -> None:
        """Add a turn to its player's sums; an update that was left out counts only as such."""
        sums = self.sums.setdefault(player, {"turns": 0.0, "skipped": 0.0})
        row, longest = self.skipped[player]
        if not math.isfinite(figures[f"gradient_norm_{player}"]):  # as the mask of its step was
            sums["skipped"] += 1.0
            self.bad = self.bad or first_bad(figures)
            self.skipped[player] = (row + 1, max(longest, row + 1))
            return
        self.skipped[player] = (0, longest)
        sums["turns"] += 1.0
        for name, value in figures.items():
            sums[name] = sums.get(name, 0.0) + value
        whole = f"loss_{player}"
        sums[f"square_{whole}"] = sums.get(f"square_{whole}", 0.0) + figures[whole] ** 2

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by a dotted name: a checkpoint's content."""
        networks = {**self.players, "ema": self.ema}
        named = {f"{n}.{k}": v for n, network in networks.items() for k, v in network.state_dict().items()}
        for player, optimizer in self.optimizers.items():
            for index, slots in optimizer.state_dict()["state"].items():
                named |= {f"optimizer.{player}.{index}.{k}": v for k, v in slots.items() if v is not None}
        named |= {f"memory.{part}.{k}": v for part, kept in self.memory.items() for k, v in kept.items()}
        return named | {f"random.{k}": v for k, v in self.global_rng.items()} | {"random.game": self.rng.get_state()}

    def record(self) -> dict[str, Any]:
        """Everything else: plain numbers."""
        self.fold()
        names = ("images", "position", "turns", "tick_images", "seconds", "tick_seconds", "skipped", "sums", "bad")
        return {name: getattr(self, name) for name in names}

    def restore(self, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
        """Take over a saved game, bit for bit.

        Raises:
            CheckpointError: if it belongs to other networks.
        """
        for name, network in {**self.players, "ema": self.ema}.items():
            restore_network(network, within(tensors, name), name)
        for player, optimizer in self.optimizers.items():
            restore_optimizer(optimizer, within(tensors, f"optimizer.{player}"))
        for part, kept in self.memory.items():
            for key, value in within(tensors, f"memory.{part}").items():
                kept[key].copy_(value)
        self.rng.set_state(tensors["random.game"].cpu())
        self.global_rng = {k: v for k, v in within(tensors, "random").items() if k != "game"}
        for name, value in record.items():
            setattr(self, name, value)
        self.skipped = {player: (row, longest) for player, (row, longest) in self.skipped.items()}


def figures_of(turns: Sequence[Turn]) -> list[dict[str, float]]:
    """The figures of turns, in the turns' order: computed and read for all turns of a kind at once."""
    kinds: dict[object, list[int]] = {}
    for n, turn in enumerate(turns):
        kinds.setdefault(turn.kind, []).append(n)
    rows: list[dict[str, float]] = [{} for _ in turns]
    for numbers in kinds.values():
        alike = [turns[n] for n in numbers]
        columns = {k: torch.stack([turn.figures[k] for turn in alike]).float() for k in alike[0].figures}
        parts = stacked([turn.terms for turn in alike]) | alike[0].recorded(stacked([turn.signals for turn in alike]))
        columns |= {k: x.float().mean(-1).view(len(alike), -1).mean(-1) for k, x in parts.items()}
        for n, row in zip(numbers, torch.stack(list(columns.values()), dim=1).tolist(), strict=True):
            rows[n] = dict(zip(columns, row, strict=True))
    return rows


def stacked(turns: Sequence[Mapping[str, Sequence[Tensor]]]) -> dict[str, Tensor]:
    """Each name's numbers of all pieces of all turns, a row for each piece."""
    pieces = {k: [piece for turn in turns for piece in turn[k]] for k in turns[0]}
    return {k: torch.cat(found).view(len(found), -1) for k, found in pieces.items()}


def first_bad(figures: Mapping[str, float]) -> str:
    """The figure that went bad first in a turn: logits before losses, a gradient last."""
    return next((name for name, value in reversed(list(figures.items())) if not math.isfinite(value)), "")


def within(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries below a dotted prefix, without it."""
    return {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}


def restore_network(network: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Copy every weight and buffer into place; the memory layout stays the network's own."""
    own = network.state_dict()
    wrong = [k for k in own.keys() | tensors.keys() if k not in own or k not in tensors]
    wrong += [k for k in own.keys() & tensors.keys() if own[k].shape != tensors[k].shape]
    if wrong:
        raise CheckpointError(
            f"the checkpoint's {name} is another network: {sorted(wrong)[0]} and {len(wrong) - 1} more don't fit; "
            "start from its weights with `ganforge train --init-from`, which takes what fits and lists the rest"
        )
    network.load_state_dict(dict(tensors))


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Slots by parameter number, each laid out in memory as its parameter is (the fused kernels count on it)."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for name, value in tensors.items():
        index, slot = name.split(".", 1)
        param = params[int(index)]
        like = torch.empty_like(param) if value.shape == param.shape else torch.empty_like(value, device=param.device)
        optimizer.state[param][slot] = like.copy_(value)


def random_states(device: torch.device) -> dict[str, Tensor]:
    """torch's global random states: the CPU's, and the device's where it is another."""
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def set_random_states(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Put them back; a state of a device that isn't in use is left alone."""
    torch.set_rng_state(states["cpu"].cpu())
    if device.type != "cpu" and device.type in states:
        torch.get_device_module(device).set_rng_state(states[device.type].cpu())
