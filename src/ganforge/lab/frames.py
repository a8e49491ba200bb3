"""What goes over the wire to a page: JSON for words, and frames for pictures.

A frame is a little-endian uint32 n, n bytes of JSON, and the arrays that it lists, each at a multiple of four bytes:

    {"arrays": [["fakes", "f4", [256, 2]], ...], ...}

f4 is float32, u1 is uint8. n is padded so that the first array lies well, too; the padding is spaces.
"""

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

__all__ = ["frame", "plain_number", "read_frame", "words"]

KINDS = {np.dtype("float32"): "f4", np.dtype("uint8"): "u1"}


def frame(header: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> bytes:
    """One frame.

    >>> import torch
    >>> header, arrays = read_frame(frame({"round": 3}, {"dots": torch.tensor([[1.0, 2.0]])}))
    >>> header["round"], arrays["dots"].tolist()
    (3, [[1.0, 2.0]])
    """
    blocks = {name: np.ascontiguousarray(tensor.detach().numpy()) for name, tensor in arrays.items()}
    listed = [[name, KINDS[block.dtype], list(block.shape)] for name, block in blocks.items()]
    text = words({**header, "arrays": listed}).encode()
    text += b" " * (-len(text) % 4)
    body = b"".join(data + b"\0" * (-len(data) % 4) for data in (block.tobytes() for block in blocks.values()))
    return struct.pack("<I", len(text)) + text + body


def read_frame(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A frame's header and arrays: what the page does, for tests and for other clients."""
    (size,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + size])
    place, arrays = 4 + size, dict[str, np.ndarray]()
    for name, kind, shape in header["arrays"]:
        dtype = np.dtype({"f4": "<f4", "u1": "u1"}[kind])
        count = math.prod(shape)
        arrays[name] = np.frombuffer(data, dtype, count, place).reshape(shape)
        place += -(-count * dtype.itemsize // 4) * 4
    return header, arrays


def words(record: Mapping[str, Any]) -> str:
    """JSON as browsers read it: numbers that are not finite become null."""
    return json.dumps(plain_number(record), separators=(",", ":"), ensure_ascii=False)


def plain_number(value: Any) -> Any:
    """A nested value without numbers that JSON doesn't have."""
    if isinstance(value, Mapping):
        return {str(k): plain_number(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain_number(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
