"""The page on stability names every penalty and each of the norms, and its commands build."""

import re
import shlex
from pathlib import Path

import pytest

from ganforge.networks import dcgan
from ganforge.penalties import PENALTIES
from ganforge.plan import build
from ganforge.recipe import load_recipe, override

PAGE = (Path(__file__).parents[2] / "docs" / "stability.md").read_text()
COMMANDS = re.findall(r"^ganforge train (.+)$", PAGE, re.MULTILINE)


def test_every_penalty_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\|.*\|$", PAGE, re.MULTILINE)
    assert rows[: len(PENALTIES)] == list(PENALTIES)


def test_both_spectral_norms_are_there() -> None:
    assert all(f"| `{norm}` |" in PAGE for norm in dcgan.NORMS if "spectral" in norm)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_build(command: str) -> None:
    name, *settings = shlex.split(command)
    build(override(load_recipe(name), [*settings, "train.device=cpu"]))
