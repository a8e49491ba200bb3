"""What `step.py` compares: the sides of every contest, made ready to run, and a check that they do the same update."""

import itertools
import math
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import classic
import numpy as np
import torch
from torch import Tensor, nn

from ganforge.batch import Batch
from ganforge.data import Source, Stream
from ganforge.plan import Plan, build
from ganforge.recipe import Recipe, load_recipe, override
from ganforge.state import TrainState
from ganforge.train import play_round

__all__ = ["CONTESTS", "FULL", "QUICK", "Contest", "Run", "Scale", "largest_difference", "peak_memory"]

Run = Callable[[int], None]
"""`run(n)` does n units of a side's work: steps or epochs."""

MLP_BATCH = 128
POOL = 1024  # random images of the 64×64 contest
SEED = 0


@dataclass(frozen=True)
class Scale:
    """How large the contests are.

    Attributes:
        seconds: how long a sample of steps should take at least.
        epoch_images: images in an epoch of MNIST.
        width, batch: channels of DCGAN's largest feature map, and its batch.
    """

    seconds: float = 1.0
    epoch_images: int = 60_000
    width: int = 64
    batch: int = 64


FULL = Scale()
QUICK = Scale(seconds=0.02, epoch_images=256, width=8, batch=8)


# ---------------------------------------------------------------- the MLP on MNIST


def mlp_plan(*settings: str) -> Plan:
    """Our recipe of the tutorials' networks, on all 60,000 training images."""
    always = ("data.held_out=0", f"train.batch={MLP_BATCH}", f"train.seed={SEED}", "train.device=cpu")
    return build(override(load_recipe("mlp_mnist_28"), [*always, *settings]))


def digits() -> Source:
    """MNIST, 60,000 training images."""
    return mlp_plan().source


def classic_mlp(scale: Scale) -> Run:
    """The tutorials' step on float batches that are prepared beforehand: no loading at all."""
    images = digits().train.tensor.flatten(1)  # (60000, 784)
    shuffled = images[torch.randperm(len(images))].float().div_(255).sub_(0.5).div_(0.5)
    batches = itertools.cycle([b for b in shuffled.split(MLP_BATCH) if len(b) == MLP_BATCH])
    G, D = classic.mlp_generator(), classic.mlp_discriminator()
    opt_g, opt_d, log = classic.adam(G), classic.adam(D), []

    def steps(count: int) -> None:
        for real in itertools.islice(batches, count):
            classic.mlp_step(G, D, opt_g, opt_d, real, log)

    return steps


def our_rounds(plan: Plan) -> Run:
    """Our rounds, loading included: uint8 images in memory, normalised batch by batch."""
    state, stream = TrainState.start(plan), plan.stream(position=0)

    def rounds(count: int) -> None:
        for _ in range(count):
            play_round(plan, state, stream)

    return rounds


def our_mlp(scale: Scale) -> Run:
    return our_rounds(mlp_plan())


def classic_loader(scale: Scale, kind: type[classic.Digits] = classic.Digits) -> torch.utils.data.DataLoader:
    train = digits().train
    images, labels = train.tensor[: scale.epoch_images, 0], train.labels[: scale.epoch_images]
    return classic.digit_loader(images, labels, MLP_BATCH, kind)


def classic_mlp_epochs(scale: Scale, kind: type[classic.Digits] = classic.Digits) -> Run:
    loader, G, D = classic_loader(scale, kind), classic.mlp_generator(), classic.mlp_discriminator()
    opt_g, opt_d, log = classic.adam(G), classic.adam(D), []

    def epochs(count: int) -> None:
        for _ in range(count):
            classic.mlp_epoch(G, D, opt_g, opt_d, loader, log)

    return epochs


def lean_mlp_epochs(scale: Scale) -> Run:
    return classic_mlp_epochs(scale, classic.LeanDigits)


def epoch_batches(scale: Scale) -> int:
    """Batches in an epoch. Ours are all full: in 60,000 images 32 more are seen than by the classic loop."""
    return math.ceil(scale.epoch_images / MLP_BATCH)


def our_mlp_epochs(scale: Scale) -> Run:
    rounds = our_rounds(mlp_plan())
    return lambda count: rounds(count * epoch_batches(scale))


def classic_loading(scale: Scale, kind: type[classic.Digits] = classic.Digits) -> Run:
    loader = classic_loader(scale, kind)
    return lambda count: exhaust(itertools.chain.from_iterable(itertools.repeat(loader, count)))


def lean_loading(scale: Scale) -> Run:
    return classic_loading(scale, classic.LeanDigits)


def our_loading(scale: Scale) -> Run:
    stream = mlp_plan().stream(position=0)
    return lambda count: exhaust(stream.next() for _ in range(count * epoch_batches(scale)))


def exhaust(batches: Iterator[object]) -> None:
    """Draw them all."""
    for _ in batches:
        pass


# ---------------------------------------------------------------- DCGAN at 64×64


def random_images() -> np.ndarray:
    """(1024, 64, 64, 3) uint8: the arithmetic doesn't depend on what the pictures show."""
    return np.random.default_rng(SEED).integers(0, 256, (POOL, 64, 64, 3), dtype=np.uint8)


def dcgan_plan(scale: Scale, *settings: str) -> Plan:
    """Our recipe of the public example's networks, on random images."""
    always = (
        *("generator=dcgan", "generator.z_dim=100", f"generator.width={scale.width}"),
        *("discriminator=dcgan", f"discriminator.width={scale.width}"),
        *("data.held_out=0", f"train.batch={scale.batch}", f"train.seed={SEED}", "train.device=cpu"),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.npy"
        np.save(path, random_images())
        return build(override(Recipe("dcgan", {}), [*always, f"data.source={path}", *settings]))


def classic_dcgan(scale: Scale) -> Run:
    """The public example's step on float batches that are prepared beforehand."""
    real = torch.from_numpy(random_images()).permute(0, 3, 1, 2).contiguous().float().div_(255).sub_(0.5).div_(0.5)
    batches = itertools.cycle(real.split(scale.batch))
    G, D = classic.dcgan_generator(scale.width), classic.dcgan_discriminator(scale.width)
    opt_g, opt_d, log = classic.adam(G), classic.adam(D), []

    def steps(count: int) -> None:
        for batch in itertools.islice(batches, count):
            classic.dcgan_step(G, D, opt_g, opt_d, batch, log)

    return steps


def our_dcgan(scale: Scale) -> Run:
    return our_rounds(dcgan_plan(scale, "game.fakes=shared"))


def our_fresh_dcgan(scale: Scale) -> Run:
    return our_rounds(dcgan_plan(scale, "game.fakes=fresh"))


# ---------------------------------------------------------------- the table


@dataclass(frozen=True)
class Contest:
    """The same work done in several ways; the first side is the classic one, the second is ours.

    Attributes:
        title: what is compared, in words.
        unit: what `run(1)` does.
        sides: name -> function that makes the side ready to run.
        images: real images in a unit.
        target: the least ratio of medians, classic to ours, that we promise; None: no promise.
        calibrated: whether a sample has as many units as fill `Scale.seconds`; else it has one.
        most_pairs: pairs at most, for what needs no more.
    """

    title: str
    unit: str
    sides: dict[str, Callable[[Scale], Run]] = field(repr=False)
    images: Callable[[Scale], int]
    target: float | None = None
    calibrated: bool = True
    most_pairs: int | None = None


CONTESTS = {
    "mlp_step": Contest(
        "MLP GAN, 28×28, batch 128: a step on resident data",
        "step",
        {"classic": classic_mlp, "ganforge": our_mlp},
        images=lambda scale: MLP_BATCH,
        target=1.3,
    ),
    "mlp_epoch": Contest(
        "MLP GAN: an epoch with loading",
        "epoch",
        {"classic": classic_mlp_epochs, "ganforge": our_mlp_epochs, "classic, leaner transforms": lean_mlp_epochs},
        images=lambda scale: scale.epoch_images,
        target=2.5,
        calibrated=False,
    ),
    "mlp_loading": Contest(
        "the loading alone of such an epoch",
        "epoch",
        {"classic": classic_loading, "ganforge": our_loading, "classic, leaner transforms": lean_loading},
        images=lambda scale: scale.epoch_images,
        calibrated=False,
        most_pairs=3,
    ),
    "dcgan_step": Contest(
        "DCGAN, 64×64, batch 64: a step on resident data",
        "step",
        {"classic": classic_dcgan, "ganforge": our_dcgan, "ganforge, fresh fakes": our_fresh_dcgan},
        images=lambda scale: scale.batch,
        target=1.15,
    ),
}


# ---------------------------------------------------------------- the same update, and its memory


@dataclass
class Doubled:
    """A stream in float64 that remembers its last batch."""

    stream: Stream
    last: Tensor | None = None

    @property
    def position(self) -> int:
        return self.stream.position

    def next(self) -> Batch:
        batch = self.stream.next()
        self.last = batch.x.double()
        return replace(batch, x=self.last)


@torch.no_grad()
def take_over(theirs: nn.Module, ours: nn.Module) -> None:
    """Our weights and running statistics in their network, which has the same ones in the same order."""
    pairs = zip([*theirs.parameters(), *theirs.buffers()], [*ours.parameters(), *ours.buffers()], strict=True)
    for their, our in pairs:
        their.copy_(our)


@torch.no_grad()
def furthest(a: list[Tensor], b: list[Tensor]) -> float:
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


def equal_sides(kind: str, scale: Scale) -> tuple[Plan, nn.Module, nn.Module, Callable[..., None]]:
    """Our plan, the classic networks and their step; the MLP without dropout, whose masks come in another order."""
    if kind == "mlp":
        plan = mlp_plan("discriminator.dropout=0")
        return plan, classic.mlp_generator(), classic.mlp_discriminator(dropout=0.0), classic.mlp_step
    plan = dcgan_plan(scale, "game.fakes=shared")
    networks = classic.dcgan_generator(scale.width), classic.dcgan_discriminator(scale.width)
    return plan, *networks, classic.dcgan_step


def largest_difference(kind: str, scale: Scale = FULL, *, steps: int = 5) -> dict[str, float]:
    """How far the weights of both sides are apart after a few steps in float64, and how far they have moved.

    Same first weights, data and noise. In float32 such a comparison proves nothing: Adam's first steps are nearly
    signs, so that any rounding of a gradient near 0 moves a weight by twice the learning rate.
    """
    plan, G, D, step = equal_sides(kind, scale)
    state = TrainState.start(plan)
    ours = list(state.players.values())
    for mine, theirs in zip([*ours, state.ema], [G, D, G], strict=True):
        mine.double()
        theirs.double()
    take_over(G, state.players["generator"])
    take_over(D, state.players["discriminator"])
    weights = [p for network in ours for p in network.parameters()]
    start = [p.detach().clone() for p in weights]
    opt_g, opt_d, log = classic.adam(G), classic.adam(D), []
    noise = torch.Generator()
    noise.set_state(state.rng.get_state())
    stream = Doubled(plan.stream(position=0))
    for _ in range(steps):
        play_round(plan, state, stream)
        real = stream.last.flatten(1) if kind == "mlp" else stream.last.contiguous()
        step(G, D, opt_g, opt_d, real, log, noise)
    theirs = [*G.parameters(), *D.parameters()]
    return {"steps": steps, "difference": furthest(weights, theirs), "moved": furthest(weights, start)}


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
