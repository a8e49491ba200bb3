"""Where real samples come from: a kind of source a file, and the stream of batches that training drinks."""

from ganforge.data.endless import Endless, Points, PointStream, endless
from ganforge.data.images import Array, Source
from ganforge.data.mixture import Mixture
from ganforge.data.pairs import pairing
from ganforge.data.points import TOYS
from ganforge.data.source import NAMED, is_named, open_source
from ganforge.data.split import Split, Stream
from ganforge.data.stream import ImageStream

__all__ = [
    "NAMED",
    "TOYS",
    "Array",
    "Endless",
    "ImageStream",
    "Mixture",
    "PointStream",
    "Points",
    "Source",
    "Split",
    "Stream",
    "endless",
    "is_named",
    "open_source",
    "pairing",
]
