"""What the tools of the label canvas promise, on CamVid pictures in a real Chromium."""

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import CDPSession, Page, expect
from scipy.ndimage import distance_transform_edt
from skimage.measure import label as connected_pieces
from skimage.segmentation import find_boundaries
from sqlalchemy import update

from storage.schema import NOT_LABELLED, Label
from tests.e2e import labelling
from tests.e2e.camvid_site import HEIGHT, POLE, ROAD, SKY, WIDTH, CamVidSite

pytestmark = pytest.mark.browser


def shaped(flat: np.ndarray) -> np.ndarray:
    return flat.reshape(HEIGHT, WIDTH)


def middle_of(mask: np.ndarray) -> tuple[int, int]:
    """Return the x and y of a pixel of the mask that is far from its edge."""
    y, x = np.unravel_index(np.argmax(distance_transform_edt(mask)), mask.shape)
    return int(x), int(y)


def hover(page: Page, x: float, y: float) -> None:
    page.mouse.move(*labelling.on_screen(page, x + 0.5, y + 0.5))


def region_of(suggestion: np.ndarray, x: int, y: int) -> np.ndarray:
    pieces = connected_pieces(suggestion == suggestion[y, x], connectivity=1)
    return pieces == pieces[y, x]


def test_suggestion_accept_by_region(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    suggestion = shaped(site.suggestion(image_id))
    x, y = middle_of(suggestion == ROAD)
    road = region_of(suggestion, x, y)

    hover(page, x, y)
    page.keyboard.press("d")
    accepted = shaped(labelling.label_map(page))
    np.testing.assert_array_equal(accepted, np.where(road, ROAD, NOT_LABELLED))

    x, y = middle_of(suggestion == SKY)
    sky = region_of(suggestion, x, y)
    hover(page, x, y)
    page.keyboard.press("Shift+D")
    page.keyboard.press("a")
    expected = np.where(sky, NOT_LABELLED, suggestion)
    np.testing.assert_array_equal(shaped(labelling.label_map(page)), expected)

    labelling.wait_until_saved(page)
    np.testing.assert_array_equal(shaped(site.stored(image_id)), expected)


def test_accepts_only_what_the_model_is_sure_of(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    suggestion = shaped(site.suggestion(image_id))
    # The site's uncertainty rises evenly over the rows of a map of 60 × 45.
    rows = np.linspace(0, 255, 60 * 45).astype(np.uint8).reshape(45, 60)
    grid = rows[np.arange(HEIGHT) * 45 // HEIGHT][:, np.arange(WIDTH) * 60 // WIDTH]
    for _ in range(6):
        page.keyboard.press("Shift+Comma")
    page.keyboard.press("Shift+A")
    expected = np.where(grid <= 255 * 0.4, suggestion, NOT_LABELLED)
    np.testing.assert_array_equal(shaped(labelling.label_map(page)), expected)
    page.keyboard.press("Control+z")
    assert (labelling.label_map(page) == NOT_LABELLED).all()


def test_locked_and_only_unlabelled_pixels_are_safe(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, ROAD)
    page.get_by_test_id("tool-rectangle").click()
    labelling.stroke(page, [(100, 100), (200, 200)])
    page.get_by_test_id(f"class-{ROAD}").hover()
    page.get_by_test_id(f"lock-{ROAD}").click()
    labelling.choose_class(page, SKY)
    labelling.stroke(page, [(50, 50), (300, 300)])
    map_ = shaped(labelling.label_map(page))
    assert (map_[100:200, 100:200] == ROAD).all()
    assert (map_ == SKY).sum() == 250 * 250 - 100 * 100
    page.get_by_test_id(f"lock-{ROAD}").click()
    page.keyboard.press("Shift+B")
    labelling.choose_class(page, POLE)
    labelling.stroke(page, [(50, 50), (310, 300)])
    assert (labelling.label_map(page) == POLE).sum() == 10 * 250


def test_superpixels_paint_whole_pieces(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    labelling.choose_class(page, ROAD)
    with page.expect_response(f"**/images/{image_id}/superpixels/**") as answer:
        page.get_by_test_id("tool-superpixel").click()
    body = answer.value.body()
    width, height = np.frombuffer(body[:8], "<u4")
    ids = np.frombuffer(body[8:], "<u2").reshape(height, width)
    page.mouse.click(*labelling.on_screen(page, 240.5, 300.5))
    page.wait_for_function("() => !window.qualmCanvas.state().waits")
    expected = np.where(ids == ids[300, 240], ROAD, NOT_LABELLED)
    np.testing.assert_array_equal(shaped(labelling.label_map(page)), expected)
    assert labelling.state(page)["imageId"] == image_id


def test_polygon_corners_can_be_moved_before_it_is_closed(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, ROAD)
    page.get_by_test_id("tool-polygon").click()
    for corner in [(100, 100), (200, 100), (200, 200), (100, 200)]:
        page.mouse.click(*labelling.on_screen(page, *corner))
    labelling.stroke(page, [(200, 200), (260, 260)])
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    map_ = shaped(labelling.label_map(page))
    # A triangle of (100, 100), (200, 100) and the moved corner.
    assert map_[180, 190] == ROAD
    assert map_[180, 110] == NOT_LABELLED
    assert map_[250, 252] == ROAD


def test_a_polygon_that_may_paint_nothing_stays_and_says_why(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, ROAD)
    page.get_by_test_id("tool-polygon").click()
    for corner in [(100, 100), (200, 100)]:
        page.mouse.click(*labelling.on_screen(page, *corner))
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("notice")).to_contain_text("Three corners close a polygon")
    page.mouse.click(*labelling.on_screen(page, 200, 200))
    page.get_by_test_id("fill-rest").click()
    page.keyboard.press("Shift+B")
    labelling.choose_class(page, SKY)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("notice").last).to_contain_text("“Only unlabelled” is on")
    assert (labelling.label_map(page) == ROAD).all()
    page.keyboard.press("Shift+B")
    page.keyboard.press("Enter")
    map_ = shaped(labelling.label_map(page))
    assert map_[120, 180] == SKY
    assert map_[180, 120] == ROAD


def test_keys_can_be_changed_and_are_kept(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    page.keyboard.press("?")
    page.get_by_test_id("key-tool-rectangle").click()
    page.keyboard.press("b")
    expect(page.get_by_text("is taken by “Brush”")).to_be_visible()
    page.keyboard.press("Shift+Digit5")
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    assert labelling.state(page)["tool"] == "brush"
    page.reload()
    labelling.wait_for_image(page)
    page.keyboard.press("Shift+Digit5")
    assert labelling.state(page)["tool"] == "rectangle"


def test_an_earlier_revision_comes_back_into_the_editor(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    maps = []
    for value, row in ((ROAD, 100), (POLE, 200)):
        labelling.choose_class(page, value)
        labelling.stroke(page, [(100, row), (300, row)])
        labelling.wait_until_saved(page)
        maps.append(labelling.label_map(page))
        # As somebody who handed it in: of drafts in a row only the last is listed.
        revision = labelling.state(page)["revision"]
        with site.workspace.database.writing() as session:
            session.execute(
                update(Label)
                .where(Label.image_id == image_id, Label.revision == revision)
                .values(status="submitted")
            )
    page.keyboard.press("Shift+H")
    rows = page.get_by_test_id("revisions").get_by_role("button")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Revision 2")
    rows.last.click()
    labelling.wait_until(page, lambda: np.array_equal(labelling.label_map(page), maps[0]))
    expect(page.get_by_text("This is revision 1, by")).to_be_visible()
    page.keyboard.press("Control+z")
    assert np.array_equal(labelling.label_map(page), maps[1])
    page.keyboard.press("Control+Shift+z")
    labelling.wait_until_saved(page)
    assert np.array_equal(site.stored(image_id), maps[0].ravel())
    assert labelling.state(page)["revision"] > 2
    page.get_by_test_id("save-state").get_by_role("button").click()
    expect(rows).to_have_count(3)
    page.keyboard.press("Escape")
    expect(rows).to_have_count(0)


def test_finder_runs_classes_and_actions(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    page.keyboard.press("/")
    page.keyboard.type("pole")
    page.keyboard.press("Enter")
    assert labelling.state(page)["classIndex"] == POLE
    page.keyboard.press("/")
    page.keyboard.type("rectan")
    page.keyboard.press("Enter")
    assert labelling.state(page)["tool"] == "rectangle"


def touch(input_: CDPSession, kind: str, points: list[tuple[float, float]]) -> None:
    """Send one touch event with the fingers at these client coordinates."""
    fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    input_.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


def pen(input_: CDPSession, kind: str, point: tuple[float, float], **more: Any) -> None:
    event = {"type": kind, "x": point[0], "y": point[1], "button": "left", "buttons": 1, "pointerType": "pen"}
    input_.send("Input.dispatchMouseEvent", event | {"clickCount": 1} | more)


def test_touch_and_pen(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, ROAD)
    fingers = page.context.new_cdp_session(page)
    at = [labelling.on_screen(page, *point) for point in [(100, 100), (150, 100), (200, 100)]]

    # One finger paints.
    touch(fingers, "touchStart", [at[0]])
    touch(fingers, "touchMove", [at[1]])
    touch(fingers, "touchMove", [at[2]])
    touch(fingers, "touchEnd", [])
    by_finger = shaped(labelling.label_map(page))
    assert (by_finger[100, 100:200] == ROAD).all()

    # Two fingers zoom, and what the first one began is no stroke.
    before = labelling.state(page)["zoom"]
    low, high = labelling.on_screen(page, 240, 250), labelling.on_screen(page, 280, 250)
    touch(fingers, "touchStart", [low])
    touch(fingers, "touchMove", [(low[0] + 3, low[1])])
    touch(fingers, "touchStart", [(low[0] + 3, low[1]), high])
    for step in range(1, 6):
        touch(fingers, "touchMove", [(low[0] - 12 * step, low[1]), (high[0] + 12 * step, high[1])])
    touch(fingers, "touchEnd", [])
    assert labelling.state(page)["zoom"] > 1.5 * before
    np.testing.assert_array_equal(shaped(labelling.label_map(page)), by_finger)
    page.keyboard.press("f")

    # A pen that is pressed harder paints wider.
    widths = []
    for row, force in ((200, 0.2), (300, 1.0)):
        at = [labelling.on_screen(page, *point) for point in [(100, row), (150, row), (200, row)]]
        pen(fingers, "mousePressed", at[0], force=force)
        pen(fingers, "mouseMoved", at[1], force=force)
        pen(fingers, "mouseMoved", at[2], force=force)
        pen(fingers, "mouseReleased", at[2], buttons=0)
        widths.append(int((shaped(labelling.label_map(page))[row - 40 : row + 40, 150] == ROAD).sum()))
    assert 0 < widths[0] < widths[1]

    # From then on a resting finger moves the image and paints nothing.
    by_pen = labelling.label_map(page)
    start = labelling.on_screen(page, 240, 50)
    touch(fingers, "touchStart", [start])
    touch(fingers, "touchMove", [(start[0] + 40, start[1] + 30)])
    touch(fingers, "touchEnd", [])
    np.testing.assert_array_equal(labelling.label_map(page), by_pen)


def test_a_resting_finger_and_the_right_button_open_a_menu(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    suggestion = shaped(site.suggestion(image_id))
    fingers = page.context.new_cdp_session(page)
    menu = page.get_by_test_id("place-menu")
    in_road, in_sky = middle_of(suggestion == ROAD), middle_of(suggestion == SKY)
    road, sky = region_of(suggestion, *in_road), region_of(suggestion, *in_sky)

    def rest_and_tap(place: tuple[int, int], row: str) -> None:
        touch(fingers, "touchStart", [labelling.on_screen(page, *place)])
        expect(menu).to_be_visible()
        touch(fingers, "touchEnd", [])
        box = page.get_by_test_id(row).bounding_box()
        assert box is not None
        touch(fingers, "touchStart", [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)])
        touch(fingers, "touchEnd", [])
        expect(menu).to_be_hidden()

    rest_and_tap(in_road, "at-accept-region")
    accepted = np.where(road, ROAD, NOT_LABELLED)
    np.testing.assert_array_equal(shaped(labelling.label_map(page)), accepted)
    rest_and_tap(in_sky, "at-reject-region")
    page.keyboard.press("a")
    expected = np.where(sky, NOT_LABELLED, suggestion)
    np.testing.assert_array_equal(shaped(labelling.label_map(page)), expected)

    # A press beside the menu closes it and paints nothing.
    page.mouse.click(*labelling.on_screen(page, *in_road), button="right")
    expect(page.get_by_role("menuitem", name="Fill the holes")).to_be_visible()
    page.mouse.click(*labelling.on_screen(page, *in_sky))
    expect(menu).to_be_hidden()
    np.testing.assert_array_equal(shaped(labelling.label_map(page)), expected)

    page.mouse.move(*labelling.on_screen(page, *in_road))
    page.keyboard.press("ContextMenu")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(menu).to_be_hidden()
    assert labelling.state(page)["classIndex"] == ROAD


def test_keys_act_on_what_is_under_the_cursor_after_the_view_moved(site: CamVidSite, page: Page) -> None:
    shown = labelling.open_label_page(page, site.server.url)
    suggestion = shaped(site.suggestion(shown["imageId"]))
    # The keyboard zooms at the middle: what comes under the cursor lies about halfway from there.
    edges = find_boundaries(suggestion)
    is_class_inside = (distance_transform_edt(~edges) > 8) & (suggestion < NOT_LABELLED)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    halfway = (rows + HEIGHT // 2) // 2, (columns + WIDTH // 2) // 2
    y, x = np.argwhere(is_class_inside & is_class_inside[halfway] & (suggestion != suggestion[halfway]))[0]
    comes = suggestion[halfway][y, x]
    cursor = labelling.on_screen(page, x + 0.5, y + 0.5)
    page.mouse.move(*cursor)
    for _ in range(3):
        page.keyboard.press("=")
    assert labelling.state(page)["zoom"] > 1.9 * shown["zoom"]
    x, y = (int(value) for value in labelling.image_coordinates(page)(cursor))
    assert suggestion[y, x] == comes
    page.keyboard.press("d")
    accepted = shaped(labelling.label_map(page)) != NOT_LABELLED
    np.testing.assert_array_equal(accepted, region_of(suggestion, x, y))
