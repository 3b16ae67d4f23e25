"""A project from its last images to the label maps in the person's hand."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from playwright.sync_api import Page, expect

from storage import images, labels
from storage.schema import NOT_LABELLED
from tests.e2e import labelling
from tests.e2e.camvid_site import DEEP, HEIGHT, ROAD, SKY, TURNED, WIDTH, CamVidSite

pytestmark = pytest.mark.browser

LEFT = 3
"""Images that the site has without a label."""


@pytest.fixture
def image_count() -> int:
    return 2


def paint_and_submit(page: Page, name: str, class_index: int) -> np.ndarray:
    """Label the image on the screen, whose name is in sight, and return its label map, flat, ``uint8``."""
    expect(page.get_by_test_id("image-name")).to_have_text(name)
    labelling.choose_class(page, class_index)
    labelling.stroke(page, [(60, 60), (140, 90), (90, 140)])
    painted = labelling.label_map(page)
    assert (painted == class_index).any()
    labelling.submit(page)
    return painted


def test_labelled_to_the_end_added_to_and_downloaded(
    site: CamVidSite, page: Page, camvid: Path, tmp_path: Path
) -> None:
    names = {one.id: one.name for one in images.list_images(site.workspace, site.project_id)}
    now = labelling.open_label_page(page, f"{site.server.url}/?project={site.project_id}")
    progress, why = page.get_by_test_id("progress"), page.get_by_test_id("why")
    painted: dict[str, np.ndarray] = {}
    for done in range(1, LEFT + 1):
        expect(progress).to_contain_text(f"{done} of {LEFT + 1} labelled")
        # The round knows the first of them alone.
        if done == 1:
            expect(why).to_contain_text("unsure about road against pavement")
        else:
            expect(why).not_to_contain_text("unsure about")
        name = names.pop(now["imageId"])
        painted[name] = paint_and_submit(page, name, ROAD)
        if done < LEFT:
            now = labelling.wait_for_image(page, other_than=now["imageId"])

    # Nothing is left, and the page says so and where to go.
    ended = page.get_by_test_id("empty-state")
    expect(ended).to_contain_text("labelled")
    expect(progress).to_contain_text(f"{LEFT + 1} of {LEFT + 1} labelled")
    for name, label_map in painted.items():
        np.testing.assert_array_equal(site.stored(site.id_of(name)), label_map)

    # Somebody uploads one more in another window.
    shutil.copy(sorted((camvid / "test").iterdir())[0], tmp_path / "one-more.png")
    other = page.context.new_page()
    other.goto(f"{site.server.url}/project?project={site.project_id}")
    other.get_by_text("Upload", exact=True).click()
    other.locator("input[type=file]").set_input_files(tmp_path / "one-more.png")
    other.get_by_role("button", name="Check", exact=False).click()
    other.locator(".st-key-import-run").get_by_role("button").click()
    expect(other.locator(".st-key-import-result")).to_contain_text("1 image")

    # It comes by itself to where the end was.
    expect(ended).to_be_hidden()
    now = labelling.wait_for_image(page)
    painted["one-more.png"] = paint_and_submit(page, "one-more.png", SKY)
    expect(ended).to_be_visible()

    # What is downloaded is what was painted.
    other.reload()
    other.get_by_role("tab", name="Export").click()
    other.get_by_text("Keep pixels that are not labelled apart").click()
    other.get_by_role("button", name="Prepare a zip").click()
    link = other.locator(".st-key-export-download").get_by_role("link")
    link.focus()
    with other.expect_download() as download:
        other.keyboard.press("Enter")
    data = download.value.path().read_bytes()
    (prepared,) = (site.workspace.path / "exports" / str(site.project_id)).glob("*.zip")
    assert (download.value.suggested_filename, data) == (prepared.name, prepared.read_bytes())
    with zipfile.ZipFile(io.BytesIO(data)) as exported:
        files = [name for name in exported.namelist() if name.endswith(".png")]
        assert len(files) == LEFT + 2
        for name, label_map in painted.items():
            (file,) = (one for one in files if Path(one).stem == Path(name).stem)
            found = np.asarray(Picture.open(io.BytesIO(exported.read(file))))
            np.testing.assert_array_equal(found.ravel(), label_map)
    assert label_map.size == WIDTH * HEIGHT


def test_an_audit_image_is_labelled_without_a_suggestion(site: CamVidSite, page: Page) -> None:
    """Or what measures the model would agree with it."""
    (image_id,) = (one for one in site.pool() if site.id_of(TURNED) != one != site.id_of(DEEP))
    url = f"{site.server.url}/?project={site.project_id}&image={image_id}"
    assert labelling.open_label_page(page, url)["hasSuggestion"]
    images.set_split(site.workspace, [image_id], "audit", actor="test")
    page.reload()
    now = labelling.wait_for_image(page)
    assert (now["imageId"], now["hasSuggestion"], now["hasUncertainty"]) == (image_id, False, False)
    expect(page.locator(".header .badge").first).to_have_text("Audit")
    expect(page.get_by_test_id("accept-all")).to_be_disabled()
    page.keyboard.press("a")
    assert (labelling.label_map(page) == NOT_LABELLED).all()
    labelling.choose_class(page, ROAD)
    labelling.stroke(page, [(60, 60), (140, 90)])
    labelling.submit(page)
    labelling.wait_for_image(page, other_than=image_id)
    labelling.wait_until_saved(page)
    revision = labels.history(site.workspace, image_id)[0]
    assert (revision.status, revision.blind) == ("submitted", True)
