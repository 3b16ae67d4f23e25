"""Classes that somebody changes reach a Label page that is open."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from app.canvas.classes import class_version
from storage import projects
from storage.projects import ClassChange, ClassSpec
from storage.schema import NOT_LABELLED
from tests.e2e import labelling
from tests.e2e.camvid_site import HEIGHT, ROAD, SKY, WIDTH, CamVidSite

pytestmark = pytest.mark.browser


def test_new_and_renamed_classes_come_by_themselves(site: CamVidSite, page: Page) -> None:
    runs = labelling.nudges_of(page)
    image_id = labelling.open_label_page(page, site.server.url)["imageId"]
    spec = ClassSpec("tramway", colour="#123456")
    added = projects.add_class(site.workspace, site.project_id, spec, "Bo")
    projects.update_classes(site.workspace, site.project_id, {ROAD: ClassChange(name="street")}, "Bo")
    expect(page.get_by_test_id(f"class-{added.index}")).to_contain_text("tramway")
    expect(page.get_by_test_id(f"class-{ROAD}")).to_contain_text("street")
    assert labelling.state(page)["imageId"] == image_id
    asked = len(runs)
    assert 1 <= asked <= 2
    page.wait_for_timeout(4000)
    assert len(runs) == asked, "the page is not run again and again"


def test_classes_that_change_in_mid_stroke_wait_for_its_end(site: CamVidSite, page: Page) -> None:
    labelling.open_label_page(page, site.server.url)
    labelling.choose_class(page, ROAD)
    changes = {ROAD: ClassChange(name="street"), SKY: ClassChange(archived=True)}
    projects.update_classes(site.workspace, site.project_id, changes, "Bo")
    version = class_version(projects.classes(site.workspace, site.project_id))
    # The page's script runs a second after this answer, and is to find the stroke under way.
    with page.expect_response(lambda one: "/progress" in one.url and one.json()["class_version"] == version):
        pass
    page.mouse.move(*labelling.on_screen(page, 100, 100))
    page.mouse.down()
    page.mouse.move(*labelling.on_screen(page, 200, 100), steps=5)
    page.wait_for_timeout(3000)
    page.mouse.move(*labelling.on_screen(page, 400, 100), steps=5)
    row = page.get_by_test_id(f"class-{ROAD}")
    assert "street" not in row.inner_text()
    page.mouse.up()
    expect(row).to_contain_text("street")
    expect(page.get_by_test_id(f"class-{SKY}")).to_be_hidden()
    map_ = labelling.label_map(page).reshape(HEIGHT, WIDTH)
    assert (map_[100, 100:400] == ROAD).all()
    assert not (labelling.suggestion(page) == SKY).any()
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(labelling.label_map(page), NOT_LABELLED)
