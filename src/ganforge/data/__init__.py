"""Where real samples come from: a kind of source a file, and the stream of batches that training drinks."""

from ganforge.data.images import Array, Images, Source
from ganforge.data.source import open_source
from ganforge.data.stream import Stream

__all__ = ["Array", "Images", "Source", "Stream", "open_source"]
