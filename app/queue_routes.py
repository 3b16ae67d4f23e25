"""HTTP routes for the queue: the next images, one picked by hand, reservations and how far the project is."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.answers import FRESH
from app.canvas.classes import class_version
from app.item_contents import answer_with_contents, contents_of
from app.items import item_json, progress_json, reason, thumbnail_url
from app.request_values import image_id_of, whole_number, whole_numbers
from storage import images, projects, queue
from storage.errors import ProjectArchived
from storage.workspace import Workspace

MOST_ITEMS = 50
"""Images one request may take from the queue."""


def get_next(workspace: Workspace, request: Request) -> Response:
    """Reserve the next images of the queue for this annotator and answer them, and nothing slower.

    ``?displaced=`` names images that were on this tab's screen before and of which nothing was handed in.
    With ``?contents=1``, for somebody who waits, the answer also has what lies at addresses of the first
    item, as :func:`app.item_contents.answer_with_contents` writes it.
    """
    project_id = int(request.path_params["project_id"])
    count = whole_number(request, "count", 6, least=1, most=MOST_ITEMS)
    holding = whole_number(request, "holding", 0) or None
    awaited = bool(whole_number(request, "contents", 0, most=1))
    taken = queue.next_images(
        workspace,
        project_id,
        request.state.annotator,
        count,
        holding=holding,
        awaited=awaited,
        displaced=whole_numbers(request, "displaced"),
    )
    answer: dict[str, Any] = {"items": [item_json(item) for item in taken]}
    if taken and awaited:
        return answer_with_contents(answer, contents_of(workspace, taken[0]), FRESH)
    return JSONResponse(answer, headers=FRESH)


def next_items(
    workspace: Workspace, request: Request, project_id: int, count: int, holding: int | None
) -> list[dict[str, Any]]:
    """Reserve the next images, for an answer to something else; none where the project is archived."""
    try:
        taken = queue.next_images(workspace, project_id, request.state.annotator, count, holding=holding)
    except ProjectArchived:
        # The label map that came with the question is saved, which a refusal would deny. Whoever asks for
        # images alone hears why there are none.
        return []
    return [item_json(item) for item in taken]


def get_item(workspace: Workspace, request: Request) -> Response:
    """Open an image picked by hand; it is reserved for this annotator when nobody else has it."""
    item, held_by = queue.open_image(workspace, image_id_of(request), request.state.annotator)
    return JSONResponse({"item": item_json(item), "held_by": held_by}, headers=FRESH)


def post_skip(workspace: Workspace, request: Request) -> Response:
    """Put an image at the end of the queue and answer the next ones."""
    image = images.image(workspace, image_id_of(request))
    count = whole_number(request, "next", 6, most=MOST_ITEMS)
    holding = whole_number(request, "holding", 0) or None
    queue.skip(workspace, image.id, request.state.annotator)
    items = next_items(workspace, request, image.project_id, count, holding) if count else []
    return JSONResponse(
        {"items": items, "progress": progress_json(queue.progress(workspace, image.project_id))}
    )


def post_lease(workspace: Workspace, request: Request) -> Response:
    """Reserve an image for longer; 423 when somebody else has it by now."""
    until = queue.renew_lease(workspace, image_id_of(request), request.state.annotator)
    return JSONResponse({"leased_until": until})


def get_summary(workspace: Workspace, request: Request) -> Response:
    """Answer what the map shows of the image under the cursor, without reserving it."""
    image = images.image(workspace, image_id_of(request))
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
    return JSONResponse(summary, headers=FRESH)


def get_progress(workspace: Workspace, request: Request) -> Response:
    """Answer how far the project is, and which version its classes have."""
    project_id = projects.get_project(workspace, int(request.path_params["project_id"])).id
    answer = progress_json(queue.progress(workspace, project_id))
    answer["class_version"] = class_version(projects.classes(workspace, project_id))
    return JSONResponse(answer, headers=FRESH)
