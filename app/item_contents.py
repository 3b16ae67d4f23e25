"""What lies at the addresses of an image of the queue, brought in the answer that names it.

A person who waits for an image waits for one request then, instead of two after each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np
from starlette.responses import JSONResponse, Response, StreamingResponse

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


def contents_of(workspace: Workspace, item: QueueItem) -> dict[str, Callable[[], bytes]]:
    """Return what reads the bytes at an item's addresses, the picture first, then what the model says."""
    image, blobs = item.image, workspace.blobs
    if is_large(image.width, image.height):
        return {image_url(image): lambda: overview(workspace, image)[0]}
    contents: dict[str, Callable[[], bytes]] = {image_url(image): partial(blobs.get, image.blob)}
    if image.width * image.height <= MOST_SUGGESTED_PIXELS:
        if map_blob := item.map_blob:
            contents[suggestion_url(image, map_blob)] = lambda: suggestion_runs(
                blobs.get(map_blob), image.height, image.width
            )
        if blob := item.uncertainty_blob:
            contents[uncertainty_url(image, blob)] = partial(blobs.get, blob)
    return contents


def answer_with_contents(
    answer: Mapping[str, Any], contents: Mapping[str, Callable[[], bytes]], headers: Mapping[str, str]
) -> Response:
    """Return an answer in JSON, ``x-json-bytes`` long, with contents behind it as they are read.

    Under ``contents`` the JSON lists their addresses. Each comes as its number of bytes, in four
    little-endian ones, and those. What cannot be read has none: the browser asks for it, and hears why.
    """
    head = bytes(JSONResponse({**answer, "contents": list(contents)}).body)
    # Said to be encoded, it is not packed by Streamlit's middleware: most of it is packed already.
    headers = {**headers, "x-json-bytes": str(len(head)), "content-encoding": "identity"}
    body = _read_one_by_one(head, contents.values())
    return StreamingResponse(body, media_type="application/octet-stream", headers=headers)


def _read_one_by_one(head: bytes, contents: Iterable[Callable[[], bytes]]) -> Iterator[bytes]:
    """Give the head with the first content, then each other one: the first is decoded while they are read."""
    for read in contents:
        try:
            content = read()
        except QualmError:
            content = b""
        yield b"".join((head, len(content).to_bytes(4, "little"), content))
        head = b""


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
