"""Our HTTP routes beside Streamlit's: pixels, label maps, suggestions, the queue and the canvas's modules.

Pixels and label maps go over these routes and never through component state. An address with a blob's
hash in it never changes its content, so browsers may keep and prefetch it. Errors are JSON with the
sentence for the person under ``error``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import PurePath
from typing import Any

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.answers import FRESH, IMMUTABLE, answer_packed
from app.canvas.component import FRONTEND, frontend_gzip, frontend_version
from app.embedding_map import plotly_gzip, plotly_version
from app.label_routes import get_label, get_previous_label, get_revision, get_revisions, get_truth, put_label
from app.map_points import map_points_json
from app.picture_routes import (
    get_channels,
    get_overview,
    get_pixels,
    get_superpixels,
    get_thumbnail,
    get_tile,
    get_view,
)
from app.prepared_zips import prepared_zip
from app.queue_routes import get_item, get_next, get_progress, get_summary, post_lease, post_skip
from app.suggestion_routes import get_suggestion, get_uncertainty, get_uncertainty_thumbnail
from app.training_state import training_json, training_state
from storage import embeddings, projects
from storage.errors import NotFound
from storage.workspace import Workspace

_FRONTEND_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


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


def get_training(workspace: Workspace, request: Request) -> Response:
    """Answer what the worker does for the project now, as the bar on the Training page shows it."""
    project = projects.get_project(workspace, int(request.path_params["project_id"]))
    return JSONResponse(training_json(training_state(workspace, project)), headers=FRESH)


def get_map(workspace: Workspace, request: Request) -> Response:
    """Answer the points of the embedding map, as :func:`app.map_points.map_points_json` has them."""
    points = embeddings.map_points(workspace, int(request.path_params["project_id"]))
    return JSONResponse(map_points_json(points), headers=FRESH)


def get_export(workspace: Workspace, request: Request) -> Response:
    """Answer a zip file that was prepared for download, piece by piece from the disk.

    Another may take its place under the same address, so no browser is to keep it.
    """
    path = prepared_zip(workspace, int(request.path_params["project_id"]), request.path_params["name"])
    return FileResponse(path, headers=FRESH, media_type="application/zip", filename=path.name)


def get_plotly(request: Request) -> Response:
    """Answer the installed Plotly's script."""
    if request.path_params["version"] != plotly_version():
        raise NotFound("The server has another version of Plotly by now. Reload the page.")
    return answer_packed(plotly_gzip(), IMMUTABLE, "text/javascript")


def get_canvas_file(request: Request) -> Response:
    """Answer a file of the canvas's frontend; only the current version, since addresses never change."""
    name = request.path_params["file"]
    kind = _FRONTEND_TYPES.get(PurePath(name).suffix)
    is_there = name in {path.name for path in FRONTEND.iterdir()}
    if kind is None or not is_there or request.path_params["version"] != frontend_version():
        return PlainTextResponse("There is no such file. Reload the page.", HTTPStatus.NOT_FOUND)
    return answer_packed(frontend_gzip(name), IMMUTABLE, kind)


def no_such_route(request: Request) -> Response:
    """Answer 404 where Streamlit would answer its first page."""
    return JSONResponse({"error": f"There is nothing at {request.url.path}."}, HTTPStatus.NOT_FOUND)
