"""PNG files written in one quick pass: the filter and the strategy are chosen beforehand, not tried out."""

from __future__ import annotations

import struct
import zlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BAND_BYTES = 1 << 20
_NO_FILTER, _UP = 0, 2


def encode_png(pixels: NDArray[np.uint8], content: Literal["regions", "picture"]) -> bytes:
    """Return the PNG of a ``uint8`` array, (H, W) grey or (H, W, 3) RGB; equal arrays give equal bytes.

    ``regions`` is for maps of few values, stored as run lengths; ``picture`` for photographs, whose
    differences from the row above are Huffman coded without a search for repetitions. Both decode to
    exactly the same pixels; the wrong one only costs bytes.
    """
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    strategy = zlib.Z_RLE if content == "regions" else zlib.Z_HUFFMAN_ONLY
    deflate = zlib.compressobj(1, zlib.DEFLATED, 15, 9, strategy)
    step = max(1, _BAND_BYTES // max(1, rows.shape[1]))
    parts = []
    lines = np.empty((min(step, height), rows.shape[1] + 1), np.uint8)
    for top in range(0, height, step):
        band = rows[top : top + step]
        filtered = lines[: len(band)]
        if content == "regions":
            filtered[:, 0] = _NO_FILTER
            filtered[:, 1:] = band
        else:
            filtered[:, 0] = _UP
            np.subtract(band[0], rows[top - 1] if top else np.uint8(0), out=filtered[0, 1:])
            np.subtract(band[1:], band[:-1], out=filtered[1:, 1:])
        parts.append(deflate.compress(filtered.data))
    parts.append(deflate.flush())
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b"".join(parts)), (b"IEND", b""))
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
        for kind, body in chunks
    )
