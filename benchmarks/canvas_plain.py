"""A Chromium as a person has it: a profile on the disk, and no debugger that keeps all that the page loads.

Playwright listens to every request of its pages, and for that Chromium keeps the answers: 0.4 MB an image.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from canvas_browser import VIEWPORT
from websockets.sync.client import ClientConnection, connect

from run_app import chromium_path
from tests.e2e.conftest import CHROMIUM_ARGUMENTS
from tests.e2e.server import free_port

PATIENCE_S = 60
KEYS = {"a": ("KeyA", 65, "a"), "Enter": ("Enter", 13, "\r")}
"""Place on the keyboard, number and text of the keys that are pressed here."""


class Line:
    """A DevTools connection, to a page or to the whole browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.numbers = itertools.count(1)

    def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a DevTools method and return its result.

        Raises:
            RuntimeError: Chromium refused.
        """
        number = next(self.numbers)
        self.connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.connection.recv(timeout=PATIENCE_S))
            if answer.get("id") == number:
                break
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result


class PlainPage:
    """The only tab of a browser.

    Args:
        page: To the tab.
        browser: To the browser.
    """

    def __init__(self, page: Line, browser: Line) -> None:
        self.page = page
        self.browser = browser

    def evaluate(self, function: str) -> Any:
        """Call a JavaScript function in the page and return its JSON value."""
        result = self.page.send("Runtime.evaluate", expression=f"({function})()", returnByValue=True)
        return result["result"].get("value")

    def wait_for(self, function: str) -> None:
        """Wait until a JavaScript function says true.

        Raises:
            RuntimeError: It did not in a minute.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not self.evaluate(function):
            if time.monotonic() > deadline:
                raise RuntimeError(f"The page never came to {function}.")
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Press and release one of the keys in ``KEYS``."""
        code, number, text = KEYS[key]
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.page.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.page.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def heap_mb(self) -> float:
        """Return what the page's JavaScript holds after a collection, in MB."""
        self.page.send("HeapProfiler.collectGarbage")
        return float(self.page.send("Runtime.getHeapUsage")["usedSize"]) / 2**20

    def memory(self) -> dict[str, float]:
        """Return the resident memory of all processes (shared pages counted once) and of the largest tab."""
        processes = self.browser.send("SystemInfo.getProcessInfo")["processInfo"]
        tabs = [_resident(int(one["id"]))["Rss"] for one in processes if one["type"] == "renderer"]
        return {
            "all_mb": sum(_resident(int(one["id"]))["Pss"] for one in processes),
            "tab_mb": max(tabs),
        }


def _resident(pid: int) -> dict[str, float]:
    """Return Rss and Pss of a process in MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {"Rss": 0.0, "Pss": 0.0}
    found = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("Rss:", "Pss:"))}
    return {name: int(kilobytes) / 1024 for name, kilobytes in found.items()}


def _targets(port: int, url: str) -> list[dict[str, Any]]:
    """Return the browser and its tabs at an address as DevTools lists them, once there is one.

    Raises:
        RuntimeError: Chromium did not start in a minute.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/version", timeout=2) as answer:
                browser = json.load(answer)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=2) as answer:
                tabs = [one for one in json.load(answer) if one["type"] == "page" and one["url"] == url]
        except OSError:
            tabs = []
        if tabs:
            return [browser, *tabs]
        time.sleep(0.2)
    raise RuntimeError("Chromium did not start.")


@contextmanager
def plain_page(profile: Path, url: str) -> Iterator[PlainPage]:
    """Open a page in a browser of its own.

    Args:
        profile: Folder of the browser's profile; made new.
        url: What to open.

    Raises:
        RuntimeError: Chromium is not installed, or did not start in a minute.
    """
    port = free_port()
    size = f"--window-size={VIEWPORT['width']},{VIEWPORT['height']}"
    own = [f"--user-data-dir={profile}", f"--remote-debugging-port={port}", "--headless=new", size]
    if not (executable := chromium_path(has_window=True)):
        raise RuntimeError("Chromium is not installed.")
    command = [executable, *CHROMIUM_ARGUMENTS, *own, url]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        addresses = [one["webSocketDebuggerUrl"] for one in _targets(port, url)]
        browser, tab = (connect(address, max_size=None) for address in addresses[:2])
        with browser, tab:
            yield PlainPage(Line(tab), Line(browser))
    finally:
        started.terminate()
        started.wait(20)
