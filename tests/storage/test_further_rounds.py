"""A worker that waits for labels trains on with those there are, so often and no more."""

import time
from collections.abc import Callable

import pytest

from storage import images, projects, round_requests, rounds, workers
from storage.errors import RoundRefused
from storage.projects import ProjectInfo
from storage.rounds import RoundInfo
from storage.settings import ProjectSettings, StartRule
from storage.start_advice import StartAdvice, start_advice
from storage.workspace import Workspace
from tests.storage.project_factory import make_project, publish_ranking, submit

WORKER = "elsewhere:1"


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    """A project with four labels, one published round on them, and a worker that has nothing to do.

    Two more images are for audit, which is as few as can say whether a further round is worse.
    """
    start = StartRule(quiet_seconds=0)
    made = make_project(workspace, images=26, settings=ProjectSettings(start=start))
    audit = [info.id for info in images.list_images(workspace, made.id, "pool")[-2:]]
    images.set_split(workspace, audit, "audit", actor="ann")
    for image_id in audit:
        submit(workspace, image_id)
    submit_some(workspace, made, 4)
    publish_ranking(workspace, made.id, [])
    workers.worker_seen(workspace, WORKER, "cpu")
    return made


def submit_some(workspace: Workspace, project: ProjectInfo, count: int) -> None:
    for info in images.list_images(workspace, project.id, "pool")[:count]:
        submit(workspace, info.id)


def advice(workspace: Workspace, project: ProjectInfo) -> StartAdvice:
    return start_advice(workspace, project.id)


def further_round(workspace: Workspace, project: ProjectInfo) -> RoundInfo:
    """Do what a worker does with such advice, up to the published round."""
    asked = round_requests.request_round(workspace, project.id, "worker", "trains on", trains_on=True)
    assert rounds.claim(workspace, WORKER, 60.0) is not None
    rounds.publish(workspace, asked.id, WORKER, [], {}, None)
    return rounds.get_round(workspace, asked.id)


def test_two_further_rounds_follow_one_that_labels_started(
    workspace: Workspace, project: ProjectInfo
) -> None:
    for number in (2, 3):
        found = advice(workspace, project)
        assert (found.ready, found.kind) == (True, "trains_on")
        assert found.reason == "0 of 8 new labels since the last round started: the model trains on meanwhile"
        assert further_round(workspace, project).number == number
    found = advice(workspace, project)
    assert (found.ready, found.kind) == (False, "trains")
    assert found.reason == "0 of 8 new labels since the last round started"


def test_audit_images_without_a_label_say_nothing_of_a_further_round(
    workspace: Workspace, project: ProjectInfo
) -> None:
    audit = images.list_images(workspace, project.id, "audit")
    images.set_split(workspace, [info.id for info in audit], "excluded", actor="ann")
    drawn = [info.id for info in images.list_images(workspace, project.id, "pool")[:3]]
    images.set_split(workspace, drawn, "audit", actor="ann")
    assert not advice(workspace, project).ready
    for image_id in drawn[:2]:
        submit(workspace, image_id)
    assert advice(workspace, project).kind == "trains_on"


def test_labels_that_a_further_round_learns_from_count_for_the_next_one(
    workspace: Workspace, project: ProjectInfo
) -> None:
    submit_some(workspace, project, 5)
    further = further_round(workspace, project)
    assert len(rounds.snapshot(workspace, further.id).labels) == 9
    assert advice(workspace, project).changed == 5
    submit_some(workspace, project, 3)
    found = advice(workspace, project)
    assert (found.changed, found.kind) == (8, "trains")
    due = round_requests.request_round(workspace, project.id, "worker", "8 new labels")
    assert due.labels_changed == further.labels_changed + 8


def test_further_rounds_are_of_the_same_batch_of_labels(workspace: Workspace, project: ProjectInfo) -> None:
    rounds_of = [rounds.history(workspace, project.id)[0]]
    rounds_of += [further_round(workspace, project) for _ in range(2)]
    submit_some(workspace, project, 8)
    publish_ranking(workspace, project.id, [])
    rounds_of.append(rounds.history(workspace, project.id)[0])
    assert [rounds.label_batches(workspace, info) for info in rounds_of] == [1, 1, 1, 2]


def turned_off(workspace: Workspace, project: ProjectInfo) -> None:
    projects.change_settings(workspace, project.id, {"start": {"further_rounds": 0}}, "ann")


def one_audit_image(workspace: Workspace, project: ProjectInfo) -> None:
    (first, _) = images.list_images(workspace, project.id, "audit")
    images.set_split(workspace, [first.id], "excluded", actor="ann")


def another_network(workspace: Workspace, project: ProjectInfo) -> None:
    projects.change_settings(workspace, project.id, {"round": {"head": "linear"}}, "ann")


def fresh_weights(workspace: Workspace, project: ProjectInfo) -> None:
    projects.change_settings(workspace, project.id, {"round": {"warm_start": False}}, "ann")


def worse_than_the_round_before(workspace: Workspace, project: ProjectInfo) -> None:
    asked = round_requests.request_round(workspace, project.id, "worker", "trains on", trains_on=True)
    rounds.claim(workspace, WORKER, 60.0)
    rounds.cancelled(workspace, asked.id, WORKER)


def rounds_by_hand(workspace: Workspace, project: ProjectInfo) -> None:
    projects.change_settings(workspace, project.id, {"start": {"automatic": False}}, "ann")


def ended_by_a_person(workspace: Workspace, project: ProjectInfo) -> None:
    asked = round_requests.request_round(workspace, project.id, "ann", "by hand")
    rounds.request_cancel(workspace, asked.id, "ann")


def failed(workspace: Workspace, project: ProjectInfo) -> None:
    asked = round_requests.request_round(workspace, project.id, "ann", "by hand")
    rounds.claim(workspace, WORKER, 60.0)
    rounds.fail(workspace, asked.id, WORKER, "A test ended it.")


def another_project_waits(workspace: Workspace, project: ProjectInfo) -> None:
    other = make_project(workspace, images=8, name="roads")
    submit_some(workspace, other, 4)
    round_requests.request_round(workspace, other.id, "ann", "by hand")


@pytest.mark.parametrize(
    "instead",
    [
        turned_off,
        one_audit_image,
        another_network,
        fresh_weights,
        worse_than_the_round_before,
        rounds_by_hand,
        ended_by_a_person,
        failed,
        another_project_waits,
    ],
)
def test_the_model_does_not_train_on(
    workspace: Workspace, project: ProjectInfo, instead: Callable[[Workspace, ProjectInfo], None]
) -> None:
    assert advice(workspace, project).kind == "trains_on"
    instead(workspace, project)
    found = advice(workspace, project)
    assert (found.ready, found.kind) == (False, "trains")


def test_without_a_worker_nothing_is_said_of_training_on(workspace: Workspace, project: ProjectInfo) -> None:
    in_an_hour = time.time() + 3600
    found = start_advice(workspace, project.id, now=in_an_hour)
    assert (found.ready, found.reason) == (False, "0 of 8 new labels since the last round started")


def reported(workspace: Workspace, asked: RoundInfo, state: str = "training") -> bool:
    return rounds.report(workspace, asked.id, WORKER, lease_s=60.0, state=state, step=1, steps=9)


def test_a_further_round_gives_way_to_one_that_is_due(workspace: Workspace, project: ProjectInfo) -> None:
    asked = round_requests.request_round(workspace, project.id, "worker", "trains on", trains_on=True)
    assert asked.kind == "trains_on"
    rounds.claim(workspace, WORKER, 60.0)
    submit_some(workspace, project, 7)
    assert reported(workspace, asked)
    submit_some(workspace, project, 1)
    assert not reported(workspace, asked)
    rounds.cancelled(workspace, asked.id, WORKER)
    ended = rounds.get_round(workspace, asked.id)
    assert (ended.state, ended.error) == ("cancelled", None)
    assert ended.note == "8 new labels came, and a round that learns from them goes first."
    found = advice(workspace, project)
    assert (found.ready, found.kind, found.changed) == (True, "trains", 8)


def test_a_further_round_that_has_trained_is_not_thrown_away(
    workspace: Workspace, project: ProjectInfo
) -> None:
    asked = round_requests.request_round(workspace, project.id, "worker", "trains on", trains_on=True)
    rounds.claim(workspace, WORKER, 60.0)
    submit_some(workspace, project, 8)
    assert reported(workspace, asked, "scoring")


@pytest.mark.parametrize("trains_on", [True, False])
def test_only_a_further_round_gives_way_and_only_to_an_automatic_one(
    workspace: Workspace, project: ProjectInfo, trains_on: bool
) -> None:
    asked = round_requests.request_round(workspace, project.id, "ann", "by hand", trains_on=trains_on)
    rounds.claim(workspace, WORKER, 60.0)
    submit_some(workspace, project, 9)
    if trains_on:
        rounds_by_hand(workspace, project)
    assert reported(workspace, asked)


@pytest.mark.parametrize("at_work", [True, False])
def test_a_further_round_gives_way_to_one_that_a_person_asks_for(
    workspace: Workspace, project: ProjectInfo, at_work: bool
) -> None:
    further = round_requests.request_round(workspace, project.id, "worker", "trains on", trains_on=True)
    if at_work:
        rounds.claim(workspace, WORKER, 60.0)
    asked = round_requests.request_round(workspace, project.id, "ann", "by hand")
    with pytest.raises(RoundRefused, match=f"Round {asked.number} is waiting already"):
        round_requests.request_round(workspace, project.id, "ann", "by hand")
    if at_work:
        assert not reported(workspace, further)
        rounds.cancelled(workspace, further.id, WORKER)
    ended = rounds.get_round(workspace, further.id)
    assert (ended.state, ended.note) == ("cancelled", "Another round was asked for, and goes first.")
    claimed = rounds.claim(workspace, WORKER, 60.0)
    assert claimed is not None
    assert (claimed.id, claimed.parent_id) == (asked.id, further.parent_id)


@pytest.mark.parametrize("trains_on", [True, False])
def test_a_further_round_that_is_to_give_way_while_it_is_published_is_not_used(
    workspace: Workspace, project: ProjectInfo, trains_on: bool
) -> None:
    """What is asked for meanwhile ranks by the weights in use, and would put these back in use after it."""
    (first,) = rounds.history(workspace, project.id)
    asked = round_requests.request_round(workspace, project.id, "worker", "next", trains_on=trains_on)
    rounds.claim(workspace, WORKER, 60.0)
    if trains_on:
        ranking = round_requests.request_ranking(workspace, project.id, "ann", "Ranks again")
        assert ranking.parent_id == first.id
    else:
        # One that a person asked for, and which is done before it could be cancelled, is used.
        rounds.request_cancel(workspace, asked.id, "ann")
    assert rounds.publish(workspace, asked.id, WORKER, [], {}, None) != trains_on
    in_use = projects.get_project(workspace, project.id).current_round_id
    assert in_use == (first.id if trains_on else asked.id)
    assert rounds.get_round(workspace, asked.id).state == ("training" if trains_on else "done")


def test_a_further_round_gives_way_to_one_of_another_project_that_no_worker_takes(
    workspace: Workspace, project: ProjectInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    further = round_requests.request_round(workspace, project.id, "worker", "trains on", trains_on=True)
    rounds.claim(workspace, WORKER, 60.0)
    another_project_waits(workspace, project)
    assert reported(workspace, further)
    in_a_while = time.time() + 6
    monkeypatch.setattr(time, "time", lambda: in_a_while)
    assert not reported(workspace, further)
    ended = rounds.get_round(workspace, further.id)
    assert ended.note == "A round of another project waited, and goes first."


def test_a_worker_of_one_project_gives_way_to_no_other(
    workspace: Workspace, project: ProjectInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_project_waits(workspace, project)
    assert not advice(workspace, project).ready
    workers.worker_seen(workspace, WORKER, "cpu", project.id)
    found = advice(workspace, project)
    assert (found.ready, found.kind) == (True, "trains_on")
    further = round_requests.request_round(workspace, project.id, "worker", "trains on", trains_on=True)
    assert rounds.claim(workspace, WORKER, 60.0, project.id) is not None
    in_a_while = time.time() + 6
    monkeypatch.setattr(time, "time", lambda: in_a_while)
    assert reported(workspace, further)
    workers.worker_seen(workspace, WORKER, "cpu")
    assert not reported(workspace, further)


def test_a_further_round_that_gave_way_is_tried_again_as_one_of_so_many(
    workspace: Workspace, project: ProjectInfo
) -> None:
    other = make_project(workspace, images=8, name="roads")
    submit_some(workspace, other, 4)
    for _ in range(2):
        assert advice(workspace, project).kind == "trains_on"
        further = round_requests.request_round(workspace, project.id, "worker", "trains on", trains_on=True)
        gives_way_to_another_project(workspace, further, other)
    assert advice(workspace, project).kind == "trains"


def gives_way_to_another_project(workspace: Workspace, further: RoundInfo, other: ProjectInfo) -> None:
    """End a further round, the only one that waits, for one of another project, and that one after it."""
    assert rounds.claim(workspace, WORKER, 60.0) is not None
    asked = round_requests.request_round(workspace, other.id, "ann", "by hand")
    with pytest.MonkeyPatch.context() as patch:
        in_a_while = time.time() + 6
        patch.setattr(time, "time", lambda: in_a_while)
        assert not reported(workspace, further)
    rounds.cancelled(workspace, further.id, WORKER)
    rounds.request_cancel(workspace, asked.id, "ann")


def test_a_further_round_that_a_person_ended_is_not_tried_again(
    workspace: Workspace, project: ProjectInfo
) -> None:
    further = round_requests.request_round(workspace, project.id, "worker", "trains on", trains_on=True)
    rounds.request_cancel(workspace, further.id, "ann")
    assert advice(workspace, project).kind == "trains"
