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
    # What it hears of first is no news.
    expect(page.get_by_test_id("progress")).to_contain_text("labelled")
    asked = round_requests.request_round(site.workspace, site.project_id, "test", "a test asked for it")
    claimed = rounds.claim(site.workspace, WORKER, 60.0)
    assert claimed is not None
    assert claimed.id == asked.id
    try:
        put = site.workspace.blobs.put
        all_road = put(labels.encode_label_map(np.full((HEIGHT, WIDTH), ROAD, np.uint8)))
        doubt = put(labels.encode_label_map(np.zeros((45, 60), np.uint8)))
        suggest_early(site.workspace, asked.id, WORKER, [EarlyMaps(image_id, all_road, doubt)])
        notice = page.get_by_test_id("notice").filter(has_text=f"Round {asked.number} is trained")
        expect(notice).to_be_visible()
        labelling.wait_until(page, lambda: bool((labelling.suggestion(page) == ROAD).all()))
        now = labelling.state(page)
        assert (now["imageId"], now["rank"]) == (image_id, before["rank"])
        assert page.get_by_test_id("why").inner_text() == why
        page.get_by_test_id("accept-all").click()
        labelling.submit(page)
        labelling.wait_until_saved(page)
    finally:
        # Or another test would be given this round.
        rounds.cancelled(site.workspace, asked.id, WORKER)
    newest = labels.history(site.workspace, image_id)[0]
    assert (newest.status, newest.round_shown_id) == ("submitted", asked.id)
    assert (site.stored(image_id) == ROAD).all()
