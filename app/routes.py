"""Our HTTP routes beside Streamlit's: pixels, label maps, suggestions, the queue and the canvas's modules.

Pixels and label maps go over these routes and never through component state. An address with a blob's
hash in it never changes its content, so browsers may keep and prefetch it. Errors are JSON with the
sentence for the person under ``error``.
"""

from __future__ import annotations

import gzip
import logging
import math
import re
import time
import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.canvas.classes import class_version
from app.canvas.component import FRONTEND, frontend_version
from app.embedding_map import plotly_gzip, plotly_version
from app.heat_thumbnails import heat_thumbnail
from app.item_contents import answer_with_contents, contents_of, suggestion_runs
from app.items import item_json, progress_json
from app.map_points import map_points_json
from app.picture_routes import IMMUTABLE, get_channels, get_overview, get_tile, get_view
from app.prepared_zips import prepared_zip
from app.queue_grid import reason, thumbnail_url
from app.superpixels import superpixels
from app.thumbnails import thumbnail
from app.training_state import training_json, training_state
from storage import embeddings, images, labels, projects, queue
from storage.errors import (
    DiskFull,
    InvalidInput,
    LabelConflict,
    LeaseLost,
    NotFound,
    ProjectArchived,
    QualmError,
    RoundRefused,
    WorkspaceError,
)
from storage.formats import run_length
from storage.images import ImageInfo
from storage.schema import NOT_LABELLED
from storage.workspace import Workspace

logger = logging.getLogger(__name__)

MOST_ITEMS = 50
"""Images one request may take from the queue."""

_BLOB = re.compile("[0-9a-f]{64}")
_FRONTEND_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_STATUS_OF_ERROR: tuple[tuple[type[QualmError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (LabelConflict, HTTPStatus.CONFLICT),
    (RoundRefused, HTTPStatus.CONFLICT),
    (LeaseLost, HTTPStatus.LOCKED),
    (DiskFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (WorkspaceError, HTTPStatus.SERVICE_UNAVAILABLE),
)


class _IdConvertor(Convertor[int]):
    """Ids in an address; a number with more digits does not fit into the database, so nothing has it."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("id", _IdConvertor())


def routes(workspace: Workspace) -> list[Route]:
    """Return all routes of ours, reading and writing ``workspace``."""

    def route(path: str, endpoint: Callable[..., Any], method: str = "GET") -> Route:
        return Route(path, partial(endpoint, workspace), methods=[method], name=endpoint.__name__)

    # Starlette runs plain functions in threads, so the blocking work of these never holds up the loop.
    image = "/api/images/{image_id:id}"
    project = "/api/projects/{project_id:id}"
    return [
        route(f"{image}/pixels/{{blob}}", get_pixels),
        route(f"{image}/thumbnail/{{blob}}", get_thumbnail),
        route(f"{image}/superpixels/{{blob}}", get_superpixels),
        route(f"{image}/view/{{blob}}", get_view),
        route(f"{image}/channels/{{blob}}", get_channels),
        route(f"{image}/overview/{{blob}}", get_overview),
        route(f"{image}/tiles/{{blob}}/{{level:int}}/{{column:int}}/{{row:int}}", get_tile),
        route(f"{image}/label", get_label),
        route(f"{image}/label", put_label, "PUT"),
        route(f"{image}/label/{{revision:id}}", get_revision),
        route(f"{image}/revisions", get_revisions),
        route(f"{image}/previous-label", get_previous_label),
        route(f"{image}/suggestion/{{blob}}", get_suggestion),
        route(f"{image}/uncertainty/{{blob}}", get_uncertainty),
        route(f"{image}/uncertainty-thumbnail/{{blob}}", get_uncertainty_thumbnail),
        route(f"{image}/truth", get_truth),
        route(f"{image}/item", get_item),
        route(f"{image}/summary", get_summary),
        route(f"{image}/skip", post_skip, "POST"),
        route(f"{image}/lease", post_lease, "POST"),
        route(f"{project}/next", get_next),
        route(f"{project}/progress", get_progress),
        route(f"{project}/training", get_training),
        route(f"{project}/map", get_map),
        route(f"{project}/exports/{{name}}", get_export),
        Route("/api/plotly/{version}", get_plotly, methods=["GET"]),
        Route("/canvas/{version}/{file}", get_canvas_file, methods=["GET"]),
        Route("/api/{rest:path}", no_such_route, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


def get_pixels(workspace: Workspace, request: Request) -> Response:
    """Answer the upright image file."""
    image = _image_with_blob(workspace, request)
    return Response(workspace.blobs.get(image.blob), media_type=image.media_type, headers=IMMUTABLE)


def get_thumbnail(workspace: Workspace, request: Request) -> Response:
    """Answer a small JPEG of the image, ``?side=`` pixels at its long side."""
    image = _image_with_blob(workspace, request)
    jpeg = thumbnail(workspace, image, _whole_number(request, "side", 320))
    return Response(jpeg, media_type="image/jpeg", headers=IMMUTABLE)


def get_superpixels(workspace: Workspace, request: Request) -> Response:
    """Answer the image's superpixels, about ``?segments=`` of them."""
    image = _image_with_blob(workspace, request)
    body = superpixels(workspace, image.blob, _whole_number(request, "segments", 600))
    headers = {**IMMUTABLE, "content-encoding": "gzip"}
    return Response(body, media_type="application/octet-stream", headers=headers)


def get_label(workspace: Workspace, request: Request) -> Response:
    """Answer the newest label map as run lengths, with its revision as ETag."""
    image_id = _image_id(request)
    image = images.image(workspace, image_id)
    if request.headers.get("if-none-match") == f'"{image.revision}"':
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"etag": f'"{image.revision}"'})
    if image.revision == 0:
        revision, status = 0, ""
        body = run_length.encode_even(NOT_LABELLED, image.width * image.height)
    else:
        label_map, revision = labels.read(workspace, image_id)
        history = labels.history(workspace, image_id)
        status = next((one.status for one in history if one.revision == revision), "")
        body = run_length.encode(label_map)
    headers = {"etag": f'"{revision}"', "x-label-status": status, "cache-control": "no-cache"}
    return _run_lengths(_packed(body), headers)


def get_revision(workspace: Workspace, request: Request) -> Response:
    """Answer the label map of one revision as run lengths.

    It is not to be kept: another workspace at this address has other images under the same numbers.
    """
    label_map, _ = labels.read(workspace, _image_id(request), int(request.path_params["revision"]))
    return _run_lengths(_packed(run_length.encode(label_map)), _FRESH)


def get_revisions(workspace: Workspace, request: Request) -> Response:
    """Answer whose each revision is, newest first, without its pixels."""
    image_id, now = images.image(workspace, _image_id(request)).id, time.time()
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
    return JSONResponse({"revisions": revisions}, headers=_FRESH)


def get_previous_label(workspace: Workspace, request: Request) -> Response:
    """Answer the newest vouched label map of the image before this one in its group as run lengths.

    The name of that image is in ``x-image-name``, percent-encoded UTF-8. A blind audit image gets one too:
    it is a person's work, and what must stay hidden from the person is the model's.
    """
    label_map, previous = labels.previous_of_group(workspace, _image_id(request))
    headers = {"x-image-name": quote(previous.name), "cache-control": "no-cache"}
    return _run_lengths(_packed(run_length.encode(label_map)), headers)


def get_suggestion(workspace: Workspace, request: Request) -> Response:
    """Answer the model's map as run lengths at the image's full size."""
    image = images.image(workspace, _image_id(request))
    png = _blob_of_address(workspace, request)
    return _run_lengths(_packed_suggestion(png, image.height, image.width), IMMUTABLE)


def get_uncertainty(workspace: Workspace, request: Request) -> Response:
    """Answer the grey PNG of the uncertainty, 0…255 = 0…1, at the size it was stored in.

    It is the chance that the suggested class is wrong, as the network has it: the mean over its samples, at
    the temperature calibrated on the audit images and at the frequencies that the classes have in the
    labels. So ``1 − value / 255`` is the confidence. The size is the image's at the long side the round
    worked with, at most the image's own, and it is to be stretched over the whole image; the detail in it
    is that of the network's features, coarser still, enlarged bilinearly. The suggestion beside it has the
    image's full size.
    """
    images.image(workspace, _image_id(request))
    png = _blob_of_address(workspace, request)
    if not png.startswith(b"\x89PNG"):
        raise NotFound("There is no such uncertainty map. Reload the page.")
    return Response(png, media_type="image/png", headers=IMMUTABLE)


def get_uncertainty_thumbnail(workspace: Workspace, request: Request) -> Response:
    """Answer the uncertainty in heat colours as a small PNG to lie over the thumbnail.

    An audit image has none: it is labelled blind.
    """
    image = images.image(workspace, _image_id(request))
    if image.is_measure or not _BLOB.fullmatch(request.path_params["blob"]):
        raise NotFound("There is no such uncertainty map. Reload the page.")
    png = heat_thumbnail(workspace, request.path_params["blob"])
    return Response(png, media_type="image/png", headers=IMMUTABLE)


def get_truth(workspace: Workspace, request: Request) -> Response:
    """Answer the known true label map as run lengths, 404 when there is none."""
    body = run_length.encode(images.truth(workspace, _image_id(request)))
    return _run_lengths(_packed(body), {"cache-control": "no-cache"})


async def put_label(workspace: Workspace, request: Request) -> Response:
    """Save a label map on top of the revision named in ``If-Match``; with ``?next=`` also hand out more."""
    image = await run_in_threadpool(images.image, workspace, _image_id(request))
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
    count = _whole_number(request, "next", 0, most=MOST_ITEMS)
    holding = _whole_number(request, "holding", 0) or None
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
        seconds_spent=_seconds(request.headers.get("x-seconds", "0")),
        blind=request.headers.get("x-blind") == "1",
        round_shown_id=int(round_shown) if round_shown else None,
        submission_id=_submission(request.headers.get("x-submission-id")),
    )
    if status == "submitted":
        queue.move_back_alike(workspace, image.id, request.state.annotator, holding)
    answer: dict[str, Any] = {
        "revision": saved.revision,
        "status": saved.status,
        "labelled_share": saved.labelled_share,
        "saved_at": saved.created_at,
        "split": saved.split,
        "repeated": saved.repeated,
    }
    if count:
        answer["items"] = _next_items(workspace, request, image.project_id, count, holding)
    if status == "submitted":
        # A draft comes every few seconds and changes nothing there.
        answer["progress"] = progress_json(queue.progress(workspace, image.project_id))
    return JSONResponse(answer, headers={"etag": f'"{saved.revision}"'})


def get_next(workspace: Workspace, request: Request) -> Response:
    """Reserve the next images of the queue for this annotator and answer them, and nothing slower.

    ``?displaced=`` names images that were on this tab's screen before and of which nothing was handed in.
    With ``?contents=1``, for somebody who waits, the answer also has what lies at addresses of the first
    item, as :func:`app.item_contents.answer_with_contents` writes it.
    """
    project_id = int(request.path_params["project_id"])
    count = _whole_number(request, "count", 6, least=1, most=MOST_ITEMS)
    holding = _whole_number(request, "holding", 0) or None
    awaited = bool(_whole_number(request, "contents", 0, most=1))
    taken = queue.next_images(
        workspace,
        project_id,
        request.state.annotator,
        count,
        holding=holding,
        awaited=awaited,
        displaced=_whole_numbers(request, "displaced"),
    )
    answer: dict[str, Any] = {"items": [item_json(item) for item in taken]}
    if taken and awaited:
        return answer_with_contents(answer, contents_of(workspace, taken[0]), _FRESH)
    return JSONResponse(answer, headers=_FRESH)


def get_progress(workspace: Workspace, request: Request) -> Response:
    """Answer how far the project is, and which version its classes have."""
    project_id = projects.get_project(workspace, int(request.path_params["project_id"])).id
    answer = progress_json(queue.progress(workspace, project_id))
    answer["class_version"] = class_version(projects.classes(workspace, project_id))
    return JSONResponse(answer, headers=_FRESH)


def get_training(workspace: Workspace, request: Request) -> Response:
    """Answer what the worker does for the project now, as the bar on the Training page shows it."""
    project = projects.get_project(workspace, int(request.path_params["project_id"]))
    return JSONResponse(training_json(training_state(workspace, project)), headers=_FRESH)


def get_map(workspace: Workspace, request: Request) -> Response:
    """Answer the points of the embedding map, as :func:`app.map_points.map_points_json` has them."""
    points = embeddings.map_points(workspace, int(request.path_params["project_id"]))
    return JSONResponse(map_points_json(points), headers=_FRESH)


def get_export(workspace: Workspace, request: Request) -> Response:
    """Answer a zip file that was prepared for download, piece by piece from the disk.

    Another may take its place under the same address, so no browser is to keep it.
    """
    path = prepared_zip(workspace, int(request.path_params["project_id"]), request.path_params["name"])
    return FileResponse(path, headers=_FRESH, media_type="application/zip", filename=path.name)


def get_summary(workspace: Workspace, request: Request) -> Response:
    """Answer what the map shows of the image under the cursor, without reserving it."""
    image = images.image(workspace, _image_id(request))
    (item,), _ = queue.ranked_images(
        workspace, image.project_id, image_ids=[image.id], limit=1, annotator=request.state.annotator
    )
    summary = {
        "name": image.name,
        "thumbnail": thumbnail_url(item),
        "split": item.split,
        "rank": item.rank,
        "score": item.score,
        "why": reason(item),
    }
    return JSONResponse(summary, headers=_FRESH)


def get_plotly(request: Request) -> Response:
    """Answer the installed Plotly's script."""
    if request.path_params["version"] != plotly_version():
        raise NotFound("The server has another version of Plotly by now. Reload the page.")
    headers = {**IMMUTABLE, "content-encoding": "gzip"}
    return Response(plotly_gzip(), media_type="text/javascript", headers=headers)


def get_item(workspace: Workspace, request: Request) -> Response:
    """Open an image picked by hand; it is reserved for this annotator when nobody else has it."""
    item, held_by = queue.open_image(workspace, _image_id(request), request.state.annotator)
    return JSONResponse({"item": item_json(item), "held_by": held_by}, headers=_FRESH)


def post_skip(workspace: Workspace, request: Request) -> Response:
    """Put an image at the end of the queue and answer the next ones."""
    image = images.image(workspace, _image_id(request))
    count = _whole_number(request, "next", 6, most=MOST_ITEMS)
    holding = _whole_number(request, "holding", 0) or None
    queue.skip(workspace, image.id, request.state.annotator)
    items = _next_items(workspace, request, image.project_id, count, holding) if count else []
    return JSONResponse(
        {"items": items, "progress": progress_json(queue.progress(workspace, image.project_id))}
    )


def post_lease(workspace: Workspace, request: Request) -> Response:
    """Reserve an image for longer; 423 when somebody else has it by now."""
    until = queue.renew_lease(workspace, _image_id(request), request.state.annotator)
    return JSONResponse({"leased_until": until})


def get_canvas_file(request: Request) -> Response:
    """Answer a file of the canvas's frontend; only the current version, since addresses never change."""
    files = {path.name: path for path in FRONTEND.iterdir() if path.suffix in _FRONTEND_TYPES}
    path = files.get(request.path_params["file"])
    if path is None or request.path_params["version"] != frontend_version():
        return PlainTextResponse("There is no such file. Reload the page.", HTTPStatus.NOT_FOUND)
    return Response(path.read_bytes(), media_type=_FRONTEND_TYPES[path.suffix], headers=IMMUTABLE)


def no_such_route(request: Request) -> Response:
    """Answer 404 where Streamlit would answer its first page."""
    return JSONResponse({"error": f"There is nothing at {request.url.path}."}, HTTPStatus.NOT_FOUND)


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


_FRESH = {"cache-control": "no-store"}


def _next_items(
    workspace: Workspace, request: Request, project_id: int, count: int, holding: int | None
) -> list[dict[str, Any]]:
    try:
        taken = queue.next_images(workspace, project_id, request.state.annotator, count, holding=holding)
    except ProjectArchived:
        # The label map that came with the question is saved, which a refusal would deny. Whoever asks for
        # images alone hears why there are none.
        return []
    return [item_json(item) for item in taken]


def _image_id(request: Request) -> int:
    return int(request.path_params["image_id"])


def _image_with_blob(workspace: Workspace, request: Request) -> ImageInfo:
    """Return the image of the address, which must name that image's own pixels."""
    image = images.image(workspace, _image_id(request))
    if request.path_params["blob"] != image.blob:
        raise NotFound("The image has other pixels by now. Reload the page.")
    return image


def _blob_of_address(workspace: Workspace, request: Request) -> bytes:
    blob = request.path_params["blob"]
    if not _BLOB.fullmatch(blob):
        raise NotFound("There is no such file. Reload the page.")
    return workspace.blobs.get(blob)


@lru_cache(maxsize=16)
def _packed_suggestion(png: bytes, height: int, width: int) -> bytes:
    return _packed(suggestion_runs(png, height, width))


def _packed(body: bytes) -> bytes:
    # Left to Streamlit's middleware it would be level 9: five times the work for a tenth less to send.
    return gzip.compress(body, compresslevel=1, mtime=0)


def _run_lengths(packed: bytes, headers: Mapping[str, str]) -> Response:
    headers = {**headers, "content-encoding": "gzip"}
    return Response(packed, media_type="application/octet-stream", headers=headers)


def _whole_number(request: Request, name: str, default: int, *, least: int = 0, most: int = 2**31 - 1) -> int:
    """Return a whole number of the query string, or ``default`` when it is not there or empty."""
    text = request.query_params.get(name) or str(default)
    number = int(text) if re.fullmatch(r"\d{1,10}", text, re.ASCII) else -1
    if not least <= number <= most:
        raise InvalidInput(f"{name} must be a whole number from {least} to {most}.")
    return number


def _whole_numbers(request: Request, name: str) -> list[int]:
    """Return the whole numbers of the query string that are there under this name, with commas between."""
    texts = (request.query_params.get(name) or "").split(",")
    if not all(re.fullmatch(r"\d{0,10}", text, re.ASCII) for text in texts):
        raise InvalidInput(f"{name} must be whole numbers with commas between.")
    return [int(text) for text in texts if text]


def _seconds(text: str) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise InvalidInput("The time spent is not a number of seconds.")
    return seconds


def _submission(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidInput("The request's submission id is not a UUID. Reload the page.") from None
