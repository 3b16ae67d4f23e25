"""An archived project loses nothing and trains nothing."""

import time

import pytest

from storage import events, images, labels, projects, queue, round_requests, rounds, workers
from storage.archiving import archive_project, restore_project
from storage.errors import InvalidInput, NotFound, ProjectArchived, RoundRefused
from storage.projects import ClassSpec, ProjectInfo
from storage.start_advice import cold_start_is_due, start_advice
from storage.workspace import Workspace
from tests.storage.project_factory import make_project, submit

WORKER = "elsewhere:1"


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    return make_project(workspace, images=12)


def test_a_project_is_archived_and_restored_as_it_was(workspace: Workspace, project: ProjectInfo) -> None:
    submit(workspace, 1)
    before = projects.get_project(workspace, project.id), images.list_images(workspace, project.id)
    for _ in range(2):
        archived = archive_project(workspace, project.id, "ada")
        assert projects.list_projects(workspace) == [archived]
        assert archived.archived_at == pytest.approx(time.time(), abs=60)
    for _ in range(2):
        restored = restore_project(workspace, project.id, "ben")
        assert (restored, images.list_images(workspace, project.id)) == before
    newest = [(one.actor, one.kind, one.detail) for one in events.recent(workspace, project.id, 3)]
    assert newest[:2] == [("ben", "settings", {"archived": False}), ("ada", "settings", {"archived": True})]
    assert newest[2][1] == "submit"
    for move in (archive_project, restore_project):
        with pytest.raises(NotFound):
            move(workspace, 77, "ada")


def test_the_name_of_an_archived_project_is_taken(workspace: Workspace, project: ProjectInfo) -> None:
    archive_project(workspace, project.id, "ada")
    with pytest.raises(InvalidInput, match="An archived project is named fields"):
        projects.create_project(workspace, project.name, [ClassSpec("a")], "ada")


def test_rounds_that_wait_or_are_at_work_are_cancelled(workspace: Workspace, project: ProjectInfo) -> None:
    other = make_project(workspace, images=2, name="meadows")
    round_requests.request_cold_start(workspace, project.id)
    at_work = rounds.claim(workspace, WORKER, lease_s=30)
    assert at_work is not None
    submit(workspace, 1)
    waiting = round_requests.request_round(workspace, project.id, "ada", "a test")
    submit(workspace, images.list_images(workspace, other.id)[0].id)
    kept = round_requests.request_round(workspace, other.id, "ada", "a test")
    archive_project(workspace, project.id, "ben")
    assert rounds.get_round(workspace, waiting.id).state == "cancelled"
    assert not rounds.report(workspace, at_work.id, WORKER, lease_s=30)
    cancelled = [one.detail["round"] for one in events.recent(workspace, project.id) if one.kind == "cancel"]
    assert sorted(cancelled) == sorted([at_work.id, waiting.id])
    # The worker dies before it has cancelled its round, and the next one does not take that up.
    claimed = rounds.claim(workspace, "elsewhere:2", lease_s=30, now=time.time() + 60)
    assert claimed is not None
    assert claimed.id == kept.id
    assert rounds.get_round(workspace, at_work.id).state == "cancelled"


def test_no_round_begins_until_it_is_restored(workspace: Workspace, project: ProjectInfo) -> None:
    later = time.time() + 60
    assert cold_start_is_due(workspace, project.id, later)
    archive_project(workspace, project.id, "ada")
    assert not cold_start_is_due(workspace, project.id, later)
    for image_id in range(1, 9):
        submit(workspace, image_id)
    workers.worker_seen(workspace, WORKER, "cpu")
    advice = start_advice(workspace, project.id, time.time() + 25)
    assert (advice.ready, advice.changed) == (False, 8)
    assert advice.reason == "This project is archived: restore it to train it"
    with pytest.raises(RoundRefused, match="The project fields is archived"):
        round_requests.request_round(workspace, project.id, "ada", "a test")
    with pytest.raises(RoundRefused, match="The project fields is archived"):
        round_requests.request_cold_start(workspace, project.id)
    restore_project(workspace, project.id, "ada")
    assert start_advice(workspace, project.id, time.time() + 25).ready


@pytest.mark.parametrize("is_at_work", [False, True])
def test_a_cold_start_that_archiving_cancelled_is_due_again(
    workspace: Workspace, project: ProjectInfo, is_at_work: bool
) -> None:
    later = time.time() + 60
    cold_start = round_requests.request_cold_start(workspace, project.id)
    if is_at_work:
        rounds.claim(workspace, WORKER, lease_s=300)
    archive_project(workspace, project.id, "ada")
    restore_project(workspace, project.id, "ada")
    if is_at_work:
        assert not cold_start_is_due(workspace, project.id, later)
        rounds.cancelled(workspace, cold_start.id, WORKER)
    assert rounds.get_round(workspace, cold_start.id).error == "The project was archived."
    assert cold_start_is_due(workspace, project.id, later)
    assert round_requests.request_cold_start(workspace, project.id).error is None
    rounds.request_cancel(workspace, cold_start.id, "ada")
    archive_project(workspace, project.id, "ada")
    restore_project(workspace, project.id, "ada")
    assert not cold_start_is_due(workspace, project.id, later)


def test_a_round_that_is_done_before_archiving_could_cancel_it_says_nothing_of_that(
    workspace: Workspace, project: ProjectInfo
) -> None:
    round_requests.request_cold_start(workspace, project.id)
    claimed = rounds.claim(workspace, WORKER, lease_s=300)
    assert claimed is not None
    archive_project(workspace, project.id, "ada")
    rounds.publish(workspace, claimed.id, WORKER, [], {})
    done = rounds.get_round(workspace, claimed.id)
    assert (done.state, done.error) == ("done", None)


def test_whoever_has_an_image_open_loses_nothing(workspace: Workspace, project: ProjectInfo) -> None:
    first, second = (item.image.id for item in queue.next_images(workspace, project.id, "ben", 2))
    archive_project(workspace, project.id, "ada")
    assert queue.open_image(workspace, first, "ada")[1] == "ben"
    submit(workspace, first, "ben", status="draft")
    submit(workspace, first, "ben")
    submit(workspace, second, "ben")
    assert [labels.read(workspace, one)[1] for one in (first, second)] == [2, 1]
    assert projects.get_project(workspace, project.id).labels_changed > 0


def test_no_image_is_handed_out_until_it_is_restored(workspace: Workspace, project: ProjectInfo) -> None:
    handed_out = [item.image.id for item in queue.next_images(workspace, project.id, "ben", 2)]
    archive_project(workspace, project.id, "ada")
    with pytest.raises(ProjectArchived, match=r"The project fields is archived.*Restore it on the Project"):
        queue.next_images(workspace, project.id, "ben", 2)
    assert queue.open_image(workspace, handed_out[0], "ada")[1] == "ben"
    restore_project(workspace, project.id, "ada")
    assert [item.image.id for item in queue.next_images(workspace, project.id, "ben", 2)] == handed_out
