"""The scorecard: what it says of a judgement, and the page that it says it on."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from conftest import TINY_SETTINGS
from ganforge import commands
from ganforge.crowd import Album
from ganforge.data import TOYS, Array, Source
from ganforge.errors import CheckpointError, RecipeError
from ganforge.evaluate import verdict
from ganforge.features import extractor
from ganforge.io.scorecard import Card, Line, Picture, Point, write_card
from ganforge.recipe import Recipe, override
from ganforge.run import begin
from ganforge.scorecard import card, pictures, run_of, sentence

ADDRESS = re.compile(r"data:image/(?:png|jpeg);base64,([A-Za-z0-9+/=]+)")
NASTY = "<script>alert('&')</script>|"
CARD = Card(
    title=NASTY,
    verdict="Good & bad.",
    lines=[Line("Recall", "0.5", "0.9", "half <b>")],
    facts={"protocol": NASTY},
    notes=["few <images>"],
    shares={"a<b": 0.25, "c": 0.75},
    pictures={"Samples": [Picture("first & last", "<i>note</i>", Image.new("L", (8, 8)))]},
    path=[Point(100, 0.1, 0.9), Point(200, 0.5, 0.8)],
    floor=(0.9, 0.9),
    images=200,
)


class Outline(HTMLParser):
    """Tags that are open at the end, all that were seen, and the addresses they name."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.sources += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "img", "line", "circle", "polyline"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"meta", "img", "line", "circle", "polyline"}:
            assert self.open.pop() == tag


def outline(text: str) -> Outline:
    parser = Outline()
    parser.feed(text)
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with two checkpoints."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    recipe = Recipe("tiny", {**TINY_SETTINGS, "data": {"source": str(tiny_data)}})
    settings = ["run.keep=9", "run.checkpoint=192", "train.images=384"]
    list(begin(override(recipe, settings), path, command=["ganforge", "train"]).play())
    return path


def evaluate(what: Path | str, against: str | None = None, **options: Any) -> None:
    rest = {"split": None, "samples": 100, "metrics": None, "extractor": None, "bootstrap": 0, "cache": True}
    rest |= {"every": False, "out": None, "scorecard": None, "device": "cpu", "as_json": True}
    commands.evaluate(str(what), against, **(rest | options))


def test_a_page_of_a_run_needs_nothing_beside_it(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(run, every=True)
    capsys.readouterr()
    evaluate(run, scorecard=tmp_path / "deep" / "card.html", bootstrap=5)
    record = json.loads(capsys.readouterr().out)
    assert record["scorecard"] == str(tmp_path / "deep" / "card.html")
    text = (tmp_path / "deep" / "card.html").read_text()
    page = outline(text)
    assert not {"script", "link", "iframe"} & set(page.seen)
    assert len(page.sources) == 5
    for source in page.sources:
        found = ADDRESS.fullmatch(source)
        assert found
        Image.open(io.BytesIO(base64.b64decode(found[1]))).load()
    assert page.seen.count("circle") == 3  # two checkpoints and the floor
    for words in ("Most real", "Least real", "Those closest to a training image", record["protocol"], record["data"],
                  record["extractor"]["weights"], "2.5 to 97.5 % of 5 resamples", "__"):  # fmt: skip
        assert (words in text) == (words != "__")


def test_markdown_has_the_figures_the_protocol_and_the_checkpoints(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(run, every=True)
    evaluate(run / "checkpoints" / "000000192", scorecard=tmp_path / "card.md", as_json=False)
    assert f"scorecard: {tmp_path / 'card.md'}" in capsys.readouterr().out
    text = (tmp_path / "card.md").read_text()
    assert text.startswith("# tiny@192\n\nFréchet distance ")
    assert "| Precision | " in text
    assert "- protocol: mnist_30_held_out" in text
    assert "| 192 | " in text
    assert "| 384 | " in text
    assert "\n30 images are few" in text


def test_what_a_text_says_never_becomes_markup(tmp_path: Path) -> None:
    write_card(tmp_path / "card.html", CARD)
    text = (tmp_path / "card.html").read_text()
    assert "<script>" not in text
    assert "<i>" not in text
    assert {"b", "i"}.isdisjoint(outline(text).seen)
    write_card(tmp_path / "card.md", CARD)
    (row,) = (line for line in (tmp_path / "card.md").read_text().splitlines() if line.startswith("| Recall"))
    assert row.count(" | ") == 3


def test_a_card_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="can't be written"):
        write_card(tmp_path / "file" / "card.md", CARD)
    write_card(tmp_path / "card.md", CARD)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["card.md", "file"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scorecard": Path("card.pdf")}, r"'card.pdf' is no kind of scorecard; end it in .md or .html"),
        (
            {"scorecard": Path("card.md"), "every": True},
            r"--scorecard card.md is of one generator; call with --every first",
        ),
    ],
)
def test_wrong_uses_are_sentences_before_anything_is_done(options: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        evaluate("nowhere", **options)


def test_a_card_of_images_that_lie_there_finds_the_copies(tmp_path: Path) -> None:
    """An album of training images: every one of them is a copy, and its neighbours begin with itself."""
    rng = torch.Generator().manual_seed(0)
    source = Source("made", *(Array(torch.randint(0, 256, (n, 1, 8, 8), generator=rng).byte()) for n in (90, 40, 60)))
    album = Album(Source("copies", source.train))
    found = verdict(album, source, extractor("mnist"), samples=50, whole=True)
    shown = pictures(found, album, source)
    assert list(shown) == ["Samples", "Best and worst by realism", "Nearest training images"]
    assert "100% lie nearer than that" in shown["Nearest training images"][1].note
    first = shown["Nearest training images"][0].image.convert("L")
    side = 2 + 8 * 8
    fake, nearest = (first.crop((x, 2, x + side - 2, side)) for x in (2, side + 2 + 10 + 2))
    assert fake.tobytes() == nearest.tobytes()
    made = card(found, album, run=None, command="ganforge evaluate", sections=shown)
    assert made.path == []
    write_card(tmp_path / "card.html", made)
    assert outline((tmp_path / "card.html").read_text()).seen.count("img") == 5


def test_a_card_of_points_has_one_picture() -> None:
    source = TOYS["ring"](count=600, held_out=200)
    album = Album(source)
    found = verdict(album, source, extractor("points"), samples=200, whole=True)
    shown = pictures(found, album, source)
    assert [len(p) for p in shown.values()] == [1]
    lines = card(found, album, run=None, command="", sections=shown).lines
    assert [line.name for line in lines][:4] == ["Modes found", "Mode quality", "Mode distance", "Sliced distance"]
    assert all(line.says.endswith(".") for line in lines)


def test_too_few_real_images_leave_the_extremes_out() -> None:
    rng = torch.Generator().manual_seed(0)
    source = Source("few", *(Array(torch.randint(0, 256, (n, 1, 8, 8), generator=rng).byte()) for n in (9, 3, 3)))
    found = verdict(Album(source), source, extractor("mnist"), samples=9, whole=True)
    shown = pictures(found, Album(source), source)
    assert "Best and worst by realism" not in shown
    says = [line.says for line in card(found, Album(source), run=None, command="", sections=shown).lines]
    assert "There are too few images for it." in says


@pytest.mark.parametrize(
    ("name", "value", "level", "error", "said"),
    [
        ("frechet_distance", 6.0, 2.0, None, "3.0 times what real training images reach"),
        ("frechet_distance", 60.0, 2.0, None, "30 times what"),
        ("frechet_distance", 2.1, 2.0, None, "as near to real images as other real images are"),
        ("frechet_distance", 2.1, 0.0, None, "real images reach 0"),
        ("kernel_distance", -0.001, 0.0, 0.002, "no difference from real images was found"),
        ("kernel_distance", -0.02, 0.0, 0.002, "no difference from real images was found"),
        ("kernel_distance", 0.02, 0.0, 0.002, "10 standard errors above 0"),
        ("recall", 0.5, 0.9, None, "could make 50.0% of the real images"),
        ("density", 0.5, 1.0, None, "0.50 times as deep"),
        ("density", 0.5, 0.0, None, "How deep fakes lie among reals"),
        ("coverage", 0.5, None, None, "Share of reals with a fake close by."),
        ("coverage", None, None, None, "There are too few images for it."),
    ],
)
def test_each_figure_is_a_sentence(name: str, value: Any, level: Any, error: Any, said: str) -> None:
    found = {name: value} | ({} if error is None else {f"{name}_error": error})
    assert said in sentence(name, found, {name: level})


def test_a_run_is_known_by_its_folder_or_a_checkpoint_in_it(run: Path, tmp_path: Path) -> None:
    assert run_of(str(run)) == run
    assert run_of(str(run / "checkpoints" / "000000192")) == run
    assert run_of("mnist") is None
