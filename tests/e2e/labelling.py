"""What a person does at the label canvas, as functions on a Playwright page."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page, TimeoutError

from storage.formats import run_length

BAND_ROWS = 64
"""Rows of a label map that the browser keeps together."""
# Requests of a page that goes away pass by Playwright's own routes.
CUTTABLE_FETCH = """
const fetchOfBrowser = window.fetch;
window.fetch = (address, options) =>
  options?.method === 'PUT' && localStorage.getItem('test-cut')
    ? Promise.reject(new TypeError('cut by the test'))
    : fetchOfBrowser(address, options);
"""


def state(page: Page) -> dict[str, Any]:
    """Return the editor's own account of what it shows."""
    found: dict[str, Any] = page.evaluate("() => window.qualmCanvas.state()")
    return found


def open_label_page(page: Page, url: str) -> dict[str, Any]:
    """Open the Label page and wait until an image is on the canvas."""
    page.goto(url)
    return wait_for_image(page)


def press_in_the_header(page: Page, name: str) -> None:
    """Press a link of the header; a card of the Queue page may be named alike."""
    page.get_by_test_id("stTopNav").get_by_role("link", name=name).click()


def with_cuttable_fetch(page: Page) -> Page:
    """Let the saves of a page be cut; what is cut is told to all such pages of a browser session."""
    page.add_init_script(CUTTABLE_FETCH)
    return page


def cut_saves(page: Page, *, cut: bool) -> None:
    """Let no label map out of the browser, not even while the page goes away; or let them out again."""
    page.evaluate("(cut) => localStorage.setItem('test-cut', cut ? 'yes' : '')", cut)


def wait_for_image(page: Page, other_than: int | None = None) -> dict[str, Any]:
    """Wait until an image is on the canvas, and not the one with this id, and rests where it lies."""
    page.wait_for_function(
        """(other) => {
            const canvas = window.qualmCanvas;
            if (!canvas) return false;
            const now = canvas.state();
            return Boolean(now.imageId) && now.imageId !== other && now.phase === 'labelling';
        }""",
        arg=other_than,
    )
    # The controls come up to date in the frame after, and may move it.
    wait_until_still(page)
    return state(page)


def wait_until_saved(page: Page) -> dict[str, Any]:
    """Wait until every change is on the server."""
    page.wait_for_function(
        """() => {
            const now = window.qualmCanvas.state();
            return !now.unsaved && !now.unsent && now.saveState === 'saved';
        }"""
    )
    return state(page)


def wait_until_loaded_ahead(page: Page, count: int = 5) -> None:
    """Wait until so many of the images to come are loaded; more than five never are."""
    page.wait_for_function("(count) => window.qualmCanvas.state().ahead >= count", arg=count)


def wait_until_still(page: Page, place: str = "() => window.qualmCanvas.toScreen(0, 0)") -> None:
    """Wait until the view does not glide any more, or whatever a function in the page measures."""
    page.evaluate(
        f"""async () => {{
            const place = {place};
            const placeNow = () => JSON.stringify(place());
            const frame = () => new Promise((done) => requestAnimationFrame(done));
            let before = '';
            for (let still = 0; still < 3; before = placeNow()) {{
                await frame();
                still = placeNow() === before ? still + 1 : 0;
            }}
        }}"""
    )


def wait_until_run(page: Page) -> None:
    """Wait until the page's script has run, after something that it does was seen."""
    page.locator("[data-test-script-state=notRunning]").wait_for()


def wait_until(page: Page, condition: Callable[[], bool], patience_s: float = 30) -> None:
    """Wait until a condition holds that is not one of the page alone; the page's events go on meanwhile."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "waited too long"
        page.wait_for_timeout(50)


def choose_option(page: Page, box: Locator, name: str, patience_s: float = 30) -> None:
    """Choose an option of a list, opened anew when it closed: it does whenever the page moves below it."""
    option = page.get_by_role("option", name=name)
    wait_until_run(page)
    end = time.monotonic() + patience_s
    while True:
        box.locator("input").click()
        try:
            option.click(timeout=2000)
        except TimeoutError:
            assert time.monotonic() < end, f"no option {name}"
            page.keyboard.press("Escape")
        else:
            return


def wait_until_kept(page: Page, label_map: np.ndarray) -> None:
    """Wait until the browser's journal has this label map, (H, W), of the image on the screen."""
    bands = [label_map[row : row + BAND_ROWS] for row in range(0, len(label_map), BAND_ROWS)]
    wanted = [run_length.encode(band) for band in bands]
    wait_until(page, lambda: _bands_in_journal(page) == wanted)


def _bands_in_journal(page: Page) -> list[bytes]:
    bands = page.evaluate(
        """async () => {
            const done = (request) => new Promise((resolve, reject) => {
                request.onsuccess = () => resolve(request.result);
                request.onerror = () => reject(request.error);
            });
            const database = await done(indexedDB.open('qualm'));
            const stores = database.transaction(['unsaved', 'bands']);
            const { imageId } = window.qualmCanvas.state();
            const heads = await done(stores.objectStore('unsaved').getAll());
            const head = heads.find((one) => one.imageId === imageId);
            const range = head && IDBKeyRange.bound([head.key, 0], [head.key, Infinity]);
            const bands = head ? await done(stores.objectStore('bands').getAll(range)) : [];
            database.close();
            return bands.map((band) => Array.from(band));
        }"""
    )
    return [bytes(band) for band in bands]


def label_map(page: Page) -> np.ndarray:
    """Return the label map on the canvas, flat, ``uint8``."""
    return _map_of(page, "labelBytes")


def suggestion(page: Page) -> np.ndarray:
    """Return the suggestion on the canvas, flat, ``uint8``."""
    return _map_of(page, "suggestionBytes")


def _map_of(page: Page, source: str) -> np.ndarray:
    latin = page.evaluate(
        """(source) => {
            let text = '';
            for (const value of window.qualmCanvas[source]()) text += String.fromCharCode(value);
            return text;
        }""",
        source,
    )
    return np.frombuffer(latin.encode("latin-1"), dtype=np.uint8)


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """Return the client coordinates of an image pixel."""
    point = page.evaluate("([x, y]) => window.qualmCanvas.toScreen(x, y)", [x, y])
    return (point["x"], point["y"]) if isinstance(point, dict) else (point[0], point[1])


def image_coordinates(page: Page) -> Callable[[tuple[float, float]], tuple[float, float]]:
    """Return a function from client to image coordinates, in the view as it is now."""
    (x0, y0), (x1, _) = on_screen(page, 0, 0), on_screen(page, 1, 0)
    scale = x1 - x0
    return lambda point: ((point[0] - x0) / scale, (point[1] - y0) / scale)


def zoom(page: Page, wheel: int) -> None:
    """Turn the wheel under the mouse and wait until the view has followed."""
    before = state(page)["zoom"]
    page.mouse.wheel(0, wheel)
    if wheel:
        page.wait_for_function("(before) => window.qualmCanvas.state().zoom !== before", arg=before)


def choose_class(page: Page, index: int) -> None:
    page.get_by_test_id(f"class-{index}").click()


def stroke(page: Page, points: list[tuple[float, float]]) -> None:
    """Draw along image pixels with the mouse held down."""
    page.mouse.move(*on_screen(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*on_screen(page, *point), steps=3)
    page.mouse.up()


def polygon(page: Page, corners: list[tuple[float, float]]) -> None:
    """Click the corners of a polygon and close it with Enter."""
    page.get_by_test_id("tool-polygon").click()
    for corner in corners:
        page.mouse.click(*on_screen(page, *corner))
    page.keyboard.press("Enter")


def wait_for_dialog(page: Page) -> None:
    page.wait_for_function("() => window.qualmCanvas.state().dialog")


def submit(page: Page) -> None:
    page.get_by_test_id("submit").click()


def nudges_of(page: Page) -> list[bytes]:
    """Return a growing list of what the canvas tells Streamlit; to be asked for before the page is opened."""
    nudges: list[bytes] = []

    def note(message: str | bytes) -> None:
        if isinstance(message, bytes) and b"went_on" in message:
            nudges.append(message)

    page.on("websocket", lambda socket: socket.on("framesent", note))
    return nudges
