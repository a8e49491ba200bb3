"""Who is judged against what: a generator or images that lie there, and the real data beside them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ganforge.crowd import Album, Maker
from ganforge.data import TOYS, Source, is_named, open_source
from ganforge.data.fit import IDLE, Fit
from ganforge.data.packed import is_pack
from ganforge.data.source import identity, opened
from ganforge.data.table import is_table
from ganforge.errors import RecipeError
from ganforge.io.checkpoint import is_meant
from ganforge.io.disk import place
from ganforge.recipe import Recipe, load_recipe, override, resolve, sourced
from ganforge.run import recipe_of
from ganforge.sample import load
from ganforge.sections import SECTIONS

__all__ = ["Judged", "judged_pair"]


class Judged(NamedTuple):
    """Two sides of a judgement.

    Attributes:
        maker: what is judged.
        source: the real data.
        extractor: the one that a run chose; None where none did.
        own: it learnt from these real data.
        notes: what is to be said of either side, a sentence each.
    """

    maker: Maker
    source: Source
    extractor: str | None = None
    own: bool = False
    notes: tuple[str, ...] = ()


def judged_pair(what: str, against: str | None, device: str, *, size: int | None = None) -> Judged:
    """What is judged, and the real data: of a run, its own unless others are given.

    Args:
        size: the height and width that images are judged at; by default those of the real ones.

    Raises:
        RecipeError: for images without any to compare them with, a folder of checkpoints, or another size of a run's.
    """
    if against is not None and not is_named(what) and not place(Path(what)).exists():
        raise RecipeError(f"there is nothing at {what!r}: give a run, a checkpoint, or images")
    if not is_named(what) and not is_data(Path(what)):
        if size is not None:
            raise RecipeError(f"--size {size} is for images, and {what!r} makes its own: leave it out")
        return generator(what, against, device)
    if (Path(what).parent / "recipe.toml").is_file() and Path(what).name == "checkpoints":
        raise RecipeError(
            f"{what!r} holds checkpoints; give one of them, or the run: ganforge evaluate {Path(what).parent} --every "
            "judges all"
        )
    if against is None:
        raise RecipeError(f"{what!r} holds images; say what they are judged against: ganforge evaluate {what} REAL")
    source = real(against, size)
    kinds = ["points" if is_points(what) else "images", source.unit]
    if kinds[0] != kinds[1]:
        raise RecipeError(f"{what!r} holds {kinds[0]}, and {against!r} {kinds[1]}: give two of a kind")
    images = open_source(source=what, **shape_of(source, what))
    if images.shape != source.shape:
        dims = [str(one.shape[0]) for one in (images, source)]
        raise RecipeError(
            f"{what!r} holds points in {dims[0]} dimensions, and {against!r} in {dims[1]}: give two alike"
        )
    notes = [f"{side}: {note}" for side, one in ((what, images), (against, source)) for note in said_of(one)]
    return Judged(Album(images), source, notes=(*notes, *shaped(what, against, source)))


def generator(what: str, against: str | None, device: str) -> Judged:
    """A run or a checkpoint, and the real data."""
    sampler, recipe = load(what, device=device), recipe_of(Path(what))
    other = against is not None and is_run(against)
    real_recipe = recipe_of(Path(str(against))) if other else sourced(recipe, against)
    source = resolve(real_recipe)["data"]()
    own = origin(real_recipe) == origin(recipe)
    extractor = resolve(recipe)["judge"].values["extractor"]
    notes = () if own else tuple(f"{against}: {note}" for note in source.notes)
    return Judged(sampler, source, extractor, own, notes)


def origin(recipe: Recipe) -> str:
    """Where a recipe's real data lie."""
    return identity(str(recipe.sections.get("data", {}).get("source", SECTIONS["data"].default)))


def real(against: str, size: int | None = None) -> Source:
    """The real images, as large as they are; those that a run learnt from, as they were brought to its shape."""
    if is_run(against):
        if size is not None:
            raise RecipeError(f"--size {size} is for images, and {against!r} has its own: leave it out")
        return resolve(recipe_of(Path(against)))["data"]()
    if against in TOYS:
        return resolve(override(load_recipe(), [f"data.source={against}"]))["data"]()
    return opened(against, Fit(size, own=True))


def is_points(source: str) -> bool:
    """Whether a name or a path is that of points."""
    return source in TOYS or (not is_named(source) and is_table(Path(source)))


def said_of(source: Source) -> Iterator[str]:
    """The notes of a source, but for those on settings of the other side's that do nothing here."""
    return (note for note in source.notes if IDLE not in note)


def shape_of(source: Source, what: str) -> dict[str, Any]:
    """The size and the channels of real images, and how they came to it, for those beside them; a pack has its own."""
    if len(source.shape) != 3:
        return {}
    fit = {} if source.fit is None or is_pack(Path(what)) else {"fit": source.fit.policy, "filter": source.fit.filter}
    return {"channels": source.shape[0], "size": source.shape[1], **fit}


def shaped(what: str, against: str, source: Source) -> Iterator[str]:
    """What is to be said of the shape in which images are judged."""
    if source.unit == "images":
        by = f", data.fit = {source.fit.policy}" if source.fit and source.fit.policy != Fit.policy else ""
        shape = "×".join(map(str, source.shape))
        yield f"{what} was judged at the size and in the channels of {against}: {shape}{by}"


def is_data(path: Path) -> bool:
    """Whether a path is there and neither a run nor a checkpoint."""
    return path.exists() and not is_meant(path) and not (path / "recipe.toml").exists()


def is_run(word: str | None) -> bool:
    """Whether a word is the path of a run or a checkpoint that is there."""
    return word is not None and not is_named(word) and Path(word).exists() and not is_data(Path(word))
