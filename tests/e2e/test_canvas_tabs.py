"""One person with two tabs, and images that are left and come back: what was painted is there."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from storage.schema import NOT_LABELLED
from tests.e2e import labelling
from tests.e2e.camvid_site import BUILDING, HEIGHT, ROAD, SKY, WIDTH, CamVidSite

pytestmark = pytest.mark.browser


def test_a_tab_keeps_what_another_tab_saves_over(site: CamVidSite, page: Page) -> None:
    labelling.with_cuttable_fetch(page)
    first = labelling.open_label_page(page, site.server.url)["imageId"]
    labelling.cut_saves(page, cut=True)
    labelling.choose_class(page, ROAD)
    labelling.stroke(page, [(60, 100), (400, 100)])
    unsaved = labelling.label_map(page)
    labelling.wait_until_kept(page, unsaved.reshape(HEIGHT, WIDTH))

    other = page.context.new_page()
    assert labelling.open_label_page(other, site.server.url)["imageId"] == first
    assert (labelling.label_map(other) == NOT_LABELLED).all(), "what an open tab has under way stays there"
    labelling.choose_class(other, SKY)
    labelling.stroke(other, [(60, 300), (400, 300)])
    labelling.wait_until_saved(other)
    other.close()

    page.reload()
    assert labelling.wait_for_image(page)["imageId"] == first
    assert np.array_equal(labelling.label_map(page), unsaved)


def test_a_saved_draft_comes_back_after_another_image_was_shown_in_between(
    site: CamVidSite, page: Page
) -> None:
    first = labelling.open_label_page(page, site.server.url)["imageId"]
    labelling.choose_class(page, ROAD)
    labelling.stroke(page, [(100, 100), (200, 100)])
    labelling.submit(page)
    second = labelling.wait_for_image(page, other_than=first)["imageId"]
    labelling.stroke(page, [(100, 200), (300, 200)])
    painted = labelling.label_map(page)
    labelling.wait_until_saved(page)
    page.keyboard.press("PageUp")
    assert labelling.wait_for_image(page, other_than=second)["imageId"] == first
    labelling.submit(page)
    assert labelling.wait_for_image(page, other_than=first)["imageId"] == second
    assert np.array_equal(labelling.label_map(page), painted)
    labelling.stroke(page, [(100, 250), (300, 250)])
    labelling.wait_until_saved(page)
    assert np.array_equal(site.stored(second), labelling.label_map(page))


def test_who_comes_back_to_a_page_finds_what_was_saved_meanwhile(site: CamVidSite, page: Page) -> None:
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    site.save_as_somebody(image_id, np.full((HEIGHT, WIDTH), BUILDING, np.uint8))
    # As of a window that stood beside the one that had the focus, which no test can make.
    page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    expect(page.get_by_test_id("notice")).to_contain_text("somebody saved it meanwhile")
    assert (labelling.label_map(page) == BUILDING).all()
    labelling.choose_class(page, ROAD)
    labelling.stroke(page, [(100, 200), (300, 200)])
    labelling.wait_until_saved(page)
    assert not labelling.state(page)["dialog"]
    assert np.array_equal(site.stored(image_id), labelling.label_map(page))


def test_an_open_polygon_waits_for_the_return_of_its_image(site: CamVidSite, page: Page) -> None:
    first = labelling.open_label_page(page, site.server.url)["imageId"]
    labelling.choose_class(page, ROAD)
    page.keyboard.press("p")
    for corner in ((100, 200), (300, 200), (300, 300), (100, 300)):
        page.mouse.click(*labelling.on_screen(page, *corner))
    page.keyboard.press("n")
    second = labelling.wait_for_image(page, other_than=first)["imageId"]
    page.keyboard.press("Enter")
    labelling.wait_for_dialog(page)
    page.get_by_test_id("answer-stay").click()
    assert (labelling.label_map(page) == NOT_LABELLED).all(), "it is not of this image"

    page.keyboard.press("PageUp")
    assert labelling.wait_for_image(page, other_than=second)["imageId"] == first
    page.keyboard.press("Enter")
    label_map = labelling.label_map(page).reshape(HEIGHT, WIDTH)
    assert (label_map[205:295, 105:295] == ROAD).all()
    assert labelling.state(page)["imageId"] == first, "what closes a polygon does not submit"


def test_a_key_in_mid_stroke_loses_neither_stroke_nor_polygon(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, ROAD)
    page.mouse.move(*labelling.on_screen(page, 100, 100))
    page.mouse.down()
    page.mouse.move(*labelling.on_screen(page, 300, 100), steps=5)
    stroke = labelling.label_map(page)
    assert (stroke == ROAD).any()
    page.keyboard.press("e")
    page.mouse.up()
    assert np.array_equal(labelling.label_map(page), stroke)

    page.keyboard.press("p")
    for corner in ((100, 200), (300, 200), (300, 300)):
        page.mouse.click(*labelling.on_screen(page, *corner))
    page.keyboard.press("b")
    labelling.submit(page)
    expect(page.get_by_test_id("notice").last).to_contain_text("still open")
    assert labelling.state(page)["tool"] == "polygon"
    page.mouse.dblclick(*labelling.on_screen(page, 100, 300))
    label_map = labelling.label_map(page).reshape(HEIGHT, WIDTH)
    assert (label_map[205:295, 105:295] == ROAD).all()
