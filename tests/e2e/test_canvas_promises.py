"""The promises of the label canvas, one test each, on CamVid pictures in a real Chromium."""

import contextlib
import io
import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image as Picture
from playwright.sync_api import BrowserContext, Error, Page, expect

from storage import images, labels
from storage.schema import NOT_LABELLED, VOID
from tests.e2e import labelling
from tests.e2e.camvid_site import (
    BUILDING,
    CORNERS,
    DEEP,
    HEIGHT,
    PAVEMENT,
    ROAD,
    SKY,
    TURNED,
    WIDTH,
    CamVidSite,
)
from tests.e2e.stroke_pixels import stroke_pixels

pytestmark = pytest.mark.browser


@pytest.fixture
def page(page: Page) -> Page:
    return labelling.with_cuttable_fetch(page)


def paint(page: Page, class_index: int, points: list[tuple[float, float]]) -> None:
    labelling.choose_class(page, class_index)
    page.get_by_test_id("tool-brush").click()
    labelling.stroke(page, points)


def paint_rows(page: Page, class_index: int, rows: range) -> None:
    labelling.choose_class(page, class_index)
    page.get_by_test_id("tool-brush").click()
    for row in rows:
        labelling.stroke(page, [(60, row), (400, row + 10)])


def test_lost_nothing_on_reload(site: CamVidSite, page: Page) -> None:
    before = labelling.open_label_page(page, site.server.url)
    labelling.cut_saves(page, cut=True)
    paint_rows(page, ROAD, range(60, 260, 40))
    page.keyboard.press("Control+z")
    page.get_by_test_id("accept-all").click()
    paint_rows(page, SKY, range(300, 340, 20))
    painted = labelling.label_map(page)
    assert {ROAD, SKY} < set(painted.tolist())
    labelling.wait_until_kept(page, painted.reshape(HEIGHT, WIDTH))

    page.reload()
    after = labelling.wait_for_image(page)
    assert after["imageId"] == before["imageId"]
    assert np.array_equal(labelling.label_map(page), painted)
    assert (site.stored(before["imageId"]) == NOT_LABELLED).all(), "only the browser had it"

    labelling.cut_saves(page, cut=False)
    labelling.wait_until_saved(page)
    assert np.array_equal(site.stored(before["imageId"]), painted)

    # The same without the browser's own memory: a new session of the same person sees the draft.
    page.evaluate(
        "() => indexedDB.databases().then(all => all.forEach(one => indexedDB.deleteDatabase(one.name)))"
    )
    page.reload()
    assert labelling.wait_for_image(page)["imageId"] == before["imageId"]
    assert np.array_equal(labelling.label_map(page), painted)


def test_lost_nothing_on_tab_crash(site: CamVidSite, page: Page) -> None:
    before = labelling.open_label_page(page, site.server.url)
    labelling.cut_saves(page, cut=True)
    paint_rows(page, ROAD, range(100, 220, 40))
    complete = labelling.label_map(page)
    labelling.wait_until_kept(page, complete.reshape(HEIGHT, WIDTH))
    page.mouse.move(*labelling.on_screen(page, 60, 300))
    page.mouse.down()
    page.mouse.move(*labelling.on_screen(page, 300, 300), steps=4)
    assert not np.array_equal(labelling.label_map(page), complete), "the next stroke is under way"
    context = page.context
    with page.expect_event("crash"), contextlib.suppress(Error):
        page.goto("chrome://crash")

    again = labelling.with_cuttable_fetch(context.new_page())
    after = labelling.open_label_page(again, site.server.url)
    assert after["imageId"] == before["imageId"]
    assert np.array_equal(labelling.label_map(again), complete)
    labelling.cut_saves(again, cut=False)
    labelling.wait_until_saved(again)
    assert np.array_equal(site.stored(before["imageId"]), complete)


def test_lost_nothing_when_server_dies(site: CamVidSite, page: Page) -> None:
    first = labelling.open_label_page(page, site.server.url)["imageId"]
    labelling.wait_until_loaded_ahead(page)
    paint_rows(page, ROAD, range(100, 180, 40))
    labelling.wait_until_saved(page)
    paint(page, SKY, [(60, 40), (400, 40)])
    site.server.kill()
    # Streamlit says so with a dialog over the whole page; the person must be able to go on all the same.
    page.wait_for_timeout(6000)
    assert page.get_by_test_id("stDialog").count() == 0
    paint(page, BUILDING, [(60, 240), (400, 240)])
    maps = {first: labelling.label_map(page)}
    labelling.submit(page)
    second = labelling.wait_for_image(page, other_than=first)["imageId"]
    unsent = page.get_by_test_id("unsent")
    expect(unsent).to_have_text("1 not sent: retrying")
    expect(unsent).to_have_attribute("data-tone", "bad")
    expect(unsent).to_have_attribute("title", "The server cannot be reached.")
    expect(page.get_by_test_id("save-spoken")).to_have_text("1 not sent")
    paint(page, PAVEMENT, [(60, 200), (400, 200)])
    maps[second] = labelling.label_map(page)
    expect(page.get_by_test_id("save-state")).to_contain_text("retrying")
    expect(page.get_by_test_id("save-spoken")).to_have_text("Not saved")
    expect(page.get_by_test_id("download")).to_be_visible()
    with page.expect_download() as taken:
        page.get_by_test_id("download").click()
    file = np.asarray(Picture.open(taken.value.path()))
    assert np.array_equal(file.ravel(), maps[second]), "the file offered is the label map"

    site.server.start()
    labelling.wait_until_saved(page)
    expect(unsent).to_be_hidden()
    expect(page.get_by_test_id("save-spoken")).to_have_text("Saved")
    for image_id, label_map in maps.items():
        assert np.array_equal(site.stored(image_id), label_map)
    assert labels.history(site.workspace, first)[0].status == "submitted"
    assert labels.history(site.workspace, second)[0].status == "draft"


def test_full_browser_storage_is_said_and_offers_the_file(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    labelling.cut_saves(page, cut=True)
    page.evaluate(
        """() => {
            const put = IDBObjectStore.prototype.put;
            IDBObjectStore.prototype.put = () => {
                throw new DOMException('full', 'QuotaExceededError');
            };
            window.makeRoom = () => { IDBObjectStore.prototype.put = put; };
        }"""
    )
    paint(page, ROAD, [(60, 200), (400, 240)])
    expect(page.get_by_test_id("notice")).to_contain_text("no room")
    expect(page.get_by_test_id("save-state")).to_contain_text("no room")
    painted = labelling.label_map(page)
    with page.expect_download() as taken:
        page.get_by_test_id("download").click()
    assert np.array_equal(np.asarray(Picture.open(taken.value.path())).ravel(), painted)

    page.evaluate("() => window.makeRoom()")
    paint(page, SKY, [(60, 100), (400, 100)])
    expect(page.get_by_test_id("save-state")).not_to_contain_text("no room")
    painted = labelling.label_map(page)
    page.reload()
    labelling.wait_for_image(page)
    assert np.array_equal(labelling.label_map(page), painted)
    labelling.cut_saves(page, cut=False)
    labelling.wait_until_saved(page)
    assert np.array_equal(site.stored(image_id), painted)


def test_conflict_offers_three_ways(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    theirs = np.full((HEIGHT, WIDTH), NOT_LABELLED, np.uint8)
    theirs[:220] = BUILDING
    theirs = theirs.ravel()
    for choice in ("merge", "mine", "theirs"):
        labelling.cut_saves(page, cut=True)
        paint(page, SKY, [(60, 200), (400, 240)])
        mine = labelling.label_map(page)
        site.save_as_somebody(image_id, theirs)
        labelling.cut_saves(page, cut=False)
        labelling.wait_for_dialog(page)
        assert np.array_equal(labelling.label_map(page), mine), "nothing changes before the choice"
        page.get_by_test_id(f"answer-{choice}").click()
        page.wait_for_function("() => !window.qualmCanvas.state().dialog")
        labelling.wait_until_saved(page)
        wanted = {
            "merge": np.where(theirs == NOT_LABELLED, mine, theirs),
            "mine": mine,
            "theirs": theirs,
        }[choice]
        assert np.array_equal(labelling.label_map(page), wanted)
        assert np.array_equal(site.stored(image_id), wanted)
        assert "somebody" in [one.author for one in labels.history(site.workspace, image_id)], (
            "no revision is lost"
        )
        if choice != "mine":
            page.get_by_test_id("undo").click()
            assert np.array_equal(labelling.label_map(page), mine)
            labelling.wait_until_saved(page)
            assert np.array_equal(site.stored(image_id), mine)
        labelling.submit(page)
        image_id = labelling.wait_for_image(page, other_than=image_id)["imageId"]


def test_an_image_that_somebody_else_has_by_now_is_kept_until_they_are_done(
    site: CamVidSite, page: Page
) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    site.reserve(image_id, "Bob")
    paint(page, SKY, [(60, 200), (400, 240)])
    labelling.wait_for_dialog(page)
    dialog = page.locator(".dialogs")
    expect(dialog).to_contain_text("Bob has this image now")
    expect(dialog).to_contain_text("so your label map cannot be saved")
    mine = labelling.label_map(page)
    assert images.image(site.workspace, image_id).revision == 0

    # He still has it: the dialog may be back before anybody could see that it had closed.
    with page.expect_response(lambda response: response.request.method == "PUT") as answer:
        page.get_by_test_id("answer-retry").click()
    assert answer.value.status == 423
    labelling.wait_for_dialog(page)
    site.reserve(image_id, None)
    page.get_by_test_id("answer-retry").click()
    expect(dialog).to_be_hidden()
    labelling.wait_until_saved(page)
    assert np.array_equal(site.stored(image_id), mine)


def test_a_label_map_that_cannot_be_saved_goes_along_as_a_file(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    site.reserve(image_id, "Bob")
    paint(page, ROAD, [(60, 200), (400, 240)])
    labelling.wait_for_dialog(page)
    mine = labelling.label_map(page)
    with page.expect_download() as arriving:
        page.get_by_test_id("answer-next").click()
    with Picture.open(arriving.value.path()) as picture:
        assert np.array_equal(np.asarray(picture).ravel(), mine)
    after = labelling.wait_for_image(page, other_than=image_id)
    assert after["imageId"] != image_id
    # What was taken along is not sent when the image is free again.
    site.reserve(image_id, None)
    page.reload()
    labelling.wait_for_image(page)
    assert images.image(site.workspace, image_id).revision == 0


def test_keys_do_not_rerun_streamlit(site: CamVidSite, page: Page) -> None:
    sent: list[int] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(len(frame))))
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    labelling.wait_until_run(page)
    labelling.choose_class(page, ROAD)
    mounts = page.evaluate("() => window.qualmCanvas.counters.mounts")
    sent.clear()
    for key in ("r", "c", "Shift+r", "Shift+c", "b", "e", "p", "Escape", "KeyR", "KeyC"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert sent == [], "nothing went to Streamlit"
    assert page.locator('[data-testid="stDialog"]').count() == 0
    assert page.evaluate("() => window.qualmCanvas.counters.mounts") == mounts
    assert labelling.state(page)["imageId"] == image_id

    labelling.choose_class(page, ROAD)
    paint(page, ROAD, [(60, 200), (400, 200)])
    labelling.submit(page)
    labelling.wait_for_image(page, other_than=image_id)
    # A submit does tell Streamlit, so silence would have been seen.
    labelling.wait_until(page, lambda: len(sent) > 0)


def test_a_page_that_was_left_tells_streamlit_nothing(site: CamVidSite, page: Page) -> None:
    sent = labelling.nudges_of(page)
    labelling.open_label_page(page, site.server.url)
    page.get_by_test_id("truth-submit").click()
    labelling.wait_until_saved(page)
    labelling.press_in_the_header(page, "Training")
    expect(page.locator(".st-key-round-state")).to_be_visible()
    # A slow page may have been waited for longer than the message waits.
    sent.clear()
    page.wait_for_timeout(1500)
    assert sent == []


def test_void_and_unlabelled_round_trip(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    labelling.choose_class(page, ROAD)
    labelling.polygon(page, [(100, 100), (300, 100), (300, 300), (100, 300)])
    page.keyboard.press("v")
    page.get_by_test_id("tool-brush").click()
    labelling.stroke(page, [(60, 150), (400, 150)])
    page.get_by_test_id("tool-eraser").click()
    labelling.stroke(page, [(60, 250), (400, 250)])
    painted = labelling.label_map(page).reshape(HEIGHT, WIDTH)
    assert (painted[150, 200], painted[250, 200], painted[200, 200], painted[5, 5]) == (
        VOID,
        NOT_LABELLED,
        ROAD,
        NOT_LABELLED,
    )
    labelling.wait_until_saved(page)
    assert np.array_equal(site.stored(image_id), painted.ravel())
    page.reload()
    labelling.wait_for_image(page)
    assert np.array_equal(labelling.label_map(page), painted.ravel())
    labelling.submit(page)
    second = labelling.wait_for_image(page, other_than=image_id)["imageId"]
    labelling.wait_until_saved(page)
    saved = labels.history(site.workspace, image_id)[0]
    assert (saved.status, saved.class_indices) == ("submitted", (ROAD,))
    page.keyboard.press("PageUp")
    labelling.wait_for_image(page, other_than=second)
    assert labelling.state(page)["imageId"] == image_id
    assert np.array_equal(labelling.label_map(page), painted.ravel())


def test_undo_of_bulk_accept(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    paint(page, PAVEMENT, [(60, 200), (400, 240)])
    before = labelling.label_map(page)
    page.get_by_test_id("accept-all").click()
    accepted = np.where(before == NOT_LABELLED, site.suggestion(image_id), before)
    assert np.array_equal(labelling.label_map(page), accepted)
    page.get_by_test_id("undo").click()
    assert np.array_equal(labelling.label_map(page), before)
    page.get_by_test_id("redo").click()
    assert np.array_equal(labelling.label_map(page), accepted)
    labelling.wait_until_saved(page)
    assert np.array_equal(site.stored(image_id), accepted)
    page.get_by_test_id("undo").click()
    labelling.wait_until_saved(page)
    assert np.array_equal(site.stored(image_id), before)
    page.get_by_test_id("undo").click()
    assert (labelling.label_map(page) == NOT_LABELLED).all()
    labelling.wait_until_saved(page)


def test_prefetch_survives_reorder(site: CamVidSite, page: Page) -> None:
    asked: Counter[str] = Counter()
    page.on("request", lambda request: asked.update([request.url]))
    now = labelling.open_label_page(page, site.server.url)
    pool = site.pool()
    ahead = pool[1:6]
    assert now["imageId"] == pool[0]

    def pixels_of(image_id: int) -> int:
        return sum(count for url, count in asked.items() if f"/images/{image_id}/pixels/" in url)

    labelling.wait_until_loaded_ahead(page)
    counts = [pixels_of(image_id) for image_id in pool[:7]]
    assert counts == [0] + [1] * 5 + [0], "the first comes with the queue, five are fetched ahead"
    maps_of_first = re.compile(rf"/images/{pool[0]}/(suggestion|uncertainty)/")
    assert not any(maps_of_first.search(url) for url in asked)
    paint(page, ROAD, [(60, 200), (400, 240)])
    painted = labelling.label_map(page)
    labels_asked = {url: count for url, count in asked.items() if url.endswith("/label")}

    kept, new = ahead[::-1][:4], pool[8]
    shutter = page.evaluate("() => window.qualmCanvas.counters.shownAt")
    others = [one for one in pool[1:] if one not in (*kept, new)]
    site.publish([kept[0], new, *kept[1:], *others], upside_down=True)
    expect(page.get_by_test_id("notice").filter(has_text="new order")).to_be_visible()
    labelling.wait_until(page, lambda: pixels_of(new) > 0)
    labelling.wait_until_loaded_ahead(page)
    assert labelling.state(page)["imageId"] == pool[0]
    assert np.array_equal(labelling.label_map(page), painted)
    assert page.evaluate("() => window.qualmCanvas.counters.shownAt") == shutter, "nothing was shown anew"
    assert [pixels_of(image_id) for image_id in [*kept, new]] == [1] * 5
    again = {
        url for url, count in asked.items() if url.endswith("/label") and count > labels_asked.get(url, 1)
    }
    assert again <= {url for url in asked if f"/images/{pool[0]}/label" in url}, "and no label map twice"

    labelling.submit(page)
    assert labelling.wait_for_image(page, other_than=pool[0])["imageId"] == kept[0]
    assert pixels_of(kept[0]) == 1
    page.get_by_test_id("accept-all").click()
    assert np.array_equal(labelling.label_map(page), site.suggestion(kept[0])), "with the new suggestion"
    labelling.wait_until_saved(page)


def test_an_image_drawn_ahead_looks_as_if_drawn_now(site: CamVidSite, page: Page) -> None:
    page.add_init_script(
        """
        const ready = OffscreenCanvas.prototype.transferToImageBitmap;
        window.drawnAhead = 0;
        OffscreenCanvas.prototype.transferToImageBitmap = function () {
          window.drawnAhead++;
          return ready.apply(this);
        };
        const draw = CanvasRenderingContext2D.prototype.drawImage;
        window.copies = 0;
        CanvasRenderingContext2D.prototype.drawImage = function (...given) {
          if (this.globalCompositeOperation === 'copy') window.copies++;
          return draw.apply(this, given);
        };
        """
    )
    shown = labelling.open_label_page(page, site.server.url)
    page.get_by_test_id("accept-all").click()
    # The next one and the one after it.
    page.wait_for_function("() => window.drawnAhead >= 2")
    labelling.submit(page)
    labelling.wait_for_image(page, other_than=shown["imageId"])
    labelling.wait_until_still(page)
    assert page.evaluate("() => window.copies") == 1, "the frame drawn ahead was shown"
    canvas = page.locator("canvas.picture")
    ahead = canvas.evaluate("canvas => canvas.toDataURL()")
    paints = page.evaluate("() => window.qualmCanvas.counters.paints")
    page.evaluate("() => window.qualmCanvas.run('fit')")
    page.wait_for_function("(before) => window.qualmCanvas.counters.paints > before", arg=paints)
    assert page.evaluate("() => window.copies") == 1
    assert canvas.evaluate("canvas => canvas.toDataURL()") == ahead


def test_an_image_that_left_the_queue_is_not_drawn_ahead(site: CamVidSite, page: Page) -> None:
    page.add_init_script(
        """
        const idle = window.requestIdleCallback;
        const held = [];
        let isHeld = true;
        window.requestIdleCallback = (begin, options) => (isHeld ? held.push(begin) : idle(begin, options));
        window.heldCount = () => held.length;
        window.letGo = () => {
          isHeld = false;
          for (const begin of held) idle(begin);
        };
        window.lastIdle = () => new Promise((done) => idle(done));
        """
    )
    labelling.open_label_page(page, site.server.url)
    labelling.wait_until_loaded_ahead(page)
    # The next one and the one after it.
    page.wait_for_function("() => window.heldCount() >= 2")
    pool = site.pool()
    site.publish([*pool[8:], *pool[1:8]])
    expect(page.get_by_test_id("notice").filter(has_text="new order")).to_be_visible()
    labelling.wait_until_loaded_ahead(page)
    page.evaluate("() => window.letGo()")
    for _ in range(50):
        page.evaluate("() => window.lastIdle()")


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_zoomed_strokes_hit_the_right_pixels(
    site: CamVidSite, new_context: Callable[..., BrowserContext], ratio: float
) -> None:
    page = new_context(viewport={"width": 1400, "height": 900}, device_scale_factor=ratio).new_page()
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    wanted = np.full((HEIGHT, WIDTH), NOT_LABELLED, np.uint8)
    generator = np.random.default_rng(int(10 * ratio))
    page.get_by_test_id("tool-brush").click()
    surface = page.locator(".surface").bounding_box()
    assert surface is not None
    x, y = int(surface["x"] + surface["width"] / 2), int(surface["y"] + surface["height"] / 2)
    for class_index, wheel in ((ROAD, 0), (SKY, -300), (BUILDING, -600), (PAVEMENT, 1200)):
        page.mouse.move(x, y)
        labelling.zoom(page, wheel)
        labelling.choose_class(page, class_index)
        page.keyboard.press("[" if class_index != SKY else "]")
        client = [(x + int(dx), y + int(dy)) for dx, dy in generator.integers(-160, 160, size=(6, 2))]
        to_image = labelling.image_coordinates(page)
        page.mouse.move(*client[0])
        page.mouse.down()
        for point in client[1:]:
            page.mouse.move(*point)
        page.mouse.up()
        radius = labelling.state(page)["brush"] / 2
        path = [to_image(point) for point in client]
        wanted[stroke_pixels(path, radius, HEIGHT, WIDTH)] = class_index
        assert np.array_equal(labelling.label_map(page).reshape(HEIGHT, WIDTH), wanted)
    assert len(np.unique(wanted)) >= 4
    labelling.wait_until_saved(page)
    assert np.array_equal(site.stored(image_id), wanted.ravel())


def seen_quarters(page: Page, width: int, height: int) -> list[tuple[int, ...]]:
    """Return the colours in the middle of the picture's quarters, as they are on the screen."""
    shot = Picture.open(io.BytesIO(page.screenshot())).convert("RGB")
    middles = [(width * x / 4, height * y / 4) for y in (1, 3) for x in (1, 3)]
    at = [labelling.on_screen(page, x, y) for x, y in middles]
    return [shot.getpixel((int(left), int(top))) for left, top in at]


def expect_quarters(page: Page, width: int, height: int, wanted: object, off_by: int) -> None:
    """Wait until the picture's quarters have these colours, each but for so much of a channel."""
    labelling.wait_until(
        page, lambda: bool(np.abs(np.subtract(seen_quarters(page, width, height), wanted)).max() <= off_by)
    )


def test_exif_and_16bit_show_right(site: CamVidSite, page: Page) -> None:
    image_id = site.id_of(TURNED)
    now = labelling.open_label_page(page, f"{site.server.url}/?image={image_id}")
    assert now["imageId"] == image_id
    width, height = HEIGHT, WIDTH  # it lies on its side in the file
    expect_quarters(page, width, height, CORNERS, off_by=11)
    paint(page, ROAD, [(20, 20), (60, 20)])
    labelling.wait_until_saved(page)
    stored = labels.read(site.workspace, image_id)[0]
    assert stored.shape == (height, width)
    rows, columns = np.nonzero(stored == ROAD)
    assert rows.max() < height / 2
    assert columns.max() < width / 2
    assert stored[20, 40] == ROAD

    labelling.open_label_page(page, f"{site.server.url}/?image={site.id_of(DEEP)}")
    expect_quarters(page, WIDTH, HEIGHT, [[grey] * 3 for grey in (0, 85, 170, 255)], off_by=2)
    page.get_by_test_id("adjust").click()
    page.get_by_label("White above").fill("2000")
    page.keyboard.press("Escape")
    expect_quarters(page, WIDTH, HEIGHT, [[grey] * 3 for grey in (0, 255, 255, 255)], off_by=2)
