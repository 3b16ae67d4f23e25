"""What is on the label map is what a person sees: the pixels of the screen, not the canvas's own account."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image as Picture
from playwright.sync_api import BrowserContext, Page, expect
from scipy.ndimage import binary_dilation, binary_erosion

from storage import projects
from storage.schema import NOT_LABELLED
from tests.e2e import labelling
from tests.e2e.camvid_site import HEIGHT, ROAD, WIDTH, CamVidSite

pytestmark = pytest.mark.browser

OUTSIDE = (300.0, 25.0)
"""A place in the header, where the mouse draws no ring on the picture."""
EDGE = np.ones((5, 5), bool)
"""Two pixels around an edge, where the screen may show either side of it."""


@pytest.fixture(params=[1, 1.5])
def sharp_page(new_context: Callable[..., BrowserContext], request: pytest.FixtureRequest) -> Page:
    """A page on a screen with so many pixels for each of its own."""
    return new_context(device_scale_factor=request.param).new_page()


def seen(page: Page) -> np.ndarray:
    """Return what is on the screen in the middle of each image pixel, (H, W, 3) float; NaN out of view."""
    page.mouse.move(*OUTSIDE)
    labelling.wait_until_still(page)
    shot = np.asarray(Picture.open(io.BytesIO(page.screenshot())).convert("RGB"), dtype=float)
    canvas = page.locator("canvas.picture").bounding_box()
    assert canvas is not None
    ratio = page.evaluate("devicePixelRatio")
    (x0, y0), (x1, _) = labelling.on_screen(page, 0, 0), labelling.on_screen(page, 1, 0)
    x = x0 + (np.arange(WIDTH) + 0.5) * (x1 - x0)
    y = y0 + (np.arange(HEIGHT) + 0.5) * (x1 - x0)
    in_view = np.logical_and.outer(
        (y > canvas["y"]) & (y < canvas["y"] + canvas["height"]),
        (x > canvas["x"]) & (x < canvas["x"] + canvas["width"]),
    )
    rows = np.clip(y * ratio, 0, len(shot) - 1).astype(int)
    columns = np.clip(x * ratio, 0, shot.shape[1] - 1).astype(int)
    return np.where(in_view[..., None], shot[rows[:, None], columns], np.nan)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return bool (H, W): pixels in view that look otherwise."""
    return np.nan_to_num(np.abs(after - before)).max(axis=2) > 6


def wait_until_seen(page: Page, before: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Wait until the pixels of a mask look otherwise than before, and no others; return what is seen."""
    inside, outside = binary_erosion(mask, EDGE, border_value=1), ~binary_dilation(mask, EDGE)
    last = before

    def is_so() -> bool:
        nonlocal last
        last = seen(page)
        differs = changed(before, last)
        unchanged = inside & ~differs & ~np.isnan(last[..., 0])
        # A colour may happen to be that of its class.
        return unchanged.sum() <= 0.03 * inside.sum() and not (outside & differs).any()

    labelling.wait_until(page, is_so)
    return last


def colour_over(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the colour (3,) that lies over the pixels of a mask, of a veil that is equally dense there."""
    design = np.column_stack([before[mask].ravel(), *np.tile(np.eye(3), mask.sum())])
    kept, *veil = np.linalg.lstsq(design, after[mask].ravel(), rcond=None)[0]
    return np.array(veil) / (1 - kept)


def test_a_stroke_and_its_undo_are_seen_where_they_are(site: CamVidSite, sharp_page: Page) -> None:
    page = sharp_page
    labelling.open_label_page(page, site.server.url)
    page.get_by_test_id("toggle-suggestion").click()
    labelling.choose_class(page, ROAD)
    for wheel in (0, -600):
        page.mouse.move(*labelling.on_screen(page, 200, 170))
        labelling.zoom(page, wheel)
        plain = seen(page)
        labelling.stroke(page, [(160, 150), (200, 190), (230, 160)])
        road = labelling.label_map(page).reshape(HEIGHT, WIDTH) == ROAD
        painted = wait_until_seen(page, plain, road)
        inside = binary_erosion(road, EDGE) & ~np.isnan(plain[..., 0])
        assert inside.sum() > 500
        classes = projects.classes(site.workspace, site.project_id)
        wanted = [int(classes[ROAD].colour[at : at + 2], 16) for at in (1, 3, 5)]
        np.testing.assert_allclose(colour_over(plain, painted, inside), wanted, atol=12)
        page.keyboard.press("Control+z")
        wait_until_seen(page, plain, np.zeros_like(road))
        page.keyboard.press("Control+Shift+z")
        wait_until_seen(page, plain, road)
        page.keyboard.press("Control+z")
        wait_until_seen(page, plain, np.zeros_like(road))


def test_the_suggestion_is_seen_until_it_is_accepted(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    suggested = site.suggestion(image_id).reshape(HEIGHT, WIDTH) < NOT_LABELLED
    with_suggestion = seen(page)
    page.get_by_test_id("toggle-suggestion").click()
    plain = wait_until_seen(page, with_suggestion, suggested)
    page.get_by_test_id("toggle-suggestion").click()
    wait_until_seen(page, with_suggestion, np.zeros_like(suggested))
    page.get_by_test_id("accept-all").click()
    page.get_by_test_id("toggle-suggestion").click()
    # Void is drawn when it is labelled, and not when it is suggested.
    labelling.wait_until(page, lambda: bool(changed(plain, seen(page))[suggested].mean() > 0.97))
    looks_otherwise = changed(with_suggestion, seen(page))[suggested].mean()
    assert looks_otherwise > 0.5, "what is labelled looks like what is suggested"


def test_the_uncertainty_is_seen_where_it_is(site: CamVidSite, page: Page) -> None:
    """That of the site rises from the first row to the last."""
    labelling.open_label_page(page, site.server.url)
    page.get_by_test_id("toggle-suggestion").click()
    plain = seen(page)
    page.get_by_test_id("toggle-uncertainty").click()
    labelling.wait_until(page, lambda: bool(changed(plain, seen(page)).mean() > 0.3))
    difference = np.abs(seen(page) - plain).max(axis=2).mean(axis=1)
    assert difference[: HEIGHT // 8].mean() < 0.5 * difference[-HEIGHT // 4 :].mean()
    page.get_by_test_id("toggle-uncertainty").click()
    wait_until_seen(page, plain, np.zeros((HEIGHT, WIDTH), bool))


def test_the_picture_stays_in_its_place_whatever_the_line_above_it_says(site: CamVidSite, page: Page) -> None:
    """Or it would move under a hand that paints."""
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, ROAD)
    line = page.get_by_test_id("save-state")

    def expect_all_in_place() -> None:
        assert labelling.on_screen(page, 0, 0) == place
        stage, said = page.locator(".stage").bounding_box(), line.bounding_box()
        assert stage is not None
        assert said is not None
        assert said["x"] + said["width"] <= stage["x"] + stage["width"]
        assert said["y"] + said["height"] <= stage["y"]

    for number, width in enumerate((1366, 1100, 1000, 850)):
        page.set_viewport_size({"width": width, "height": 800})
        labelling.wait_until_still(page)
        place = labelling.on_screen(page, 0, 0)
        left = 100 * number
        page.get_by_test_id("tool-brush").click()
        labelling.stroke(page, [(left + 30, 50), (left + 90, 60)])
        labelling.wait_until_saved(page)
        expect(line).to_contain_text(f"revision {1 + 2 * number}")
        expect_all_in_place()
        page.get_by_test_id("tool-polygon").click()
        for corner in ((left + 20, 100), (left + 60, 120), (left + 30, 200)):
            page.mouse.click(*labelling.on_screen(page, *corner))
        expect_all_in_place()
        page.context.set_offline(True)
        page.keyboard.press("Enter")
        expect(line).to_contain_text("Not saved")
        expect_all_in_place()
        page.context.set_offline(False)
        labelling.wait_until_saved(page)
