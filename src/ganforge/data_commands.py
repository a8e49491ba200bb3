"""What `ganforge data` does, once its words are parsed."""

from pathlib import Path

from ganforge import view
from ganforge.data import open_source, pairing
from ganforge.data.survey import survey
from ganforge.errors import RecipeError
from ganforge.io.images import contact_sheet, save_png
from ganforge.io.pack import write_pack
from ganforge.recipe import load_recipe, override, resolve

__all__ = ["data"]


def data(path: str, *, sheet: Path | None, pack: Path | None, settings: list[str], as_json: bool) -> None:
    """Look at every image of a data set once, and say what is there; or write it as a packed one.

    Raises:
        RecipeError: for options of the one with the other.
    """
    pairs = [setting.removeprefix("pairs=") for setting in settings if setting.startswith("pairs=")]
    if pack is None and (how := [setting for setting in settings if not setting.startswith("pairs=")]):
        raise RecipeError(f"--set {how[0]} says how to pack, and nothing is packed: add --pack OUT or leave it out")
    if pack is not None and sheet is not None:
        raise RecipeError(f"--pack {pack} only packs; for the contact sheet {sheet} call ganforge data once more")
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise RecipeError(f"--sheet {sheet} is written as PNG: name it {sheet.with_suffix('.png')}")
    if pack is not None:
        packed(path, pack, settings, as_json=as_json)
        return
    with view.bar(f"looking at {path}", 1.0) as advance:
        found, pictures = survey(path, pairs=pairing(pairs[-1]) if pairs else None, progress=advance)
    if sheet is not None:
        save_png(sheet, contact_sheet(pictures), {"source": path})
    view.surveyed(found, sheet, as_json=as_json)


def packed(path: str, out: Path, settings: list[str], *, as_json: bool) -> None:
    """Decode a data set once and write it as a packed one."""
    keys = [f"data.source={path}", "data.memory=0", "data.cache=0", *(f"data.{setting}" for setting in settings)]
    source = resolve(override(load_recipe(), keys))["data"]()
    with view.bar(f"packing {path}", 1.0) as advance:
        left_out = write_pack(source, out, progress=advance)
    for reason in left_out:
        view.say(f"left out: {reason}")
    made = open_source(source=str(out))
    for words in (made.describe(), *(f"note: {note}" for note in source.notes)):
        view.say(words)
    record = {"describes": made.describe(), "left_out": len(left_out), "notes": list(made.notes)}
    view.paths([out], record, as_json=as_json)
