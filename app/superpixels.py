"""Superpixels of images, made once by SLIC and kept as files in the workspace.

The body is ``[u32 LE width][u32 LE height][u16 LE ids, row by row]``, compressed by gzip. The ids are
0…n−1, each used, and each superpixel is one 4-connected piece. The grid is smaller than a large image:
pixel (x, y) lies in the cell (⌊x·width/image width⌋, ⌊y·height/image height⌋).
``app/canvas/frontend/superpixel_map.js`` reads it.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import struct
import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from storage.errors import InvalidInput
from storage.small_files import kept, kept_or_made
from storage.workspace import Workspace

SEGMENTS = (200, 600, 2000)
"""Superpixels an image is cut into, about; a fixed few, so that nobody can fill the disk with sizes."""
MOST_CELLS = 1_000_000
"""Larger images are cut on a smaller grid, so that an answer takes about a second."""

_COMPACTNESS = 15.0
_SIGMA = 1.0


def superpixels(workspace: Workspace, blob: str, segments: int, read: Callable[[], bytes]) -> bytes:
    """Return the compressed superpixels of an image, from the cache when they are there.

    A second request for the same image waits for the first instead of computing beside it.

    Args:
        workspace: The workspace.
        blob: The image's.
        segments: One of ``SEGMENTS``.
        read: Returns the stored picture, or the overview of a large one, of which they are made.

    Raises:
        InvalidInput: a number of segments that is not on offer.
    """
    if segments not in SEGMENTS:
        raise InvalidInput(f"Superpixels come about {', '.join(map(str, SEGMENTS))} to an image.")
    path = workspace.path / "superpixels" / f"{blob}-{segments}.gz"
    content = kept(path)
    if content is not None:
        return content
    with _turn_of(blob):
        return kept_or_made(path, lambda: _made(read(), segments))


def _made(data: bytes, segments: int) -> bytes:
    ids = segment(_reduced(data), segments)
    return gzip.compress(encode(ids), compresslevel=6, mtime=0)


def segment(pixels: NDArray[np.uint8], segments: int) -> NDArray[np.uint16]:
    """Cut an image, (height, width, 3), into about ``segments`` superpixels; return their ids, 0…n−1."""
    # Loading scikit-image takes a second, which the start of the server must not.
    from skimage.segmentation import slic

    # The square root brings out the edges of dark places, where much of a street or a slide is.
    bright = np.sqrt(pixels.astype(np.float32) / 255)
    ids = slic(bright, segments, compactness=_COMPACTNESS, sigma=_SIGMA, start_label=0)
    _, dense = np.unique(ids, return_inverse=True)
    return dense.reshape(ids.shape).astype(np.uint16)


def encode(ids: NDArray[np.uint16]) -> bytes:
    """Return the body for ids of shape (height, width), not compressed."""
    height, width = ids.shape
    return struct.pack("<II", width, height) + ids.astype("<u2").tobytes()


def _reduced(data: bytes) -> NDArray[np.uint8]:
    """Return the pixels of a stored picture, (height, width, 3), with at most MOST_CELLS of them."""
    with Image.open(io.BytesIO(data)) as picture:
        shrink = min(1.0, math.sqrt(MOST_CELLS / (picture.width * picture.height)))
        size = max(1, int(picture.width * shrink)), max(1, int(picture.height * shrink))
        # A JPEG can be decoded at half or a quarter of its size in a fraction of the time.
        picture.draft("RGB", size)
        return np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BOX))


_turns: dict[str, tuple[threading.Lock, int]] = {}
_turns_lock = threading.Lock()


@contextlib.contextmanager
def _turn_of(blob: str) -> Iterator[None]:
    """Let one thread at a time into the block for the same image; locks nobody waits for are dropped."""
    with _turns_lock:
        lock, users = _turns.get(blob, (threading.Lock(), 0))
        _turns[blob] = lock, users + 1
    try:
        with lock:
            yield
    finally:
        with _turns_lock:
            users = _turns[blob][1] - 1
            if users:
                _turns[blob] = lock, users
            else:
                del _turns[blob]
