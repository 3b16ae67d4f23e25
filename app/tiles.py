"""Tiles and overview of a large image's stored picture, cut once and kept.

A JPEG is cut into JPEGs of quality 95 without chroma subsampling, anything else into PNGs of exactly its
pixels.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from app.levels import TILE_SIDE, level_sizes, overview_level, tile_box, tiles_of
from app.picture_cache import description, is_kept, read_kept
from storage.formats.quick_png import encode_png
from storage.images import ImageInfo
from storage.workspace import Workspace

# Half of the cores: the rest answers everybody else meanwhile.
_THREADS = max(1, (os.cpu_count() or 2) // 2)


def tile(workspace: Workspace, image: ImageInfo, level: int, column: int, row: int) -> tuple[bytes, str]:
    """Return a tile of an image's picture and its media type.

    Raises:
        NotFound: the image has no such tile, or its file is missing.
        DiskFull: there is no space to keep its tiles.
    """
    tile_box(image.width, image.height, level, column, row)
    return _part(workspace, image, f"{level}/{column}/{row}")


def overview(workspace: Workspace, image: ImageInfo) -> tuple[bytes, str]:
    """Return the largest level of an image that is shown whole, and its media type.

    Raises:
        NotFound: its file is missing.
        DiskFull: there is no space to keep its tiles.
    """
    return _part(workspace, image, "overview")


def is_cut(workspace: Workspace, image: ImageInfo) -> bool:
    """Return whether the tiles and the overview of an image are kept, so that none need be made."""
    return is_kept(workspace, _file_of(image))


def _file_of(image: ImageInfo) -> str:
    return f"{image.blob}.tiles"


def _part(workspace: Workspace, image: ImageInfo, name: str) -> tuple[bytes, str]:
    """Return a part of the image's pyramid, which is cut now unless it is kept, and its media type."""

    def read(pyramid: Path) -> tuple[bytes, str]:
        described = description(pyramid)
        start, length = described["parts"][name]
        with pyramid.open("rb") as file:
            file.seek(start)
            return file.read(length), described["media_type"]

    def build(file: IO[bytes]) -> dict[str, Any]:
        with Image.open(io.BytesIO(workspace.blobs.get(image.blob))) as picture:
            as_jpeg = image.media_type == "image/jpeg"
            picture.load()
            shades = {"1": "L", "L": "L"}.get(picture.mode, "RGB")
            level = picture if picture.mode == shades else picture.convert(shades)
        encode = _jpeg if as_jpeg else _png
        parts: dict[str, tuple[int, int]] = {}

        def write(part: str, data: bytes) -> None:
            parts[part] = (file.tell(), len(data))
            file.write(data)

        shown_whole = overview_level(image.width, image.height)
        with ThreadPoolExecutor(_THREADS) as pool:
            for number, size in enumerate(level_sizes(image.width, image.height)):
                if number:
                    level = level.reduce(2)
                if number == shown_whole:
                    write("overview", encode(level))
                places = tiles_of(*size)
                cut = _cutter(level, size, encode)
                for (column, row), data in zip(places, pool.map(cut, places), strict=True):
                    write(f"{number}/{column}/{row}", data)
        return {"media_type": "image/jpeg" if as_jpeg else "image/png", "parts": parts}

    return read_kept(workspace, _file_of(image), build, read)


def _cutter(
    level: Image.Image, size: tuple[int, int], encode: Callable[[Image.Image], bytes]
) -> Callable[[tuple[int, int]], bytes]:
    def cut(place: tuple[int, int]) -> bytes:
        left, top = place[0] * TILE_SIDE, place[1] * TILE_SIDE
        return encode(level.crop((left, top, min(left + TILE_SIDE, size[0]), min(top + TILE_SIDE, size[1]))))

    return cut


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def _png(picture: Image.Image) -> bytes:
    return encode_png(np.asarray(picture), "picture")
