"""A progress bar on stderr, where something takes long and somebody is watching."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["bar"]

PATIENCE = 1.0  # seconds before it appears


@contextlib.contextmanager
def bar(words: str, total: float) -> Iterator[Callable[[float], None]]:
    """Gives a function that is told of each step.

    >>> with bar("counting", 2.0) as advance:
    ...     advance(1.0)
    """
    from rich.console import Console
    from rich.progress import Progress

    start = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as shown:
        task = shown.add_task(words, total=total, visible=False)
        yield lambda step: shown.update(task, advance=step, visible=time.monotonic() - start > PATIENCE)
