"""Who is judged against what: a generator or images that lie there, and the real data beside them."""

from pathlib import Path
from typing import Any

from ganforge.crowd import Album, Maker
from ganforge.data import Source, is_named, open_source
from ganforge.data.packed import is_pack
from ganforge.errors import RecipeError
from ganforge.io.checkpoint import is_checkpoint
from ganforge.recipe import load_recipe, override, resolve, sourced
from ganforge.run import recipe_of
from ganforge.sample import load

__all__ = ["judged_pair"]


def judged_pair(what: str, against: str | None, device: str) -> tuple[Maker, Source, str | None]:
    """What is judged, the real data (of a run, its own unless others are given), and the extractor that a run chose.

    Raises:
        RecipeError: for images without any to compare them with.
    """
    if not is_named(what) and not is_data(Path(what)):
        sampler, recipe = load(what, device=device), recipe_of(Path(what))
        parts = resolve(recipe if is_run(against) else sourced(recipe, against))
        source = real(against) if against is not None and is_run(against) else parts["data"]()
        return sampler, source, parts["judge"].values["extractor"]
    if against is None:
        raise RecipeError(f"{what!r} holds images; say what they are judged against: ganforge evaluate {what} REAL")
    source = real(against)
    return Album(open_source(source=what, **shape_of(source, what))), source, None


def real(against: str) -> Source:
    """The real images; those that a run learnt from, as they were brought to its shape."""
    if is_run(against):
        return resolve(recipe_of(Path(against)))["data"]()
    return resolve(override(load_recipe(), [f"data.source={against}"]))["data"]()


def shape_of(source: Source, what: str) -> dict[str, Any]:
    """The size and the channels of real images, and how they came to it, for those beside them; a pack has its own."""
    if len(source.shape) != 3:
        return {}
    fit = {} if source.fit is None or is_pack(Path(what)) else {"fit": source.fit.policy, "filter": source.fit.filter}
    return {"channels": source.shape[0], "size": source.shape[1], **fit}


def is_data(path: Path) -> bool:
    """Whether a path is there and neither a run nor a checkpoint."""
    return path.exists() and not is_checkpoint(path) and not (path / "recipe.toml").exists()


def is_run(word: str | None) -> bool:
    """Whether a word is the path of a run or a checkpoint that is there."""
    return word is not None and not is_named(word) and Path(word).exists() and not is_data(Path(word))
