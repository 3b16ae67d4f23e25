"""The levels of an image, in full (0) and halved again and again, and how they are cut into tiles."""

from __future__ import annotations

from storage.errors import NotFound

TILE_SIDE = 512
LARGE_PIXELS = 16_000_000
"""Images of more pixels are shown as an overview and tiles."""
OVERVIEW_PIXELS = 4_000_000
"""The overview is the largest level of at most so many pixels."""


def is_large(width: int, height: int) -> bool:
    """Return whether an image is shown as an overview and tiles."""
    return width * height > LARGE_PIXELS


def level_sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Return (width, height) of every level, the last of which is a single tile; odd sizes halve upwards."""
    sizes = [(width, height)]
    while max(sizes[-1]) > TILE_SIDE:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def overview_level(width: int, height: int) -> int:
    """Return the level that is shown whole."""
    sizes = level_sizes(width, height)
    return next(level for level, (w, h) in enumerate(sizes) if w * h <= OVERVIEW_PIXELS)


def tile_box(width: int, height: int, level: int, column: int, row: int) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of a tile in the pixels of its level; the last ones are smaller.

    Raises:
        NotFound: the image has no such tile.
    """
    sizes = level_sizes(width, height)
    if level < len(sizes):
        level_width, level_height = sizes[level]
        left, top = column * TILE_SIDE, row * TILE_SIDE
        if left < level_width and top < level_height:
            return left, top, min(left + TILE_SIDE, level_width), min(top + TILE_SIDE, level_height)
    raise NotFound(f"The image has no tile {column}, {row} at level {level}. Reload the page.")


def tiles_of(width: int, height: int) -> list[tuple[int, int]]:
    """Return (column, row) of every tile of a level of that size, row by row."""
    return [
        (column, row) for row in range(-(-height // TILE_SIDE)) for column in range(-(-width // TILE_SIDE))
    ]
