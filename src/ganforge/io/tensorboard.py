"""A run's records as TensorBoard events, where TensorBoard is installed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

__all__ = ["EventWriter"]


@final
class EventWriter:
    """Writes a record's numbers as scalars over images seen; without TensorBoard, calling it does nothing.

    Args:
        path: the run's folder; the events' files stand directly in it.
        images: images seen when a run is resumed; TensorBoard hides what was written beyond.

    >>> import tempfile
    >>> write = EventWriter(Path(tempfile.mkdtemp()))
    >>> write({"images": 64, "d_real": 0.5, "figures": {"recall": 0.4}})  # tags: d_real, figures/recall
    """

    def __init__(self, path: Path, images: int | None = None) -> None:
        self.writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(path), purge_step=images)
        except Exception:  # a broken installation raises more than ImportError, and no run should end for it
            return

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Writes one record; its "images" is the axis."""
        if self.writer is None:
            return
        for tag, value in _scalars(record):
            self.writer.add_scalar(tag, value, int(record["images"]))
        self.writer.flush()


def _scalars(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Tags and numbers, those of records in records with the way to them."""
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and key != "images":
            yield f"{prefix}{key}", float(value)
