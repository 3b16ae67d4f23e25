"""A project is archived while somebody labels in it."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from storage import labels, projects
from tests.e2e import labelling
from tests.e2e.camvid_site import ROAD, CamVidSite

pytestmark = pytest.mark.browser


@pytest.fixture
def image_count() -> int:
    return 3


def test_archiving_loses_no_stroke_of_an_open_page_and_is_undone_there(site: CamVidSite, page: Page) -> None:
    name = projects.get_project(site.workspace, site.project_id).name
    shown = labelling.open_label_page(page, f"{site.server.url}?project={site.project_id}")
    other = page.context.new_page()
    other.goto(f"{site.server.url}/project?project={site.project_id}")
    other.get_by_role("tab", name="Settings").click()
    other.get_by_role("button", name="Archive this project").click()
    expect(other.get_by_text(f"{name} is archived.")).to_be_visible()

    page.bring_to_front()
    labelling.choose_class(page, ROAD)
    labelling.stroke(page, [(100, 100), (200, 120)])
    painted = labelling.label_map(page)
    labelling.submit(page)
    notice = page.locator(".st-key-archived-project")
    expect(notice).to_contain_text(f"{name} is archived")
    [newest, *_] = labels.history(site.workspace, shown["imageId"])
    assert newest.status == "submitted"
    assert np.array_equal(site.stored(shown["imageId"]), painted)

    notice.get_by_role("button", name="Restore").click()
    expect(notice).to_have_count(0)
    labelling.wait_for_image(page, other_than=shown["imageId"])
    assert projects.get_project(site.workspace, site.project_id).archived_at is None
