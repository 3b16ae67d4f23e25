"""A real server, a real worker and a real Chromium for the promises made to the user."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect, sync_playwright

from run_app import chromium_path
from storage.workspace import open_workspace
from tests.e2e.camvid_site import CamVidServer, CamVidSite
from tests.e2e.page_errors import PageErrors
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
        server.end()


@pytest.fixture(scope="session")
def camvid_server(camvid: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CamVidServer]:
    folder = tmp_path_factory.mktemp("canvas")
    workspace = open_workspace(folder / "workspace")
    server = Server(workspace.path, ["--no-worker"])
    yield CamVidServer(camvid, folder, workspace, server)
    server.end()
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


@pytest.fixture(scope="session")
def page_errors() -> PageErrors:
    """What went wrong inside the pages of the test that runs."""
    return PageErrors()


@pytest.fixture(autouse=True)
def no_page_errors(page_errors: PageErrors) -> Iterator[None]:
    """Fail a test in whose pages something went wrong that it does not look at."""
    yield
    assert page_errors.take() == []


@pytest.fixture
def new_context(browser: Browser, page_errors: PageErrors) -> Iterator[Callable[..., BrowserContext]]:
    """Return a function that opens a browser session with cookies of its own, and options as Playwright's."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        contexts.append(opened_context(browser, page_errors, **options))
        return contexts[-1]

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def kept_context(browser: Browser, page_errors: PageErrors) -> BrowserContext:
    """A browser session that has loaded the app before, as it is after a person's first day."""
    return opened_context(browser, page_errors)


@pytest.fixture(scope="session")
def blank_page(kept_context: BrowserContext) -> Page:
    """An empty page, open for as long as the tests run: from it the data of other pages are cleared."""
    return kept_context.new_page()


@pytest.fixture(scope="session")
def devtools(kept_context: BrowserContext, blank_page: Page) -> CDPSession:
    return kept_context.new_cdp_session(blank_page)


@pytest.fixture
def page(kept_context: BrowserContext, blank_page: Page, devtools: CDPSession) -> Iterator[Page]:
    """A page that finds nothing of the tests before it but files in the browser's cache."""
    yield kept_context.new_page()
    kept_context.set_offline(False)
    used = [one for one in kept_context.pages if one is not blank_page]
    origins = {found[0] for one in used if (found := re.match("https?://[^/]+", one.url))}
    for one in used:
        one.close()
    for origin in origins:
        devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    kept_context.clear_cookies()


def opened_context(browser: Browser, page_errors: PageErrors, **options: Any) -> BrowserContext:
    context = browser.new_context(**{"viewport": {"width": 1100, "height": 840}, **options})
    context.set_default_timeout(PATIENCE_MS)
    page_errors.watch(context)
    return context
