"""Where real images come from: a name or a path, recognised by looking at it."""

import dataclasses
import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ganforge.data import folder, hub, parquet, shards
from ganforge.data.array import is_array, open_array
from ganforge.data.cache import cached, find
from ganforge.data.cifar import is_cifar, open_cifar
from ganforge.data.files import Listing
from ganforge.data.fit import FILTERS, Filter, Fit, Policy
from ganforge.data.idx import is_idx, open_idx, open_mnist, open_stacked_mnist
from ganforge.data.images import Source
from ganforge.data.members import is_archive, members
from ganforge.data.packed import is_pack, open_pack
from ganforge.data.pairs import Domain, Paired, Pairing, Unpaired
from ganforge.data.points import TOYS
from ganforge.data.split import Split
from ganforge.data.table import is_table, open_table
from ganforge.errors import DataError

__all__ = ["NAMED", "identity", "is_named", "listed", "open_source", "opened", "place_of"]

NAMED = {"mnist": open_mnist, "stacked_mnist": open_stacked_mnist}
"""Data sets that come with the package: name -> function of a `Fit` and held_out."""

LEAD = "of two domains"  # how what is said of them begins

FORMATS: tuple[tuple[Callable[[Path], bool], Callable[..., Source]], ...] = (
    (is_array, open_array),
    (is_table, open_table),
    (is_pack, open_pack),
    (is_idx, open_idx),
    (is_cifar, open_cifar),
)
"""What is no set of image files: whether a path is it, and what opens it."""

CHOICES = (
    f"{', '.join(map(repr, NAMED))}, a folder or a zip or tar archive of images, Parquet or IDX files, "
    "WebDataset shards, CIFAR's own files, a .npy/.npz array, a packed set, a .csv of points, or hf:owner/name"
)


def is_named(source: str) -> bool:
    """Whether this is a name and no path: of a set in the package, or of one on the hub."""
    return source in NAMED or hub.on_hub(source)


def identity(source: str) -> str:
    """What a source is, however its path was written: its name, or where it lies."""
    return source if is_named(source) or source in TOYS else str(Path(source).expanduser().resolve())


def place_of(source: str) -> Path:
    """Where a source lies; one of the Hugging Face hub is downloaded first, if the hub's cache hasn't got it."""
    return hub.fetched(source) if hub.on_hub(source) else Path(source).expanduser()


def open_source(
    *,
    source: Annotated[str, Field(description=f"{CHOICES}")] = "mnist",
    size: Annotated[
        int | None, Field(description="height and width to train at; by default chosen by looking", ge=4)
    ] = None,
    channels: Annotated[
        int | None,
        Field(
            description="1 for grey, 3 for colour, 2 or 4 with alpha; default 1 or 3 by looking, arrays' own up to 8",
            ge=1,
            le=8,
        ),
    ] = None,
    fit: Annotated[
        Policy, Field(description="to a square: crop, the centre; stretch, the aspect is lost; pad, with black bars")
    ] = "crop",
    filter: Annotated[
        Filter,
        Field(description="of resizing, Pillow's: " + ", ".join(FILTERS[1:]) + "; auto: lanczos, of arrays bicubic"),
    ] = "auto",
    held_out: Annotated[
        int | None,
        Field(description="images kept out of training to choose checkpoints; default a tenth to a sixth", ge=0),
    ] = None,
    memory: Annotated[
        float, Field(description="GiB that decoded images may take; above it files are decoded again each epoch", ge=0)
    ] = 4.0,
    cache: Annotated[
        float, Field(description="GiB of disk that packed copies of large sets may take together; 0: none", ge=0)
    ] = 10.0,
    pairs: Annotated[
        Pairing | None,
        Field(
            description="side_by_side: each image is two; paired, unpaired: folders A and B are; none: no pairs; by "
            "default folders A and B by looking"
        ),
    ] = None,
    domain: Annotated[
        Domain, Field(description="of pairs and unpaired sets, which side is learnt: A is left, or the folder A")
    ] = "A",
) -> Source:
    """A data set, opened and split; the arguments are a recipe's [data].

    "mnist" lies in the package and never touches the network. A path is recognised by looking: image files in a
    folder or an archive (zip, tar) and below it, many such archives (in a folder, or as name-{000..009}.tar), IDX
    files (in a folder, or one), CIFAR's own, a NumPy array. Labels come from a `dataset.json`, from files beside the
    images in an archive (.cls, or .json: WebDataset), else from the folders. Images are made square by `fit` and
    resized by `filter`; 2,000 files or more are packed once into the user's cache, fewer are held in memory. A table
    (.csv, .tsv) holds points. hf:owner/name is a data set of the Hugging Face hub.

    Raises DataError, one sentence, for a path that is missing or holds no images, and for broken files.

    >>> open_source().describe()
    'mnist: 50,000 training images of 1×28×28, 10,000 held out, 10,000 for testing, 10 classes'
    """
    how = Fit(size, channels, policy=fit, filter=filter)
    return opened(source, how, held_out=held_out, memory=memory, cache=cache, pairs=pairs, domain=domain)


def opened(
    source: str,
    fit: Fit,
    *,
    held_out: int | None = None,
    memory: float = 4.0,
    cache: float = 10.0,
    pairs: Pairing | None = None,
    domain: Domain = "A",
) -> Source:
    """As `open_source`, from a `Fit`."""
    found = _opened(source, fit, held_out=held_out, pairs=pairs, memory=memory, cache=cache)
    found = found if found.fit else dataclasses.replace(found, fit=fit)
    return facing(dataclasses.replace(found, name=source) if hub.on_hub(source) else found, pairs, domain)


def _opened(
    source: str, fit: Fit, *, held_out: int | None, pairs: Pairing | None, memory: float, cache: float
) -> Source:
    """The source, by its name or by looking at its path."""
    if source in NAMED:
        return NAMED[source](fit, held_out=held_out)
    path = place_of(source)
    try:
        if (opener := format_of(path)) is not None:
            return opener(path, fit, held_out=held_out)
        if cache and (copy := find(path, fit, held_out=held_out, pairs=pairs)) is not None:
            return copy
        if (found := listed(path, memory=memory, pairs=pairs)) is not None:
            return cached(path, found, fit, held_out=held_out, pairs=pairs, memory=memory, cache=cache)
    except PermissionError as error:
        raise DataError(f"no permission to read '{error.filename}': change its mode or choose another path.") from None
    raise _unusable(source, path)


def format_of(path: Path) -> Callable[..., Source] | None:
    """What opens a path that is there and no set of image files."""
    return next((opener for fits, opener in FORMATS if fits(path)), None) if path.exists() else None


def facing(source: Source, pairs: Pairing | None, domain: Domain) -> Source:
    """A source of two domains, seen from one of them; and what is to be said of that.

    Raises:
        DataError: for a source of one domain, where two were asked for.
    """
    if not isinstance(source.train, Paired | Unpaired):
        key, value = ("pairs", pairs) if pairs not in (None, "none") else ("domain", domain)
        if value not in ("A", None):
            raise DataError(f"{key} = {value} is said of two domains, and {source.name!r} has one: leave it out.")
        return source
    other = "B" if domain == "A" else "A"
    said = f"{LEAD} {domain} is learnt; a game without a condition never sees {other} (data.domain={other} turns them)"
    return dataclasses.replace(
        source,
        train=turned(source.train, domain),
        held_out=source.held_out and turned(source.held_out, domain),
        test=source.test and turned(source.test, domain),
        notes=(*(note for note in source.notes if not note.startswith(LEAD)), said),
    )


def turned(split: Split, domain: Domain) -> Split:
    """A split of two domains, seen from one of them; any other as it is."""
    return dataclasses.replace(split, domain=domain) if isinstance(split, Paired | Unpaired) else split


def listed(path: Path, *, memory: float, pairs: Pairing | None = None) -> Listing | None:
    """The image files of a path, by split, labelled; None where it is no set of image files.

    Raises:
        DataError: if it should be one and can't be read.
    """
    if format_of(path) is not None:
        return None
    if path.exists() and parquet.is_parquet(path):
        return parquet.listing(path, memory=memory)
    archives = shards.shards(path) or ([path] if path.is_dir() or is_archive(path) else [])
    there = [member for archive in archives for member in members(archive)]
    if not archives:
        return None
    return shards.listing(path, there) if shards.is_web(there) else folder.listing(path, there, pairs)


def _unusable(source: str, path: Path) -> DataError:
    if not path.exists():
        near = difflib.get_close_matches(source, [*NAMED, *TOYS], n=1)
        hint = f"did you mean {near[0]!r}? Else give" if near else "give"
        return DataError(f"there is no data at {source!r}: {hint} {CHOICES}, or points from {', '.join(TOYS)}.")
    if path.suffix.lower() in folder.SUFFIXES:
        return DataError(f"{source!r} is a single image: give the folder that it lies in.")
    return DataError(f"the format of {source!r} is unknown: give {CHOICES}.")
