"""Suggestions of a round that still scores the pool, under a person who labels."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from storage import labels, round_requests, rounds
from storage.early_suggestions import EarlyMaps, suggest_early
from tests.e2e import labelling
from tests.e2e.camvid_site import HEIGHT, ROAD, WIDTH, CamVidSite

pytestmark = pytest.mark.browser

WORKER = "elsewhere:1"


def test_the_image_on_the_screen_gets_its_suggestion_and_keeps_its_place(
    site: CamVidSite, page: Page
) -> None:
    before = labelling.open_label_page(page, site.server.url)
    image_id = before["imageId"]
    why = page.get_by_test_id("why").inner_text()
    asked = round_requests.request_round(site.workspace, site.project_id, "test", "a test asked for it")
    claimed = rounds.claim(site.workspace, WORKER, 60.0)
    assert claimed is not None
    assert claimed.id == asked.id
    put = site.workspace.blobs.put
    all_road = put(labels.encode_label_map(np.full((HEIGHT, WIDTH), ROAD, np.uint8)))
    doubt = put(labels.encode_label_map(np.zeros((45, 60), np.uint8)))
    suggest_early(site.workspace, asked.id, WORKER, [EarlyMaps(image_id, all_road, doubt)])
    notice = page.get_by_test_id("notice").filter(has_text=f"Round {asked.number} is trained")
    expect(notice).to_be_visible()
    page.wait_for_function(
        "(value) => window.qualmCanvas.suggestionBytes().every((one) => one === value)", arg=ROAD
    )
    now = labelling.state(page)
    assert (now["imageId"], now["rank"]) == (image_id, before["rank"])
    assert page.get_by_test_id("why").inner_text() == why
    page.get_by_test_id("accept-all").click()
    labelling.submit(page)
    labelling.wait_until_saved(page)
    rounds.cancelled(site.workspace, asked.id, WORKER)
    newest = labels.history(site.workspace, image_id)[0]
    assert (newest.status, newest.round_shown_id) == ("submitted", asked.id)
    assert (site.stored(image_id) == ROAD).all()
