"""The only adversarial loop: K discriminator updates, one generator update, the average, and again.

for tick in train("dcgan_mnist_28"):
    print(tick.images, tick.figures["d_real"], tick.figures["d_fake"])
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.arithmetic import at_work, compiled
from ganforge.autopsy import first_bad_tensor
from ganforge.batch import Batch
from ganforge.data import Stream
from ganforge.errors import DivergenceError, MemoryLimitError
from ganforge.games import Move
from ganforge.layers import advance
from ganforge.optimizers import masked_step
from ganforge.plan import Plan, build
from ganforge.recipe import Recipe
from ganforge.schedules import at
from ganforge.settings import Averaging
from ganforge.state import TrainState, Turn

__all__ = [
    "Tick",
    "TrainState",
    "average",
    "largest_batch",
    "out_of_memory",
    "play_discriminator",
    "play_round",
    "read_tick",
    "total",
    "train",
    "update",
]

ROW = 3  # updates without a finite gradient, in a row, that end a run
UNREAD = 512  # turns whose figures may wait on the device; reading them costs a wait for it


@dataclass(frozen=True)
class Tick:
    """A line of the log.

    Attributes:
        images: images seen so far.
        since: images seen at the tick before.
        figures: means since the last tick: `loss_*` by player and term, `d_real` and `d_fake` (D(real) and D(G(z)):
            probabilities where the objective has a link, else logits), `gradient_norm_*` by player before clipping,
            `real_logits`, `fake_logits`, D's `accuracy`, `band_loss_*` (a loss's standard deviation within the tick),
            `lr_*`, `images_per_second`, `seconds`, and `skipped`, the number of updates left out.
        state: the game, for whoever wants to look at it or to save it.
        bad: the first figure that was not finite, by name; empty if all were.
    """

    images: int
    since: int
    figures: dict[str, float]
    state: TrainState
    bad: str = ""


def train(
    recipe: Recipe | Plan | str, state: TrainState | None = None, *, stop: Callable[[], bool] = lambda: False
) -> Iterator[Tick]:
    """Play the recipe's game from `state` (from the beginning, if None) to its last image, a tick at a time.

    `stop` is asked after every round; once true, the iterator ends with the state as it is, mid-tick or not, and a
    later call with that state goes on as if nothing had happened.

    Raises:
        RecipeError, DataError: if the recipe can't be built.
        MemoryLimitError: if the batch doesn't fit; the message names one that does.
        DivergenceError: after three updates in a row without a finite gradient.
    """
    plan = build(recipe)
    state = TrainState.start(plan) if state is None else state
    compiled(state.players, plan.speed, plan.device)
    with plan.stream(position=state.position) as stream:
        while state.images < plan.training.images and not stop():
            with state.randomness(plan.device), at_work(plan.speed, plan.device):
                due = play_to_tick(plan, state, stream, stop)
            if due:
                yield read_tick(plan, state)


def play_to_tick(plan: Plan, state: TrainState, stream: Stream, stop: Callable[[], bool]) -> bool:
    """Rounds until a tick is due (True) or until `stop` says so (False)."""
    every = plan.training.tick
    while not stop():
        start, number = time.perf_counter(), state.images // every
        try:
            play_round(plan, state, stream)
            starved = False
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            starved = True
        if starved:  # outside the handler, whose traceback holds on to the memory that the search needs
            raise MemoryLimitError(memory_advice(plan))
        state.tick_seconds += time.perf_counter() - start
        if state.images // every > number or state.images >= plan.training.images:
            return True
    return False


def play_round(plan: Plan, state: TrainState, stream: "Stream | Trial") -> None:
    """K discriminator updates on K batches, the generator's updates on the last of them, and the average's update."""
    before = state.images
    for _ in range(plan.training.d_steps):
        pieces = play_discriminator(plan, state, stream)
    for _ in range(plan.training.g_steps):
        update(plan, state, "generator", pieces)
    average(state.ema, state.players["generator"], plan.averaging, seen=state.images, new=state.images - before)
    state.position = stream.position


def play_discriminator(plan: Plan, state: TrainState, stream: "Stream | Trial") -> list[tuple[Batch, Any]]:
    """One discriminator update on the next batch: its pieces, each with what is kept for the generator's turn."""
    batches = split(stream.next(), plan.training.accumulate)
    for norm in state.spectral_norms:
        advance(norm)
    kept = [move.fakes for move in update(plan, state, "discriminator", [(b,) for b in batches])]
    state.images += plan.training.batch
    return list(zip(batches, kept, strict=True))


def update(plan: Plan, state: TrainState, player: str, pieces: list[tuple[Any, ...]]) -> list[Move]:
    """One player's update: its moves over the pieces of a batch, their gradients added up, one masked step."""
    optimizer, play = state.optimizers[player], getattr(plan.game, player)
    moment, moves, losses = state.moment(plan, player), list[Move](), list[Tensor]()
    for piece in pieces:
        moves.append(play(state.players, piece[0], moment, *piece[1:]))
        losses.append(total(moves[-1]) * plan.training.seeds / len(pieces))
        losses[-1].backward()
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    if plan.training.clip is not None:
        torch._foreach_mul_(gradients, (plan.training.clip / norm).clamp(max=1.0))
    bad = (norm - norm).ne(0).to(torch.float32)  # inf - inf and NaN are not 0
    masked_step(optimizer, bad=bad, lr=at(plan.rates[player], state.images))
    plan.game.project(player, state.players[player])
    state.turns[player] += 1
    loss = sum(losses[1:], start=losses[0]).detach()
    note(state, player, moves, {"gradient_norm": norm, "loss": loss})
    return moves


def total(move: Move) -> Tensor:
    """The loss of a move: the mean over samples of each term, added up."""
    first, *others = (term.mean() for term in move.terms.values())
    return sum(others, start=first)


def split(batch: Batch, pieces: int) -> list[Batch]:
    """A batch in equal pieces."""
    if pieces == 1:
        return [batch]
    columns = {k: v.chunk(pieces) for k, v in vars(batch).items() if v is not None}
    return [Batch(**{k: v[i] for k, v in columns.items()}) for i in range(pieces)]


@torch.no_grad()
def average(ema: nn.Module, G: nn.Module, settings: Averaging, *, seen: int, new: int) -> None:
    """Move the average on by `new` images: parameters averaged, buffers copied.

    The weight of what was is 2^(-new / half-life); while the run is young the half-life grows with the images seen
    (Karras et al. 2020, `ema_rampup`).
    """
    half_life = settings.half_life if settings.ramp is None else min(settings.half_life, settings.ramp * seen)
    kept = 0.5 ** (new / half_life) if half_life > 0 else 0.0
    torch._foreach_lerp_(list(ema.parameters()), list(G.parameters()), 1.0 - kept)
    for mine, current in zip(ema.buffers(), G.buffers(), strict=True):
        mine.copy_(current)


def note(state: TrainState, player: str, moves: list[Move], own: dict[str, Tensor]) -> None:
    """Put a turn's figures by, unread and partly not computed: `state.fold` does both, many turns at a time."""
    figures = {f"{name}_{player}": value for name, value in own.items()}
    _, *others = moves[0].terms  # the first is the rest of the whole loss
    terms = {f"loss_{player}_{k}": [m.terms[k].detach() for m in moves] for k in others}
    signals = {k: [m.signals[k] for m in moves] for k in moves[0].signals}
    state.unread.append(Turn(player, figures, terms, signals, moves[0].recorded))
    if len(state.unread) >= UNREAD:
        state.fold()


def read_tick(plan: Plan, state: TrainState) -> Tick:
    """The means since the last tick, read from the device at once; the sums begin anew.

    Raises:
        DivergenceError: if a player went without a finite gradient three times in a row.
    """
    start = time.perf_counter()
    state.fold()
    state.tick_seconds += time.perf_counter() - start  # a GPU's work is waited for here
    figures = {"skipped": 0.0}
    for player, sums in state.sums.items():
        figures["skipped"] += sums["skipped"]
        figures |= means(sums, f"loss_{player}")
    figures |= {f"lr_{p}": at(rate, state.images) for p, rate in plan.rates.items()}
    state.seconds += state.tick_seconds
    figures["images_per_second"] = (state.images - state.tick_images) / max(state.tick_seconds, 1e-9)
    figures["seconds"] = state.seconds
    since, state.tick_images = state.tick_images, state.images
    bad, state.bad = state.bad, ""
    state.sums, state.tick_seconds = {}, 0.0
    raise_if_diverged(plan, state, bad)
    return Tick(state.images, since, figures, state, bad)


def means(sums: dict[str, float], loss: str) -> dict[str, float]:
    """The means over a player's turns, and the standard deviation of its whole loss; NaN if every turn was left out."""
    turns = sums["turns"] or float("nan")
    mean = {name: value / turns for name, value in sums.items() if name not in ("turns", "skipped")}
    square = mean.pop(f"square_{loss}", float("nan"))
    return mean | {f"band_{loss}": max(square - mean.get(loss, 0.0) ** 2, 0.0) ** 0.5}


def raise_if_diverged(plan: Plan, state: TrainState, bad: str) -> None:
    """End a run whose updates were left out `ROW` times in a row."""
    rates = " or ".join(f"optimizer.{p}.lr (now {at(r, state.images):g})" for p, r in plan.rates.items())
    for player, (_, longest) in state.skipped.items():
        if longest >= ROW:
            bad = first_bad_tensor(plan, state) or bad
            raise DivergenceError(
                f"the {player}'s gradient was not finite in {longest} updates in a row before image {state.images}"
                f"{f', beginning with {bad}' if bad else ''}; its weights are those from before; lower {rates}, or set "
                "train.clip=1",
                bad=bad,
            )
    state.skipped = {player: (row, 0) for player, (row, _) in state.skipped.items()}


def out_of_memory(error: BaseException) -> bool:
    """True for what CUDA, MPS, the CPU's allocator and oneDNN (of its scratchpads) say when memory is short."""
    words = ("can't allocate memory", "not enough memory", "out of memory", "could not create a primitive")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(w in str(error) for w in words)


def memory_advice(plan: Plan) -> str:
    """The sentence for a batch that doesn't fit."""
    batch, fits = plan.training.batch, largest_batch(plan)
    if fits is None:
        return (
            f"out of memory on {plan.device} at train.batch = {batch}, and in the same process then even at 2; start "
            "it again with a smaller train.batch, generator.width or data.size"
        )
    pieces = next(n for n in range(1, batch + 1) if batch % n == 0 and batch // n <= fits)
    return (
        f"out of memory on {plan.device} at train.batch = {batch}; a batch of {fits} fits: set train.batch={fits}, "
        f"or keep the batch and set train.accumulate={pieces}"
    )


@dataclass
class Trial:
    """A stream of blank batches: what a round needs of memory doesn't depend on the pictures."""

    batch: Batch
    position: int = 0

    @classmethod
    def of(cls, plan: Plan) -> "Trial":
        """Batches of the plan's size, for its data and labels."""
        size, device = plan.training.batch, plan.device
        blank = torch.zeros(size, *plan.source.shape, device=device)
        y = None if plan.labels is None else plan.labels.condition.blank(size, device)
        return cls(Batch(blank, torch.zeros(size, dtype=torch.int64, device=device), y))

    def next(self) -> Batch:
        """The same blank batch."""
        return self.batch


def largest_batch(plan: Plan) -> int | None:
    """The largest of the halves of the recipe's piece of a batch in which a round fits; None if not even 2 do.

    From the smallest up, so that it ends with the first that doesn't fit: what oneDNN couldn't make for want of memory
    it often can't make of a smaller size either, however much is free by then.
    """
    piece, fits = plan.training.batch // plan.training.accumulate, None
    for halvings in range(piece.bit_length() - 2, 0, -1):
        size = piece >> halvings
        smaller = replace(plan, training=replace(plan.training, batch=size, accumulate=1))
        try:
            play_round(smaller, TrainState.start(smaller), Trial.of(smaller))
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            break
        fits = size
    return fits
