"""The lab's page in a real browser: opened, played, changed, and its read-outs checked against the same computation
in Python. Chromium is the system's; without one these are skipped, unless REQUIRE_BROWSER=1."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.lab.chromium import lab, launched

from ganforge.lab.instruments.losses import weighed
from ganforge.lab.limits import recipe_of
from ganforge.lab.pictures import Scenery, logits_of
from ganforge.lab.play import Play, begin, recipe_text
from ganforge.lab.readings import readings
from ganforge.objectives import OBJECTIVES

SMALL = ["generator.hidden=[8, 8]", "discriminator.hidden=[8, 8]", "train.batch=64", "train.tick=1280"]
FIRST_FRAME = "window.lab?.mounted?.frame(0) !== undefined"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with lab() as found:
        yield found


class Visit:
    """A page of the lab, and what went wrong in it."""

    def __init__(self, browser: Any, url: str, ready: str = FIRST_FRAME, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.goto(url)
        self.until(ready)

    def until(self, condition: str, seconds: float = 120.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := self.page.evaluate(condition)):
            assert time.monotonic() < deadline, f"{condition} didn't come about; {self.errors}"
            time.sleep(0.02)
        return found

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.page.evaluate("lab.mounted.state()"))

    def rounds(self, count: int) -> None:
        """Step until so many rounds are played and drawn."""
        self.page.evaluate(f"lab.send({{kind: 'step', what: 'both', count: {count}}})")

    def drawn(self, number: int) -> torch.Tensor:
        """The fakes of the frame of that round."""
        self.until(f"lab.mounted.frame(0).header.round === {number} && lab.mounted.state().round === {number}")
        return torch.tensor(self.page.evaluate("Array.from(lab.mounted.frame(0).arrays.fakes)")).reshape(-1, 2)

    def close(self) -> None:
        self.context.close()
        assert self.errors == []


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Visit]]:
    """Opens pages, with a link if one is given, and sees that nothing went wrong in them."""
    visits: list[Visit] = []

    def opened(settings: list[str] | None = None, url: str | None = None, **options: Any) -> Visit:
        state = {"link": {"settings": [*SMALL, *(settings or [])]}}
        code = base64.urlsafe_b64encode(json.dumps(state).encode()).decode().rstrip("=")
        visits.append(Visit(browser, url or f"{address}#game/{code}", **options))
        return visits[-1]

    yield opened
    for one in visits:
        one.close()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def played(settings: list[str], rounds: int) -> Play:
    play = begin(recipe_of([*SMALL, *settings]))
    for _ in range(rounds):
        play.play_one()
    return play


def fakes(play: Play) -> torch.Tensor:
    return Scenery(play.plan).fakes(play.state.players["generator"])


def test_play_pause_and_read_outs_are_those_of_the_same_run_in_python(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.select_option("#speed", "60")
    at.page.keyboard.press(" ")
    at.until("lab.mounted.charts()[0].length >= 1")
    at.page.keyboard.press(" ")
    at.until("lab.mounted.state().playing === false")
    time.sleep(0.1)
    number = at.state["round"]
    play = played([], number)
    assert torch.equal(at.drawn(number), fakes(play))
    rows = at.page.evaluate("lab.mounted.charts()[0]")
    assert [row["images"] for row in rows] == [row["images"] for row in play.rows]
    for name in ("loss_discriminator", "loss_generator", "d_real", "d_fake", "gradient_norm_generator"):
        assert [row[name] for row in rows] == [row[name] for row in play.rows]
    at_tick = played([], rows[-1]["round"])
    found = readings(Scenery(at_tick.plan), at_tick.state)
    assert {name: rows[-1][name] for name in ("jsd", "modes", "quality")} == pytest.approx(
        {name: found[name] for name in ("jsd", "modes", "quality")}
    )
    at.until("document.querySelector('output[data-key=loss_discriminator]').value !== '–'")
    shown = at.page.evaluate("document.querySelector('output[data-key=loss_discriminator]').value")
    assert float(shown) == pytest.approx(rows[-1]["loss_discriminator"], abs=6e-4)


def test_a_link_opens_the_same_game_and_it_goes_on_alike(visit: Callable[..., Visit]) -> None:
    at = visit(["data=moons", "objective=least_squares"])
    at.rounds(4)
    at.until("lab.mounted.state().round === 4")
    at.page.select_option("[data-path='optimizer.generator.name']", "sgd")
    at.until("lab.mounted.state().values['optimizer.generator.name'] === 'sgd'")
    at.rounds(3)
    first = at.drawn(7)
    again = visit(url=at.page.url)
    assert again.state["link"] == at.state["link"]
    assert again.page.input_value("[data-path='data.source']") == "moons"
    again.rounds(7)
    assert torch.equal(again.drawn(7), first)
    assert again.page.input_value("[data-path='optimizer.generator.name']") == "sgd"


def test_a_bad_combination_is_said_beside_its_control_and_the_game_goes_on(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.rounds(2)
    at.until("lab.mounted.state().round === 2")
    at.page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    at.page.select_option("[data-path='discriminator.minibatch']", "discrimination")
    row = at.page.locator(".row", has=at.page.locator("[data-path='discriminator.minibatch']"))
    row.locator(".problem").wait_for(state="visible")
    assert "mixes the samples of a batch" in row.locator(".problem").inner_text()
    assert at.page.input_value("[data-path='discriminator.minibatch']") == "none"
    at.page.fill("[data-path='train.batch']", "100000")
    at.page.press("[data-path='train.batch']", "Enter")
    at.page.locator(".row", has=at.page.locator("[data-path='train.batch']")).locator(".problem").wait_for()
    rate = "[data-path='optimizer.generator.lr']"
    problem = at.page.locator(".row", has=at.page.locator(rate)).locator(".problem")
    for wrong, sentence in (("", "nothing was given; it stays at"), ("nan", "this is no number"), ("fast", "'fast'")):
        at.page.fill(rate, wrong)
        at.page.press(rate, "Enter")
        problem.filter(has_text=sentence).wait_for()
        assert float(at.page.input_value(rate)) == at.state["values"]["optimizer.generator.lr"]
    at.page.evaluate("document.activeElement.blur()")
    at.rounds(1)
    assert torch.equal(at.drawn(3), fakes(played([], 3)))


def test_keys_step_layers_slow_motion_and_the_theme(visit: Callable[..., Visit]) -> None:
    at = visit()
    for key in "dgb":
        at.page.keyboard.press(key)
    at.until("lab.mounted.state().round === 1 && lab.mounted.frame(0).header.turns.generator === 2")
    assert torch.equal(at.drawn(1), fakes(played([], 2)))
    for key in "678":
        at.page.keyboard.press(key)
    at.until("lab.mounted.frame(0).arrays.mesh && lab.mounted.frame(0).arrays.optimum")
    at.page.keyboard.press("s")
    at.until("lab.mounted.state().slow")
    for _ in range(5):
        at.page.keyboard.press("n")
    at.until("document.querySelector('.stage.now b')?.textContent.startsWith('5')")
    loss = at.page.evaluate("lab.mounted.frame(0).header.stage.loss")
    play = played([], 2)
    play.play_one()
    assert loss == float(play.state.unread[-2].figures["loss_discriminator"])
    assert float(at.page.inner_text(".stage:nth-child(4) .big")) == pytest.approx(loss, abs=6e-4)
    before = at.page.evaluate("document.documentElement.dataset.theme")
    at.page.keyboard.press("t")
    assert at.page.evaluate("document.documentElement.dataset.theme") != before
    at.page.keyboard.press("r")
    at.until("lab.mounted.state().round === 0")


def test_the_model_graph_is_drawn_and_shows_the_generator_at_work(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.keyboard.press("9")
    at.rounds(3)
    at.drawn(3)
    at.until("lab.mounted.frame(0).header.losses && lab.mounted.frame(0).arrays.mesh")
    seen, play = at.page.evaluate("lab.mounted.frame(0).header.losses"), played([], 3)
    real, fake = logits_of(Scenery(play.plan), play.state.players["discriminator"], fakes(play))
    objective = OBJECTIVES["non_saturating"]()
    assert seen["discriminator"] == pytest.approx(float(objective.d(real=real, fake=fake).mean()), rel=1e-5)
    assert seen["generator"] == pytest.approx(float(objective.g(real=real, fake=fake).mean()), rel=1e-5)
    words = at.page.inner_text("#model-words")
    assert f"D’s loss {seen['discriminator']:.3f}, G’s loss {seen['generator']:.3f}" in words
    boxes = """(() => { const c = document.querySelector("canvas.model-graph"), r = c.width / c.clientWidth;
      return Array.from({length: 6}, (_, k) => { const s = Math.floor(c.clientWidth / 7.5), x = k * s * 1.3 + 6;
        const d = c.getContext("2d").getImageData(x * r, 24 * r, (s - 12) * r, (s - 12) * r).data;
        return new Set(new Uint32Array(d.buffer)).size; }); })()"""
    still = at.page.evaluate("document.querySelector('canvas.model-graph').toDataURL()")
    at.page.click("#morph")
    at.until(f"document.querySelector('canvas.model-graph').toDataURL() !== {json.dumps(still)}")
    at.page.keyboard.press("f")
    at.until("lab.mounted.state().round === 503 && lab.mounted.frame(0).header.round === 503")
    at.until(f"Math.min(...{boxes}) > 2")  # every node has something in it


def test_two_games_side_by_side(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.select_option("#rival", "penalties.r1=none")
    at.page.click("#compare")
    at.until("document.querySelectorAll('canvas.plane').length === 2")
    at.rounds(3)
    first = at.drawn(3)
    at.until("lab.mounted.frame(1)?.header.round === 3")
    second = torch.tensor(at.page.evaluate("Array.from(lab.mounted.frame(1).arrays.fakes)")).reshape(-1, 2)
    assert torch.equal(first, fakes(played([], 3)))
    assert torch.equal(second, fakes(played(["penalties.r1=none"], 3)))
    at.page.fill("#own", "optimizer.generator.lr=1.0 optimizer.discriminator.lr=0.002")
    at.page.click("#compare")
    at.until("lab.mounted.state().games[1]?.ticks === 0 && lab.mounted.state().round === 0")
    tops = "[...document.querySelectorAll('canvas.plane')].map((c) => Math.round(c.getBoundingClientRect().top))"
    assert len(set(at.page.evaluate(tops))) == 1
    at.rounds(3)
    at.until("lab.mounted.frame(1)?.header.round === 3")
    far = fakes(played(["optimizer.generator.lr=1.0", "optimizer.discriminator.lr=0.002"], 3))
    outside = int((far.abs() > at.state["games"][1]["half"]).any(1).sum())
    assert outside > 0
    assert at.page.evaluate("lab.mounted.outside(1)") == outside
    at.page.click("#alone")
    at.until("document.querySelectorAll('canvas.plane').length === 1")


def test_recipe_picture_and_data_are_taken_along(visit: Callable[..., Visit], tmp_path: Path) -> None:
    at = visit(accept_downloads=True)
    at.rounds(2)
    at.drawn(2)
    for name, beginning in (("recipe", b"# from the lab"), ("picture", b"\x89PNG"), ("data", b"")):
        with at.page.expect_download() as download:
            at.page.click(f"#export-{name}")
        download.value.save_as(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(beginning)
    assert (tmp_path / "recipe").read_text() == recipe_text(played([], 2))


def test_what_is_drawn_by_hand_is_played(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.select_option("[data-path='data.source']", "sketch")
    at.until("lab.mounted.state().values['data.source'] === 'sketch'")
    at.page.click(".sketch button.quiet")
    pad = at.page.locator(".pad")
    box = pad.bounding_box()
    assert box is not None
    at.page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    at.page.mouse.down()
    at.page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"], steps=30)
    at.page.mouse.up()
    at.page.click(".sketch button:first-child")
    at.until("lab.mounted.state().values['data.rows'].length === 40")
    inked = [r for r, row in enumerate(at.state["values"]["data.rows"]) if "#" in row]
    assert inked == [19, 20, 21]
    at.until("lab.mounted.frame(0).arrays.real?.every((v, i) => i % 2 === 0 || Math.abs(v) < 0.2)")
    real = at.page.evaluate("Array.from(lab.mounted.frame(0).arrays.real)")
    points = torch.tensor(real).reshape(-1, 2)
    assert points[:, 1].abs().max() <= 0.1
    assert 0.4 < points[:, 0].abs().max() < 0.65


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("game", "generator.hidden = [1000000]"),
        ("game", "holds nothing that the lab can open"),
        ("__proto__", "holds nothing that the lab can open"),
    ],
    ids=["huge", "view", "name"],
)
def test_a_link_that_makes_no_sense_is_said_and_the_lab_works(
    visit: Callable[..., Visit], address: str, where: str, why: str
) -> None:
    state = {"link": {"settings": ["generator.hidden=[1000000]"]} if "hidden" in why else 5, "view": {"layers": 5}}
    at = visit(url=f"{address}#{where}/{base64.urlsafe_b64encode(json.dumps(state).encode()).decode()}")
    at.until("lab.mounted.state()?.values")
    assert why in at.page.inner_text("#banner")
    at.rounds(1)
    at.drawn(1)


@pytest.mark.parametrize("where", ["game/@@@", "nosuch/abc", "nosuch", "ramp/WzEsMl0"])
def test_an_address_that_cannot_be_read_is_quoted_and_the_lab_works(
    visit: Callable[..., Visit], address: str, where: str
) -> None:
    at = visit(url=f"{address}#{where}", ready="window.lab?.mounted?.state?.()")
    at.until("!document.querySelector('#banner').hidden")
    assert f"The link #{where} holds nothing" in at.page.inner_text("#banner")


def test_instruments_opened_one_upon_the_other_leave_the_last_one_and_no_mistake(
    visit: Callable[..., Visit],
) -> None:
    at = visit()
    names = at.page.evaluate("Object.keys(lab.instruments)")
    for last in ("game", "losses", "ramp"):
        at.page.evaluate(f"for (const name of {[*names, *reversed(names), last]}) lab.open(name, null)")
        at.until(f"lab.name === '{last}' && window.lab.mounted?.state?.()?.kind === 'state'")
    at.page.evaluate("lab.open('game', null)")
    at.until("lab.mounted.frame(0)")
    at.page.evaluate("lab.send({kind: 'play', on: true})")
    for name in names[1:]:
        at.page.evaluate("lab.open('game', null)")
        time.sleep(0.05)
        at.page.evaluate(f"lab.open('{name}', null)")
        at.until("window.lab.mounted?.state?.()")


def test_on_a_phone_everything_fits_and_has_a_name(visit: Callable[..., Visit]) -> None:
    at = visit(viewport={"width": 360, "height": 740}, has_touch=True, color_scheme="dark", reduced_motion="reduce")
    assert at.page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert at.page.evaluate("document.documentElement.scrollWidth") <= 360
    at.page.tap("#play")
    at.until("Number(document.querySelector('#rounds').value) > 2")
    at.page.tap("#play")
    assert at.page.evaluate("document.querySelector('.left').getBoundingClientRect().top") > 740
    at.page.tap("#to-settings")
    at.until("document.querySelector('.left').getBoundingClientRect().top < 200")
    at.page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    unnamed = at.page.evaluate(
        """[...document.querySelectorAll("button, input, select, canvas")]
        .filter((n) => !(n.ariaLabel || n.textContent.trim() || n.labels?.length)).map((n) => n.outerHTML)"""
    )
    assert unnamed == []


def test_bars_are_dragged_and_their_figures_are_the_toolkits(visit: Callable[..., Visit], address: str) -> None:
    at = visit(url=f"{address}#losses", ready="window.lab?.mounted?.state?.()?.measures")
    pad = at.page.locator(".bars").bounding_box()
    assert pad is not None
    at.page.mouse.move(pad["x"] + 0.55 / 6 * pad["width"], pad["y"] + pad["height"] - 20)  # q at place 0
    at.page.mouse.down()
    at.page.mouse.move(pad["x"] + 0.55 / 6 * pad["width"], pad["y"] + 60, steps=4)
    at.page.mouse.up()
    at.until("lab.mounted.state().link.q[0] > 2 && lab.mounted.state().q[0] > .15")
    at.page.keyboard.press("x")
    at.page.keyboard.press("ArrowUp")
    at.until("lab.mounted.state().link.p[0] === 1.25 && lab.mounted.state().p[0] > 1.2 / 10.25")
    at.page.select_option("#objective", "hinge")
    at.until("lab.mounted.state().link.objective === 'hinge' && lab.mounted.state().texts.optimum.includes('sign')")
    state = at.state
    p, q = (torch.tensor(state["link"][side], dtype=torch.float64) for side in "pq")
    found = weighed(p / p.sum(), q / q.sum(), OBJECTIVES["hinge"]())
    for name, value in found["measures"].items():
        shown = at.page.inner_text(f"output[data-key={name}]")
        assert shown == "∞" if value == float("inf") else float(shown) == pytest.approx(value, rel=0.05, abs=6e-4)
    assert float(at.page.inner_text("output[data-key=value]")) == pytest.approx(found["value"], abs=6e-4)
    again = visit(url=at.page.url, ready="window.lab?.mounted?.state?.()?.measures")
    assert again.state["link"] == state["link"]
    assert again.state["measures"] == state["measures"]


def test_a_hidden_tab_stands_still(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.keyboard.press(" ")
    at.until("Number(document.querySelector('#rounds').value) > 2")
    hide = (
        "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    at.page.evaluate(hide % "true")
    look, seen, deadline = "lab.mounted.frame(0).header.round", -1, time.monotonic() + 10
    while (now := at.page.evaluate(look)) != seen:  # what was under way when the tab was hidden arrives first
        assert time.monotonic() < deadline, "a hidden tab plays on"
        seen = now
        time.sleep(0.4)
    at.page.evaluate(hide % "false")
    at.until(f"lab.mounted.frame(0).header.round > {seen}")
