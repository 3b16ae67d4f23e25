"""What each tool and key does to the label map, from the key pressed to the pixels."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes

from storage.schema import NOT_LABELLED
from tests.e2e import labelling
from tests.e2e.camvid_site import HEIGHT, POLE, ROAD, SKY, TURNED, WIDTH, CamVidSite
from tests.e2e.stroke_pixels import stroke_pixels
from tests.e2e.test_canvas_tools import hover, middle_of, region_of, shaped

pytestmark = pytest.mark.browser


@pytest.fixture
def image_count() -> int:
    return 3


def painted(page: Page, class_index: int) -> np.ndarray:
    """Return bool (H, W): where the label map has a class."""
    return shaped(labelling.label_map(page)) == class_index


def hold(page: Page, key: str) -> None:
    """Press a key for longer than one that switches."""
    page.keyboard.down(key)
    page.wait_for_timeout(700)


def test_a_line_is_one_pixel_wide(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, POLE)
    page.keyboard.press("j")
    labelling.stroke(page, [(50.5, 50.5), (150.5, 110.5)])
    line = painted(page, POLE)
    assert line.sum() == 101
    assert (line.sum(axis=0)[50:151] == 1).all()
    assert line[50, 50]
    assert line[110, 150]


@pytest.mark.parametrize("key", ["g", "w"])
def test_a_fill_ends_where_the_colour_does(site: CamVidSite, page: Page, key: str) -> None:
    labelling.open_label_page(page, f"{site.server.url}/?image={site.id_of(TURNED)}")
    labelling.choose_class(page, ROAD)
    page.keyboard.press(key)
    page.mouse.click(*labelling.on_screen(page, 60.5, 300.5))
    page.wait_for_function("() => !window.qualmCanvas.state().waits")
    # It stands upright: as wide as the others are high.
    filled = (labelling.label_map(page) == ROAD).reshape(WIDTH, HEIGHT)
    quarter = np.zeros_like(filled)
    quarter[WIDTH // 2 :, : HEIGHT // 2] = True
    assert filled[binary_erosion(quarter, iterations=4)].all()
    assert not filled[~binary_dilation(quarter, iterations=4)].any()


def test_a_region_takes_the_chosen_class(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    suggestion = shaped(site.suggestion(image_id))
    x, y = middle_of(suggestion == ROAD)
    labelling.choose_class(page, POLE)
    page.keyboard.press("k")
    page.mouse.click(*labelling.on_screen(page, x + 0.5, y + 0.5))
    np.testing.assert_array_equal(painted(page, POLE), region_of(suggestion, x, y))


def test_a_brush_accepts_what_it_passes_over(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    suggestion = shaped(site.suggestion(image_id))
    page.keyboard.press("q")
    path = [(100.0, 250.0), (300.0, 250.0)]
    labelling.stroke(page, path)
    accepted = shaped(labelling.label_map(page))
    radius = labelling.state(page)["brush"] / 2
    surely, perhaps = (stroke_pixels(path, radius + by, HEIGHT, WIDTH) for by in (-1, 1))
    np.testing.assert_array_equal(accepted[surely], suggestion[surely])
    assert (accepted[~perhaps] == NOT_LABELLED).all()


def test_the_part_of_a_class_under_the_cursor_is_edited(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, SKY)
    page.keyboard.press("m")
    labelling.stroke(page, [(100, 100), (200, 200)])
    page.keyboard.press("e")
    labelling.stroke(page, [(150, 150), (152, 152)])
    before = painted(page, SKY)
    assert not before[150, 150]
    hover(page, 110, 110)
    page.keyboard.press("Shift+F")
    square = painted(page, SKY)
    np.testing.assert_array_equal(square, binary_fill_holes(before))
    page.keyboard.press("Shift+BracketRight")
    grown = painted(page, SKY)
    assert grown.sum() > 100 * 100
    assert not grown[~binary_dilation(square, iterations=2)].any()
    page.keyboard.press("Shift+BracketLeft")
    shrunk = painted(page, SKY)
    assert shrunk[101:199, 101:199].all()
    assert shrunk.sum() <= 100 * 100
    page.keyboard.press("Shift+S")
    smooth = painted(page, SKY)
    assert smooth[105:195, 105:195].all()
    assert not smooth[~binary_dilation(square, iterations=2)].any()
    for _ in range(4):
        page.keyboard.press("Control+z")
    np.testing.assert_array_equal(painted(page, SKY), before)


def test_small_islands_go(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, SKY)
    page.keyboard.press("m")
    labelling.stroke(page, [(100, 100), (200, 200)])
    labelling.stroke(page, [(300, 300), (302, 302)])
    assert painted(page, SKY)[301, 301]
    hover(page, 150, 150)
    page.keyboard.press("Shift+I")
    left = painted(page, SKY)
    assert left.sum() == 100 * 100
    assert not left[290:, 290:].any()


@pytest.mark.parametrize(("key", "layer"), [("s", "suggestion"), ("u", "uncertainty")])
def test_a_layer_is_shown_by_a_key_and_while_it_is_held(
    site: CamVidSite, page: Page, key: str, layer: str
) -> None:
    before = labelling.open_label_page(page, site.server.url)[layer]
    page.keyboard.press(key)
    assert labelling.state(page)[layer] is not before
    hold(page, key)
    assert labelling.state(page)[layer] is before
    page.keyboard.up(key)
    assert labelling.state(page)[layer] is not before


def test_the_rest_takes_one_class(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, ROAD)
    labelling.stroke(page, [(100, 100), (200, 120)])
    road = painted(page, ROAD)
    labelling.choose_class(page, SKY)
    page.keyboard.press("y")
    np.testing.assert_array_equal(shaped(labelling.label_map(page)), np.where(road, ROAD, SKY))
    page.keyboard.press("Control+y")
    page.keyboard.press("Control+z")
    assert (painted(page, NOT_LABELLED) == ~road).all()
    page.keyboard.press("Control+y")
    assert painted(page, SKY).sum() == (~road).sum()


def test_a_class_is_locked_by_a_key(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, ROAD)
    labelling.stroke(page, [(100, 100), (200, 120)])
    road = painted(page, ROAD)
    page.keyboard.press("Shift+L")
    expect(page.get_by_test_id(f"lock-{ROAD}")).to_have_attribute("aria-pressed", "true")
    labelling.choose_class(page, SKY)
    labelling.stroke(page, [(150, 60), (150, 200)])
    np.testing.assert_array_equal(painted(page, ROAD), road)
