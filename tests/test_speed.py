"""Precision, threads and compilation: what a recipe says is what happens, and auto is what was measured."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ganforge import arithmetic, tuning
from ganforge.arithmetic import at_work, compiled
from ganforge.errors import RecipeError
from ganforge.plan import build
from ganforge.recipe import Recipe, override
from ganforge.run import begin, continued
from ganforge.settings import Speed
from ganforge.state import TrainState
from ganforge.train import train

CPU = torch.device("cpu")


def test_products_are_in_bfloat16_and_everything_else_in_float32(tiny_recipe: Recipe, monkeypatch: Any) -> None:
    monkeypatch.setattr(arithmetic, "halves", lambda device: True)
    plan = build(override(tiny_recipe, ["speed.precision=bf16", "train.images=96", "penalties.r1.gamma=1.0"]))
    state, kinds = TrainState.start(plan), set[torch.dtype]()
    hidden = state.players["discriminator"].blocks[0][0]
    hidden.register_forward_hook(lambda module, given, output: kinds.add(output.dtype))
    figures = [tick.figures for tick in train(plan, state)]
    assert kinds == {torch.bfloat16}
    assert {p.dtype for network in state.players.values() for p in network.parameters()} == {torch.float32}
    assert {t.dtype for o in state.optimizers.values() for s in o.state.values() for t in s.values()} == {torch.float32}
    assert figures[0]["skipped"] == 0
    assert figures[0]["loss_discriminator"] == pytest.approx(exactly(tiny_recipe)["loss_discriminator"], rel=0.05)
    assert not torch.is_autocast_enabled("cpu")


def test_weights_that_move_are_the_ones_that_are_used() -> None:
    layer, x = nn.Linear(2, 2, bias=False), torch.ones(1, 2)
    with at_work(Speed(precision="bf16"), CPU):
        before = layer(x)
        with torch.no_grad():
            layer.weight.mul_(2)
        torch.testing.assert_close(layer(x), 2 * before)


def exactly(recipe: Recipe) -> dict[str, float]:
    """The figures of the same run in float32."""
    (tick,) = train(build(override(recipe, ["train.images=96", "penalties.r1.gamma=1.0"])))
    return tick.figures


def test_threads_are_the_recipes_inside_and_the_callers_outside() -> None:
    before = torch.get_num_threads()
    with at_work(Speed(threads=before + 1), CPU):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with at_work(Speed(), CPU):
        assert torch.get_num_threads() == before


COMPILED = """
import sys, torch
from ganforge.arithmetic import compiled
from ganforge.plan import build
from ganforge.recipe import load_recipe, override
from ganforge.settings import Speed
from ganforge.state import TrainState
from ganforge.train import train

plan = build(override(load_recipe(sys.argv[1]), ["train.images=96"]))
states = [TrainState.start(plan) for _ in range(2)]
compiled(states[1].players, Speed(compile=True), plan.device, backend="aot_eager")
for state in states:
    list(train(plan, state))
assert states[1].players["generator"]._compiled_call_impl is not None
plain, other = (state.players["generator"].state_dict() for state in states)
assert list(plain) == list(other)
for name, tensor in plain.items():
    torch.testing.assert_close(other[name], tensor, rtol=1e-4, atol=1e-5)
print("the same")
"""


def test_a_compiled_game_is_the_same_game(tiny_file: Path) -> None:
    """In a process of its own: the checks of types under pytest can't be compiled."""
    command = [sys.executable, "-c", COMPILED, str(tiny_file)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "the same\n"


def test_what_is_not_compiled_stays(tiny_recipe: Recipe) -> None:
    players = {"generator": nn.Linear(2, 2)}
    compiled(players, Speed(), CPU)
    assert players["generator"]._compiled_call_impl is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["speed.precision=tf32"], "NVIDIA"),
        (["speed.precision=bf16"], "no instructions for bfloat16"),
        (["speed.compile=true", "penalties.r1.gamma=1.0"], "penalties.r1 does; set speed.compile=false"),
        (["speed.compile=true", "game.unroll=1"], "game.unroll does"),
        (["speed.precision=fp8"], "speed.precision"),
        (["speed.threads=-1"], "speed.threads"),
    ],
    ids=["tf32", "bf16", "twice", "unrolled", "unknown", "threads"],
)
def test_what_can_not_be_had_is_said_in_a_sentence(
    tiny_recipe: Recipe, monkeypatch: Any, settings: list[str], words: str
) -> None:
    monkeypatch.setattr(arithmetic, "halves", lambda device: False)
    with pytest.raises(RecipeError, match=words):
        build(override(tiny_recipe, settings))


def test_an_open_choice_does_not_train(tiny_recipe: Recipe) -> None:
    plan = build(override(tiny_recipe, ["speed.threads=auto"]))
    with pytest.raises(RecipeError, match=r"speed.threads = 'auto'"):
        list(train(plan))


def clock_of(seconds: dict[Any, float]) -> Any:
    """A clock by which the ways take such times, in turns, and nothing else takes any."""

    def ticks() -> Iterator[float]:
        now = 0.0
        yield now
        while True:
            for value in seconds.values():
                yield now
                now += value
                yield now
            yield now

    made = ticks()
    return lambda: next(made)


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({"float32": 1.0, "bf16": 0.9}, "bf16"),
        ({"float32": 1.0, "bf16": 0.97}, "float32"),
        ({"float32": 1.0, "bf16": 30.0}, "float32"),
    ],
    ids=["faster", "noise", "slower"],
)
def test_the_fastest_way_is_taken_if_it_is_worth_it(
    tiny_recipe: Recipe, monkeypatch: Any, seconds: dict[Any, float], best: str
) -> None:
    monkeypatch.setattr(arithmetic, "halves", lambda device: True)
    plan = build(override(tiny_recipe, ["speed.precision=auto"]))
    assert tuning.choices(plan) == {"precision": ["float32", "bf16"]}
    said: list[str] = []
    chosen = tuning.tuned(plan, said.append, clock_of(seconds))
    assert chosen.speed == replace(plan.speed, precision=best)
    assert tomllib.loads(chosen.toml)["speed"]["precision"] == best
    assert f"speed.precision = {best}" in said[0]
    assert "float32 1e+03 ms" in said[0]


def test_the_players_of_a_measurement_are_not_those_of_the_run(tiny_recipe: Recipe) -> None:
    plan = build(override(tiny_recipe, ["speed.threads=auto", "speed.compile=auto"]))
    assert tuning.choices(plan)["compile"] == [False]  # on a CPU, compiling takes longer than it gives
    weights = [TrainState.start(plan).players["generator"].state_dict() for _ in range(1)]
    chosen = tuning.tuned(plan)
    weights.append(TrainState.start(chosen).players["generator"].state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert chosen.speed.threads in (1, torch.get_num_threads())
    assert chosen.speed.compile is False


def test_a_run_keeps_its_choice_and_resume_may_make_another(tiny_recipe: Recipe, tmp_path: Path) -> None:
    run = begin(override(tiny_recipe, ["speed.threads=auto", "train.images=96"]), tmp_path / "run", command=[])
    list(run.play())
    threads = tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())["speed"]["threads"]
    assert threads == run.plan.speed.threads != "auto"
    assert continued(tmp_path / "run").plan.speed == run.plan.speed
    assert continued(tmp_path / "run", settings=["speed.threads=3"]).plan.speed.threads == 3
