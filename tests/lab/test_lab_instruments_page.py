"""The smaller instruments in a real browser: opened, played, changed, and their read-outs checked against the same
computation in Python. Skipped without a chromium, unless REQUIRE_BROWSER=1."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.lab.chromium import lab, launched
from tests.lab.test_lab_page import Visit

from conftest import TINY_SETTINGS
from ganforge.io.folder import RunFolder
from ganforge.lab.instruments import Room, collapse, ramp, simulator
from ganforge.latent import slerp
from ganforge.recipe import Recipe
from ganforge.run import begin
from ganforge.sample import latents


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> Path:
    """A folder with a run."""
    runs = tmp_path_factory.mktemp("runs")
    recipe = Recipe("tiny", {**TINY_SETTINGS, "data": {"source": str(tiny_data)}})
    for _ in begin(recipe, runs / "tiny", command=["test"]).play():
        pass
    return runs


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """A lab over a folder of runs."""
    with lab("--runs", str(folder)) as found:
        yield found


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Callable[..., Visit]]:
    """Opens an instrument's page, and sees that nothing went wrong in it and that it fits a phone."""
    visits: list[Visit] = []

    def page(name: str, ready: str, url: str | None = None) -> Visit:
        visits.append(Visit(browser, url or f"{address}#{name}", ready))
        return visits[-1]

    yield page
    for one in visits:
        one.page.set_viewport_size({"width": 360, "height": 740})
        assert one.page.evaluate("document.documentElement.scrollWidth") <= 360
        unnamed = one.page.evaluate(
            """[...document.querySelectorAll("button, input, select, canvas")]
            .filter((n) => !(n.ariaLabel || n.textContent.trim() || n.labels?.length)).map((n) => n.outerHTML)"""
        )
        assert unnamed == []
        one.close()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def taken(at: Visit, name: str) -> bytes:
    """What a button of *Take it along* gives."""
    with at.page.expect_download() as download:
        at.page.click(f"#export-{name}")
    return Path(download.value.path()).read_bytes()


def table(at: Visit) -> list[list[str]]:
    """The numbers that can be taken along, a line each."""
    return [line.split(",") for line in taken(at, "data").decode().splitlines()]


def picture(at: Visit) -> tuple[int, int]:
    """The size of the picture that can be taken along; it isn't blank."""
    image = Image.open(io.BytesIO(taken(at, "picture"))).convert("RGB")
    assert len(image.getcolors(2**24) or []) > 8
    return image.size


def read(at: Visit, key: str, within: str = "") -> float:
    """A number that the page shows."""
    return float(at.page.inner_text(f"{within} output[data-key={key}]"))


def test_bumps_are_dragged_one_generator_stays_and_the_other_walks_home(opened: Callable[..., Visit]) -> None:
    warm = "window.lab?.mounted?.frame?.()?.header.warmed >= 120"
    at = opened("ramp", "window.lab?.mounted?.frame?.()?.header.vanilla")
    pad = at.page.locator("#critic").bounding_box()
    assert pad is not None
    x = lambda place: pad["x"] + 40 + (place + 5) / 10 * (pad["width"] - 48)  # noqa: E731
    at.page.mouse.move(x(2.0), pad["y"] + 200)
    at.page.mouse.down()
    at.page.mouse.move(x(1.0), pad["y"] + 200, steps=4)
    at.page.mouse.up()
    at.until("lab.mounted.state().link.fake === 1 && lab.mounted.frame().header.vanilla.fake === 1")
    at.until(warm)
    at.page.click("#go")
    at.until("lab.mounted.frame().header.rounds >= 20")
    at.page.keyboard.press(" ")
    at.until("!lab.mounted.state().playing && lab.mounted.state().link.rounds === lab.mounted.frame().header.rounds")
    link = at.state["link"]
    seat = ramp.open_seat(link, Room())
    while seat.busy:
        seat.advance(1.0)
    for game in seat.games:
        told, _ = game.picture()
        for key in ("fake", "travel", "jsd", "w1"):
            assert read(at, key, f"#{game.name}-figures") == pytest.approx(told[key], rel=0.01, abs=2e-3)
    assert read(at, "fake", "#vanilla-figures") == pytest.approx(1.0, abs=0.1)
    assert read(at, "fake", "#critic-figures") < 0.75
    rows = table(at)
    assert [float(v) for v in rows[-1][1:]] == pytest.approx([game.way[-1] for game in seat.games], abs=1e-6)
    at.page.click("#step-g")
    at.until("lab.mounted.state().link.script.length === 1")
    seat.receive(ramp.MESSAGES["step"](kind="step", what="generator"))
    at.until(f"Math.abs(lab.mounted.frame().header.critic.fake - {seat.games[1].fake}) < 1e-6")
    assert picture(at)[1] > 600


def finished(seat: Any) -> Any:
    while seat.busy:
        seat.advance(1.0)
    return seat.recording


def test_a_cranked_discriminator_starves_the_generator(opened: Callable[..., Visit]) -> None:
    at = opened("simulator", "window.lab?.mounted?.frame?.()?.header.done")
    healthy = read(at, "gradient_norm_generator")
    at.page.focus("#d_lr")
    for _ in range(26):
        at.page.keyboard.press("ArrowRight")
    at.until("lab.mounted.state().link.d_lr > 0.03")
    at.until(
        "lab.mounted.frame().header.link.d_lr === lab.mounted.state().link.d_lr && lab.mounted.frame().header.done"
    )
    made = finished(simulator.open_seat(at.state["link"], Room()))
    last = made.rows[-1]
    for name in simulator.SERIES:
        assert read(at, name) == pytest.approx(last[name], rel=0.06, abs=1e-4)
    assert read(at, "gradient_norm_generator") < 1e-3 < healthy
    for finding in made.found():
        assert at.page.inner_text(f"output[data-finding='{finding['name']}']") == f"{finding['certainty']:.0%}".replace(
            "%", " %"
        )
    assert [row[0] for row in table(at)[1:]] == [f"{row['round']}" for row in made.rows]
    assert picture(at)[1] > 400
    at.page.click("#reset")
    at.until("lab.mounted.state().link.d_lr === 0.002 && lab.mounted.frame().header.link.d_lr === 0.002")
    at.page.click("#table")
    at.until("lab.name === 'game' && lab.mounted?.state?.()?.values?.['objective.name'] === 'minimax'")
    assert at.state["values"]["generator.hidden"] == [16, 16]
    at.page.go_back()
    at.until("lab.name === 'simulator' && lab.mounted?.frame?.()?.header.done")


def test_a_recorded_collapse_is_scrubbed_and_a_remedy_keeps_the_modes(opened: Callable[..., Visit]) -> None:
    at = opened("collapse", "window.lab?.mounted?.frame?.()?.header.done")
    made = collapse.open_seat(at.state["link"], Room()).recording
    while made.played < 200:
        made.advance(0.001)
    for index in (4, 10):
        at.page.evaluate(
            f"const s = document.querySelector('#scrub'); s.value = {index}; s.dispatchEvent(new Event('input'))"
        )
        row = made.rows[index]
        assert read(at, "round") == row["round"]
        assert read(at, "modes_found") == row["modes_found"]
        assert read(at, "reached") == pytest.approx(row["reached"], abs=1e-3)
        assert at.page.get_attribute("#regime", "data-regime") == collapse.regime(made.rows[: index + 1])
    rows = table(at)
    assert [int(row[1]) for row in rows[1 : len(made.rows) + 1]] == [row["modes_found"] for row in made.rows]
    assert int(rows[-1][1]) <= 3
    assert picture(at)[1] > 400
    at.page.focus("#pressure")
    at.page.keyboard.press("ArrowRight")
    at.until("lab.mounted.frame().header.link.pressure === 1 && lab.mounted.frame().header.done")
    assert read(at, "modes_found") >= 7
    again = opened("collapse", "window.lab?.mounted?.frame?.()?.header.done", at.page.url)
    assert again.page.inner_text("#regime") == at.page.inner_text("#regime")


def test_a_walk_between_two_codes_has_the_lengths_and_pictures_of_its_latents(opened: Callable[..., Visit]) -> None:
    at = opened("walk", "window.lab?.mounted?.frame?.()?.header.name")
    for wrong in ("abc", "-5", "99999999999999999999"):
        at.page.fill("#code-A", wrong)
        at.page.keyboard.press("Enter")
        assert f"code A = {wrong}: a code’s seed is a whole number" in at.page.inner_text(".problem")
        assert at.page.input_value("#code-A") == str(at.state["link"]["seeds"][0])
    at.page.fill("#code-A", "42")
    at.page.keyboard.press("Enter")
    at.until("lab.mounted.state().link.seeds[0] === 42")
    at.page.evaluate("t.value = 0.3; t.dispatchEvent(new Event('input'))")
    at.until("lab.mounted.frame().header.link.t === 0.3 && lab.mounted.frame().header.link.seeds[0] === 42")
    a, b = latents([42, 7], at.state["z_dim"])
    assert read(at, "lerp") == pytest.approx(float((0.7 * a + 0.3 * b).norm()), abs=2e-3)
    assert read(at, "slerp") == pytest.approx(float(slerp(a, b, 0.3).norm()), abs=2e-3)
    pixels = "document.querySelector('#here-lerp').getContext('2d').getImageData(0, 0, 16, 16).data"
    shown = f"Array.from({pixels}).filter((v, i) => i % 4 === 0)"
    assert at.page.evaluate(
        f"JSON.stringify({shown}) === JSON.stringify(Array.from(lab.mounted.frame().arrays.here_lerp))"
    )
    rows = table(at)
    assert [float(v) for v in rows[1][2:]] == pytest.approx(a.tolist(), rel=1e-6)
    assert picture(at)[1] > 300
    at.page.keyboard.press(" ")
    at.until("lab.mounted.frame().header.link.t > 0.4")
    at.page.keyboard.press(" ")
    at.until("lab.mounted.state().link.t === lab.mounted.link().t")  # what was asked for last is answered
    again = opened("walk", "window.lab?.mounted?.frame?.()?.header.name", at.page.url)
    assert again.state["link"] == at.state["link"]


def test_a_folder_of_runs_is_listed_shown_and_begun_from_the_page(opened: Callable[..., Visit], folder: Path) -> None:
    at = opened("runs", "window.lab?.mounted?.frame?.()?.header.shown.run")
    run = RunFolder(folder / "tiny")
    last = run.records("ticks")[-1]
    header = at.page.evaluate("lab.mounted.frame().header")
    assert header["shown"]["run"]["series"]["d_real"][-1] == pytest.approx(last["d_real"])
    at.until("document.querySelector('#grid-run').width > 1")
    assert at.page.inner_text("#seen").replace(",", "") == str(int(run.samples()[-1].stem))
    assert float(table(at)[-1][3]) == pytest.approx(last["d_real"])
    assert taken(at, "recipe").decode() == (folder / "tiny" / "recipe.toml").read_text()
    at.page.evaluate("scrub.value = 0; scrub.dispatchEvent(new Event('input'))")
    at.until("lab.mounted.state().link.at === 0 && lab.mounted.frame().header.shown.run.at === 0")
    at.page.select_option("#recipe", "points_ring_8")
    at.page.fill("#name", "mine")
    at.page.click("#start")
    mine = "lab.mounted.frame().header.shown.run"
    at.until(f"{mine}?.name === 'mine' && {mine}.images.length > 0")
    at.page.click("#stop")
    at.until("!lab.mounted.frame().header.working")
    assert at.page.inner_text("#words") == "mine has ended."
    assert RunFolder(folder / "mine").latest() is not None
    assert not at.page.is_disabled("#resume")
    remedy = "optimizer.discriminator.lr=1e-5"
    RunFolder(folder / "mine").append("findings", {"images": 9, "finding": "x", "text": "", "remedy": remedy})
    at.page.click("#findings button")
    at.until(f"{mine}?.name === 'mine_treated_1' && {mine}.images.length > 0")
    assert at.state["link"]["other"] == "mine"
    assert "lr = 1e-05" in (folder / "mine_treated_1" / "recipe.toml").read_text()
    at.page.click("#stop")
    at.until("!lab.mounted.frame().header.working")


def test_a_finger_drags_a_bump(opened: Callable[..., Visit]) -> None:
    at = opened("ramp", "window.lab?.mounted?.frame?.()?.header.vanilla")
    pad = at.page.locator("#critic").bounding_box()
    assert pad is not None
    places = [pad["x"] + 40 + (place + 5) / 10 * (pad["width"] - 48) for place in (2.0, 1.6, 1.0)]
    finger = at.context.new_cdp_session(at.page)
    for kind, place in zip(("touchStart", "touchMove", "touchMove"), places, strict=True):
        at_place = {"x": place, "y": pad["y"] + 200}
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at_place]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    at.until("lab.mounted.state().link.fake === 1 && lab.mounted.frame().header.vanilla.fake === 1")


@pytest.mark.parametrize("name", ["game", "simulator", "collapse", "ramp", "walk", "losses", "runs"])
def test_a_large_screen_is_used_and_lines_stay_readable(opened: Callable[..., Visit], address: str, name: str) -> None:
    at = opened(name, "window.lab?.mounted?.state?.()")
    at.page.set_viewport_size({"width": 2560, "height": 1440})
    assert at.page.evaluate("document.documentElement.scrollWidth") <= 2560
    drawn = "Math.max(...[...document.querySelectorAll('canvas')].map((n) => n.getBoundingClientRect().width))"
    assert at.page.evaluate(drawn) >= 500
    wide = at.page.evaluate(
        """[...document.querySelectorAll("p")].filter((n) => n.offsetParent)
        .map((n) => n.clientWidth / parseFloat(getComputedStyle(n).fontSize))"""
    )
    assert max(wide) <= 50  # em: about a hundred characters
