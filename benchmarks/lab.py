"""The lab, measured as a visitor meets it: in headless Chromium, over a real socket, and under abuse.

    python benchmarks/lab.py                  # frame rates, latency, page: about a minute
    python benchmarks/lab.py --abuse          # and 200 connections, 10,000 malformed messages, tabs that vanish
    python benchmarks/lab.py --seconds 2      # only to see that it works

Prints one JSON object. It needs two quiet cores: the server has one thread that plays, the browser takes the other.
The game is the lab's default: batch 256, three layers of 32, R1, heat map 48 x 48, arrows.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
START = "from ganforge.cli import main; import sys; sys.argv = ['ganforge', 'lab', '--port', '0']; main()"
MESSAGES = 10_000
CONNECTIONS = 200
VANISHING = 40


NONSENSE: list[Callable[[random.Random], str | bytes]] = [
    lambda rng: rng.randbytes(rng.randrange(200)),
    lambda rng: "[" * rng.randrange(1, 9000),
    lambda rng: "{" + "".join(chr(rng.randrange(32, 2000)) for _ in range(60)),
    lambda rng: json.dumps({"kind": rng.choice(["open", "set", "step", "?"]), "x": rng.random()}),
    lambda rng: json.dumps({"kind": "open", "instrument": "game", "link": {"settings": ["a" * 9000]}}),
]


def main() -> None:
    """Everything, one after another."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each rate is counted")
    parser.add_argument("--abuse", action="store_true", help="and the week's worth of abuse")
    given = parser.parse_args()
    server, address = started()
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium(), args=ARGS)
            figures = measured(browser, address, given.seconds)
            browser.close()
        if given.abuse:
            figures["abuse"] = asyncio.run(abused(address, server.pid))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
    figures["machine"] = {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()}
    print(json.dumps(figures, indent=1))


def chromium() -> str:
    """The system's browser."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or sys.exit(f"no browser: install one of {', '.join(NAMES)}")


def started() -> tuple[subprocess.Popen[str], str]:
    """A lab of its own process, and its address."""
    process = subprocess.Popen([sys.executable, "-c", START], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    return process, process.stderr.readline().split()[-1]


def measured(browser: Browser, address: str, seconds: float) -> dict[str, Any]:
    """Rates with one visitor and with four, latency, and what the page weighs."""
    page, weight = opened(browser, address)
    figures: dict[str, Any] = {"page": weight, "latency_ms": latency(page)}
    figures["one"] = rates([page], seconds)
    pages = [page, *(opened(browser, address)[0] for _ in range(3))]
    figures["four"] = rates(pages, seconds)
    for one in pages:
        one.context.close()
    return figures


def opened(browser: Browser, address: str) -> tuple[Page, dict[str, float]]:
    """A page that has its first frame; bytes of all its parts, and when it first painted."""
    page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
    sizes: list[int] = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    page.goto(address)
    until(page, "window.lab?.mounted?.frame(0) !== undefined")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    return page, {"bytes": sum(sizes), "first_paint_ms": round(paint or -1)}


def until(page: Page, condition: str, seconds: float = 30.0) -> None:
    """Wait for something of the page."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        if time.monotonic() > deadline:
            sys.exit(f"{condition} didn't come about")
        time.sleep(0.01)


LATENCY = """() => new Promise((done) => {
  const before = lab.mounted.frame(0).header.round, start = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "b", bubbles: true}));
  const shown = () => lab.mounted.frame(0).header.round > before;
  const look = () => (shown() ? done(performance.now() - start) : requestAnimationFrame(look));
  look();
})"""


def latency(page: Page, times: int = 30) -> dict[str, float]:
    """From the key that steps a round to the frame that shows it."""
    found = []
    for _ in range(times):
        found.append(page.evaluate(LATENCY))
        time.sleep(0.05)
    return {"median": round(statistics.median(found), 1), "worst": round(max(found), 1)}


def rates(pages: list[Page], seconds: float) -> list[dict[str, float]]:
    """Rounds and drawn frames a second of each page, all playing at once, and the bytes of a frame."""
    look = (
        "({drawn: lab.drawn || 0, round: lab.mounted.frame(0).header.round, bytes: lab.bytes, now: performance.now()})"
    )
    for page in pages:
        page.evaluate("lab.send({kind: 'play', on: true})")
    time.sleep(1.0)
    before = [page.evaluate(look) for page in pages]
    time.sleep(seconds)
    after = [page.evaluate(look) for page in pages]
    for page in pages:
        page.evaluate("lab.send({kind: 'play', on: false})")
    return [
        {
            "rounds_per_second": round(1000 * (b["round"] - a["round"]) / (b["now"] - a["now"]), 1),
            "frames_per_second": round(1000 * (b["drawn"] - a["drawn"]) / (b["now"] - a["now"]), 1),
            "frame_bytes": b["bytes"],
        }
        for a, b in zip(before, after, strict=True)
    ]


async def abused(address: str, pid: int) -> dict[str, Any]:
    """Connections, nonsense and vanishing tabs, while a visitor behaves well; memory before and after."""
    url, origin = address.replace("http", "ws", 1) + "socket", address.rstrip("/")
    for _ in range(3):  # what is loaded once is loaded
        await vanish(url, origin, random.Random(0))
    before = memory(pid)
    async with connect(url, origin=origin, proxy=None, compression=None) as good:  # type: ignore[arg-type]
        await good.send(json.dumps({"kind": "open", "instrument": "game"}))
        await good.send(json.dumps({"kind": "play", "on": True}))
        watch = asyncio.create_task(behave(good))
        rng = random.Random(1)
        crowds = [asyncio.create_task(crowd(url, origin)) for _ in range(CONNECTIONS)]
        refused = sum(await asyncio.gather(*crowds))
        sent = 0
        while sent < MESSAGES:
            sent += await nonsense(url, origin, rng)
        for _ in range(VANISHING):
            await vanish(url, origin, rng)
        await asyncio.sleep(3.0)
        lost = watch.done()
        watch.cancel()
        with suppress(asyncio.CancelledError, ConnectionClosed):
            frames = await watch
            raise SystemExit(f"the well-behaved visitor was sent away after {frames} frames")
    await asyncio.sleep(3.0)
    after = memory(pid)
    return {"connections": CONNECTIONS, "turned_away": refused, "malformed": sent, "vanished": VANISHING,
            "memory_before_mb": before, "memory_after_mb": after, "growth": round(after / before - 1, 3),
            "well_behaved_lost": lost}  # fmt: skip


async def behave(socket: Any) -> int:
    """Draw every frame, and say so."""
    frames = 0
    async for message in socket:
        if isinstance(message, bytes):
            frames += 1
            await socket.send(json.dumps({"kind": "seen", "frame": frames}))
    return frames


async def crowd(url: str, origin: str) -> bool:
    """One of many at the door; whether it was turned away."""
    try:
        async with connect(url, origin=origin, proxy=None, open_timeout=60) as socket:  # type: ignore[arg-type]
            await socket.send(json.dumps({"kind": "open", "instrument": "game"}))
            said = await asyncio.wait_for(socket.recv(), 60)
            return isinstance(said, str) and json.loads(said)["kind"] == "closed"
    except (WebSocketException, OSError, TimeoutError):
        return True


async def nonsense(url: str, origin: str, rng: random.Random) -> int:
    """Malformed messages until the door is shut, 200 at most; how many were sent."""
    sent = 0
    with suppress(WebSocketException, OSError, TimeoutError):
        async with connect(url, origin=origin, proxy=None) as socket:  # type: ignore[arg-type]
            for _ in range(200):
                await socket.send(rng.choice(NONSENSE)(rng))
                sent += 1
    return max(sent, 1)


async def vanish(url: str, origin: str, rng: random.Random) -> None:
    """A tab that plays and is gone in the middle of a frame."""
    with suppress(WebSocketException, OSError, TimeoutError):
        socket = await connect(url, origin=origin, proxy=None)  # type: ignore[arg-type]
        await socket.send(json.dumps({"kind": "open", "instrument": "game"}))
        await socket.send(json.dumps({"kind": "play", "on": True}))
        await asyncio.sleep(0.1 + 0.2 * rng.random())
        socket.transport.abort()


def memory(pid: int) -> float:
    """Megabytes that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(int(next(line.split()[1] for line in lines if line.startswith("VmRSS:"))) / 1024, 1)


if __name__ == "__main__":
    main()
