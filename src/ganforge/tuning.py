"""What is fastest on this machine, by a short measurement: precision, threads, compilation."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from ganforge.arithmetic import at_work, check_speed, compiled
from ganforge.plan import Plan, twice_differentiated
from ganforge.settings import Speed
from ganforge.state import TrainState
from ganforge.train import Trial, play_round

__all__ = ["choices", "tuned"]

GAIN = 1.05  # by which another way has to be faster than torch's own: below is noise
ROUNDS = 5  # timed of each way
SECONDS = 2.0  # after which a way has been timed enough

Say = Callable[[str], object]


def choices(plan: Plan) -> dict[str, list[Any]]:
    """For each key that is `auto`, the values that can be had here, torch's own first."""
    on_cpu = plan.device.type == "cpu"
    values: dict[str, list[Any]] = {
        "threads": sorted({torch.get_num_threads(), 1}, reverse=True) if on_cpu else [0],
        "precision": ["float32", "tf32", "bf16"],
        "compile": [False] if on_cpu else [False, True],  # on a CPU it takes longer than it gives
    }
    twice = twice_differentiated(plan)

    def can_be_had(key: str, value: Any) -> bool:
        rules = check_speed(replace(plan.speed, **{key: value}), plan.device, twice=twice)
        return not any(broken() for broken, _ in rules)

    left = [key for key in values if getattr(plan.speed, key) == "auto"]
    return {key: [value for value in values[key] if can_be_had(key, value)] for key in left}


def tuned(plan: Plan, say: Say = lambda words: None, clock: Callable[[], float] = time.perf_counter) -> Plan:
    """The plan with every `auto` of its [speed] replaced by what was fastest, one key after the other.

    Rounds on blank batches of a game that is thrown away, all ways in turns; another way than torch's own is taken if
    it is 5 % faster. The plan's recipe holds the choice, so that a run that is resumed goes on with it.
    """
    found = choices(plan)
    speed = replace(plan.speed, **{k: values[0] for k, values in found.items()})
    for key, values in found.items():
        ways = {value: replace(speed, **{key: value}) for value in values}
        if len(ways) > 1:
            seconds = {value: statistics.median(s) for value, s in timed(plan, ways, clock).items()}
            fastest = min(seconds, key=lambda v: seconds[v])
            best = fastest if seconds[values[0]] >= GAIN * seconds[fastest] else values[0]
            words = ", ".join(f"{value} {1e3 * s:.3g} ms" for value, s in seconds.items())
            say(f"speed.{key} = {best}: a round takes {words}")
            speed = ways[best]
    return with_speed(plan, speed)


def timed(plan: Plan, ways: dict[Any, Speed], clock: Callable[[], float]) -> dict[Any, list[float]]:
    """Seconds a round of each way, taken in turns after two to warm up."""
    games = {value: Game(with_speed(plan, speed)) for value, speed in ways.items()}
    for game in games.values():
        for _ in range(2):  # the first step makes the optimisers' moments
            game.round()
    samples: dict[Any, list[float]] = {value: [] for value in ways}
    started = clock()
    for _ in range(ROUNDS):
        for value, game in games.items():
            start = clock()
            game.round()
            samples[value].append(clock() - start)
        if clock() - started > SECONDS * len(ways):
            break
    return samples


class Game:
    """A game on blank batches."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.state, self.batches = plan, TrainState.start(plan), Trial.of(plan)
        compiled(self.state.players, plan.speed, plan.device)

    def round(self) -> None:
        """Play one and wait for it."""
        with self.state.randomness(self.plan.device), at_work(self.plan.speed, self.plan.device):
            play_round(self.plan, self.state, self.batches)
            self.state.fold()


def with_speed(plan: Plan, speed: Speed) -> Plan:
    """The plan, and the recipe that it writes, with another [speed]."""
    part = plan.parts["speed"]
    parts = plan.parts | {"speed": replace(part, values=part.values | vars(speed))}
    return replace(plan, parts=parts, speed=speed)
