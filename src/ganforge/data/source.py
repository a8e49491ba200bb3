"""Where real images come from: a name or a path, recognised by looking at it."""

import difflib
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ganforge.data import folder, parquet, shards
from ganforge.data.array import is_array, open_array
from ganforge.data.cifar import is_cifar, open_cifar
from ganforge.data.files import Listing, decoded
from ganforge.data.idx import is_idx, open_idx, open_mnist, open_stacked_mnist
from ganforge.data.images import Source
from ganforge.data.members import is_archive, members
from ganforge.data.packed import is_pack, open_pack
from ganforge.data.points import TOYS
from ganforge.data.table import is_table, open_table
from ganforge.errors import DataError

__all__ = ["NAMED", "listed", "open_source"]

NAMED = {"mnist": open_mnist, "stacked_mnist": open_stacked_mnist}
"""Data sets that come with the package: name -> function of size, channels, held_out."""

CHOICES = (
    f"{', '.join(map(repr, NAMED))}, a folder or a zip or tar archive of images, Parquet or IDX files, "
    "WebDataset shards, CIFAR's own files, a .npy/.npz array, a packed set, or a .csv of points"
)


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
    held_out: Annotated[
        int | None,
        Field(description="images kept out of training to choose checkpoints; default a tenth to a sixth", ge=0),
    ] = None,
    memory: Annotated[
        float, Field(description="GiB that decoded images may take; above it files are decoded again each epoch", ge=0)
    ] = 4.0,
) -> Source:
    """A data set, opened and split; the arguments are a recipe's [data].

    "mnist" lies in the package and never touches the network. A path is recognised by looking: image files in a
    folder or an archive (zip, tar) and below it, many such archives (in a folder, or as name-{000..009}.tar), IDX
    files (in a folder, or one), CIFAR's own, a NumPy array. Labels come from a `dataset.json`, from files beside the
    images in an archive (.cls, or .json: WebDataset), else from the folders. Images are cropped to their central square
    and resized with antialiasing; in memory as uint8 if they fit. A table (.csv, .tsv) holds points.

    Raises DataError, one sentence, for a path that is missing or holds no images, and for broken files.

    >>> open_source().describe()
    'mnist: 50,000 training images of 1×28×28, 10,000 held out, 10,000 for testing, 10 classes'
    """
    fit = {"size": size, "channels": channels, "held_out": held_out}
    if source in NAMED:
        return NAMED[source](**fit)
    path = Path(source).expanduser()
    try:
        if is_array(path):
            return open_array(path, **fit)
        if is_table(path):
            return open_table(path, **fit)
        if is_pack(path):
            return open_pack(path, **fit)
        if path.exists() and is_idx(path):
            return open_idx(path, **fit)
        if path.exists() and is_cifar(path):
            return open_cifar(path, **fit)
        if (found := listed(path, memory=memory)) is not None:
            return decoded(str(path), found, memory=memory, **fit)
    except PermissionError as error:
        raise DataError(f"no permission to read '{error.filename}': change its mode or choose another path.") from None
    raise _unusable(source, path)


def listed(path: Path, *, memory: float) -> Listing | None:
    """The image files of a path, by split, labelled; None where it is no set of image files.

    Raises:
        DataError: if it should be one and can't be read.
    """
    if is_array(path) or is_table(path) or is_pack(path):
        return None
    if path.exists() and (is_idx(path) or is_cifar(path)):
        return None
    if path.exists() and parquet.is_parquet(path):
        return parquet.listing(path, memory=memory)
    archives = shards.shards(path) or ([path] if path.is_dir() or is_archive(path) else [])
    there = [member for archive in archives for member in members(archive)]
    if not archives:
        return None
    return shards.listing(path, there) if shards.is_web(there) else folder.listing(path, there)


def _unusable(source: str, path: Path) -> DataError:
    if not path.exists():
        near = difflib.get_close_matches(source, [*NAMED, *TOYS], n=1)
        hint = f"did you mean {near[0]!r}? Else give" if near else "give"
        return DataError(f"there is no data at {source!r}: {hint} {CHOICES}, or points from {', '.join(TOYS)}.")
    if path.suffix.lower() in folder.SUFFIXES:
        return DataError(f"{source!r} is a single image: give the folder that it lies in.")
    return DataError(f"the format of {source!r} is unknown: give {CHOICES}.")
