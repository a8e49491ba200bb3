"""What is done to every sample, real or fake, before the discriminator sees it: so it can't learn the data by heart.

An augmentation is differentiable in the sample: the generator learns through it, and R1 differentiates it twice. A new
one is one more function in `AUGMENTATIONS`.
"""

from collections.abc import Callable

from ganforge.augment.ada import ada
from ganforge.augment.augmentation import Augmentation
from ganforge.augment.diff_augment import diff_augment
from ganforge.augment.noise import instance_noise

__all__ = ["AUGMENTATIONS", "Augmentation", "ada", "diff_augment", "instance_noise"]

AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "instance_noise": instance_noise,
    "diff_augment": diff_augment,
    "ada": ada,
}
"""Name -> function of the augmentation's own parameters, the keys of a recipe's [augment.NAME]."""
