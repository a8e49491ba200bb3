"""The documentation holds: commands parse, code gives what it says, links and figures exist, nothing is left out."""

import ast
import doctest
import importlib
import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest

from ganforge import experiments
from ganforge.experiments.frame import experiment_names, load_experiment

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
EVERYWHERE = [ROOT / "README.md", *PAGES]
OPTIONS = {"--quick", "--full", "--all"}
LATENT = {f"latent-{name}" for name in ("walk.gif", "field.png", "mix.png", "edit.png", "slant.png", "invert.png")}
SOURCES = [path for path in (ROOT / "src").rglob("*.py") if ">>> " in path.read_text()]
LARGE = {"ganforge.networks.biggan", "ganforge.networks.biggan_deep"}  # whose full size tests/networks makes
NAMES = {".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__") for path in SOURCES}
EXAMPLES = sorted(NAMES - LARGE)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FIGURE = re.compile(r"!\[[^\]]+\]\(figures/([^)\s]+)\)")


def prose(page: Path) -> str:
    """A page without its blocks of code and its formulae in blocks."""
    return re.sub(r"\$\$.*?\$\$", "", BLOCK.sub("", page.read_text()), flags=re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Every `ganforge experiment` in a block of shell, with the page's name."""
    blocks = [
        (page.name, body) for page in EVERYWHERE for kind, body in BLOCK.findall(page.read_text()) if kind == "sh"
    ]
    lines = [(name, line.split("#")[0].strip()) for name, body in blocks for line in body.splitlines()]
    return [(name, line) for name, line in lines if line.startswith("ganforge experiment")]


def plots(name: str) -> set[str]:
    """The pictures of an experiment, read from what its `plots` returns."""
    tree = ast.parse((Path(experiments.__path__[0]) / f"{name.replace('-', '_')}.py").read_text())
    (function,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "plots")
    returned = [n.value for n in ast.walk(function) if isinstance(n, ast.Return)]
    keys = [k for value in returned if isinstance(value, ast.Dict) for k in value.keys]
    return {f"{name}-{k.value}.png" for k in keys if isinstance(k, ast.Constant)}


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    text = BLOCK.sub("", page.read_text())
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def words_of_look(name: str) -> list[str]:
    """The settings that an experiment's own text says to try."""
    quoted = re.findall(r"`([^`]+)`", load_experiment(name).module.LOOK)
    return [text for text in (" ".join(q.split()) for q in quoted) if re.match(r"\w+=", text)]


@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_has_a_page_with_all_its_figures_and_its_command(name: str) -> None:
    page = DOCS / f"{name}.md"
    text = page.read_text()
    assert plots(name), f"{name} plots nothing"
    assert set(FIGURE.findall(text)) == plots(name)
    assert f"\nganforge experiment {name}\n" in text
    assert f"({name}.md)" in (DOCS / "README.md").read_text()


def test_the_contents_name_every_page() -> None:
    assert {page.name for page in PAGES} - {"README.md"} <= set(LINK.findall((DOCS / "README.md").read_text()))


def test_figures_are_those_of_the_experiments_and_of_the_scripts() -> None:
    known = {"augmentation.png", *LATENT}.union(*map(plots, experiment_names()))
    found = {path.name: path.stat().st_size for path in (DOCS / "figures").glob("*.*")}
    assert set(found) == known, "make docs writes them"
    assert max(found.values()) < 150_000


def test_pictures_of_pages_stand_in_a_page_and_are_small() -> None:
    shown = "".join(page.read_text() for page in [*PAGES, DOCS.parent / "README.md"])
    for path in (DOCS / "figures").glob("*/*"):
        assert f"figures/{path.parent.name}/{path.name}" in shown, path
        assert path.stat().st_size < 200_000


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_parse(page: str, line: str) -> None:
    words = shlex.split(line)[2:]
    options = {w for w in words if w.startswith("--")}
    assert options <= OPTIONS, page
    rest = [w for w in words if w not in options]
    if rest:
        load_experiment(rest[0]).settings(rest[1:], quick="--quick" in options, full="--full" in options)


@pytest.mark.parametrize("name", experiment_names())
def test_what_an_experiment_says_to_try_parses(name: str) -> None:
    assert words_of_look(name)
    for text in words_of_look(name):
        load_experiment(name).settings(shlex.split(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if re.match(r"https?://", link):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_docstrings_give_what_they_say(name: str) -> None:
    module, said = importlib.import_module(name), list[str]()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    tests = [test for test in doctest.DocTestFinder().find(module, name) if test.examples]
    assert tests
    for test in tests:
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("page", [p for p in PAGES if ">>> " in p.read_text()], ids=lambda p: p.name)
def test_code_gives_what_the_page_says(page: Path) -> None:
    text = "\n".join(body for kind, body in BLOCK.findall(page.read_text()) if kind == "python")
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    said: list[str] = []
    runner = doctest.DocTestRunner()
    assert test.examples
    assert runner.run(test, out=said.append).failed == 0, "".join(said)
