from collections.abc import Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from app.answers import answer_error, answer_surprise
from app.gates import gates
from app.routes import routes
from app.sign_in import auth_at_start, secret_key
from storage.errors import QualmError
from storage.workspace import Workspace
from tests.app.four_images import Site, make_site


@pytest.fixture(autouse=True)
def _start_anew() -> Iterator[None]:
    """Let each test decide as a server that starts whether there is an OIDC sign-in."""
    auth_at_start.cache_clear()
    yield
    auth_at_start.cache_clear()


@pytest.fixture
def site(workspace: Workspace) -> Site:
    return make_site(workspace)


def page(request: Request) -> HTMLResponse:
    return HTMLResponse("<title>Qualm</title>")


def fail(request: Request) -> PlainTextResponse:
    raise RuntimeError("a secret detail")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("open")
    await websocket.close()


@pytest.fixture
def open_browser(site: Site) -> Iterator[Callable[..., TestClient]]:
    """Return a function that opens a fresh browser, named by its first page unless ``named`` is False."""
    opened = []

    def open_one(
        *, named: bool = True, access_token: str | None = None, host: str = "127.0.0.1"
    ) -> TestClient:
        app = Starlette(
            routes=[
                Route("/", page),
                Route("/_stcore/health", lambda request: PlainTextResponse("ok")),
                WebSocketRoute("/_stcore/stream", echo),
                Route("/api/fail", fail),
                *routes(site.workspace),
            ],
            middleware=gates(key=secret_key(site.workspace.path), access_token=access_token, host=host),
            exception_handlers={QualmError: answer_error, Exception: answer_surprise},
        )
        client = TestClient(
            app,
            base_url="http://127.0.0.1:8501",
            headers={"x-qualm": "1"},
            raise_server_exceptions=False,
            follow_redirects=False,
        )
        if named:
            client.get("/")
        opened.append(client)
        return client

    yield open_one
    for client in opened:
        client.close()


@pytest.fixture
def browser(open_browser: Callable[..., TestClient]) -> TestClient:
    return open_browser()
