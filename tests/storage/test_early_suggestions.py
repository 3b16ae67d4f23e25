"""Suggestions of a round that still scores the pool."""

import time

import pytest

from storage import images, labels, predictions, projects, queue, round_requests, rounds
from storage.early_suggestions import EarlyMaps, suggest_early
from storage.errors import LeaseLost
from storage.projects import ProjectInfo
from storage.queue import QueueItem
from storage.rounds import RoundInfo
from storage.schema import EarlySuggestion
from storage.workspace import Workspace, sweep_blobs
from tests.storage.project_factory import make_project, publish_ranking, submit

WORKER = "elsewhere:1"


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    """A project whose first image is labelled, and the others ranked by round 1."""
    made = make_project(workspace, images=6)
    labelled, *pool = [info.id for info in images.list_images(workspace, made.id)]
    submit(workspace, labelled)
    publish_ranking(workspace, made.id, pool)
    return made


@pytest.fixture
def scoring(workspace: Workspace, project: ProjectInfo) -> RoundInfo:
    """Return round 2, at work."""
    round_requests.request_round(workspace, project.id, "ada", "a test")
    found = rounds.claim(workspace, WORKER, lease_s=30)
    assert found is not None
    rounds.report(workspace, found.id, WORKER, lease_s=30, state="scoring")
    return found


def early(workspace: Workspace, image_id: int) -> EarlyMaps:
    put = workspace.blobs.put
    return EarlyMaps(image_id, put(b"early suggestion %d" % image_id), put(b"early doubt %d" % image_id))


def shown(workspace: Workspace, image_id: int) -> QueueItem:
    return queue.open_image(workspace, image_id, "ada")[0]


def test_what_comes_next_has_its_suggestion_in_the_order_there_was(
    workspace: Workspace, project: ProjectInfo, scoring: RoundInfo
) -> None:
    before = {item.image.id: item for item in queue.ranked_images(workspace, project.id)[0]}
    assert queue.progress(workspace, project.id).suggesting_round_number is None
    second, third = early(workspace, 2), early(workspace, 3)
    suggest_early(workspace, scoring.id, WORKER, [second])
    suggest_early(workspace, scoring.id, WORKER, [second, third])
    assert queue.progress(workspace, project.id).suggesting_round_number == 2
    items, _ = queue.ranked_images(workspace, project.id)
    assert [item.image.id for item in items] == list(before)
    for item in items:
        was = before[item.image.id]
        assert (item.rank, item.score, item.why, item.ranking_round_number) == (
            was.rank,
            was.score,
            was.why,
            was.ranking_round_number,
        )
        if item.image.id in (2, 3):
            expected = early(workspace, item.image.id)
            assert (item.map_blob, item.uncertainty_blob) == (expected.map_blob, expected.uncertainty_blob)
            assert (item.suggestion_round_id, item.suggestion_round_number) == (scoring.id, 2)
        else:
            assert item.suggestion_round_number == was.suggestion_round_number == was.ranking_round_number
            assert (item.map_blob, item.suggestion_round_id) == (was.map_blob, was.suggestion_round_id)
    sweep_blobs(workspace, older_than_s=-60)
    assert workspace.blobs.get(second.map_blob) == b"early suggestion 2"
    assert workspace.blobs.get(third.uncertainty_blob) == b"early doubt 3"


def test_a_first_round_suggests_before_there_is_an_order(workspace: Workspace) -> None:
    project = make_project(workspace, images=3)
    submit(workspace, 1)
    round_requests.request_round(workspace, project.id, "ada", "a test")
    claimed = rounds.claim(workspace, WORKER, lease_s=30)
    assert claimed is not None
    suggest_early(workspace, claimed.id, WORKER, [early(workspace, 2)])
    item = shown(workspace, 2)
    assert (item.rank, item.ranking_round_number, item.suggestion_round_number, item.suggestion_round_id) == (
        None,
        None,
        1,
        claimed.id,
    )
    assert item.map_blob == early(workspace, 2).map_blob
    labels.save(
        workspace,
        2,
        labels.read(workspace, 2)[0],
        expected_revision=0,
        author="ada",
        status="draft",
        round_shown_id=item.suggestion_round_id,
    )
    assert labels.history(workspace, 2)[0].round_shown_id == claimed.id


def test_what_comes_next_is_on_screens_pinned_or_in_front(workspace: Workspace, project: ProjectInfo) -> None:
    place = [item.image.id for item in queue.ranked_images(workspace, project.id, split="pool")[0]]
    assert queue.coming_next(workspace, project.id, 2) == place[:2]
    queue.pin(workspace, [place[3]], "ada")
    queue.open_image(workspace, place[4], "ada")
    assert queue.coming_next(workspace, project.id, 3) == [place[4], place[3], place[0]]
    assert queue.coming_next(workspace, project.id, 1, now=time.time() + 3600) == [place[3]]
    submit(workspace, place[3])
    queue.release_all(workspace, "ada")
    assert queue.coming_next(workspace, project.id, 9) == [place[0], place[1], place[2], place[4]]


def test_an_audit_image_is_labelled_blind(
    workspace: Workspace, project: ProjectInfo, scoring: RoundInfo
) -> None:
    suggest_early(workspace, scoring.id, WORKER, [early(workspace, 2)])
    images.set_split(workspace, [2], "audit", "ada")
    item = shown(workspace, 2)
    assert (item.is_audit, item.map_blob, item.uncertainty_blob, item.suggestion_round_id) == (
        True,
        None,
        None,
        None,
    )


@pytest.mark.parametrize("outcome", ["done", "failed", "cancelled"])
def test_once_the_round_has_ended_they_are_hidden_and_then_removed(
    workspace: Workspace, project: ProjectInfo, scoring: RoundInfo, outcome: str
) -> None:
    before = shown(workspace, 2)
    suggest_early(workspace, scoring.id, WORKER, [early(workspace, 2)])
    if outcome == "done":
        rounds.publish(workspace, scoring.id, WORKER, [], {})
    elif outcome == "failed":
        rounds.fail(workspace, scoring.id, WORKER, "It failed.")
    else:
        rounds.cancelled(workspace, scoring.id, WORKER)
    expected = (None, None) if outcome == "done" else (before.map_blob, before.suggestion_round_id)
    assert (shown(workspace, 2).map_blob, shown(workspace, 2).suggestion_round_id) == expected
    assert queue.progress(workspace, project.id).suggesting_round_number is None
    predictions.forget_old_predictions(workspace, project.id, 3)
    with workspace.database.reading() as session:
        assert session.query(EarlySuggestion).count() == 0


def test_tidying_up_leaves_those_of_a_live_round(
    workspace: Workspace, project: ProjectInfo, scoring: RoundInfo
) -> None:
    suggest_early(workspace, scoring.id, WORKER, [early(workspace, 2)])
    predictions.forget_old_predictions(workspace, project.id, 3)
    assert shown(workspace, 2).suggestion_round_id == scoring.id


def test_a_worker_that_lost_the_round_suggests_nothing(
    workspace: Workspace, project: ProjectInfo, scoring: RoundInfo
) -> None:
    other = rounds.claim(workspace, "elsewhere:2", lease_s=30, now=time.time() + 31)
    assert other is not None
    with pytest.raises(LeaseLost):
        suggest_early(workspace, scoring.id, WORKER, [early(workspace, 2)])
    assert (
        projects.get_project(workspace, project.id).current_round_id
        == shown(workspace, 2).suggestion_round_id
    )
