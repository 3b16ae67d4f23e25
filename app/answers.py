"""What our routes answer with: how long it may be kept, packed bodies, and errors as sentences."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from storage.errors import (
    DiskFull,
    InvalidInput,
    LabelConflict,
    LeaseLost,
    NotFound,
    QualmError,
    RoundRefused,
    WorkspaceError,
)

logger = logging.getLogger(__name__)

FRESH = {"cache-control": "no-store"}
IMMUTABLE = {"cache-control": "private, max-age=31536000, immutable"}
"""For an address with a blob's hash or a version in it."""

_STATUS_OF_ERROR: tuple[tuple[type[QualmError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (LabelConflict, HTTPStatus.CONFLICT),
    (RoundRefused, HTTPStatus.CONFLICT),
    (LeaseLost, HTTPStatus.LOCKED),
    (DiskFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (WorkspaceError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def packed(body: bytes) -> bytes:
    """Return a body as gzip, the quick way."""
    # Left to Streamlit's middleware it would be level 9: five times the work for a tenth less to send.
    return gzip.compress(body, compresslevel=1, mtime=0)


def answer_packed(
    body: bytes, headers: Mapping[str, str], media_type: str = "application/octet-stream"
) -> Response:
    """Answer a body that is gzip already."""
    return Response(body, media_type=media_type, headers={**headers, "content-encoding": "gzip"})


def answer_error(request: Request, error: Exception) -> Response:
    """Answer an error meant for the person with its sentence and the status that fits."""
    status = next(
        (status for kind, status in _STATUS_OF_ERROR if isinstance(error, kind)), HTTPStatus.BAD_REQUEST
    )
    body: dict[str, Any] = {"error": str(error)}
    if isinstance(error, LabelConflict):
        body |= {"revision": error.revision, "author": error.author}
    if isinstance(error, LeaseLost):
        body["held_by"] = error.held_by
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning("%s %s: %s", request.method, request.url.path, error)
    return JSONResponse(body, status)


def answer_surprise(request: Request, error: Exception) -> Response:
    """Answer an error nobody foresaw with a sentence; the server logs the traceback."""
    sentence = "Something went wrong on the server; its log says what. Try again: what was saved is safe."
    return JSONResponse({"error": sentence}, HTTPStatus.INTERNAL_SERVER_ERROR)
