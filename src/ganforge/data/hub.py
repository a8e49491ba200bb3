"""Data sets of the Hugging Face hub, by name: their Parquet files, downloaded once into the hub's own cache.

`hf:owner/name` takes the repository's own Parquet files, else those that the hub has made of it (the branch
`refs/convert/parquet`). Without a network it is what the cache holds. Where a set has several configurations, each in
a folder, `hf:owner/name/folder` is one of them.
"""

import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ganforge.data.folder import PARTS
from ganforge.errors import DataError

__all__ = ["fetched", "on_hub"]

NAMED = re.compile(r"hf:(?P<name>[\w.-]+/[\w.-]+)(?:/(?P<folder>[\w./ -]+?))?/?")
SUFFIX = ".parquet"
REVISIONS = ("main", "refs/convert/parquet")


def on_hub(source: str) -> bool:
    """Whether this names a data set of the hub.

    >>> on_hub("hf:ylecun/mnist"), on_hub("photos/")
    (True, False)
    """
    return source.startswith("hf:")


def fetched(source: str) -> Path:
    """The folder, in the hub's cache, of a data set's Parquet files; they are downloaded if they aren't there.

    Raises:
        DataError: for a name that is none, without the library, without a network where the cache doesn't hold all of
            it, and for a set without Parquet files or with several configurations.
    """
    if (words := NAMED.fullmatch(source)) is None:
        raise DataError(f"{source!r} names no data set of the hub: write hf:owner/name, or hf:owner/name/folder.")
    name, folder = words["name"], words["folder"]
    library = huggingface_hub()
    try:
        for revision in REVISIONS:
            files = there(library, name, revision)
            if files:
                below = chosen(source, files, folder)
                return Path(downloaded(library, name, revision, below)) / below
    except library.errors.GatedRepoError:
        raise DataError(
            f"{source!r} is given to those only who agree to its terms: do so on its page, then log in (hf auth login)."
        ) from None
    except library.errors.RepositoryNotFoundError:
        raise DataError(
            f"the hub has no data set {name!r}, or none that you may read: check the name, or log in (hf auth login)."
        ) from None
    except DataError:
        raise
    except Exception as error:  # of the network, in whatever library's words
        return held(library, source, name, folder, error)
    raise DataError(
        f"{source!r} has no Parquet files, nor has the hub made any of it: download it, and give the folder's path."
    )


def huggingface_hub() -> Any:
    """The library.

    Raises:
        DataError: where it isn't installed, with the extra that brings it.
    """
    try:
        import huggingface_hub.errors
    except Exception as error:  # whatever a broken installation raises
        raise DataError(f"data sets of the hub need huggingface_hub ({error}): pip install 'ganforge[hub]'") from None
    return huggingface_hub


def there(library: Any, name: str, revision: str) -> list[str]:
    """The Parquet files of a revision; none where there is no such revision."""
    try:
        about = library.HfApi().dataset_info(name, revision=revision)  # one question, not repeated where nobody answers
    except library.errors.RevisionNotFoundError:
        return []
    return [file.rfilename for file in about.siblings or () if file.rfilename.endswith(SUFFIX)]


def chosen(source: str, files: Sequence[str], folder: str | None) -> str:
    """The folder that holds one configuration; "." for all of the repository.

    Raises:
        DataError: where there are several and none is named, or none that is called so.
    """
    homes = sorted({home(PurePosixPath(file)) for file in files})
    if folder is None and len(homes) == 1:
        return homes[0]
    if folder is not None and any(PurePosixPath(file).is_relative_to(folder) for file in files):
        return folder
    several = f"has several configurations, {', '.join(homes)}: name one, as in hf:owner/name/{homes[0]}."
    missing = f"has no Parquet files in a folder of that name: they lie in {', '.join(homes)}."
    raise DataError(f"{source!r} {several if folder is None else missing}")


def home(file: PurePosixPath) -> str:
    """The folder of a file, or the one above where that is a split's."""
    word = file.parent.name.lower().removeprefix("partial-")
    return str(file.parent.parent if word in PARTS else file.parent)


def downloaded(library: Any, name: str, revision: str, below: str, *, local: bool = False) -> str:
    """The snapshot of a revision, in the cache, with all Parquet files below a folder; a bar shows the bytes."""
    pattern = f"*{SUFFIX}" if below == "." else f"{below}/*{SUFFIX}"
    with quiet(library):
        return library.snapshot_download(
            name, repo_type="dataset", revision=revision, allow_patterns=pattern, local_files_only=local
        )


@contextlib.contextmanager
def quiet(library: Any) -> Iterator[None]:
    """Without the library's bars, where nobody watches stderr."""
    if sys.stderr.isatty() or library.utils.are_progress_bars_disabled():
        yield
        return
    library.utils.disable_progress_bars()
    try:
        yield
    finally:
        library.utils.enable_progress_bars()


def held(library: Any, source: str, name: str, folder: str | None, error: Exception) -> Path:
    """What the cache holds of a set, where the hub can't be reached.

    Raises:
        DataError: if it isn't all there.
    """
    for revision in REVISIONS:
        try:
            snapshot = Path(downloaded(library, name, revision, folder or ".", local=True))
        except Exception:  # it isn't there, or is there in part
            continue
        files = [str(file.relative_to(snapshot)) for file in snapshot.rglob(f"*{SUFFIX}")]
        if files:
            return snapshot / chosen(source, files, folder)
    words = " ".join(str(error).split())[:200] or type(error).__name__
    raise DataError(
        f"{source!r} can't be downloaded ({words}), and the hub's cache doesn't hold all of it: try again online."
    )
