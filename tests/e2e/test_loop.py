"""The promise of the product: label, train, and the queue is in a better order than before."""

import hashlib
import io
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from playwright.sync_api import BrowserContext, Page, expect

from storage import images, labels, projects, queue, rounds
from storage.import_planning import plan_import
from storage.importing import run_import
from storage.schema import NOT_LABELLED, Image
from storage.workspace import Workspace, open_workspace
from tests.e2e import labelling
from tests.e2e.camvid_site import copy_sample
from tests.e2e.server import Server

pytestmark = pytest.mark.browser

CAMVID_CLASSES = "sky building pole road pavement tree signsymbol fence car pedestrian bicyclist"
SKY, BUILDING, ROAD = 0, 1, 3
PATIENCE_S = 300
"""How long a round of few steps, or the start of a worker, may take on a machine that is busy."""


def camvid_folder(camvid: Path, target: Path, count: int) -> Path:
    """Copy ``count`` images, spread over the drives, without their masks."""
    target.mkdir()
    everything = sorted((camvid / "train").iterdir())
    for path in everything[:: len(everything) // count][:count]:
        shutil.copy(path, target)
    return target


def make_rounds_short(workspace: Workspace, project_id: int, steps: int) -> None:
    settings = projects.get_project(workspace, project_id).settings
    settings.round.steps = steps
    settings.round.long_side = 160
    settings.round.crop = 96
    settings.round.batch_size = 2
    settings.round.samples_predict = 4
    settings.start.automatic = False
    projects.update_settings(workspace, project_id, settings, actor="test")


def project_of_camvid(workspace: Workspace, camvid: Path, folder: Path, count: int) -> int:
    """Make a project of ``count`` CamVid images without labels, none of which is drawn for the audit."""
    copy_sample(camvid, folder, count)
    plan = plan_import(folder, workspace=workspace, masks_as="truth")
    project = projects.create_project(workspace, "Roads", plan.classes, actor="test")
    run_import(workspace, project.id, plan, actor="test")
    settings = projects.get_project(workspace, project.id).settings
    settings.annotation.audit_every = 0
    projects.update_settings(workspace, project.id, settings, actor="test")
    return project.id


def wait_for_round(workspace: Workspace, project_id: int, states: set[str]) -> rounds.RoundInfo:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        newest = rounds.history(workspace, project_id)[0]
        if newest.state in states:
            return newest
        time.sleep(0.2)
    pytest.fail(f"The round is still {newest.state} at step {newest.step}/{newest.steps}: {newest.error}")


def wait_until_it_trained(workspace: Workspace, project_id: int, steps: int) -> rounds.RoundInfo:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        running = rounds.history(workspace, project_id)[0]
        if running.state == "training" and running.step >= steps and running.worker:
            return running
        time.sleep(0.1)
    pytest.fail("The round never trained a step.")


def test_loop_from_empty_workspace_to_reordered_queue_though_a_worker_is_killed(
    start_server: Callable[..., Server], page: Page, camvid: Path, tmp_path: Path
) -> None:
    server = start_server()

    # Create a project and import 24 images, by hand.
    page.goto(f"{server.url}/project")
    page.locator(".st-key-project-name input").fill("Roads")
    names = page.locator(".st-key-class-names textarea")
    names.fill(CAMVID_CLASSES.replace(" ", "\n"))
    names.blur()
    page.locator(".st-key-create-project button").click()
    source = page.locator(".st-key-import-source input")
    source.fill(str(camvid_folder(camvid, tmp_path / "images", 24)))
    source.press("Enter")
    page.locator(".st-key-import-plan button").click()
    expect(page.locator(".st-key-import-report")).to_contain_text("24 images")
    page.locator(".st-key-import-run button").click()
    expect(page.locator(".st-key-import-result")).to_contain_text("24 images imported")

    workspace = open_workspace(server.workspace)
    project = projects.list_projects(workspace)[0]
    make_rounds_short(workspace, project.id, steps=24)

    # Label six: polygons and brush strokes.
    now = labelling.open_label_page(page, server.url)
    labelled = []
    for number in range(6):
        labelled.append(now["imageId"])
        labelling.choose_class(page, SKY)
        labelling.polygon(page, [(10, 5), (470, 5), (470, 60), (240, 90), (10, 60)])
        labelling.choose_class(page, ROAD)
        labelling.polygon(page, [(60, 350), (420, 350), (300, 230), (180, 230)])
        labelling.choose_class(page, BUILDING)
        page.get_by_test_id("tool-brush").click()
        labelling.stroke(page, [(20, 130), (120, 150), (130, 170 + number)])
        values = np.unique(labelling.label_map(page))
        assert {SKY, BUILDING, ROAD} <= set(values.tolist())
        labelling.submit(page)
        now = labelling.wait_for_image(page, other_than=labelled[-1])
    labelling.wait_until_saved(page)
    assert queue.progress(workspace, project.id).labelled == 6
    submitted, _ = queue.ranked_images(workspace, project.id, state="submitted")
    assert sorted(item.split for item in submitted) == ["audit"] * 2 + ["train"] * 4, "at first one in three"
    before = [item.image.id for item in queue.ranked_images(workspace, project.id, split="pool")[0]]

    # Start a round, watch it move and kill its worker: another one goes on with it.
    page.goto(f"{server.url}/training")
    page.locator(".st-key-train-now button").click()
    state = page.locator(".st-key-round-state")
    expect(state).to_contain_text("training", timeout=1000 * PATIENCE_S)
    expect(state).to_contain_text("of 24", timeout=1000 * PATIENCE_S)
    killed = wait_until_it_trained(workspace, project.id, steps=5)
    begun = {info.id for info in rounds.history(workspace, project.id)}
    os.kill(int(str(killed.worker).rpartition(":")[2]), signal.SIGKILL)
    done = wait_for_round(workspace, project.id, {"done", "failed", "cancelled"})
    assert done.state == "done", done.error
    assert done.id == killed.id
    assert done.worker != killed.worker
    assert {info.id for info in rounds.history(workspace, project.id)} == begun
    expect(page.locator(".st-key-round-history")).to_contain_text("done")
    losses = [value for _, name, value in rounds.curve(workspace, done.id, "loss")]
    assert losses, "the curve is stored"

    # The queue is in the round's order, and differs from the order before.
    ranked, total = queue.ranked_images(workspace, project.id, split="pool")
    assert total == len(ranked)
    assert [item.rank for item in ranked] == sorted(item.rank for item in ranked)
    assert [item.image.id for item in ranked] != before
    page.goto(f"{server.url}/queue")
    cards = page.locator("[data-rank]")
    expect(cards.first).to_be_visible()
    shown = [int(value) for value in cards.evaluate_all("all => all.map(card => card.dataset.imageId)")]
    pool_ids = [item.image.id for item in ranked]
    assert [image_id for image_id in shown if image_id in pool_ids] == pool_ids

    # The top-ranked image opens with its suggestion and its uncertainty.
    page.locator(f"[data-image-id='{ranked[0].image.id}']").click()
    now = labelling.wait_for_image(page)
    assert now["imageId"] == ranked[0].image.id
    assert now["rank"] == ranked[0].rank
    assert now["hasSuggestion"]
    assert now["hasUncertainty"]

    # Accept the suggestion: pixels move from suggestion to label, and only then they count.
    assert (labelling.label_map(page) == NOT_LABELLED).all()
    page.get_by_test_id("accept-all").click()
    assert not (labelling.label_map(page) == NOT_LABELLED).any()
    labelling.submit(page)
    labelling.wait_for_image(page, other_than=ranked[0].image.id)
    labelling.wait_until_saved(page)
    saved = labels.history(workspace, ranked[0].image.id)[0]
    assert saved.status == "submitted"
    assert saved.labelled_share == 1.0
    assert saved.round_shown_id == done.id
    assert not saved.blind

    # Another choice of images, and one image more: both count without training.
    add_one_more(workspace, project.id, camvid)
    page.goto(f"{server.url}/training")
    labelling.choose_option(page, page.locator(f".st-key-round-batch-choice-{project.id}"), "K-centre")
    expect(page.get_by_text("Not saved yet: Batch choice.").first).to_be_visible()
    rank_again = state.get_by_role("button", name="Rank again")
    rank_again.click()
    expect(state).to_contain_text("Ranks again, started by you")
    ranking = wait_for_round(workspace, project.id, {"done", "failed"})
    assert (ranking.number, ranking.kind, ranking.state) == (2, "ranks", "done")
    expect(state.locator(".q-badge")).to_have_text("done")
    expect(rank_again).to_be_enabled()
    expect(page.locator(".st-key-loss-chart")).to_be_visible()
    again, _ = queue.ranked_images(workspace, project.id, split="pool")
    assert {item.ranking_round_number for item in again} == {2}
    suggested = {item.image.name: item.map_blob for item in ranked}
    assert "one-more.png" not in suggested
    for item in again:
        assert item.map_blob is not None
        assert item.map_blob == suggested.get(item.image.name, item.map_blob)
    order = [item.image.name for item in again if item.image.name in suggested]
    assert order != [item.image.name for item in ranked if item.image.name in order]


def add_one_more(workspace: Workspace, project_id: int, camvid: Path) -> None:
    data = sorted((camvid / "test").iterdir())[0].read_bytes()
    with PillowImage.open(io.BytesIO(data)) as picture:
        width, height = picture.size
    images.add_image(
        workspace,
        project_id,
        name="one-more.png",
        content_hash=hashlib.sha256(data).hexdigest(),
        blob=workspace.blobs.put(data),
        media_type="image/png",
        width=width,
        height=height,
    )


def test_two_people_never_share_an_image_and_never_overwrite_each_other(
    start_server: Callable[..., Server],
    new_context: Callable[..., BrowserContext],
    camvid: Path,
    tmp_path: Path,
) -> None:
    workspace = open_workspace(tmp_path / "workspace")
    project_id = project_of_camvid(workspace, camvid, tmp_path / "source", count=16)
    server = start_server("--no-worker")
    pages = [new_context().new_page() for _ in range(2)]
    current = [labelling.open_label_page(page, server.url)["imageId"] for page in pages]
    seen: list[set[int]] = [set(), set()]
    for _ in range(3):
        for person, page in enumerate(pages):
            seen[person].add(current[person])
            labelling.choose_class(page, ROAD)
            page.get_by_test_id("tool-brush").click()
            labelling.stroke(page, [(100, 300), (300, 300)])
            labelling.submit(page)
            current[person] = labelling.wait_for_image(page, other_than=current[person])["imageId"]
    assert not seen[0] & seen[1]
    assert current[0] != current[1]
    for page in pages:
        labelling.wait_until_saved(page)
    assert images.split_counts(workspace, project_id)["train"] == 6

    # Somebody else's revision lands under the first person's strokes: a question, not a lost update.
    page, image_id = pages[0], current[0]
    labelling.choose_class(page, SKY)
    page.get_by_test_id("tool-brush").click()
    with workspace.database.writing() as session:
        row = session.get(Image, image_id)
        assert row is not None
        row.leased_by = row.leased_until = None
    theirs = np.full((360, 480), NOT_LABELLED, np.uint8)
    theirs[:20] = BUILDING
    labels.save(workspace, image_id, theirs, expected_revision=0, author="somebody", status="submitted")
    with page.expect_response(lambda response: response.request.method == "PUT") as answer:
        labelling.stroke(page, [(100, 200), (300, 200)])
    assert answer.value.status == 409
    page.wait_for_function("() => window.qualmCanvas.state().dialog")
    assert (labelling.label_map(page) == SKY).any(), "the strokes are still there"
    assert np.array_equal(labels.read(workspace, image_id)[0], theirs), "and so is the other's work"
    page.get_by_test_id("answer-merge").click()
    labelling.wait_until_saved(page)
    merged, revision = labels.read(workspace, image_id)
    assert revision == 2
    assert (merged == SKY).any()
    assert (merged[:20] == BUILDING).all()
