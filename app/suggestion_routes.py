"""HTTP routes for what the model says of an image: its suggestion, and how sure it is of it."""

from __future__ import annotations

from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response

from app.answers import IMMUTABLE, answer_packed, packed
from app.heat_thumbnails import heat_thumbnail
from app.item_contents import suggestion_runs
from app.request_values import blob_of, image_id_of
from storage import images
from storage.errors import NotFound
from storage.workspace import Workspace


def get_suggestion(workspace: Workspace, request: Request) -> Response:
    """Answer the model's map as run lengths at the image's full size."""
    image = images.image(workspace, image_id_of(request))
    png = workspace.blobs.get(blob_of(request))
    return answer_packed(_packed_suggestion(png, image.height, image.width), IMMUTABLE)


def get_uncertainty(workspace: Workspace, request: Request) -> Response:
    """Answer the grey PNG of the uncertainty, 0…255 = 0…1, at the size it was stored in.

    It is the chance that the suggested class is wrong, as the network has it: the mean over its samples, at
    the temperature calibrated on the audit images and at the frequencies that the classes have in the
    labels. So ``1 − value / 255`` is the confidence. The size is the image's at the long side the round
    worked with, at most the image's own, and it is to be stretched over the whole image; the detail in it
    is that of the network's features, coarser still, enlarged bilinearly. The suggestion beside it has the
    image's full size.
    """
    images.image(workspace, image_id_of(request))
    png = workspace.blobs.get(blob_of(request))
    if not png.startswith(b"\x89PNG"):
        raise NotFound("There is no such uncertainty map. Reload the page.")
    return Response(png, media_type="image/png", headers=IMMUTABLE)


def get_uncertainty_thumbnail(workspace: Workspace, request: Request) -> Response:
    """Answer the uncertainty in heat colours as a small PNG to lie over the thumbnail.

    An audit image has none: it is labelled blind.
    """
    image = images.image(workspace, image_id_of(request))
    if image.is_audit:
        raise NotFound("There is no such uncertainty map. Reload the page.")
    png = heat_thumbnail(workspace, blob_of(request))
    return Response(png, media_type="image/png", headers=IMMUTABLE)


@lru_cache(maxsize=16)
def _packed_suggestion(png: bytes, height: int, width: int) -> bytes:
    return packed(suggestion_runs(png, height, width))
