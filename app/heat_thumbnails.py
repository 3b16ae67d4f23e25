"""Small pictures of where a round is unsure, clear where it is sure, to lie over a thumbnail."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image

from storage.errors import NotFound
from storage.small_files import kept_or_made
from storage.workspace import Workspace

SIDE = 320
"""Long side in pixels at most; stored maps are about as small already."""
HEAT_STOPS = (
    (0.0, 60, 20, 110, 0),
    (0.25, 110, 30, 140, 90),
    (0.5, 200, 50, 100, 190),
    (0.75, 250, 120, 40, 225),
    (1.0, 255, 240, 110, 245),
)
"""Uncertainty, red, green, blue and opacity; the canvas has the same in ``palette.js``."""


def heat_thumbnail(workspace: Workspace, blob: str) -> bytes:
    """Return the PNG of an uncertainty map in the canvas's heat colours, from the cache when it is there.

    Args:
        workspace: The workspace.
        blob: Key of the grey PNG that a prediction has as ``uncertainty_blob``.

    Raises:
        NotFound: there is no such blob, or it is no picture.
    """
    kept = workspace.path / "thumbnails" / f"{blob}-heat-{SIDE}.png"
    return kept_or_made(kept, lambda: _made(workspace.blobs.get(blob)))


def _made(data: bytes) -> bytes:
    if not data.startswith(b"\x89PNG"):
        raise NotFound("There is no such uncertainty map. Reload the page.")
    with Image.open(io.BytesIO(data)) as stored:
        small = stored.convert("L")
    small.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    # With a palette the file holds one byte a pixel, and the heat is a table of 256 colours anyway.
    small = small.convert("P")
    table = _table()
    small.putpalette(table[:, :3].tobytes())
    buffer = io.BytesIO()
    small.save(buffer, "PNG", transparency=table[:, 3].tobytes())
    return buffer.getvalue()


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    """Return (256, 4) uint8: red, green, blue and opacity of each uncertainty."""
    stops = np.array(HEAT_STOPS)
    shares = np.arange(256) / 255
    columns = [np.interp(shares, stops[:, 0], stops[:, column]) for column in range(1, 5)]
    return np.stack(columns, axis=1).round().astype(np.uint8)
