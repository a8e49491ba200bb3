"""Our side of `step.py`'s contests: recipes on data that lies in memory, and how large they are."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganforge.plan import Plan, build
from ganforge.recipe import Recipe, load_recipe, override

__all__ = [
    "FULL",
    "MLP_BATCH",
    "QUICK",
    "Scale",
    "biggan_plan",
    "critic_plan",
    "dcgan_plan",
    "mlp_plan",
    "random_images",
    "relativistic_plan",
]

MLP_BATCH = 128
POOL = 1024  # random images
CLASSES = 10
SEED = 0


@dataclass(frozen=True)
class Scale:
    """How large the contests are.

    Attributes:
        seconds: how long a sample of steps should take at least.
        epoch_images: images in an epoch of MNIST.
        width, batch, size: channels of DCGAN's largest feature map, its batch, and the side of its images.
        critic: channels of the residual discriminators, as published; SNGAN's generator has twice as many.
    """

    seconds: float = 1.0
    epoch_images: int = 60_000
    width: int = 64
    batch: int = 64
    size: int = 64
    critic: int = 128


FULL = Scale()
QUICK = Scale(seconds=0.02, epoch_images=256, width=8, batch=8, critic=4)


def training(batch: int) -> tuple[str, ...]:
    """What all of them have; later settings may choose another device."""
    return ("data.held_out=0", f"train.batch={batch}", f"train.seed={SEED}", "train.device=cpu")


def mlp_plan(*settings: str) -> Plan:
    """Our recipe of the tutorials' networks, on all 60,000 training images."""
    return build(override(load_recipe("mlp_mnist_28"), [*training(MLP_BATCH), *settings]))


def random_images(size: int) -> np.ndarray:
    """(1024, size, size, 3) uint8: the arithmetic doesn't depend on what the pictures show."""
    return np.random.default_rng(SEED).integers(0, 256, (POOL, size, size, 3), dtype=np.uint8)


def on_random_images(recipe: Recipe, size: int, settings: list[str]) -> Plan:
    """A recipe on such images."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.npy"
        np.save(path, random_images(size))
        return build(override(recipe, [f"data.source={path}", *settings]))


def dcgan_plan(scale: Scale, *settings: str) -> Plan:
    """Our recipe of the public example's networks."""
    networks = (f"{p}{words}" for p in ("generator", "discriminator") for words in ("=dcgan", f".width={scale.width}"))
    return on_random_images(
        Recipe("dcgan", {}), scale.size, [*networks, "generator.z_dim=100", *training(scale.batch), *settings]
    )


def critic_plan(name: str, scale: Scale, *settings: str) -> Plan:
    """`sngan_cifar10_32` or `wgan_gp_cifar10_32`, learning at a constant rate."""
    widths = {"sngan": (2 * scale.critic, scale.critic), "wgan_gp": (scale.critic, scale.critic)}[name]
    return on_random_images(
        load_recipe(f"{name}_cifar10_32"),
        32,
        [
            *(f"{p}.width={width}" for p, width in zip(("generator", "discriminator"), widths, strict=True)),
            *(f"optimizer.{p}.lr=2e-4" for p in ("generator", "discriminator")),
            *training(scale.batch),
            *settings,
        ],
    )


def biggan_plan(size: int, *settings: str) -> Plan:
    """`biggan_images_128` with as many classes as there are random labels, at its own batch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.npz"
        labels = np.random.default_rng(SEED).integers(0, CLASSES, POOL)
        np.savez(path, images=random_images(size), labels=labels)
        always = (f"data.source={path}", "data.held_out=0", f"train.seed={SEED}", f"data.size={size}")
        return build(override(load_recipe("biggan_images_128"), [*always, *settings]))


def relativistic_plan(scale: Scale) -> Plan:
    """SNGAN's networks without spectral norm under the relativistic loss with R1 and R2, one update of each player."""
    return on_random_images(
        load_recipe("sngan_cifar10_32"),
        32,
        [
            *(f"generator.width={2 * scale.critic}", f"discriminator.width={scale.critic}", "discriminator.norm=none"),
            *(f"optimizer.{p}.lr=2e-4" for p in ("generator", "discriminator")),
            *("objective=relativistic_pairing", "penalties.r1.gamma=1.0", "penalties.r2.gamma=1.0", "train.d_steps=1"),
            *training(scale.batch),
        ],
    )
