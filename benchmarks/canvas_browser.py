"""Our server, a real Chromium on it, and what a page and a trace tell of time."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright
from websockets.sync.client import ClientConnection, connect

from run_app import chromium_path
from tests.e2e.conftest import CHROMIUM_ARGUMENTS
from tests.e2e.server import Server, free_port, started, wait_for

VIEWPORT = {"width": 1500, "height": 900}
TRACED = ["viz", "devtools.timeline", "disabled-by-default-devtools.timeline", "blink.user_timing"]
PROBE = (Path(__file__).with_name("canvas_probe.js")).read_text(encoding="utf-8")


@contextmanager
def process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in the repository until the block ends."""
    running = started(command, log)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def streamlit_command(
    script: Path | str, port: int, *arguments: str, python: Path | str = sys.executable
) -> list[str]:
    """Return the command that serves a Streamlit page of a peer."""
    options = ["--server.headless", "true", "--browser.gatherUsageStats", "false", "--server.port", str(port)]
    return [str(python), "-m", "streamlit", "run", str(script), *options, "--", *arguments]


@contextmanager
def streamlit_server(
    script: Path | str, log: Path, *arguments: str, python: Path | str = sys.executable
) -> Iterator[tuple[str, int]]:
    """Serve a Streamlit page of a peer, and give its address and the id of the process."""
    port = free_port()
    with process(streamlit_command(script, port, *arguments, python=python), log) as running:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", running, log)
        yield f"http://127.0.0.1:{port}", running.pid


@contextmanager
def server(workspace: Path) -> Iterator[str]:
    """Run ``run_app.py serve`` without a worker and give its address."""
    running = Server(workspace, ["--no-worker"])
    try:
        running.start()
        yield running.url
    finally:
        running.end()


class Chromium:
    """A Chromium that Playwright drives, with a second line for input that waits for no answer."""

    def __init__(self, playwright: Playwright) -> None:
        self.port = free_port()
        self.browser: Browser = playwright.chromium.launch(
            executable_path=chromium_path(has_window=True),
            args=[*CHROMIUM_ARGUMENTS, f"--remote-debugging-port={self.port}"],
        )

    def new_page(self, probe: bool = True) -> Page:
        """Return a page in a session of its own, with cookies, cache and storage empty."""
        context = self.browser.new_context(viewport=VIEWPORT)  # type: ignore[arg-type]
        context.set_default_timeout(60_000)
        if probe:
            context.add_init_script(PROBE)
        return context.new_page()

    @contextmanager
    def traced(self, page: Page) -> Iterator[Trace]:
        """Trace what happens in the block; the trace is filled when the block ends."""
        trace = Trace()
        self.browser.start_tracing(page=page, categories=TRACED)
        try:
            yield trace
        finally:
            trace.read(json.loads(self.browser.stop_tracing()), page)

    @contextmanager
    def mouse(self, page: Page) -> Iterator[Mouse]:
        """Give the mouse of a page by a DevTools connection of its own."""
        title = f"mouse {time.monotonic_ns()}"
        before = page.title()
        page.evaluate("title => { document.title = title; }", title)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/json/list") as answer:
            targets = json.load(answer)
        address = next(one["webSocketDebuggerUrl"] for one in targets if one["title"] == title)
        page.evaluate("title => { document.title = title; }", before)
        with connect(address, max_size=None) as connection:
            yield Mouse(connection)


class Mouse:
    """Mouse events at a steady pace, sent without waiting until the page has dealt with the one before."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.numbers = itertools.count(1)

    def _send(self, kind: str, x: float, y: float, buttons: int) -> None:
        button = "left" if buttons or kind == "mouseReleased" else "none"
        event = {"type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1}
        message = {"id": next(self.numbers), "method": "Input.dispatchMouseEvent", "params": event}
        self.connection.send(json.dumps(message))
        try:
            while True:
                self.connection.recv(timeout=0)
        except TimeoutError:
            return

    def click(self, x: float, y: float, to: tuple[float, float] = (0, 0)) -> None:
        """Press and release, after a move by ``to`` in between when there is one."""
        self._send("mousePressed", x, y, 1)
        if any(to):
            self._send("mouseMoved", x + to[0], y + to[1], 1)
        self._send("mouseReleased", x + to[0], y + to[1], 0)

    def drag(self, points: Iterator[tuple[float, float]], seconds: float, pace_s: float = 0.008) -> int:
        """Draw along client coordinates for so long and return how many moves were sent."""
        x, y = next(points)
        self._send("mouseMoved", x, y, 0)
        time.sleep(0.1)
        self._send("mousePressed", x, y, 1)
        began = time.monotonic()
        for count in itertools.count(1):
            due = began + count * pace_s
            if due > began + seconds:
                break
            time.sleep(max(0.0, due - time.monotonic()))
            x, y = next(points)
            self._send("mouseMoved", x, y, 1)
        self._send("mouseReleased", x, y, 0)
        return count - 1


@dataclass(frozen=True)
class Task:
    """A piece of work of a page's main thread, in milliseconds of the trace's clock."""

    start: float
    duration: float

    @property
    def end(self) -> float:
        return self.start + self.duration


class Trace:
    """Display swaps, tasks of one page's main thread and the page's own marks."""

    def __init__(self) -> None:
        self.swaps: list[float] = []
        self.tasks: list[Task] = []
        self.marks: dict[str, list[float]] = {}

    def read(self, content: dict[str, Any], page: Page) -> None:
        events = content["traceEvents"]
        marks = [one for one in events if "blink.user_timing" in one.get("cat", "") and one["ph"] in "IRn"]
        own = [one for one in marks if one["name"].startswith("probe-")]
        if not own:
            raise RuntimeError("The page set no mark while it was traced.")
        thread = (own[0]["pid"], own[0]["tid"])
        for one in own:
            self.marks.setdefault(one["name"].removeprefix("probe-"), []).append(one["ts"] / 1000)
        for one in events:
            if one.get("name") == "Display::DrawAndSwap" and one["ph"] == "X":
                self.swaps.append(one["ts"] / 1000)
            elif one.get("name") == "RunTask" and one["ph"] == "X" and (one["pid"], one["tid"]) == thread:
                self.tasks.append(Task(one["ts"] / 1000, one.get("dur", 0) / 1000))
        self.swaps.sort()
        self.tasks.sort(key=lambda task: task.start)

    def swap_intervals(self, start: float, end: float) -> list[float]:
        """Return milliseconds from swap to swap within a span of the trace."""
        inside = [swap for swap in self.swaps if start <= swap <= end]
        return [after - before for before, after in itertools.pairwise(inside)]

    def longest_task(self, start: float, end: float) -> float:
        """Return the longest task of the main thread that ran within a span, in milliseconds."""
        return max((one.duration for one in self.tasks if one.end > start and one.start < end), default=0.0)

    def busy(self, start: float, end: float) -> float:
        """Return how long the main thread worked within a span, in milliseconds."""
        return sum(max(0.0, min(one.end, end) - max(one.start, start)) for one in self.tasks)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qualm-canvas-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def close(page: Page) -> None:
    """Close a page with the session that was opened for it."""
    context: BrowserContext = page.context
    context.close()
