"""How a step's arithmetic is done: in which precision, by how many threads, compiled or as it stands."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from ganforge.errors import RecipeError
from ganforge.settings import Speed

__all__ = ["at_work", "check_speed", "compiled", "halves"]

Rule = tuple[Callable[[], bool], str]


def halves(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 by instructions of its own: without them it takes thirty times as long."""
    if device.type == "cpu":
        known = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
        return any(ask is not None and ask() for ask in known)
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def check_speed(speed: Speed, device: torch.device, *, twice: list[str]) -> list[Rule]:
    """What can't be had: (whether it is so, the reason and the remedy). `twice` are the parts of the game that
    differentiate a player twice."""
    return [
        (
            lambda: speed.precision == "bf16" and not halves(device),
            f"speed.precision = 'bf16': {device} has no instructions for bfloat16, so a step would take many times as "
            "long; set speed.precision=float32",
        ),
        (
            lambda: speed.precision == "tf32" and device.type != "cuda",
            f"speed.precision = 'tf32' is a format of NVIDIA's GPUs, and this trains on {device}; "
            "set speed.precision=float32",
        ),
        (
            lambda: speed.compile is True and bool(twice),
            f"speed.compile = true: torch can't differentiate a compiled network twice, and {', '.join(twice)} does; "
            "set speed.compile=false",
        ),
    ]


@contextmanager
def at_work(speed: Speed, device: torch.device) -> Iterator[None]:
    """Within it torch computes as a recipe says; outside, as the caller had it.

    bf16 is automatic mixed precision: products of matrices and convolutions in bfloat16; weights, optimisers and losses
    in float32. Of penalties, those with a pass of their own run it in float32; R1 and R2 take the slope of the pass
    that the loss has, and square and sum it in float32. tf32 lets an NVIDIA GPU round the factors of float32 products
    to 10 bits; float32 doesn't, not even in convolutions, where torch would by default.

    Raises:
        RecipeError: if something is still to be chosen.
    """
    if open_ := [k for k, v in vars(speed).items() if v == "auto"]:
        raise RecipeError(
            f"speed.{open_[0]} = 'auto' is measured when a run begins; give a value, or call ganforge.tuning.tuned"
        )
    with ExitStack() as stack:
        if speed.threads and device.type == "cpu":
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(int(speed.threads))
        if device.type == "cuda":
            stack.callback(allow_tf32, torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
            allow_tf32(*[speed.precision != "float32"] * 2)
        half = speed.precision == "bf16"  # not cached: a cast kept over many rounds would be of weights that have moved
        stack.enter_context(torch.autocast(device.type, torch.bfloat16, enabled=half, cache_enabled=False))
        yield


def allow_tf32(products: bool, convolutions: bool) -> None:
    """Set torch's two switches."""
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions


def compiled(
    players: Mapping[str, nn.Module], speed: Speed, device: torch.device, *, backend: str = "inductor"
) -> None:
    """Have torch compile the players' forward and backward passes, in place, if the recipe says so. Names of weights
    stay; shapes are fixed, so that nothing is compiled again after the second round; on a GPU as CUDA graphs."""
    for network in players.values() if speed.compile else ():
        mode = "reduce-overhead" if device.type == "cuda" and backend == "inductor" else None
        network.compile(dynamic=False, backend=backend, mode=mode)
