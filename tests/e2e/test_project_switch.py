"""Going from one project to another at the label canvas."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import CDPSession, Page, expect

from storage import images, labels, projects
from storage.import_planning import plan_import
from storage.importing import run_import
from storage.workspace import open_workspace
from tests.e2e import labelling
from tests.e2e.camvid_site import HEIGHT, ROAD, WIDTH, CamVidSite, copy_sample
from tests.e2e.server import ROOT, Server

pytestmark = pytest.mark.browser

WORDMARK = ROOT / "app" / "wordmark.svg"


def listeners(devtools: CDPSession, of: str, kind: str) -> int:
    """Count who listens for events of a kind at `window` or `document`."""
    target = devtools.send("Runtime.evaluate", {"expression": of})["result"]["objectId"]
    found = devtools.send("DOMDebugger.getEventListeners", {"objectId": target})["listeners"]
    return sum(one["type"] == kind for one in found)


def test_a_switch_saves_and_leaves_nothing_of_the_project_before(
    camvid: Path, tmp_path: Path, start_server: Callable[..., Server], page: Page
) -> None:
    copy_sample(camvid, tmp_path / "source", 3)
    workspace = open_workspace(tmp_path / "workspace")
    for name in ("Roads", "Streets"):
        plan = plan_import(tmp_path / "source", workspace=workspace, masks_as="truth")
        project = projects.create_project(workspace, name, plan.classes, actor="test")
        run_import(workspace, project.id, plan, actor="test")
    server = start_server("--no-worker")
    shown = labelling.open_label_page(page, server.url)
    devtools = page.context.new_cdp_session(page)
    watched = (("window", "pagehide"), ("document", "visibilitychange"))
    before = [listeners(devtools, *one) for one in watched]
    left: dict[int, np.ndarray] = {}

    def are_saved() -> bool:
        return all(
            np.array_equal(labels.read(workspace, image_id)[0].ravel(), painted)
            for image_id, painted in left.items()
        )

    for name in ("Roads", "Streets", "Roads"):
        labelling.choose_class(page, ROAD)
        labelling.stroke(page, [(100, 100), (200, 120)])
        left[shown["imageId"]] = labelling.label_map(page)
        labelling.choose_option(page, page.locator(".st-key-project-bar"), name)
        shown = labelling.wait_for_image(page, other_than=shown["imageId"])
        labelling.wait_until(page, are_saved)
    labelling.wait_until(page, lambda: [listeners(devtools, *one) for one in watched] == before)
    assert are_saved()
    workspace.close()


def test_unsent_work_of_another_project_is_told_and_sent_there_alone(
    camvid: Path, tmp_path: Path, start_server: Callable[..., Server], page: Page
) -> None:
    copy_sample(camvid, tmp_path / "source", 3)
    workspace = open_workspace(tmp_path / "workspace")
    ids = []
    for name in ("Roads", "Streets"):
        plan = plan_import(tmp_path / "source", workspace=workspace, masks_as="truth")
        ids.append(projects.create_project(workspace, name, plan.classes, actor="test").id)
        run_import(workspace, ids[-1], plan, actor="test")
    roads, streets = ids
    server = start_server("--no-worker")
    labelling.with_cuttable_fetch(page)
    painted_on = labelling.open_label_page(page, f"{server.url}/?project={roads}")["imageId"]
    labelling.cut_saves(page, cut=True)
    labelling.choose_class(page, ROAD)
    labelling.stroke(page, [(100, 100), (200, 120)])
    painted = labelling.label_map(page)
    labelling.wait_until_kept(page, painted.reshape(HEIGHT, WIDTH))

    labelling.open_label_page(page, f"{server.url}/?project={streets}")
    labelling.cut_saves(page, cut=False)
    link = page.get_by_test_id("unsent-elsewhere")
    expect(link).to_have_text("1 not sent in Roads: open it")
    page.set_viewport_size({"width": 700, "height": 700})
    expect(link).to_be_in_viewport()
    for project_id in ids:
        for one in images.list_images(workspace, project_id):
            assert one.revision == 0, "nothing is sent from here"
    link.click()
    page.wait_for_url(f"**/?project={roads}*")
    labelling.wait_for_image(page)
    labelling.wait_until_saved(page)
    np.testing.assert_array_equal(labels.read(workspace, painted_on)[0].ravel(), painted)
    expect(link).to_be_hidden()
    labelling.open_label_page(page, f"{server.url}/?project={streets}")
    page.wait_for_timeout(3000)
    expect(link).to_be_hidden()
    workspace.close()


def test_the_header_cuts_no_letter(site: CamVidSite, page: Page) -> None:
    long = "Roads of the whole county, as seen from a car"
    projects.change_settings(site.workspace, site.project_id, {}, "test", name=long)
    # Drawn with a font as wide as any system's.
    mark = WORDMARK.read_text("utf-8").replace("system-ui, sans-serif", "monospace")
    page.set_content(mark)
    letters, drawing = page.locator("text").bounding_box(), page.locator("svg").bounding_box()
    assert letters is not None
    assert drawing is not None
    assert letters["x"] + letters["width"] <= drawing["x"] + drawing["width"]

    labelling.open_label_page(page, site.server.url)
    shown = page.locator(".st-key-project-bar").get_by_role("combobox")
    expect(shown).to_have_value(long)
    expect(shown).to_have_css("text-overflow", "ellipsis")
