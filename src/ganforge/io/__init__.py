"""What a run reads and writes: checkpoints, its folder, pictures, the report.

All writing is whole or not at all; every failure is a `CheckpointError` or a `DataError` that says the remedy.
"""

from ganforge.io.checkpoint import FORMAT, is_checkpoint, load_checkpoint, save_checkpoint
from ganforge.io.folder import RunFolder
from ganforge.io.images import grid, read_metadata, save_png, to_uint8
from ganforge.io.machine import environment
from ganforge.io.report import write_report
from ganforge.io.tensorboard import EventWriter

__all__ = [
    "FORMAT",
    "EventWriter",
    "RunFolder",
    "environment",
    "grid",
    "is_checkpoint",
    "load_checkpoint",
    "read_metadata",
    "save_checkpoint",
    "save_png",
    "to_uint8",
    "write_report",
]
