"""From values of any depth to 0…255: window, level and gamma, and the figures to choose them by."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (0.5, 1.0, 25.0, 50.0, 75.0, 99.0, 99.5)
"""The outermost two are the window that is shown first."""
HISTOGRAM_BINS = 256

_SAMPLED = 4_000_000
"""Values that percentiles of more than 16 bits are taken from, evenly; those of fewer bits count whole."""
_BAND_VALUES = 1 << 20


@dataclass(frozen=True)
class ValueSummary:
    """What the values of one channel are like. Values that are not finite are left out.

    ``histogram`` counts :data:`HISTOGRAM_BINS` equal steps from ``least`` to ``most``.
    """

    least: float
    most: float
    percentiles: dict[float, float]
    histogram: tuple[int, ...]

    @property
    def window(self) -> tuple[float, float]:
        """The values shown as black and as white at first."""
        low, high = self.percentiles[PERCENTILES[0]], self.percentiles[PERCENTILES[-1]]
        # A small bright thing on a flat ground would vanish: fall back to the whole range.
        return (low, high) if high > low else (self.least, self.most)


def summary(values: NDArray[np.generic]) -> ValueSummary:
    """Return what an array of numbers, of any shape, is like; all zeros when it holds none."""
    nothing = ValueSummary(0.0, 0.0, dict.fromkeys(PERCENTILES, 0.0), (0,) * HISTOGRAM_BINS)
    if values.size == 0:
        return nothing
    if values.dtype.kind in "ui" and values.dtype.itemsize <= 2:
        counts = _counts(values)
        present = np.flatnonzero(counts)
        numbers = present.astype(np.float64) + _least_of(values.dtype)
        weights = counts[present]
        least, most = float(numbers[0]), float(numbers[-1])
    else:
        flat = values.reshape(-1)
        ranges = [_range(band) for band in _bands(flat)]
        least = min(low for low, _ in ranges)
        most = max(high for _, high in ranges)
        sample = np.asarray(flat[:: -(-flat.size // _SAMPLED)], np.float64)
        numbers, weights = np.unique(sample[np.isfinite(sample)], return_counts=True)
        if numbers.size == 0:
            return nothing
    ends = np.cumsum(weights)
    bins, _ = np.histogram(numbers, HISTOGRAM_BINS, (least, most), weights=weights)
    return ValueSummary(
        least,
        most,
        {share: _percentile(numbers, ends, share) for share in PERCENTILES},
        tuple(int(count) for count in bins),
    )


def windowed(values: NDArray[np.generic], low: float, high: float, gamma: float = 1.0) -> NDArray[np.uint8]:
    """Return ``255 · clip((values − low) / (high − low), 0, 1) ** (1 / gamma)``, rounded.

    A gamma above 1 brightens the dark. What is not a number becomes black.
    """
    if values.dtype.kind in "ui" and values.dtype.itemsize <= 2:
        every = np.arange(2 ** (8 * values.dtype.itemsize), dtype=np.float64) + _least_of(values.dtype)
        table = _scaled(every, low, high, gamma)
        shown: NDArray[np.uint8] = table[_places(values)]
        return shown
    shown = np.empty(values.shape, np.uint8)
    rows = max(1, _BAND_VALUES // max(1, math.prod(values.shape[1:])))
    for top in range(0, len(values), rows):
        band = np.asarray(values[top : top + rows], np.float64)
        shown[top : top + rows] = _scaled(band, low, high, gamma)
    return shown


def _scaled(values: NDArray[np.float64], low: float, high: float, gamma: float) -> NDArray[np.uint8]:
    share = np.clip((np.nan_to_num(values, nan=low) - low) / ((high - low) or 1.0), 0, 1)
    if gamma != 1.0:
        share **= 1 / gamma
    scaled: NDArray[np.uint8] = np.round(share * 255).astype(np.uint8)
    return scaled


def _least_of(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).min)


def _places(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return whole numbers of at most 16 bits as their places in a table that begins with the least."""
    if values.dtype.kind == "u":
        return values
    # Flipping the sign bit puts the negative numbers before the others.
    unsigned = np.ascontiguousarray(values).view(f"{values.dtype.byteorder}u{values.dtype.itemsize}")
    places: NDArray[np.generic] = unsigned ^ unsigned.dtype.type(-_least_of(values.dtype))
    return places


def _counts(values: NDArray[np.generic]) -> NDArray[np.int64]:
    size = 2 ** (8 * values.dtype.itemsize)
    counts = np.zeros(size, np.int64)
    for band in _bands(_places(values).reshape(-1)):
        counts += np.bincount(band, minlength=size)
    return counts


def _bands(flat: NDArray[np.generic]) -> Iterable[NDArray[np.generic]]:
    return (flat[start : start + _BAND_VALUES] for start in range(0, flat.size, _BAND_VALUES))


def _range(band: NDArray[np.generic]) -> tuple[float, float]:
    finite = band[np.isfinite(band)]
    return (float(finite.min()), float(finite.max())) if finite.size else (np.inf, -np.inf)


def _percentile(numbers: NDArray[np.float64], ends: NDArray[np.int64], share: float) -> float:
    """Return a percentile of values given as sorted numbers and running counts, between two by proportion."""
    place = (int(ends[-1]) - 1) * share / 100
    below, above = numbers[np.searchsorted(ends, [int(place), np.ceil(place)], side="right")]
    return float(below + (above - below) * (place - int(place)))
