"""What `step.py` compares: the sides of every contest, made ready to run."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import classic
import classic_residual
import torch
from plans import MLP_BATCH, Scale, critic_plan, dcgan_plan, mlp_plan, random_images, relativistic_plan
from torch import Tensor

from ganforge.data import Source
from ganforge.plan import Plan
from ganforge.sample import Sampler
from ganforge.state import TrainState
from ganforge.train import play_round

__all__ = ["CONTESTS", "Contest", "Run"]

Run = Callable[[int], None]
"""`run(n)` does n units of a side's work: steps or epochs."""


# ---------------------------------------------------------------- the MLP on MNIST


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


def resident(size: int, batch: int) -> Iterator[Tensor]:
    """Float batches of random images that are prepared beforehand, without end."""
    real = torch.from_numpy(random_images(size)).permute(0, 3, 1, 2).contiguous().float().div_(255).sub_(0.5).div_(0.5)
    return itertools.cycle(real.split(batch))


def classic_dcgan(scale: Scale, step: Callable[..., None] = classic.dcgan_step) -> Run:
    """The public example's step, or the same with fresh fakes."""
    batches = resident(scale.size, scale.batch)
    G = classic.dcgan_generator(scale.width, size=scale.size)
    D = classic.dcgan_discriminator(scale.width, size=scale.size)
    opt_g, opt_d, log = classic.adam(G), classic.adam(D), []

    def steps(count: int) -> None:
        for batch in itertools.islice(batches, count):
            step(G, D, opt_g, opt_d, batch, log)

    return steps


def classic_fresh_dcgan(scale: Scale) -> Run:
    return classic_dcgan(scale, classic.dcgan_fresh_step)


def our_dcgan(scale: Scale) -> Run:
    return our_rounds(dcgan_plan(scale, "game.fakes=shared"))


def our_fresh_dcgan(scale: Scale) -> Run:
    return our_rounds(dcgan_plan(scale, "game.fakes=fresh"))


# ---------------------------------------------------------------- sampling


def classic_sampling(scale: Scale) -> Run:
    """The public example's generator in evaluation mode."""
    G, z = classic.dcgan_generator(scale.width, size=scale.size).eval(), torch.randn(scale.batch, 100, 1, 1)

    @torch.no_grad()
    def batches(count: int) -> None:
        for _ in range(count):
            G(z)

    return batches


def our_sampling(scale: Scale) -> Run:
    """What `sample` does with latents."""
    plan = dcgan_plan(scale)
    sampler = Sampler(plan.networks()["generator"], name="dcgan", shape=plan.source.shape)
    z = sampler.latents(range(scale.batch))

    def batches(count: int) -> None:
        for _ in range(count):
            sampler.generate(z)

    return batches


# ---------------------------------------------------------------- residual networks at 32×32


def classic_residual_rounds(name: str, scale: Scale) -> Run:
    """Rounds of plain loops: five discriminator updates and one of the generator, or one of each."""
    batches, d_steps = resident(32, scale.batch), D_STEPS[name]
    G, D = classic_residual.networks(name, scale.critic)
    opt_g, opt_d, log = classic_residual.adam(G), classic_residual.adam(D), []

    def rounds(count: int) -> None:
        for _ in range(count):
            reals = list(itertools.islice(batches, d_steps))
            classic_residual.ROUNDS[name](G, D, opt_g, opt_d, reals, log)

    return rounds


def our_residual_rounds(name: str, scale: Scale) -> Run:
    return our_rounds(relativistic_plan(scale) if name == "relativistic" else critic_plan(name, scale))


D_STEPS = {"sngan": 5, "wgan_gp": 5, "relativistic": 1}


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
        target=1.35,
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
        "DCGAN, 64×64, batch 64: a step, shared fakes",
        "step",
        {"classic": classic_dcgan, "ganforge": our_dcgan},
        images=lambda scale: scale.batch,
        target=1.2,
    ),
    "dcgan_fresh_step": Contest(
        "DCGAN: a step, fresh fakes for each player",
        "step",
        {"classic": classic_fresh_dcgan, "ganforge": our_fresh_dcgan},
        images=lambda scale: scale.batch,
        target=1.2,
    ),
    "dcgan_sampling": Contest(
        "DCGAN, 64×64, batch 64: samples",
        "batch",
        {"classic": classic_sampling, "ganforge": our_sampling},
        images=lambda scale: scale.batch,
        target=1.4,
    ),
} | {
    name: Contest(
        title,
        "round",
        {"classic": partial(classic_residual_rounds, name), "ganforge": partial(our_residual_rounds, name)},
        images=lambda scale, name=name: scale.batch * D_STEPS[name],
        target=target,
        calibrated=False,
    )
    for name, title, target in (
        ("wgan_gp", "WGAN-GP, ResNet, 32×32, batch 64: 5 D + 1 G", 1.65),
        ("sngan", "SNGAN, ResNet, 32×32, batch 64: 5 D + 1 G", 1.7),
        ("relativistic", "ResNet, 32×32, relativistic, R1 + R2: 1 D + 1 G", 1.4),
    )
}
