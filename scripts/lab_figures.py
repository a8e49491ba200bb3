"""The pictures of docs/lab.md: the lab as it looks in a browser. Needs the system's chromium; two minutes.

python scripts/lab_figures.py [RUNS]

RUNS is a folder of runs, for the picture of that instrument.
"""

import io
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

FIGURES = Path(__file__).parents[1] / "docs" / "figures" / "lab"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
START = "from ganforge.cli import main; import sys; sys.argv = ['ganforge', 'lab', '--port', '0']; main()"


SIZES = (("", 1280, 900, "light"), ("-dark", 1280, 900, "dark"), ("-phone", 360, 760, "light"))
"""What is added to a picture's name, the window's size, and the colour scheme."""


def looks(browser: Browser, address: str, kind: str) -> Iterator[tuple[str, str, Page]]:
    """An instrument in each of these: the picture's name, the scheme, and the page, which is closed after its turn."""
    for more, width, height, scheme in SIZES:
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(f"{address}#{kind}")
        yield kind + more, scheme, page
        page.close()


def main() -> None:
    """Every picture."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    runs = Path(sys.argv[1]) if sys.argv[1:] else None
    path = next(filter(None, map(shutil.which, NAMES)), None) or sys.exit("no chromium")
    start = START if runs is None else START.replace("'0']", f"'0', '--runs', {str(runs)!r}]")
    server = subprocess.Popen([sys.executable, "-c", start], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    address = server.stderr.readline().split()[-1]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=ARGS)
        game(browser, address)
        wide(browser, address)
        dark(browser, address)
        phone(browser, address)
        two(browser, address)
        losses(browser, address)
        ramp(browser, address)
        simulator(browser, address)
        collapse(browser, address)
        walk(browser, address)
        if runs is not None:
            directions(browser, address)
            folder(browser, address)
        browser.close()
    server.send_signal(signal.SIGINT)
    server.wait(20)


def opened(browser: Browser, address: str, width: int, height: int, **options: Any) -> Page:
    """A page with its first frame."""
    page = browser.new_page(viewport={"width": width, "height": height}, **options)
    page.goto(address)
    until(page, "window.lab?.mounted?.frame(0) !== undefined")
    return page


def until(page: Page, condition: str, seconds: float = 60.0) -> None:
    """Wait for something of the page."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        if time.monotonic() > deadline:
            sys.exit(f"{condition} didn't come about")
        time.sleep(0.02)


def played(page: Page, rounds: int) -> None:
    """Play so many rounds exactly, and let the page draw them."""
    now = page.evaluate("lab.mounted.state().round")
    while now < rounds:
        page.evaluate(f"lab.send({{kind: 'step', what: 'both', count: {min(100, rounds - now)}}})")
        now += min(100, rounds - now)
        until(page, f"lab.mounted.state().round === {now} && lab.mounted.frame(0).header.round === {now}")
    time.sleep(0.8)


def taken(page: Page, name: str, *, half: bool = False, **options: Any) -> None:
    """A screenshot in few colours, of half the size if asked for."""
    image = Image.open(io.BytesIO(page.screenshot(**options))).convert("RGB")
    image = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS) if half else image
    image.quantize(200, dither=Image.Dither.NONE).save(FIGURES / f"{name}.png", optimize=True)
    print(FIGURES / f"{name}.png")


def game(browser: Browser, address: str) -> None:
    """The ring in light, half-way home, and an update in slow motion."""
    page = opened(browser, address, 1440, 900, color_scheme="light")
    played(page, 700)
    taken(page, "game-light")
    page.keyboard.press("9")
    until(page, "lab.mounted.frame(0).arrays.mesh && document.querySelector('#model-words').textContent")
    time.sleep(0.4)
    taken(page, "model-graph", clip=page.locator("section[aria-label='Model graph']").bounding_box(), full_page=True)
    page.keyboard.press("9")
    page.keyboard.press("s")
    for _ in range(10):
        page.keyboard.press("n")
        time.sleep(0.1)
    until(page, "document.querySelector('.stage.now b')?.textContent.startsWith('5')")
    taken(page, "slow-motion", clip=page.locator(".stages").bounding_box(), full_page=True)
    page.close()


def wide(browser: Browser, address: str) -> None:
    """A large screen."""
    page = opened(browser, address, 2560, 1300, color_scheme="light")
    page.keyboard.press("9")
    played(page, 500)
    taken(page, "game-wide", half=True)
    page.close()


def dark(browser: Browser, address: str) -> None:
    """Moons in the dark, with the manifold and the optimal discriminator."""
    page = opened(browser, address, 1440, 900, color_scheme="dark")
    page.select_option("[data-path='data.source']", "moons")
    until(page, "lab.mounted.state().values['data.source'] === 'moons'")
    for key in "679":
        page.keyboard.press(key)
    played(page, 300)
    taken(page, "game-dark")
    page.close()


def phone(browser: Browser, address: str) -> None:
    """A phone's width."""
    page = opened(browser, address, 360, 760, color_scheme="light", has_touch=True)
    played(page, 500)
    taken(page, "game-phone")
    page.close()


def two(browser: Browser, address: str) -> None:
    """With R1 and without."""
    page = opened(browser, address, 1440, 900, color_scheme="light")
    page.select_option("#rival", "penalties.r1=none")
    page.click("#compare")
    until(page, "document.querySelectorAll('canvas.plane').length === 2")
    played(page, 900)
    page.evaluate("scrollTo(0, 0); document.querySelector('.right').scrollTop = 0")
    taken(page, "two-games")
    page.close()


def losses(browser: Browser, address: str) -> None:
    """Losses and divergences."""
    for name, _, page in looks(browser, address, "losses"):
        until(page, "window.lab?.mounted?.state?.()?.measures !== undefined")
        page.select_option("#objective", "minimax")
        time.sleep(0.6)
        taken(page, name)


def ramp(browser: Browser, address: str) -> None:
    """One generator half-way home, the other where it was; also in the dark and on a phone."""
    for name, _, page in looks(browser, address, "ramp"):
        until(page, "window.lab?.mounted?.frame?.()?.header.warmed >= 120")
        page.click("#go")
        until(page, "lab.mounted.frame().header.rounds >= 90")
        page.click("#go")
        time.sleep(0.4)
        taken(page, name)


def simulator(browser: Browser, address: str) -> None:
    """A discriminator that is much too fast."""
    for name, _, page in looks(browser, address, "simulator"):
        until(page, "window.lab?.mounted?.frame?.()?.header.done")
        page.evaluate("lab.send({kind: 'simulate', ...lab.mounted.state().link, d_lr: 0.01})")
        until(page, "lab.mounted.frame().header.link.d_lr === 0.01 && lab.mounted.frame().header.done")
        time.sleep(0.4)
        taken(page, name)


def collapse(browser: Browser, address: str) -> None:
    """Eight modes: without packing in the dark, with packing of two in the light."""
    for name, scheme, page in looks(browser, address, "collapse"):
        until(page, "window.lab?.mounted?.state?.()?.link !== undefined")
        pressure = int(scheme == "light")
        page.evaluate(f"lab.send({{kind: 'press', ...lab.mounted.state().link, pressure: {pressure}}})")
        until(page, f"lab.mounted.frame()?.header.link.pressure === {pressure} && lab.mounted.frame().header.done")
        time.sleep(0.4)
        taken(page, name)


def walk(browser: Browser, address: str) -> None:
    """Between two codes of the digits that the lab learns itself."""
    for name, _, page in looks(browser, address, "walk"):
        until(page, "window.lab?.mounted?.frame?.()?.header.lesson !== undefined")
        page.evaluate("lab.send({kind: 'go', ...lab.mounted.link(), run: '', label: null})")
        until(page, "lab.mounted.frame().header.lesson === 1", 120)
        time.sleep(0.4)
        taken(page, name)


def directions(browser: Browser, address: str) -> None:
    """A run with directions, moved along the first of them; where there is such a run."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
    page.goto(f"{address}#walk")
    until(page, "window.lab?.mounted?.state?.()?.directions !== undefined")
    if page.evaluate("lab.mounted.state().directions.length"):
        page.evaluate("(() => { const s = document.querySelector('#along-0'); s.value = 3; "
                      "s.dispatchEvent(new Event('input')); })()")  # fmt: skip
        until(page, "lab.mounted.frame()?.header.link.along[0] === 3")
        time.sleep(0.5)
        taken(page, "walk-directions")
    page.close()


def folder(browser: Browser, address: str) -> None:
    """A run of the folder."""
    for name, _, page in looks(browser, address, "runs"):
        until(page, "window.lab?.mounted?.frame?.()?.header.shown.run !== undefined")
        until(page, "document.querySelector('#grid-run').width > 1")
        time.sleep(0.4)
        taken(page, name)


if __name__ == "__main__":
    main()
