"""Views of images of more than 8 bits or three colours: some of their channels in a window.

The values of all channels are decoded once, upright, and kept as they are beside their halved levels;
the memory of a view is that of its own pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.levels import is_large, level_sizes, overview_level, tile_box
from app.picture_cache import description, read_kept
from storage.errors import InvalidInput, NotFound
from storage.formats.channels import composite, first_windows, read_channels, shown_channels, summaries
from storage.formats.quick_png import encode_png
from storage.images import ImageInfo, SourceFile
from storage.workspace import Workspace

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """Which channels to show, and of each what is black and white and the gamma between.

    One channel is shown as grey, two or three as red, green and blue. What is ``None`` is as at first.
    """

    channels: tuple[int, ...] | None = None
    lows: tuple[float | None, ...] = (None,)
    """One for each channel or one for all, as are the next."""
    highs: tuple[float | None, ...] = (None,)
    gammas: tuple[float, ...] = (1.0,)


def channel_figures(workspace: Workspace, image: ImageInfo) -> dict[str, Any]:
    """Return what is known about the channels of an image, as plain JSON values.

    ``shown`` lists the channels shown at first. Each of ``channels`` has its ``name``, the ``least`` and
    ``most`` of its values, ``low`` and ``high`` of its first window, ``percentiles`` (a value by per cent)
    and a ``histogram`` of equal steps from ``least`` to ``most``.

    Raises:
        NotFound: the image has no source, or it is missing or damaged.
        DiskFull: there is no space to keep its values.
    """
    described = _read_values(workspace, image, description)
    return {key: described[key] for key in ("bit_depth", "shown", "channels")}


def view(workspace: Workspace, image: ImageInfo, view: View) -> bytes:
    """Return a view of the whole image as PNG, in its own size or, when it is large, that of its overview.

    Raises:
        NotFound: as :func:`channel_figures`, or there is no such channel.
        InvalidInput: a window's low is not less than its high.
        DiskFull: as :func:`channel_figures`.
    """
    large = is_large(image.width, image.height)
    level = overview_level(image.width, image.height) if large else 0
    return _rendered(workspace, image, view, level, None)


def view_tile(workspace: Workspace, image: ImageInfo, view: View, level: int, column: int, row: int) -> bytes:
    """Return a tile of a view of a large image as PNG.

    Raises:
        NotFound: as :func:`view`, or the image has no such tile.
        InvalidInput: as :func:`view`.
        DiskFull: as :func:`channel_figures`.
    """
    box = tile_box(image.width, image.height, level, column, row)
    return _rendered(workspace, image, view, level, box)


def _rendered(
    workspace: Workspace, image: ImageInfo, view: View, level: int, box: tuple[int, int, int, int] | None
) -> bytes:
    def read(path: Path) -> tuple[list[NDArray[np.generic]], list[tuple[float, float]]]:
        described = description(path)
        known = described["channels"]
        chosen = described["shown"] if view.channels is None else view.channels
        if max(chosen) >= len(known):
            raise NotFound(f"The image has no channel {max(chosen)}, only 0 to {len(known) - 1}.")
        left, top, right, bottom = box or (0, 0, *_sizes(image)[level])
        windows = [
            _window(known[one], low, high)
            for one, low, high in zip(
                chosen, _each(view.lows, len(chosen)), _each(view.highs, len(chosen)), strict=True
            )
        ]
        dtype = described["dtype"]
        planes = [_plane(path, dtype, image, one, level)[top:bottom, left:right] for one in chosen]
        return planes, windows

    # What is mapped into memory stays readable when its file goes.
    planes, windows = _read_values(workspace, image, read)
    return encode_png(composite(planes, windows, _each(view.gammas, len(planes))), "picture")


def _window(known: dict[str, Any], low: float | None, high: float | None) -> tuple[float, float]:
    window = (known["low"] if low is None else low, known["high"] if high is None else high)
    if (low is not None or high is not None) and window[0] >= window[1]:
        raise InvalidInput(f"low ({window[0]:g}) must be less than high ({window[1]:g}).")
    return window


def _each(given: tuple[T, ...], count: int) -> tuple[T, ...]:
    return given * count if len(given) == 1 else given


def _sizes(image: ImageInfo) -> list[tuple[int, int]]:
    sizes = level_sizes(image.width, image.height)
    return sizes if is_large(image.width, image.height) else sizes[:1]


def _plane(path: Path, dtype: str, image: ImageInfo, channel: int, level: int) -> NDArray[np.generic]:
    sizes = _sizes(image)
    before = channel * sum(map(math.prod, sizes)) + sum(map(math.prod, sizes[:level]))
    width, height = sizes[level]
    return np.memmap(path, dtype, "r", before * np.dtype(dtype).itemsize, (height, width))


def _read_values(workspace: Workspace, image: ImageInfo, read: Callable[[Path], T]) -> T:
    """Return what ``read`` gives for the file of an image's values, written now unless it is kept."""
    source = _source(image)

    def build(file: IO[bytes]) -> dict[str, Any]:
        channels = read_channels(workspace.blobs.get(source.blob))
        if channels is None or channels.values.shape[1:] != (image.height, image.width):
            raise NotFound(
                f"The values of {image.name} cannot be read from the file kept of it. "
                "Restore the folder blobs from a backup."
            )
        for channel in channels.values:
            for level in _halved(channel, len(_sizes(image))):
                file.write(np.ascontiguousarray(level).data)
        known = summaries(channels)
        return {
            "dtype": channels.values.dtype.str,
            "bit_depth": channels.bit_depth,
            "shown": shown_channels(channels),
            "channels": [
                {
                    "name": name,
                    "least": one.least,
                    "most": one.most,
                    "low": low,
                    "high": high,
                    "percentiles": {f"{share:g}": value for share, value in one.percentiles.items()},
                    "histogram": one.histogram,
                }
                for name, one, (low, high) in zip(
                    channels.names, known, first_windows(channels, known), strict=True
                )
            ],
        }

    return read_kept(workspace, f"{source.blob}.values", build, read)


def _source(image: ImageInfo) -> SourceFile:
    if image.source is None:
        raise NotFound(f"{image.name} has 8 bits and no more colours than its picture shows.")
    return image.source


def _halved(values: NDArray[np.generic], levels: int) -> Iterator[NDArray[np.generic]]:
    yield values
    for _ in range(levels - 1):
        values = _half(values)
        yield values


def _half(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the means of 2 × 2 values; at an odd edge the last row or column counts twice."""
    height, width = values.shape
    half = np.empty((-(-height // 2), -(-width // 2)), values.dtype)
    whole = values.dtype.kind in "ui"
    step = max(2, (1 << 20) // width // 2 * 2)
    for top in range(0, height, step):
        band = values[top : top + step].astype(np.int64 if whole else np.float64)
        band = np.pad(band, ((0, len(band) % 2), (0, width % 2)), mode="edge")
        total = band[::2, ::2] + band[1::2, ::2] + band[::2, 1::2] + band[1::2, 1::2]
        half[top // 2 : top // 2 + len(total)] = (total + 2) // 4 if whole else total / 4
    return half
