"""Take the README's screenshots from the demo: ``python docs/take_screenshots.py``.

Answers the queue with the truth until two rounds are done, then photographs each page into
``docs/images``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import typer
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from run_app import chromium_path
from storage import projects, round_requests, rounds
from storage.workspace import Workspace, open_workspace
from tests.e2e import labelling
from tests.e2e.conftest import CHROMIUM_ARGUMENTS
from tests.e2e.server import Server

IMAGES = ROOT / "docs" / "images"
ANSWERS_PER_ROUND = 12
ROUNDS = 2


def answer_with_truth(page: Page, count: int) -> None:
    """Answer and submit ``count`` images."""
    for _ in range(count):
        before = labelling.wait_for_image(page)["imageId"]
        page.get_by_test_id("truth-submit").click()
        labelling.wait_for_image(page, other_than=before)
    labelling.wait_until_saved(page)


def wait_for_rounds(workspace: Workspace, project_id: int, count: int) -> None:
    """Wait until ``count`` rounds are done."""
    while sum(row.state == "done" for row in rounds.history(workspace, project_id)) < count:
        time.sleep(1)


def photograph(page: Page, name: str) -> None:
    """Save what the page shows as ``docs/images/<name>.png``."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(2500)
    page.screenshot(path=IMAGES / f"{name}.png")


def photograph_canvas(page: Page) -> None:
    """Photograph the why card, a half accepted suggestion, the difference, the doubts, and the key sheet."""
    page.locator("section.why").screenshot(path=IMAGES / "why.png")
    page.get_by_test_id("toggle-uncertainty").click()
    photograph(page, "label")
    page.get_by_test_id("toggle-uncertainty").click()
    for x, y in ((160, 20), (160, 235)):
        page.mouse.move(*labelling.on_screen(page, x, y))
        page.keyboard.press("d")
    photograph(page, "suggestion")
    page.get_by_test_id("accept-all").click()
    labelling.choose_class(page, 3)
    labelling.stroke(page, [(60, 150), (130, 170), (120, 200)])
    labelling.choose_class(page, 4)
    labelling.stroke(page, [(220, 190), (245, 200)])
    page.get_by_test_id("toggle-difference").click()
    photograph(page, "difference")
    page.get_by_test_id("toggle-difference").click()
    while labelling.state(page)["canUndo"]:
        page.keyboard.press("Control+z")
    page.get_by_test_id("toggle-uncertainty").click()
    page.keyboard.press(".")
    photograph(page, "doubts")
    page.get_by_test_id("toggle-uncertainty").click()
    page.keyboard.press("?")
    photograph(page, "keys")
    page.keyboard.press("Escape")


def photograph_queue(page: Page, url: str) -> None:
    """Photograph the grid with the uncertainty on it, and the map with a lasso and a picture under it."""
    page.goto(f"{url}/queue")
    page.locator(".st-key-queue-heat label").click()
    page.locator(".q-card-heat").first.wait_for()
    photograph(page, "queue")
    page.locator(".st-key-queue-view").get_by_text("Map").click()
    page.locator(".st-key-map-colour").get_by_text("Score").click()
    page.wait_for_function("() => document.querySelector('.q-map-plot')?.data?.length")
    page.wait_for_timeout(2500)
    # Around the image that comes first: where it is on the screen, a lasso as wide as a fifth of the map.
    first = page.evaluate(
        """() => {
            const plot = document.querySelector('.q-map-plot');
            const { xaxis, yaxis } = plot._fullLayout;
            const trace = plot.data.find((one) => one.marker.showscale) ?? plot.data[0];
            const box = plot.getBoundingClientRect();
            return {
                x: box.left + xaxis._offset + xaxis.l2p(trace.x[0]),
                y: box.top + yaxis._offset + yaxis.l2p(trace.y[0]),
                reach: box.width / 10,
            };
        }"""
    )
    x, y, reach = first["x"], first["y"], first["reach"]
    inside = page.locator(".q-map .nsewdrag").bounding_box()
    assert inside is not None
    corners = [
        (x + reach * dx, y + reach * dy)
        for dx, dy in ((-1, -0.3), (0, -0.8), (1, -0.2), (0.4, 0.8), (-0.8, 0.6))
    ]
    corners = [
        (
            min(max(left, inside["x"] + 4), inside["x"] + inside["width"] - 4),
            min(max(top, inside["y"] + 4), inside["y"] + inside["height"] - 4),
        )
        for left, top in corners
    ]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in [*corners[1:], corners[0]]:
        page.mouse.move(*corner, steps=8)
    page.mouse.up()
    page.locator(".st-key-map-pin button").wait_for()
    page.mouse.move(x, y, steps=4)
    page.locator(".q-map-hover img").wait_for()
    page.wait_for_timeout(2500)
    page.screenshot(path=IMAGES / "map.png")


def main() -> None:
    """Play the demo and photograph it."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder) / "workspace", command="demo")
        server.start()
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGUMENTS)
        person = browser.new_context(viewport={"width": 1400, "height": 860})
        page = person.new_page()
        try:
            workspace = open_workspace(server.workspace)
            project = projects.list_projects(workspace)[0]
            for number in range(1, ROUNDS + 1):
                labelling.open_label_page(page, server.url)
                answer_with_truth(page, ANSWERS_PER_ROUND)
                if rounds.live_round(workspace, project.id) is None:
                    round_requests.request_round(
                        workspace, project.id, actor="person", reason="Started by hand"
                    )
                if number == ROUNDS:
                    page.goto(f"{server.url}/training")
                    page.wait_for_timeout(45_000)
                    photograph(page, "training")
                wait_for_rounds(workspace, project.id, number)
            # A new tab begins with the first image of the new order; the old one keeps that on its screen.
            page = person.new_page()
            labelling.open_label_page(page, server.url)
            photograph_canvas(page)
            photograph_queue(page, server.url)
            page.goto(f"{server.url}/project")
            photograph(page, "project")
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    typer.run(main)
