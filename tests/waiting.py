"""A watch over what would make a GPU's host wait."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["NoWaiting"]


class NoWaiting(TorchDispatchMode):
    """Refuses what on a GPU would wait for the device: numbers read from tensors, shapes that depend on values."""

    WAITS = (
        "aten._local_scalar_dense",
        "aten.nonzero",
        "aten.equal",
        "aten.masked_select",
        "aten.is_nonzero",
        "aten._unique",
        "aten.unique_",
    )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        masks = [i for i in args[1] if i is not None and i.dtype == torch.bool] if "aten.index." in str(func) else []
        assert not masks, f"{func} waits for the device"
        assert not str(func).startswith(self.WAITS), f"{func} waits for the device"
        return func(*args, **(kwargs or {}))
