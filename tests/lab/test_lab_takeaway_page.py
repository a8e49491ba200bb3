"""What every instrument gives to take along, in a real browser: the link, the picture, the numbers, the recipe.
Skipped without a chromium, unless REQUIRE_BROWSER=1."""

import io
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.lab.test_lab_instruments_page import address, browser, folder, opened, taken
from tests.lab.test_lab_page import Visit

from ganforge.plan import build
from ganforge.recipe import load_recipe

__all__ = ["address", "browser", "folder", "opened"]  # fixtures

STATE = "window.lab?.mounted?.state?.()"
FRAME = "window.lab?.mounted?.frame?.()"
RAMP = f"{FRAME}?.header.warmed && !document.querySelector('#go').disabled"  # its discriminators know the bumps


def chosen(selector: str, value: str) -> Callable[[Visit], Any]:
    return lambda at: at.page.select_option(selector, value)


def slid(selector: str) -> Callable[[Visit], Any]:
    def slide(at: Visit) -> None:
        at.page.focus(selector)
        at.page.keyboard.press("ArrowRight")

    return slide


CHANGES: dict[str, tuple[str, Callable[[Visit], Any], str]] = {
    "game": (FRAME, chosen("[data-path='objective.name']", "hinge"), "values['objective.name'] === 'hinge'"),
    "simulator": (f"{FRAME}?.header.done", slid("#seed"), "link.seed === 1"),
    "collapse": (f"{FRAME}?.header.done", slid("#seed"), "link.seed === 1"),
    "ramp": (RAMP, chosen("#objective", "non_saturating"), "link.objective === 'non_saturating'"),
    "walk": (f"{FRAME}?.header.name", slid("#size"), "link.size === 1.05"),
    "losses": (f"{STATE}?.measures", chosen("#objective", "least_squares"), "link.objective === 'least_squares'"),
    "runs": (f"{FRAME}?.header.runs.length", chosen("#run", "tiny"), "link.run === 'tiny'"),
}  # instrument -> when it is ready, what a reader changes, and how its state shows it


PLAYED = {"game": "lab.mounted.state().round === 1", "ramp": f"{FRAME}.header.rounds === 1"}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_comes_back_by_its_link_and_is_taken_along(
    opened: Callable[..., Visit], tmp_path: Path, name: str
) -> None:
    ready, change, shown = CHANGES[name]
    at = opened(name, ready)
    change(at)
    at.until(f"lab.mounted.state().{shown}")
    at.until(ready)
    at.until("location.hash.includes('/')")
    again = opened(name, ready, at.page.url)
    again.until(f"lab.mounted.state().{shown}")
    assert again.state["link"] == at.state["link"]
    assert again.page.evaluate("document.querySelector('#banner').hidden")

    again.page.keyboard.press("b")  # a round, where rounds are played
    again.until(PLAYED.get(name, "true"))
    image = Image.open(io.BytesIO(taken(again, "picture"))).convert("RGB")
    assert len(image.getcolors(2**24) or []) > 8
    rows = taken(again, "data").decode().splitlines()
    assert len({row.count(",") for row in rows}) == 1
    assert len(rows) > (0 if name == "game" else 2)  # a game's first tick comes after twenty rounds
    assert rows[0].count(",") > 1
    if again.page.query_selector("#export-recipe"):
        (tmp_path / "taken.toml").write_bytes(taken(again, "recipe"))
        recipe = load_recipe(str(tmp_path / "taken.toml"))
        assert recipe.sections == tomllib.loads((tmp_path / "taken.toml").read_text())
        build(recipe)
    else:
        assert name == "losses"  # no game is played there
