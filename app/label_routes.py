"""HTTP routes for label maps: the newest one, earlier revisions, the known truth, and saving."""

from __future__ import annotations

import logging
import re
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from app.answers import FRESH, answer_packed, packed
from app.items import image_url, progress_json
from app.queue_routes import MOST_ITEMS, next_items
from app.request_values import image_id_of, seconds_of, submission_of, whole_number
from storage import images, labels, queue
from storage.errors import InvalidInput
from storage.formats import run_length
from storage.images import ImageInfo
from storage.schema import NOT_LABELLED
from storage.workspace import Workspace

logger = logging.getLogger(__name__)


def get_label(workspace: Workspace, request: Request) -> Response:
    """Answer the newest label map as run lengths, with its revision as ETag.

    ``x-submission-id`` names the request that brought it, empty when none did.
    """
    image_id = image_id_of(request)
    image = images.image(workspace, image_id)
    if image.revision == 0:
        headers = {"etag": '"0"', "x-label-status": "", "x-submission-id": ""}
        body = run_length.encode_even(NOT_LABELLED, image.width * image.height)
    else:
        label_map, revision = labels.read(workspace, image_id)
        newest = next(one for one in labels.history(workspace, image_id) if one.revision == revision)
        headers = {
            "etag": f'"{revision}"',
            "x-label-status": newest.status,
            "x-submission-id": newest.submission_id or "",
        }
        body = run_length.encode(label_map)
    return answer_packed(packed(body), headers | FRESH)


def get_revision(workspace: Workspace, request: Request) -> Response:
    """Answer the label map of one revision as run lengths.

    It is not to be kept: another workspace at this address has other images under the same numbers.
    """
    label_map, _ = labels.read(workspace, image_id_of(request), int(request.path_params["revision"]))
    return answer_packed(packed(run_length.encode(label_map)), FRESH)


def get_revisions(workspace: Workspace, request: Request) -> Response:
    """Answer whose each revision is, newest first, without its pixels."""
    image_id, now = images.image(workspace, image_id_of(request)).id, time.time()
    revisions = [
        {
            "revision": one.revision,
            "author": one.author,
            "status": one.status,
            "age_s": max(0.0, now - one.created_at),
            "labelled_share": one.labelled_share,
        }
        for one in labels.history(workspace, image_id)
    ]
    return JSONResponse({"revisions": revisions}, headers=FRESH)


def get_previous_label(workspace: Workspace, request: Request) -> Response:
    """Answer the newest vouched label map of the image before this one in its group as run lengths.

    The name of that image is in ``x-image-name``, percent-encoded UTF-8. A blind audit image gets one too:
    it is a person's work, and what must stay hidden from the person is the model's.
    """
    label_map, previous = labels.previous_of_group(workspace, image_id_of(request))
    headers = {"x-image-name": quote(previous.name), "cache-control": "no-cache"}
    return answer_packed(packed(run_length.encode(label_map)), headers)


def get_truth(workspace: Workspace, request: Request) -> Response:
    """Answer the known true label map as run lengths, 404 when there is none."""
    body = run_length.encode(images.truth(workspace, image_id_of(request)))
    return answer_packed(packed(body), {"cache-control": "no-cache"})


async def put_label(workspace: Workspace, request: Request) -> Response:
    """Save a label map on top of the revision named in ``If-Match``; with ``?next=`` also hand out more.

    ``X-Picture`` is the address of the picture that was painted on. Under the number of an image another
    workspace, or a backup that was restored, may have another one; then nothing is saved.
    """
    image = await run_in_threadpool(images.image, workspace, image_id_of(request))
    if request.headers.get("x-picture") != image_url(image):
        sentence = (
            f"{image.name} is another picture than the one that was painted on: the server has opened "
            "another workspace, or a backup. Nothing was saved; this browser keeps the strokes. "
            "Reload the page."
        )
        return JSONResponse({"error": sentence}, HTTPStatus.PRECONDITION_FAILED)
    # A run takes a value and at least one length byte per pixel it covers, so more cannot be a label map.
    most = 4 + 2 * image.width * image.height
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                sentence = f"The label map is larger than {image.width} × {image.height} pixels can be."
                return JSONResponse({"error": sentence}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except ClientDisconnect:
        # The page was left or loaded again while it sent; its journal has the strokes, and nobody listens.
        return Response(status_code=HTTPStatus.BAD_REQUEST)
    return await run_in_threadpool(_save, workspace, request, image, bytes(body))


def _save(workspace: Workspace, request: Request, image: ImageInfo, body: bytes) -> Response:
    revision = re.fullmatch(r'(?:W/)?"?(\d{1,9})"?', request.headers.get("if-match", ""))
    if revision is None:
        raise InvalidInput("The request does not say which revision it builds on. Reload the page.")
    status = request.headers.get("x-status", "draft")
    if status not in ("draft", "submitted"):
        raise InvalidInput("A label map is saved as draft or submitted.")
    round_shown = request.headers.get("x-round", "")
    if not re.fullmatch(r"\d{0,9}", round_shown):
        raise InvalidInput("The round of the suggestion is not a number. Reload the page.")
    count = whole_number(request, "next", 0, most=MOST_ITEMS)
    holding = whole_number(request, "holding", 0) or None
    try:
        pixels = run_length.decode(body, image.width * image.height)
    except ValueError as error:
        raise InvalidInput(f"The label map did not arrive whole: {error}. Save again.") from error
    saved = labels.save(
        workspace,
        image.id,
        pixels.reshape(image.height, image.width),
        expected_revision=int(revision[1]),
        author=request.state.annotator,
        status=status,
        seconds_spent=seconds_of(request.headers.get("x-seconds", "0")),
        blind=request.headers.get("x-blind") == "1",
        round_shown_id=int(round_shown) if round_shown else None,
        submission_id=submission_of(request.headers.get("x-submission-id")),
    )
    answer: dict[str, Any] = {
        "revision": saved.revision,
        "status": saved.status,
        "labelled_share": saved.labelled_share,
        "saved_at": saved.created_at,
        "split": saved.split,
        "repeated": saved.repeated,
    }
    try:
        if status == "submitted":
            queue.move_back_alike(workspace, image.id, request.state.annotator, holding)
            # A draft comes every few seconds and changes nothing there.
            answer["progress"] = progress_json(queue.progress(workspace, image.project_id))
        if count:
            answer["items"] = next_items(workspace, request, image.project_id, count, holding)
    except Exception:
        # What is saved must not be told to be not saved; the page asks for the rest by itself.
        logger.exception("What comes after the label map of %s could not be answered.", image.name)
    return JSONResponse(answer, headers={"etag": f'"{saved.revision}"'})
