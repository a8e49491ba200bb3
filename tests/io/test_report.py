"""The report: complete by itself, safe whatever its texts say, and drawn by a browser."""

import html
import json
import math
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganforge.io.folder import RunFolder
from ganforge.io.report import write_report

NASTY = '# </script><script>alert("x")</script> <!-- & " \' \u2028 é\nx = 1\n'
FIGURES = {
    "frechet_distance": 5.3249,
    "kernel_distance": 0.0121,
    "kernel_distance_error": 0.0009,
    "precision": 0.81,
    "recall": None,
    "shares": {"0": 0.1, "1": 0.12, "2": 0.08},
}
FLOOR = {"frechet_distance": 0.91, "precision": 0.93}


def tick(images: int) -> dict[str, Any]:
    return {
        "images": images,
        "seconds": images / 1000,
        "images_per_second": 1000.0,
        "loss_discriminator": math.nan if images == 3000 else 1.2,
        "loss_generator": 0.7 + images / 10_000,
        "loss_discriminator_r1": 0.01,
        "d_real": 0.6,
        "d_fake": 0.4,
        "gradient_norm_discriminator": 1.0 + images,
        "gradient_norm_generator": 0.0,
        "skipped": 0,
        "lr_generator": 2e-4,
    }


@pytest.fixture
def empty(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "<b>a", recipe=NASTY, environment={"ganforge": "0"}, command=["ganforge", "<i>"])


@pytest.fixture
def run(empty: RunFolder) -> RunFolder:
    for images in range(1000, 9000, 1000):
        empty.append("ticks", tick(images))
        empty.append("evaluations", {"images": images, "split": "held_out", "figures": {"frechet_distance": 9.0}})
        empty.save_samples(images, Image.new("L", (40, 40), images // 40))
    empty.append("evaluations", {"images": 8000, "split": "test", "protocol": "p", "figures": FIGURES, "floor": FLOOR})
    empty.append("findings", {"images": 3000, "finding": "not_finite", "text": "Three </script> in a row."})
    empty.mark_best(7000, 4.6, "frechet_distance")
    return empty


def page(run: RunFolder) -> str:
    return write_report(run).read_text("utf-8")


def data(run: RunFolder) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page(run), re.DOTALL)
    assert len(found) == 1
    return json.loads(found[0])


def test_the_page_holds_what_the_folder_holds(run: RunFolder) -> None:
    found = data(run)
    assert (found["recipe"], found["command"], found["environment"]) == (NASTY, "ganforge '<i>'", {"ganforge": "0"})
    assert found["ticks"]["images"] == list(range(1000, 9000, 1000))
    assert found["ticks"]["loss_discriminator"][2] is None
    assert [grid["images"] for grid in found["grids"]] == list(range(1000, 9000, 1000))
    assert found["findings"][0]["text"] == "Three </script> in a row."
    assert found["verdict"].startswith(
        "Fréchet distance 5.32; real images reach 0.910. Kernel distance 0.0121, precision"
    )
    assert found["facts"] == ["8,000 images seen", "8 s of training", "ganforge 0"]
    assert found["best"] == "Best checkpoint: 000007000, Fréchet distance 4.60"


def test_figures_stand_beside_their_floor(run: RunFolder) -> None:
    final = data(run)["final"]
    rows = {row["name"]: (row["value"], row["error"], row["floor"], row["better"]) for row in final["rows"]}
    assert rows == {
        "Fréchet distance": (5.3249, None, 0.91, "lower"),
        "Kernel distance": (0.0121, 0.0009, None, "lower"),
        "Precision": (0.81, None, 0.93, "higher"),
        "Recall": (None, None, None, "higher"),
    }
    assert final["shares"] == {"shares": FIGURES["shares"]}
    assert data(run)["judgements"]["Fréchet distance"]["the test split"] == {"points": [[8000, 5.3249]], "floor": 0.91}


def test_shares_may_come_as_figures_of_their_own(empty: RunFolder) -> None:
    empty.append("evaluations", {"images": 1, "figures": {"share_0": 0.4, "share_1": 0.6, "recall": 0.5}})
    final = data(empty)["final"]
    assert (final["shares"], [row["name"] for row in final["rows"]]) == ({"share": {"0": 0.4, "1": 0.6}}, ["Recall"])


def test_the_page_needs_nothing_and_lets_nothing_in(run: RunFolder) -> None:
    text = page(run)
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|src=\"|<link", text)
    assert text.count("</script>") == 2
    assert "default-src 'none'" in text
    assert f"<title>{html.escape('<b>a')} · ganforge</title>" in text


def test_a_run_without_anything_gets_a_page(empty: RunFolder) -> None:
    found = data(empty)
    assert (found["verdict"], found["final"], found["grids"]) == ("Nothing recorded yet.", None, [])
    empty.append("ticks", {"images": 64})
    assert data(empty)["verdict"].startswith("Not judged yet, after 64 images seen. Judge it with: ganforge evaluate")
    empty.append("evaluations", {"images": 64, "figures": {}})
    assert data(empty)["verdict"] == "Judged, without a figure."


def test_the_page_stays_small(empty: RunFolder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1400, 1400, 3), dtype=np.uint8)
    for images in range(100):
        empty.save_samples(images, Image.new("L", (8, 8)))
    empty.save_samples(100, Image.fromarray(noise))
    (empty.path / "samples" / "000000000.png").write_bytes(b"broken")
    (empty.path / "ticks.jsonl").write_text("".join(f'{{"images": {i}}}\n' for i in range(5001)))
    found = data(empty)
    images = [grid["images"] for grid in found["grids"]]
    assert (len(images), images[-1]) == (23, 100)
    assert set(np.diff(images)) <= {4, 5}
    assert found["grids"][-1]["source"].startswith("data:image/jpeg")
    assert len(found["grids"][-1]["source"]) < 1_200_000
    ticks = found["ticks"]["images"]
    assert (len(ticks), ticks[0], ticks[-1], found["every"]) == (2000, 0, 5000, 3)


def browser() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def chromium() -> str:
    found = browser()
    if found is None:
        assert os.environ.get("REQUIRE_BROWSER") != "1", "REQUIRE_BROWSER=1, and chromium is not installed"
        pytest.skip("chromium is not installed")
    return found


def drawn(chromium: str, path: Path, profile: Path) -> str:
    """The page's elements once its script has run."""
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        *quiet,
        f"--user-data-dir={profile}",
        "--dump-dom",
    ]
    done = subprocess.run([*command, path.resolve().as_uri()], capture_output=True, text=True, timeout=60, check=True)
    return re.sub(r"<script.*?</script>", "", done.stdout, flags=re.DOTALL)


def test_a_browser_draws_the_curves(run: RunFolder, chromium: str, tmp_path: Path) -> None:
    dom = drawn(chromium, write_report(run), tmp_path / "profile")
    assert "script-error" not in dom
    assert len(re.findall(r"<svg[^>]*aria-label", dom)) == 6
    assert len(re.findall(r'<path d="M', dom)) == 8  # one for each curve that has a value to draw
    assert 'd="M' in dom
    assert "NaN" not in dom
    assert "Infinity" not in dom
    assert "<img" in dom
    assert html.escape(NASTY.splitlines()[0], quote=False)[:40] in dom


def test_a_browser_draws_an_empty_run(empty: RunFolder, chromium: str, tmp_path: Path) -> None:
    dom = drawn(chromium, write_report(empty), tmp_path / "profile")
    assert "script-error" not in dom
    assert "Nothing recorded yet." in dom


def test_the_page_says_where_the_loss_and_the_figure_disagree(empty: RunFolder) -> None:
    for images, loss, distance in ((1000, 0.5, 90.0), (2000, 2.0, 7.0)):
        empty.append("ticks", {"images": images, "loss_generator": loss})
        empty.append("evaluations", {"images": images, "figures": {"frechet_distance": distance}})
    empty.mark_best(2000, 7.0, "frechet_distance")
    words = (
        "By the generator\\u2019s loss it would be 1,000 images seen (fr\\u00e9chet distance 90.0), not 2,000 (7.00)."
    )
    assert words in write_report(empty).read_text()
