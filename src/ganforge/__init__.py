"""ganforge: train, judge and understand generative adversarial networks.

>>> import ganforge
>>> for tick in ganforge.train("mlp_mnist_28"):      # doctest: +SKIP
...     print(tick.images, tick.figures["d_real"], tick.figures["d_fake"])
>>> sampler = ganforge.load("runs/demo")             # doctest: +SKIP
>>> images = sampler.sample(range(16))               # doctest: +SKIP
"""

import sys
from importlib import import_module
from types import ModuleType
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


class _Package(ModuleType):
    """The package; `train` and `evaluate` are the functions, whoever imports the modules of those names first."""

    def __setattr__(self, name: str, value: Any) -> None:
        own = _HOMES.get(name) == name and isinstance(value, ModuleType)
        super().__setattr__(name, getattr(value, name) if own else value)

    def __getattr__(self, name: str) -> Any:
        """Public names on first use, so that `import ganforge` stays quick."""
        if name not in _HOMES:
            raise AttributeError(f"module 'ganforge' has no attribute {name!r}")
        value = getattr(import_module(f"ganforge.{_HOMES[name]}"), name)
        setattr(self, name, value)
        return value


sys.modules[__name__].__class__ = _Package
