"""What the hands expect of the label canvas: keys, places and tools are where one left them, in Chromium."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from storage import projects
from storage.import_planning import plan_import
from storage.importing import run_import
from storage.projects import ClassChange, ClassSpec
from storage.schema import NOT_LABELLED
from storage.workspace import open_workspace
from tests.e2e import labelling
from tests.e2e.camvid_site import HEIGHT, ROAD, SKY, WIDTH, CamVidSite, copy_sample
from tests.e2e.server import Server

pytestmark = pytest.mark.browser

CONTROLS = ("- button", "- slider", "- textbox", "- checkbox", "- combobox", "- searchbox", "- radio")
"""How a line of Playwright's ARIA snapshot begins that stands for a control; its name follows in quotes."""


def come_back_by_the_header(page: Page) -> None:
    """Go to the Queue page and back to Label by the links of the header."""
    labelling.press_in_the_header(page, "Queue")
    expect(page.locator(".host")).to_have_count(0)
    labelling.press_in_the_header(page, "Label")
    page.locator(".host .editor").wait_for()
    labelling.wait_for_image(page)


def paint_a_line(page: Page, row: int) -> None:
    labelling.stroke(page, [(100, row), (200, row)])


def test_enter_submits_after_coming_by_the_header(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    come_back_by_the_header(page)
    # The link was pressed with the mouse: what follows is meant for the canvas, even before it is touched.
    page.keyboard.press("Enter")
    labelling.wait_for_dialog(page)
    page.get_by_test_id("answer-stay").click()

    paint_a_line(page, 100)
    painted = labelling.label_map(page)
    corner = labelling.on_screen(page, 0, 0)
    page.keyboard.down("Space")
    paint_a_line(page, 250)
    page.keyboard.up("Space")
    assert np.array_equal(labelling.label_map(page), painted), "the space bar moves the image"
    assert labelling.on_screen(page, 0, 0) != corner
    image_id = labelling.state(page)["imageId"]
    page.keyboard.press("Enter")
    labelling.wait_for_image(page, other_than=image_id)


@pytest.mark.parametrize("field", ["picker", "channel", "link"])
def test_a_press_on_the_canvas_brings_the_keys_back(site: CamVidSite, page: Page, field: str) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    if field == "picker":
        page.locator(".st-key-project-picker input").click()
        page.keyboard.press("Enter")
    elif field == "channel":
        page.keyboard.press("Shift+X")
        page.get_by_test_id("channel").focus()
        page.keyboard.press("ArrowDown")
    else:
        labelling.press_in_the_header(page, "Label")
    paint_a_line(page, 300)
    painted = labelling.label_map(page)
    assert (painted != NOT_LABELLED).any()
    page.keyboard.press("e")
    assert labelling.state(page)["tool"] == "eraser"
    page.keyboard.press("Enter")
    labelling.wait_for_image(page, other_than=image_id)


def test_a_press_on_the_canvas_leaves_a_question_alone(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    page.keyboard.press("Enter")
    labelling.wait_for_dialog(page)
    page.mouse.click(*labelling.on_screen(page, 20, 20))
    page.keyboard.press("Tab")
    assert labelling.state(page)["dialog"]
    page.get_by_test_id("answer-stay").focus()
    page.keyboard.press("Enter")
    assert not labelling.state(page)["dialog"]


def test_a_window_has_the_keyboard_alone_and_gives_it_back(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    skip = page.get_by_test_id("skip")
    skip.focus()
    page.keyboard.press("Shift+Slash")
    first = page.get_by_test_id("key-tool-brush")
    expect(first).to_be_focused()
    skip.focus()
    expect(first).to_be_focused()
    page.keyboard.press("Escape")
    expect(skip).to_be_focused()

    page.locator(".surface").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("answer-stay")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".surface")).to_be_focused()


def go_to_next_doubt(page: Page, number: int) -> str:
    """Go one place on in the walk, to the one of this number, and return how many there are."""
    page.keyboard.press(".")
    footer = page.locator(".footer")
    expect(footer).to_contain_text(f"doubt {number} of ")
    labelling.wait_until_still(page)
    return footer.inner_text().split(f"doubt {number} of ")[1].split()[0]


def test_the_walk_along_doubts_goes_on_after_a_correction(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    counts = {go_to_next_doubt(page, number) for number in (1, 2, 3)}
    box = page.locator(".surface").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=4)
    page.mouse.up()
    counts.add(go_to_next_doubt(page, 4))
    assert len(counts) == 1, "they are places of one walk"


def test_a_rejected_suggestion_stays_rejected(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    suggestion = site.suggestion(image_id)
    kept = np.where(suggestion == ROAD, NOT_LABELLED, suggestion)
    # Roads come in pieces.
    while (left := np.flatnonzero(labelling.suggestion(page) == ROAD)).size:
        y, x = divmod(int(left[0]), WIDTH)
        page.mouse.move(*labelling.on_screen(page, x + 0.5, y + 0.5))
        page.keyboard.press("Shift+D")
    np.testing.assert_array_equal(labelling.suggestion(page), kept)

    page.reload()
    assert labelling.wait_for_image(page)["imageId"] == image_id
    np.testing.assert_array_equal(labelling.suggestion(page), kept)

    page.keyboard.press("n")
    labelling.wait_for_image(page, other_than=image_id)
    page.keyboard.press("PageUp")
    page.wait_for_function("(id) => window.qualmCanvas.state().imageId === id", arg=image_id)
    np.testing.assert_array_equal(labelling.suggestion(page), kept)

    page.keyboard.press("a")
    assert not (labelling.label_map(page) == ROAD).any()
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(labelling.suggestion(page), suggestion)
    labelling.wait_until_saved(page)


def test_the_pixel_readout_follows_what_was_done(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    suggestion = site.suggestion(image_id)
    y, x = divmod(int(np.flatnonzero(suggestion == ROAD)[50]), WIDTH)
    page.mouse.move(*labelling.on_screen(page, x + 0.5, y + 0.5))
    under = page.locator(".footer .under")
    expect(under).to_contain_text("not labelled · suggested road", ignore_case=True)
    page.keyboard.press("d")
    expect(under).not_to_contain_text("not labelled")
    page.keyboard.press("Control+z")
    expect(under).to_contain_text("not labelled · suggested road", ignore_case=True)
    page.keyboard.press("Shift+D")
    expect(under).not_to_contain_text("suggested")
    page.keyboard.press("a")
    page.keyboard.press("y")
    expect(under).to_contain_text("sky", ignore_case=True)


def pieces_along(body: bytes, row: int, columns: range) -> np.ndarray:
    """Return bool (height, width): the superpixels that a level stroke over these columns passes."""
    width, height = np.frombuffer(body[:8], "<u4")
    ids = np.frombuffer(body[8:], "<u2").reshape(height, width)
    return np.isin(ids, ids[row, columns.start : columns.stop + 1])


def test_a_superpixel_stroke_waits_for_its_superpixels(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    held: list[Route] = []
    # Those of the images to come are made as well.
    of_image = f"**/images/{image_id}/superpixels/**"
    page.route(of_image, lambda route: held.append(route))
    painted = np.zeros(0, bool)
    labelling.choose_class(page, ROAD)
    page.keyboard.press("x")
    for step, row in enumerate((100, 200)):
        if step:
            page.keyboard.press("]")
        # Asked for as soon as the tool, or its size, is chosen.
        labelling.wait_until(page, lambda count=step + 1: len(held) == count)
        expect(page.locator(".surface")).to_have_attribute("data-cursor", "progress")
        before = labelling.label_map(page)
        labelling.stroke(page, [(150.5, row + 0.5), (250.5, row + 0.5)])
        np.testing.assert_array_equal(labelling.label_map(page), before)
        expect(page.get_by_text("The superpixels are being made").last).to_be_visible()
        if step:
            # What waits is handed in too.
            page.keyboard.press("Enter")
            page.wait_for_timeout(200)
            assert labelling.state(page)["imageId"] == image_id
        answer = held[step].fetch()
        pieces = pieces_along(answer.body(), row, range(150, 250)).ravel()
        painted = pieces if step == 0 else painted | pieces
        held[step].fulfill(response=answer)
        if step == 0:
            page.wait_for_function("() => !window.qualmCanvas.state().waits")
            np.testing.assert_array_equal(labelling.label_map(page) == ROAD, painted)
            expect(page.locator(".surface")).to_have_attribute("data-cursor", "crosshair")
    page.unroute(of_image)
    labelling.wait_for_image(page, other_than=image_id)
    page.wait_for_function("() => !window.qualmCanvas.state().unsent")
    np.testing.assert_array_equal(site.stored(image_id) == ROAD, painted)


def wait_until_held(page: Page, image_id: int, corners: int = 0) -> None:
    """Wait for the frame that keeps the image and the open polygon for a reload."""
    page.wait_for_function(
        """([imageId, corners]) => Object.entries(sessionStorage).some(([key, text]) => {
            if (!key.startsWith('qualm.canvas.hand ')) return false;
            const held = JSON.parse(text);
            return held.imageId === imageId && held.polygon.length === corners;
        })""",
        arg=[image_id, corners],
    )


def test_a_reload_keeps_the_place_and_the_hand(site: CamVidSite, page: Page) -> None:
    first = labelling.open_label_page(page, site.server.url)["imageId"]
    page.keyboard.press("n")
    labelling.wait_for_image(page, other_than=first)
    page.keyboard.press("PageUp")
    page.wait_for_function("(id) => window.qualmCanvas.state().imageId === id", arg=first)
    labelling.choose_class(page, ROAD)
    page.keyboard.press("p")
    for corner in [(100, 100), (200, 100), (200, 200)]:
        page.mouse.click(*labelling.on_screen(page, *corner))
    wait_until_held(page, first, corners=3)
    page.reload()
    now = labelling.wait_for_image(page)
    assert (now["imageId"], now["tool"], now["classIndex"]) == (first, "polygon", ROAD)
    page.keyboard.press("Enter")
    label_map = labelling.label_map(page).reshape(HEIGHT, WIDTH)
    assert label_map[110, 190] == ROAD
    assert (label_map == ROAD).sum() == pytest.approx(5000, rel=0.03)
    labelling.wait_until_saved(page)

    page.keyboard.press("n")
    second = labelling.wait_for_image(page, other_than=first)["imageId"]
    wait_until_held(page, second)
    page.reload()
    assert labelling.wait_for_image(page)["imageId"] == second
    # Another tab begins by itself.
    other = page.context.new_page()
    now = labelling.open_label_page(other, site.server.url)
    assert (now["tool"], now["classIndex"]) == ("brush", 0)


def classes_in_sight(page: Page) -> int:
    """Return how many classes are seen whole in their list."""
    seen = page.locator(".classes").evaluate(
        """(list) => {
            const { top, bottom } = list.getBoundingClientRect();
            const boxes = [...list.children].map((row) => row.getBoundingClientRect());
            return boxes.filter((box) => box.top >= top - 0.5 && box.bottom <= bottom + 0.5).length;
        }"""
    )
    return int(seen)


def test_eleven_classes_are_seen_and_have_keys(site: CamVidSite, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    labelling.open_label_page(page, site.server.url)
    expect(page.get_by_test_id("accept-all")).to_be_visible()
    assert classes_in_sight(page) == 11
    page.keyboard.press("Shift+Digit1")
    assert labelling.state(page)["classIndex"] == 10
    expect(page.get_by_test_id("class-10").locator("kbd")).to_have_text("⇧ 1")


def test_a_long_class_name_stays_in_its_row(site: CamVidSite, page: Page) -> None:
    long = "deciduous broad-leaved trees and shrubs in autumn, seen from above, in mist"
    for number in range(14):
        spec = ClassSpec(name=f"{long} {number}")
        projects.add_class(site.workspace, site.project_id, spec, actor="test")
    page.set_viewport_size({"width": 1280, "height": 720})
    labelling.open_label_page(page, site.server.url)
    heights = page.locator(".classes .name").evaluate_all("all => all.map((one) => one.scrollHeight)")
    rows = page.locator(".classes .class-row").evaluate_all("all => all.map((one) => one.clientHeight)")
    assert len(rows) == 25
    assert all(height <= row for height, row in zip(heights, rows, strict=True))
    name = page.get_by_test_id("class-11").locator(".name")
    assert name.evaluate("one => one.scrollWidth > one.clientWidth")
    expect(name).to_have_css("text-overflow", "ellipsis")
    expect(page.get_by_test_id("class-11")).to_have_attribute("title", f"{long} 0")
    page.keyboard.press("/")
    page.keyboard.type("autumn")
    found = page.locator(".finder .name")
    assert found.evaluate_all("all => all.every((one) => one.scrollWidth <= one.clientWidth)")
    expect(found.first).to_be_visible()


def test_an_archived_class_is_listed_where_it_has_pixels(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    labelling.choose_class(page, ROAD)
    labelling.stroke(page, [(100, 100), (300, 100)])
    labelling.wait_until_saved(page)
    projects.update_classes(
        site.workspace,
        site.project_id,
        {ROAD: ClassChange(archived=True), SKY: ClassChange(archived=True)},
        actor="test",
    )
    page.reload()
    assert labelling.wait_for_image(page)["imageId"] == image_id
    row = page.get_by_test_id(f"class-{ROAD}")
    expect(row).to_contain_text("%")
    expect(row.locator("kbd")).to_be_empty()
    expect(row).to_have_attribute("title", "road is archived: nobody labels it any more.")
    expect(page.get_by_test_id(f"class-{SKY}")).to_be_hidden()
    row.click(force=True)
    assert labelling.state(page)["classIndex"] != ROAD
    page.get_by_test_id("tool-eraser").click()
    labelling.stroke(page, [(90, 100), (310, 100)])
    expect(row).to_be_hidden()


def test_what_needs_a_round_takes_no_place_before_it(
    start_server: Callable[..., Server], page: Page, camvid: Path, tmp_path: Path
) -> None:
    copy_sample(camvid, tmp_path / "source", 3)
    shutil.rmtree(tmp_path / "source" / "trainannot")
    workspace = open_workspace(tmp_path / "workspace")
    specs = [ClassSpec(name=f"kind {number}") for number in range(11)]
    project = projects.create_project(workspace, "Fresh", specs, actor="test")
    plan = plan_import(tmp_path / "source", workspace=workspace, project_id=project.id)
    run_import(workspace, project.id, plan, actor="test")
    workspace.close()
    server = start_server("--no-worker")
    page.set_viewport_size({"width": 1280, "height": 720})
    held: list[Route] = []
    page.route("**/progress", lambda route: held.append(route))
    labelling.open_label_page(page, server.url)
    needing_a_round = [page.get_by_test_id(one) for one in ("accept-all", "accept-sure", "next-doubt")]
    for control in needing_a_round:
        expect(control).to_be_hidden()
    # What is held goes on by this.
    page.unroute("**/progress")
    expect(page.get_by_test_id("progress")).to_contain_text("0 of 3 labelled")
    for control in needing_a_round:
        expect(control).to_be_hidden()
    assert classes_in_sight(page) == 11


def test_every_control_has_a_name_for_a_screen_reader(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    editor = page.locator(".host .editor")
    for opens in (None, "Shift+X", "Slash", "Shift+Slash"):
        if opens:
            page.keyboard.press(opens)
        spoken = editor.aria_snapshot()
        assert "button" in spoken
        if opens != "Shift+Slash":
            assert "slider" in spoken, "the list of keys is a window, and alone while it is open"
        lines = [line.strip() for line in spoken.splitlines()]
        nameless = [line for line in lines if line.startswith(CONTROLS) and '"' not in line]
        assert nameless == [], f"after {opens}"
        page.keyboard.press("Escape")


def test_all_keys_are_seen_at_once_on_a_low_screen(site: CamVidSite, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    labelling.open_label_page(page, site.server.url)
    page.keyboard.press("Shift+Slash")
    hidden = page.locator("div.key-sheet").evaluate("sheet => sheet.scrollHeight - sheet.clientHeight")
    assert hidden <= 0


@pytest.mark.parametrize(("width", "height"), [(1366, 607), (911, 405)])
def test_a_small_laptop_shows_image_and_actions(
    site: CamVidSite, page: Page, width: int, height: int
) -> None:
    """Its window as a browser leaves it, and the same at a zoom of 150 %."""
    page.set_viewport_size({"width": width, "height": height})
    labelling.open_label_page(page, site.server.url)
    for command in ("submit", "accept-all", "accept-sure"):
        expect(page.get_by_test_id(command)).to_be_in_viewport(ratio=1)
    expect(page.locator(".surface")).to_be_in_viewport(ratio=1)
    page.get_by_test_id("key-sheet").click()
    expect(page.locator("div.key-sheet")).to_be_visible()


@pytest.fixture
def tablet(new_context: Callable[..., BrowserContext]) -> Page:
    """A page on a tablet that is held upright: fingers, no mouse."""
    return new_context(viewport={"width": 768, "height": 1024}, has_touch=True).new_page()


def test_an_upright_tablet_shows_every_control(site: CamVidSite, tablet: Page) -> None:
    labelling.open_label_page(tablet, site.server.url)
    expect(tablet.get_by_test_id("tool-size")).to_be_visible()
    for command in ("truth-submit", "accept-all", "next-doubt", "submit"):
        expect(tablet.get_by_test_id(command)).to_be_in_viewport(ratio=1)
    # A finger presses them though it never hovers over their row.
    assert float(tablet.get_by_test_id("lock-3").evaluate("lock => getComputedStyle(lock).opacity")) > 0.5


def test_a_phone_shows_canvas_state_and_actions(
    site: CamVidSite, new_context: Callable[..., BrowserContext]
) -> None:
    phone = new_context(viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    labelling.open_label_page(phone, site.server.url)
    surface = phone.locator(".surface").bounding_box()
    assert surface is not None
    assert surface["width"] > 300
    assert surface["height"] > 250
    for needed in ("image-name", "tool-size", "save-state", "class-0", "submit"):
        expect(phone.get_by_test_id(needed)).to_be_in_viewport(ratio=1)
    phone.context.set_offline(True)
    phone.get_by_test_id("accept-all").tap()
    expect(phone.get_by_test_id("save-state")).to_contain_text("Not saved")
    for needed in ("save-state", "download"):
        expect(phone.get_by_test_id(needed)).to_be_in_viewport(ratio=1)
    phone.context.set_offline(False)
    labelling.wait_until_saved(phone)
    phone.get_by_test_id("tool-polygon").tap()
    for corner in [(100, 100), (200, 100), (200, 200)]:
        phone.touchscreen.tap(*labelling.on_screen(phone, *corner))
    expect(phone.get_by_test_id("escape")).to_be_in_viewport(ratio=1)


def test_a_finger_gives_up_an_open_polygon(site: CamVidSite, tablet: Page) -> None:
    labelling.open_label_page(tablet, site.server.url)
    tablet.get_by_test_id("tool-polygon").tap()
    expect(tablet.get_by_test_id("escape")).to_be_hidden()
    for corner in [(100, 100), (200, 100), (200, 200)]:
        tablet.touchscreen.tap(*labelling.on_screen(tablet, *corner))
    tablet.get_by_test_id("escape").tap()
    expect(tablet.get_by_test_id("escape")).to_be_hidden()
    tablet.get_by_test_id("submit").tap()
    labelling.wait_for_dialog(tablet)
    assert (labelling.label_map(tablet) == NOT_LABELLED).all()
