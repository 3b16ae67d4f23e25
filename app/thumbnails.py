"""Small pictures of images, made once and kept as files in the workspace."""

from __future__ import annotations

import io
import threading

from PIL import Image

from app.levels import is_large
from app.tiles import is_cut, overview
from storage.errors import InvalidInput
from storage.images import ImageInfo
from storage.small_files import kept_or_made
from storage.workspace import Workspace

SIDES = (160, 320, 640)
"""Long sides on offer, in pixels; a fixed few, so that nobody can fill the disk with sizes."""

_QUALITY = 82
# One at a time: all pixels of a large image that is no JPEG are in memory while it is made small.
_DECODING_LARGE = threading.Lock()


def thumbnail(workspace: Workspace, image: ImageInfo, side: int) -> bytes:
    """Return the JPEG of an image at most ``side`` pixels long, from the cache when it is there.

    Raises:
        InvalidInput: a side that is not on offer.
        NotFound: the image's file is missing.
    """
    if side not in SIDES:
        raise InvalidInput(f"Thumbnails come {', '.join(map(str, SIDES))} pixels long.")
    name = f"{image.blob}-{side}.jpg"
    return kept_or_made(workspace.path / "thumbnails" / name, lambda: _made(workspace, image, side))


def _made(workspace: Workspace, image: ImageInfo, side: int) -> bytes:
    # Only a JPEG can be decoded in a smaller size. Of other large images the overview may be at hand; to cut
    # one up for a thumbnail would take long, and the Label page waits for those that cut.
    if not is_large(image.width, image.height) or image.media_type == "image/jpeg":
        return _small(workspace.blobs.get(image.blob), side)
    if is_cut(workspace, image):
        return _small(overview(workspace, image)[0], side)
    with _DECODING_LARGE:
        return _small(workspace.blobs.get(image.blob), side)


def _small(data: bytes, side: int) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        picture.draft("RGB", (side, side))
        small = picture.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
