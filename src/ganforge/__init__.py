"""ganforge: train, judge and understand generative adversarial networks.

>>> import ganforge
>>> for tick in ganforge.train("mlp_mnist_28"):      # doctest: +SKIP
...     print(tick.images, tick.figures["d_real"], tick.figures["d_fake"])
>>> sampler = ganforge.load("runs/demo")             # doctest: +SKIP
>>> images = sampler.sample(range(16))               # doctest: +SKIP
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

__all__ = ["Sampler", "TrainState", "build", "evaluate", "load", "load_recipe", "override", "train"]

_HOMES = {
    "Sampler": "sample",
    "TrainState": "state",
    "build": "plan",
    "evaluate": "evaluate",
    "load": "sample",
    "load_recipe": "recipe",
    "override": "recipe",
    "train": "train",
}


def __getattr__(name: str) -> Any:
    """Public names on first use, so that `import ganforge` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ganforge' has no attribute {name!r}")
    value = getattr(import_module(f"ganforge.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
