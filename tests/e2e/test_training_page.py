"""The Training page follows the worker."""

import time

import pytest
from playwright.sync_api import Page, WebSocket, expect

from storage import round_requests, rounds, workers
from tests.e2e import labelling
from tests.e2e.camvid_site import CamVidSite

pytestmark = pytest.mark.browser

WORKER = "elsewhere:1"
CURVES_EVERY_S = 10
"""As on the page."""


@pytest.fixture
def image_count() -> int:
    return 3


def test_the_bar_moves_without_streamlit_until_the_round_changes(site: CamVidSite, page: Page) -> None:
    """Somebody may paint in another window meanwhile: a rerun each second would be felt there."""
    sent: list[str | bytes] = []

    def watch(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: sent.append(frame))

    page.on("websocket", watch)
    page.goto(f"{site.server.url}/training?project={site.project_id}")
    card = page.locator(".st-key-round-state")
    bar = card.get_by_role("progressbar")
    expect(card).to_contain_text("Automatic rounds are off: press Train now")
    expect(bar).to_be_hidden()

    # What happens elsewhere shows here: somebody starts a round, a worker takes it.
    asked = round_requests.request_round(site.workspace, site.project_id, "test", "a test asked for it")
    expect(card).to_contain_text("Waiting for the worker")
    assert rounds.claim(site.workspace, WORKER, 60.0) is not None
    workers.worker_seen(site.workspace, WORKER, "cpu")
    expect(card.locator(".q-badge")).to_have_text("training")
    labelling.wait_until_run(page)

    # Its curves are drawn by the script every ten seconds; the bar is not, or each report would be a rerun.
    sent_before, began = len(sent), time.monotonic()
    for step in range(10, 120, 10):
        rounds.report(site.workspace, asked.id, WORKER, lease_s=60, step=step, steps=120, eta_seconds=100.0)
        expect(bar).to_have_attribute("aria-valuenow", str(round(100 * step / 120)))
        expect(card).to_contain_text(f"Training: step {step} of 120, about 2 min left")
    curves = 1 + (time.monotonic() - began) // CURVES_EVERY_S
    assert len(sent) - sent_before <= curves
    assert curves < 11, "on so slow a machine the test would say nothing"

    card.get_by_role("button", name="Cancel").click()
    expect(card).to_contain_text("Cancelling")
    rounds.cancelled(site.workspace, asked.id, WORKER)
    expect(card.locator(".q-badge")).to_have_text("cancelled")
    expect(card).to_contain_text("Automatic rounds are off")
    expect(card.get_by_role("button", name="Train now")).to_be_enabled()
