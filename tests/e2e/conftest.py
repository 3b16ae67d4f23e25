"""A real server, a real worker and a real Chromium for the promises made to the user."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from run_app import chromium_path
from storage.workspace import open_workspace
from tests.e2e.camvid_site import CamVidServer, CamVidSite
from tests.e2e.server import Server

PATIENCE_MS = 30_000
"""How long a page may take for anything that is waited for, on a machine that does something else as well."""
expect.set_options(PATIENCE_MS)

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server on ``tmp_path / "workspace"`` with extra arguments."""
    servers: list[Server] = []

    def start(*arguments: str, workspace: Path | None = None) -> Server:
        server = Server(workspace or tmp_path / "workspace", list(arguments))
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def camvid_server(camvid: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CamVidServer]:
    folder = tmp_path_factory.mktemp("canvas")
    workspace = open_workspace(folder / "workspace")
    server = Server(workspace.path, ["--no-worker"])
    yield CamVidServer(camvid, folder, workspace, server)
    server.stop()
    workspace.close()


@pytest.fixture
def image_count() -> int:
    """How many CamVid images the project of a test has."""
    return 14


@pytest.fixture
def site(camvid_server: CamVidServer, image_count: int) -> CamVidSite:
    """A project of CamVid pictures of a test's own, on a server that all tests of the canvas share."""
    camvid_server.server.ensure_running()
    return camvid_server.new_site(image_count)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium_path()
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Return a function that opens a browser session with cookies of its own."""
    contexts: list[BrowserContext] = []

    def make() -> BrowserContext:
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_context: Callable[[], BrowserContext]) -> Page:
    return new_context().new_page()
