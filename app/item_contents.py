"""What lies at the addresses of an image of the queue, brought in the answer that names it.

A person who waits for an image waits for one request then, instead of two after each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from starlette.responses import JSONResponse, Response

from app.items import image_url, suggestion_url, uncertainty_url
from app.levels import is_large
from app.tiles import overview
from storage import labels
from storage.errors import QualmError
from storage.formats import run_length
from storage.queue import QueueItem
from storage.workspace import Workspace

MOST_SUGGESTED_PIXELS = 4_000_000
"""The suggestion of a larger image is asked for by itself: its picture need not wait for that."""


def contents_of(workspace: Workspace, item: QueueItem) -> dict[str, bytes]:
    """Return the bytes at an item's addresses: its picture and, unless that takes long, what the model says.

    What cannot be read is left out: the browser asks for it then, and hears why.
    """
    image = item.image
    try:
        if is_large(image.width, image.height):
            return {image_url(image): overview(workspace, image)[0]}
        contents = {image_url(image): workspace.blobs.get(image.blob)}
        if image.width * image.height <= MOST_SUGGESTED_PIXELS:
            if blob := item.map_blob:
                runs = suggestion_runs(workspace.blobs.get(blob), image.height, image.width)
                contents[suggestion_url(image, blob)] = runs
            if blob := item.uncertainty_blob:
                contents[uncertainty_url(image, blob)] = workspace.blobs.get(blob)
    except QualmError:
        return {}
    return contents


def answer_with_contents(
    answer: Mapping[str, Any], contents: Mapping[str, bytes], headers: Mapping[str, str]
) -> Response:
    """Return an answer in JSON, ``x-json-bytes`` long, with contents behind it one after the other.

    Under ``contents`` the JSON lists them: the address and the number of bytes of each.
    """
    listed = {**answer, "contents": [[address, len(content)] for address, content in contents.items()]}
    head = bytes(JSONResponse(listed).body)
    # Said to be encoded, it is not packed by Streamlit's middleware: most of it is packed already.
    headers = {**headers, "x-json-bytes": str(len(head)), "content-encoding": "identity"}
    body = b"".join((head, *contents.values()))
    return Response(body, media_type="application/octet-stream", headers=headers)


@lru_cache(maxsize=16)
def suggestion_runs(png: bytes, height: int, width: int) -> bytes:
    """Return a suggestion as run lengths at a size; those at the queue's head are asked for again."""
    return run_length.encode(_stretched(labels.decode_label_map(png), height, width))


def _stretched(label_map: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a label map at another size by nearest neighbour, which keeps class indices what they are."""
    if label_map.shape == (height, width):
        return label_map
    rows = np.arange(height) * label_map.shape[0] // height
    columns = np.arange(width) * label_map.shape[1] // width
    stretched: np.ndarray = label_map[rows[:, None], columns]
    return stretched
