"""One head and one set of colours for all pages."""

import re
from pathlib import Path

import pytest

import ganforge.experiments.frame.page
from ganforge.io import page

FOLDERS = {
    "report.html": page.HERE,
    "scorecard.html": page.HERE,
    "page.html": Path(ganforge.experiments.frame.page.__file__).parent,
}


@pytest.mark.parametrize(("name", "folder"), FOLDERS.items())
def test_every_page_has_the_common_head_and_look(name: str, folder: Path) -> None:
    text = page.template(name, folder)
    assert text.startswith("<!DOCTYPE html>")
    assert not re.findall("__(HEAD|LOOK|STYLE)__", text)
    assert text.count("--ink:") == 2  # light and dark, said once
    assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= set(re.findall(r"(--[\w-]+):", text))
