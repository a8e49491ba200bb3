"""The networks that a recipe names, and the device that they are on."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ganforge.errors import RecipeError
from ganforge.layers import Condition

__all__ = ["PLAYERS", "device_named", "new_networks"]

PLAYERS = ("generator", "discriminator")
WORDS = 80  # letters of torch's own reason that are passed on


def new_networks(
    parts: dict[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    seed: int,
    device: torch.device,
    condition: Condition | None = None,
) -> dict[str, nn.Module]:
    """Player -> network for that player's shape and labels, weights drawn from the seed, channels last on the device.

    Raises:
        RecipeError: for labels and a network that can't use any.
    """
    given = {} if condition is None else {"condition": condition}
    for player in shapes if given else ():
        if "condition" not in inspect.signature(parts[player].function).parameters:
            raise RecipeError(
                f"{player}.name = {parts[player].values['name']!r} can't use labels; set game.labels=none, or choose a "
                "network that takes a `condition`, as dcgan does"
            )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = {p: parts[p](shape=tuple(shapes[p]), **given) for p in PLAYERS if p in shapes}
    return {player: G.to(device=device, memory_format=torch.channels_last) for player, G in made.items()}


def device_named(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA, else MPS, else the CPU.

    Raises:
        RecipeError: if there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.randn(1, device=device, generator=torch.Generator(device)).item()
    except Exception as error:
        first = str(error).splitlines()[0].split(". ")[0].rstrip(".")
        words = first if len(first) <= WORDS else "torch doesn't know it, or wasn't built for it"
        raise RecipeError(f"device {name!r} can't be used here ({words}); use cpu or auto") from None
    return device
