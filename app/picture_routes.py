"""HTTP routes for pictures of images: as stored and small, cut up, and those a browser cannot make itself.

The blob in each address is the picture's or the source's own, so what is behind it never changes.
"""

from __future__ import annotations

import math
import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.answers import IMMUTABLE, answer_packed
from app.channel_views import View, channel_figures, view, view_tile
from app.levels import is_large
from app.request_values import image_id_of, image_with_blob, require_blob, whole_number
from app.superpixels import superpixels
from app.thumbnails import thumbnail
from app.tiles import overview, tile
from storage import images
from storage.errors import InvalidInput, NotFound
from storage.images import ImageInfo
from storage.workspace import Workspace

GAMMAS = (0.1, 10.0)
"""Least and most gamma of a view."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def get_pixels(workspace: Workspace, request: Request) -> Response:
    """Answer the upright image file."""
    image = image_with_blob(workspace, request)
    return Response(workspace.blobs.get(image.blob), media_type=image.media_type, headers=IMMUTABLE)


def get_thumbnail(workspace: Workspace, request: Request) -> Response:
    """Answer a small JPEG of the image, ``?side=`` pixels at its long side."""
    image = image_with_blob(workspace, request)
    jpeg = thumbnail(workspace, image, whole_number(request, "side", 320))
    return Response(jpeg, media_type="image/jpeg", headers=IMMUTABLE)


def get_superpixels(workspace: Workspace, request: Request) -> Response:
    """Answer the image's superpixels, about ``?segments=`` of them."""
    image = image_with_blob(workspace, request)

    def read() -> bytes:
        large = is_large(image.width, image.height)
        return overview(workspace, image)[0] if large else workspace.blobs.get(image.blob)

    body = superpixels(workspace, image.blob, whole_number(request, "segments", 600), read)
    return answer_packed(body, IMMUTABLE)


def get_view(workspace: Workspace, request: Request) -> Response:
    """Answer a view of a deep image as PNG, ``255 · clip((v − low) / (high − low), 0, 1) ** (1 / gamma)``.

    ``?channel=`` is the number of a channel, shown as grey, or two or three with commas between, shown as
    red, green and blue. ``low``, ``high`` and ``gamma`` are one number for all or one a channel, an empty
    one standing for the first window of that channel. Without any of them this is the picture the image
    is stored as, except that nothing is transparent. A large image is answered in the size of its overview.
    """
    image = _image_of_source(workspace, request)
    return _png(view(workspace, image, _view(request)))


def get_channels(workspace: Workspace, request: Request) -> Response:
    """Answer each channel's range, first window, percentiles and histogram."""
    return JSONResponse(channel_figures(workspace, _image_of_source(workspace, request)), headers=IMMUTABLE)


def get_tile(workspace: Workspace, request: Request) -> Response:
    """Answer a tile of a large image: of its picture, or with its source's blob and a view's query, of that.

    Level 0 is the image in full, each further one half as wide and high. Tiles are 512 pixels wide and
    high, less at the right and the bottom.
    """
    image = images.image(workspace, image_id_of(request))
    _require_large(image)
    level, column, row = (int(request.path_params[name]) for name in ("level", "column", "row"))
    if image.source is not None and request.path_params["blob"] == image.source.blob:
        return _png(view_tile(workspace, image, _view(request), level, column, row))
    require_blob(request, image.blob)
    data, media_type = tile(workspace, image, level, column, row)
    return Response(data, media_type=media_type, headers=IMMUTABLE)


def get_overview(workspace: Workspace, request: Request) -> Response:
    """Answer the largest level of a large image that has at most 4 megapixels."""
    image = images.image(workspace, image_id_of(request))
    _require_large(image)
    require_blob(request, image.blob)
    data, media_type = overview(workspace, image)
    return Response(data, media_type=media_type, headers=IMMUTABLE)


def _png(data: bytes) -> Response:
    return Response(data, media_type="image/png", headers=IMMUTABLE)


def _require_large(image: ImageInfo) -> None:
    if not is_large(image.width, image.height):
        raise NotFound(f"{image.name} is small enough to be shown whole, so it has no tiles.")


def _image_of_source(workspace: Workspace, request: Request) -> ImageInfo:
    image = images.image(workspace, image_id_of(request))
    if image.source is None:
        raise NotFound(f"{image.name} has 8 bits and no more colours than its picture shows.")
    require_blob(request, image.source.blob)
    return image


def _view(request: Request) -> View:
    text = request.query_params.get("channel", "")
    if not re.fullmatch(r"(\d{1,4}(,\d{1,4}){0,2})?", text, re.ASCII):
        raise InvalidInput("channel must be the number of a channel, or up to three with commas between.")
    channels = tuple(int(one) for one in text.split(",")) if text else None
    lows, highs = _numbers(request, "low"), _numbers(request, "high")
    gammas = tuple(1.0 if gamma is None else gamma for gamma in _numbers(request, "gamma"))
    if any(len(numbers) not in (1, len(channels or "1")) for numbers in (lows, highs, gammas)):
        raise InvalidInput("low, high and gamma must be one number for all channels or one for each.")
    if not all(GAMMAS[0] <= gamma <= GAMMAS[1] for gamma in gammas):
        raise InvalidInput(f"gamma must be from {GAMMAS[0]:g} to {GAMMAS[1]:g}.")
    return View(channels, lows, highs, gammas)


def _numbers(request: Request, name: str) -> tuple[float | None, ...]:
    """Return the numbers of a query parameter, ``None`` for each that is empty."""
    parts = request.query_params.get(name, "").split(",")
    if len(parts) > 3 or not all(not part or _NUMBER.fullmatch(part) for part in parts):
        raise InvalidInput(f"{name} must be a number, or up to three with commas between.")
    numbers = tuple(float(part) if part else None for part in parts)
    if not all(number is None or math.isfinite(number) for number in numbers):
        raise InvalidInput(f"{name} must be a finite number.")
    return numbers
