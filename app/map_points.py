"""The points of the embedding map as the browser gets them, thinned where there are too many to draw."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from storage.embeddings import MapPoints
from storage.schema import SPLITS

MOST_POINTS = 50_000
"""A laptop's browser draws and lassoes so many without a wait."""
_FIRST_OF_QUEUE = 10_000


def map_points_json(points: MapPoints, most: int = MOST_POINTS) -> dict[str, Any]:
    """Return the points as base64 of little-endian arrays, in the order of the queue.

    ``ids`` is int32, ``x``, ``y``, ``score`` and ``place`` are float32 (NaN where there is none, as with
    audit images), ``split`` uint8, a place in ``splits``. ``count`` is how many images there are.
    """
    kept = thinned(points, most)
    place = points.place[kept].astype("<f4")
    kept = kept[np.argsort(np.where(np.isnan(place), np.inf, place), kind="stable")]
    return {
        "round": points.round_number,
        "count": len(points.image_ids),
        "shown": len(kept),
        "splits": list(SPLITS),
        "ids": _base64(points.image_ids[kept], "<i4"),
        "x": _base64(points.x[kept], "<f4"),
        "y": _base64(points.y[kept], "<f4"),
        "score": _base64(points.score[kept], "<f4"),
        "place": _base64(points.place[kept], "<f4"),
        "split": _base64(np.argmax(points.split[kept, None] == np.array(SPLITS), axis=1), "u1"),
    }


def thinned(points: MapPoints, most: int) -> np.ndarray:
    """Return which points are drawn, ascending: train and audit, the queue's first, others at random.

    The draw is the same each time, so that the map does not flicker while one labels.
    """
    count = len(points.image_ids)
    if count <= most:
        return np.arange(count)
    taken = np.isin(points.split, ("train", "audit"))
    first = np.nan_to_num(points.place, nan=np.inf) <= _FIRST_OF_QUEUE
    after = np.where(taken, 0, np.where(first, 1, 2))
    chance = np.random.default_rng(0).random(count)
    return np.sort(np.lexsort((chance, after))[:most])


def _base64(values: np.ndarray, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode("ascii")
