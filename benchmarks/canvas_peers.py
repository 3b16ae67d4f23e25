"""Other tools on the same images, measured in the same run when they are there; nothing here needs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import canvas_workspace as made
from canvas_browser import close, process, streamlit_server
from canvas_measures import Bench, row, times
from canvas_workspace import HD, LARGE, WIDE, Size
from playwright.sync_api import Page

from tests.e2e.server import ROOT, free_port, wait_for

PROBE = Path(__file__).with_name("peer_probe.js").read_text(encoding="utf-8")


class NotInstalled(Exception):
    """The peer is not there."""


def peers(bench: Bench, python: Path | None, studio: Path | None) -> Iterator[dict[str, object]]:
    """Measure every peer that is there, and name those that are not.

    Args:
        bench: What every measure works with.
        python: A Python with streamlit-drawable-canvas and labelme.
        studio: The command ``label-studio``.
    """
    for tool, measure in (("streamlit-drawable-canvas", drawable_canvas), ("labelme", labelme)):
        try:
            version = _version(python, tool)
            for measured in measure(bench, python or Path(sys.executable)):
                yield {**measured, "tool": f"{tool} {version}"}
        except NotInstalled as missing:
            yield {**row("peer", "", "", {"note": str(missing)}), "tool": tool}
    if studio is None:
        note = "not installed: give its command with --label-studio"
        yield {**row("peer", "", "", {"note": note}), "tool": "label-studio"}
    else:
        yield from label_studio(bench, studio)


def _version(python: Path | None, distribution: str) -> str:
    if python is None:
        raise NotInstalled("not installed: give its Python with --peers-python")
    code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if found.returncode:
        raise NotInstalled("not installed")
    return found.stdout.strip()


def pictures(bench: Bench, size: Size) -> Path:
    """Return a folder with the pictures that our own figures were measured on."""
    folder = bench.folder / f"pictures-{size}"
    if not folder.exists():
        folder.mkdir()
        for number in range(made.SCENES):
            (folder / f"{number}.jpg").write_bytes(made.make_scene(size, number).jpeg)
    return folder


def drawable_canvas(bench: Bench, python: Path) -> Iterator[dict[str, object]]:
    """Next image painted after a click, and a stroke's way to Python."""
    for size in (HD, WIDE):
        folder = pictures(bench, size)
        log = bench.folder / "drawable-canvas.log"
        arguments = (str(folder), str(size.width), str(size.height))
        script = "benchmarks/peer_drawable_canvas.py"
        with streamlit_server(script, log, *arguments, python=python) as (url, _):
            page = bench.chromium.new_page(probe=False)
            page.add_init_script(PROBE)
            page.goto(url)
            page.wait_for_function("() => window.peerProbe.paintedAt > 0")
            page.wait_for_timeout(2000)
            submits, strokes = [], []
            for number in range(bench.count(14, 4)):
                x, y = 400 + 20 * number, 400
                page.mouse.move(x, y)
                page.mouse.down()
                page.mouse.move(x + 60, y + 40, steps=6)
                page.mouse.up()
                released = page.evaluate("() => window.peerProbe.releasedAt") / 1000
                strokes.append(1000 * (_first_run_after(folder / "strokes.log", released) - released))
                page.wait_for_timeout(800)
                submits.append(_clicked(page, page.get_by_text("Next", exact=True).click))
                page.wait_for_timeout(800)
            close(page)
        yield row("submit, not prefetched", size, "quiet", times(submits[2:]))
        yield row("stroke to Python", size, "quiet", times(strokes[2:]))


def _first_run_after(log: Path, moment: float) -> float:
    """Return when the page's script first ran after a moment, both in epoch seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for line in log.read_text(encoding="utf-8").splitlines():
            if float(line.split()[0]) > moment:
                return float(line.split()[0])
        time.sleep(0.1)
    raise RuntimeError("The stroke never reached Python.")


def labelme(bench: Bench, python: Path) -> Iterator[dict[str, object]]:
    """Opening an image and adding a polygon of 500 vertices, until the window is painted."""
    for size in (WIDE, LARGE):
        picture = pictures(bench, size) / "0.jpg"
        command = [str(python), "benchmarks/peer_labelme.py", str(picture), str(bench.count(10, 3))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise NotInstalled(f"does not run here: {done.stderr.strip().splitlines()[-1]}")
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        yield row("cold open", size, "quiet", times(figures["open_ms"]))
        yield row("polygon of 500 vertices", size, "quiet", times(figures["polygon_ms"]))


STUDIO_USER = ("person@example.org", "a long password")
STUDIO_TOKEN = "0123456789abcdef0123456789abcdef01234567"


def label_studio(bench: Bench, command: Path) -> Iterator[dict[str, object]]:
    """Submit → next image painted in the stream of tasks, and a task opened from the table."""
    folder = bench.folder
    os.environ.update(
        LABEL_STUDIO_BASE_DATA_DIR=str(folder / "label-studio"),
        LOCAL_FILES_SERVING_ENABLED="true",
        LOCAL_FILES_DOCUMENT_ROOT=str(folder),
        COLLECT_ANALYTICS="false",
        LATEST_VERSION_CHECK="0",
    )
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    start = [str(command), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    user = ["--username", STUDIO_USER[0], "--password", STUDIO_USER[1], "--user-token", STUDIO_TOKEN]
    log = folder / "label-studio.log"
    with process([*start, *user, "--enable-legacy-api-token"], log) as running:
        wait_for(f"{url}/health", running, log, 240)
        version = _studio(url, "GET", "/api/version")["release"]
        page = bench.chromium.new_page(probe=False)
        page.add_init_script(PROBE)
        page.goto(f"{url}/user/login/")
        page.locator("input[name=email]").fill(STUDIO_USER[0])
        page.locator("input[name=password]").fill(STUDIO_USER[1])
        page.locator("button[type=submit]").first.click()
        page.wait_for_timeout(2000)
        for size in (HD, WIDE, LARGE):
            project = f"{url}/projects/{_studio_project(bench, url, size)}/data"
            figures = {}
            if size != LARGE:
                figures["submit, not prefetched"] = _studio_submits(page, project, bench.count(8, 3))
            if size != HD:
                figures["cold open"] = _studio_opens(page, project, bench.count(5, 3))
            for measure, took in figures.items():
                yield {**row(measure, size, "quiet", times(took)), "tool": f"label-studio {version}"}
        close(page)


def _studio(url: str, method: str, path: str, body: object = None) -> dict[str, Any]:
    headers = {"Authorization": f"Token {STUDIO_TOKEN}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, method=method, headers=headers, data=data)
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _studio_project(bench: Bench, url: str, size: Size) -> int:
    """Make a project of brush labels on the same pictures and return its id."""
    names = "".join(f'<Label value="class {number}"/>' for number in range(made.CLASSES))
    brush = f'<BrushLabels name="tag" toName="image">{names}</BrushLabels>'
    config = f'<View><Image name="image" value="$image"/>{brush}</View>'
    project = _studio(url, "POST", "/api/projects", {"title": str(size), "label_config": config})["id"]
    folder = pictures(bench, size)
    storage = {"project": project, "path": str(folder), "use_blob_urls": True, "title": "pictures"}
    _studio(url, "POST", "/api/storages/localfiles", storage)
    addresses = [
        {"image": f"/data/local-files/?d={folder.name}/{number % made.SCENES}.jpg&n={number}"}
        for number in range(20)
    ]
    _studio(url, "POST", f"/api/projects/{project}/import", addresses)
    return int(project)


def _studio_submits(page: Page, project: str, count: int) -> list[float]:
    page.goto(f"{project}?labeling=1")
    page.wait_for_function("() => window.peerProbe.paintedAt > 0")
    took = []
    for _ in range(count + 2):
        page.wait_for_timeout(1200)
        page.keyboard.press("1")
        page.mouse.move(500, 400)
        page.mouse.down()
        page.mouse.move(600, 450, steps=6)
        page.mouse.up()
        page.wait_for_timeout(300)
        took.append(_clicked(page, page.get_by_role("button", name="Submit current annotation").click))
    return took[2:]


def _studio_opens(page: Page, project: str, count: int) -> list[float]:
    page.goto(project)
    rows = page.locator(".lsf-table-row")
    rows.first.wait_for()
    took = []
    for number in range(count):
        page.wait_for_timeout(3000)
        took.append(_clicked(page, rows.nth(number).click))
    return took


def _clicked(page: Page, click: Callable[[], None]) -> float:
    """Return the milliseconds from a click until another picture is painted."""
    page.evaluate("() => window.peerProbe.arm('click')")
    click()
    page.wait_for_function("() => window.peerProbe.paintedAt > 0")
    took: float = page.evaluate("() => window.peerProbe.paintedAt - window.peerProbe.startedAt")
    return took
