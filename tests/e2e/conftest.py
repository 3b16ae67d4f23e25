"""A real server, a real worker and a real Chromium for the promises made to the user."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from run_app import chromium_path
from tests.e2e.camvid_site import CamVidSite, camvid_site
from tests.e2e.server import Server

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
def shared_site(camvid: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CamVidSite]:
    with camvid_site(camvid, tmp_path_factory.mktemp("canvas"), count=60) as site:
        yield site


@pytest.fixture
def site(shared_site: CamVidSite) -> CamVidSite:
    """CamVid pictures that nobody has touched, on a server that all tests of the canvas share."""
    shared_site.set_used_images_aside()
    return shared_site


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
        context.set_default_timeout(30_000)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_context: Callable[[], BrowserContext]) -> Page:
    return new_context().new_page()
