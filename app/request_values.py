"""What a request says: numbers, ids and blobs of its address and headers, checked before they are used."""

from __future__ import annotations

import math
import re
import uuid

from starlette.requests import Request

from storage import images
from storage.errors import InvalidInput, NotFound
from storage.images import ImageInfo
from storage.workspace import Workspace

_BLOB = re.compile("[0-9a-f]{64}")


def image_id_of(request: Request) -> int:
    """Return the id in the address."""
    return int(request.path_params["image_id"])


def image_with_blob(workspace: Workspace, request: Request) -> ImageInfo:
    """Return the image of the address, which must name that image's own pixels."""
    image = images.image(workspace, image_id_of(request))
    require_blob(request, image.blob)
    return image


def blob_of(request: Request) -> str:
    """Return the blob that the address names; there may be none of it."""
    blob = str(request.path_params["blob"])
    if not _BLOB.fullmatch(blob):
        raise NotFound("There is no such file. Reload the page.")
    return blob


def require_blob(request: Request, blob: str) -> None:
    """Refuse an address that names other pixels than these."""
    if request.path_params["blob"] != blob:
        raise NotFound("The image has other pixels by now. Reload the page.")


def whole_number(request: Request, name: str, default: int, *, least: int = 0, most: int = 2**31 - 1) -> int:
    """Return a whole number of the query string, or ``default`` when it is not there or empty."""
    text = request.query_params.get(name) or str(default)
    number = int(text) if re.fullmatch(r"\d{1,10}", text, re.ASCII) else -1
    if not least <= number <= most:
        raise InvalidInput(f"{name} must be a whole number from {least} to {most}.")
    return number


def whole_numbers(request: Request, name: str) -> list[int]:
    """Return the whole numbers of the query string that are there under this name, with commas between."""
    texts = (request.query_params.get(name) or "").split(",")
    if not all(re.fullmatch(r"\d{0,10}", text, re.ASCII) for text in texts):
        raise InvalidInput(f"{name} must be whole numbers with commas between.")
    return [int(text) for text in texts if text]


def seconds_of(text: str) -> float:
    """Return the time spent, in seconds, finite and at least 0."""
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise InvalidInput("The time spent is not a number of seconds.")
    return seconds


def submission_of(text: str | None) -> str | None:
    """Return a submission's id as it is kept, None where there is none."""
    if not text:
        return None
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidInput("The request's submission id is not a UUID. Reload the page.") from None
