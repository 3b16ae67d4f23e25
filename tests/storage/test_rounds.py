"""Rounds start for a stated reason, belong to one worker, and publish everything or nothing."""

import dataclasses
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, func, select, update

from storage import (
    classes_to_learn,
    embeddings,
    images,
    labels,
    predictions,
    projects,
    queue,
    round_requests,
    rounds,
    workers,
)
from storage.errors import InvalidInput, LeaseLost, NotFound, RoundRefused
from storage.predictions import NewPrediction
from storage.projects import ClassSpec, ProjectInfo
from storage.rounds import RoundInfo
from storage.schema import COLD_START, Event, Prediction, Project, Round
from storage.settings import AnnotationSettings, ProjectSettings, RoundSettings, StartRule
from storage.snapshots import SnapshotLabel, decode_snapshot, encode_snapshot
from storage.start_advice import QUIET_S, cold_start_is_due, start_advice
from storage.workspace import Workspace, sweep_blobs
from tests.storage.project_factory import (
    add_image,
    make_project,
    publish_ranking,
    some_embeddings,
    submit,
)

WORKER = "elsewhere:1"


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    return make_project(workspace, images=12)


def submit_some(workspace: Workspace, project: ProjectInfo, count: int) -> list[int]:
    chosen = [info.id for info in images.list_images(workspace, project.id, "pool")][:count]
    for image_id in chosen:
        submit(workspace, image_id)
    return chosen


def seen_classes(workspace: Workspace, project: ProjectInfo) -> set[int]:
    with workspace.database.reading() as session:
        return classes_to_learn.seen_classes(session, project.id)


@pytest.fixture
def queued(workspace: Workspace, project: ProjectInfo) -> RoundInfo:
    submit_some(workspace, project, 3)
    return round_requests.request_round(workspace, project.id, "ada", "3 new labels")


@pytest.fixture
def claimed(workspace: Workspace, queued: RoundInfo) -> RoundInfo:
    found = rounds.claim(workspace, WORKER, lease_s=30)
    assert found is not None
    assert found.id == queued.id
    return found


def test_advice_names_what_is_missing(workspace: Workspace, project: ProjectInfo) -> None:
    assert start_advice(workspace, project.id).reason == "0 of 4 new labels for the first round"
    done = submit_some(workspace, project, 4)
    later = time.time() + 25
    for now in (None, later):
        advice = start_advice(workspace, project.id, now=now)
        assert advice.reason == "No worker is running: the Training page says how to start one"
    workers.worker_seen(workspace, WORKER, "cpu")
    advice = start_advice(workspace, project.id)
    assert not advice.ready
    assert advice.reason.startswith("4 new labels: a round starts after ")
    advice = start_advice(workspace, project.id, now=later)
    assert (advice.ready, advice.reason) == (True, "4 new labels: a round can start")
    other = make_project(workspace, images=8, name="roads")
    submit_some(workspace, other, 4)
    begun = round_requests.request_round(workspace, other.id, "test", "a test asked for it")
    rounds.claim(workspace, WORKER, 60.0)
    advice = start_advice(workspace, project.id, now=later)
    assert (advice.ready, advice.reason) == (
        True,
        "4 new labels: a round starts once the worker is done with roads",
    )
    workers.worker_seen(workspace, "here:2", "cpu")
    advice = start_advice(workspace, project.id, now=later)
    assert advice.reason == "4 new labels: a round can start", "another worker is there"
    rounds.fail(workspace, begun.id, WORKER, "A test ended it.")
    assert (advice.changed, advice.needed, advice.why) == (4, 4, "4 new labels for the first round")
    publish_ranking(workspace, project.id, done)
    submit_some(workspace, project, 3)
    assert start_advice(workspace, project.id).reason == "3 of 8 new labels since the last round started"


def test_images_that_go_out_and_come_back_are_no_change(workspace: Workspace, project: ProjectInfo) -> None:
    done = submit_some(workspace, project, 6)
    publish_ranking(workspace, project.id, done)
    new = submit_some(workspace, project, 1)
    assert start_advice(workspace, project.id).changed == 1
    for _ in range(2):
        images.set_split(workspace, [*done, *new], "excluded", "ada")
        advice = start_advice(workspace, project.id)
        # The new label is gone, and those of the last round are.
        assert (advice.changed, advice.reason) == (6, "6 of 8 changed labels since the last round started")
        images.bring_back(workspace, [*done, *new], "ada")
        assert start_advice(workspace, project.id).changed == 1

    images.set_split(workspace, done[:5], "excluded", "ada")
    assert start_advice(workspace, project.id).reason == "6 of 8 changed labels since the last round started"
    publish_ranking(workspace, project.id, done)
    assert start_advice(workspace, project.id).reason == "0 of 8 new labels since the last round started"
    images.bring_back(workspace, done[:2], "ada")
    assert start_advice(workspace, project.id).reason == "2 of 8 new labels since the last round started"
    # One that was labelled anew while it was out is new to the training either way.
    submit(workspace, done[2])
    images.bring_back(workspace, done[2:3], "ada")
    assert start_advice(workspace, project.id).changed == 3
    images.set_split(workspace, done[2:3], "excluded", "ada")
    assert start_advice(workspace, project.id).changed == 2


@pytest.mark.parametrize("kind", ["trains_on", "ranks"])
def test_moves_are_counted_from_the_round_that_the_labels_are_counted_from(
    workspace: Workspace, project: ProjectInfo, kind: str
) -> None:
    done = submit_some(workspace, project, 6)
    publish_ranking(workspace, project.id, done)
    (new,) = submit_some(workspace, project, 1)
    if kind == "ranks":
        round_requests.request_ranking(workspace, project.id, "ada", "a test")
    else:
        round_requests.request_round(workspace, project.id, "ada", "a test", trains_on=True)
    images.set_split(workspace, [new], "excluded", "ada")
    assert start_advice(workspace, project.id).changed == 0
    images.bring_back(workspace, [new], "ada")
    assert start_advice(workspace, project.id).changed == 1


def test_an_image_that_is_brought_back_while_a_round_is_requested_trains_it(
    workspace: Workspace, project: ProjectInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = submit_some(workspace, project, 6)
    publish_ranking(workspace, project.id, done)
    images.set_split(workspace, done[:1], "excluded", "ada")
    encode = round_requests.encode_snapshot

    def encode_while_one_comes_back(taken: rounds.Snapshot) -> bytes:
        images.bring_back(workspace, done[:1], "ada")
        return encode(taken)

    monkeypatch.setattr(round_requests, "encode_snapshot", encode_while_one_comes_back)
    requested = round_requests.request_round(workspace, project.id, "ada", "a test")
    assert len(rounds.snapshot(workspace, requested.id).labels) == 6


def test_a_round_is_requested_though_the_clock_was_set_back(
    workspace: Workspace, project: ProjectInfo
) -> None:
    done = submit_some(workspace, project, 6)
    images.set_split(workspace, done[:1], "excluded", "ada")
    images.bring_back(workspace, done[:1], "ada")
    with workspace.database.writing() as session:
        session.execute(update(Event).values(at=time.time() + 3600))
    requested = round_requests.request_round(workspace, project.id, "ada", "a test")
    assert len(rounds.snapshot(workspace, requested.id).labels) == 6


def test_images_are_moved_though_the_labels_of_the_last_round_are_damaged(
    workspace: Workspace, project: ProjectInfo
) -> None:
    done = submit_some(workspace, project, 6)
    publish_ranking(workspace, project.id, done)
    with workspace.database.reading() as session:
        blob = session.scalars(select(Round.snapshot_blob).where(Round.kind == "trains")).one()
    path = Path(workspace.blobs.place(str(blob)))
    path.write_bytes(path.read_bytes()[:40])
    assert images.set_split(workspace, done[:2], "excluded", "ada") == 2
    assert images.bring_back(workspace, done[:2], "ada") == 2
    assert start_advice(workspace, project.id).changed == 0


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_as_few_labels_start_another_first_round_as_the_first(
    workspace: Workspace, project: ProjectInfo, claimed: RoundInfo, end: str
) -> None:
    if end == "failed":
        rounds.fail(workspace, claimed.id, WORKER, "A test ended it.")
    else:
        rounds.request_cancel(workspace, claimed.id, "ada")
        rounds.cancelled(workspace, claimed.id, WORKER)
    advice = start_advice(workspace, project.id)
    assert (advice.ready, advice.changed, advice.needed) == (False, 0, 4)
    if end == "cancelled":
        assert advice.reason == "0 of 4 new labels since the last round started"
    done = submit_some(workspace, project, 4)
    workers.worker_seen(workspace, WORKER, "cpu")
    advice = start_advice(workspace, project.id, now=time.time() + 25)
    assert (advice.ready, advice.reason) == (True, "4 new labels: a round can start")
    assert advice.why == "4 new labels since the last round started"
    publish_ranking(workspace, project.id, done)
    assert start_advice(workspace, project.id).needed == 8


def test_advice_does_not_let_a_project_wait_for_itself(workspace: Workspace, project: ProjectInfo) -> None:
    workers.worker_seen(workspace, WORKER, "cpu")
    round_requests.request_cold_start(workspace, project.id)
    claimed = rounds.claim(workspace, WORKER, 60.0)
    assert claimed is not None
    assert claimed.number == COLD_START
    submit_some(workspace, project, 4)
    reason = start_advice(workspace, project.id, now=time.time() + 25).reason
    assert reason == "4 new labels: a round starts once the worker is done with the first look at the images"


def test_advice_does_not_wait_for_ever_for_quiet(workspace: Workspace) -> None:
    project = make_project(workspace, images=20, settings=ProjectSettings())
    workers.worker_seen(workspace, WORKER, "cpu")
    submit_some(workspace, project, 7)
    assert not start_advice(workspace, project.id).ready
    submit_some(workspace, project, 1)
    assert start_advice(workspace, project.id).ready


def test_a_worker_for_another_project_is_none(workspace: Workspace, project: ProjectInfo) -> None:
    other = make_project(workspace, images=1, name="roads")
    submit_some(workspace, project, 4)
    later = time.time() + 25
    workers.worker_starting(workspace, WORKER, other.id)
    workers.worker_seen(workspace, WORKER, "cpu", other.id)
    assert [len(workers.live_workers(workspace, one.id)) for one in (project, other)] == [0, 1]
    advice = start_advice(workspace, project.id, now=later)
    assert advice.reason == "No worker is running: the Training page says how to start one"
    workers.worker_seen(workspace, "here:2", "cpu")
    assert start_advice(workspace, project.id, now=later).ready


def test_a_clock_that_was_set_back_holds_nothing_up(workspace: Workspace) -> None:
    project = make_project(workspace, images=20, settings=ProjectSettings())
    workers.worker_seen(workspace, WORKER, "cpu")
    an_hour_ago = time.time() - 3600
    assert cold_start_is_due(workspace, project.id, an_hour_ago)
    submit_some(workspace, project, 4)
    assert "more seconds" in start_advice(workspace, project.id).reason
    assert start_advice(workspace, project.id, an_hour_ago).ready


def test_advice_waits_for_a_second_class(workspace: Workspace, project: ProjectInfo) -> None:
    for info in images.list_images(workspace, project.id)[:8]:
        label_map = labels.read(workspace, info.id)[0] * 0
        labels.save(workspace, info.id, label_map, expected_revision=0, author="ada", status="submitted")
    assert start_advice(workspace, project.id).reason == "Labels show 1 of 2 classes needed"


def test_what_is_of_an_archived_class_is_not_seen(workspace: Workspace, project: ProjectInfo) -> None:
    submit_some(workspace, project, 4)
    assert seen_classes(workspace, project) == {0, 1}
    projects.update_classes(workspace, project.id, {1: projects.ClassChange(archived=True)}, "ada")
    assert len(seen_classes(workspace, project)) == 1
    assert start_advice(workspace, project.id).reason == "Labels show 1 of 2 classes needed"


def test_how_far_a_project_is_is_known_without_reading_all_its_labels(
    workspace: Workspace, project: ProjectInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classes_to_learn, "_LABELS_LOOKED_AT", 3)
    asked: list[str] = []
    event.listen(
        workspace.database.engine, "before_cursor_execute", lambda *given: asked.append(str(given[2]))
    )

    def questions_about_labels() -> list[str]:
        asked.clear()
        queue.progress(workspace, project.id)
        return [question for question in asked if "class_indices" in question]

    submit_some(workspace, project, 3)
    assert questions_about_labels() == []
    submit_some(workspace, project, 5)
    (question,) = questions_about_labels()
    assert "LIMIT" in question


def test_a_class_of_few_labels_is_found_among_many(
    workspace: Workspace, project: ProjectInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classes_to_learn, "_LABELS_LOOKED_AT", 1)
    rule = StartRule(min_classes=3)
    projects.update_settings(workspace, project.id, ProjectSettings(start=rule), "ada")
    submit_some(workspace, project, 5)
    assert start_advice(workspace, project.id).reason == "Labels show 2 of 3 classes needed"
    (last, *_) = images.list_images(workspace, project.id, "pool")
    rare = np.full((24, 32), 2, np.uint8)
    labels.save(workspace, last.id, rare, expected_revision=0, author="ada", status="submitted")
    assert "No worker is running" in start_advice(workspace, project.id).reason


def test_labels_of_nothing_do_not_start_a_round(workspace: Workspace, project: ProjectInfo) -> None:
    (info, *_) = images.list_images(workspace, project.id)
    void = np.full((24, 32), 255, np.uint8)
    labels.save(workspace, info.id, void, expected_revision=0, author="ada", status="submitted")
    with pytest.raises(RoundRefused, match="The labels show no class"):
        round_requests.request_round(workspace, project.id, "ada", "now")
    submit_some(workspace, project, 1)
    assert round_requests.request_round(workspace, project.id, "ada", "now").state == "queued"


def test_only_classes_that_would_train_are_seen(workspace: Workspace, project: ProjectInfo) -> None:
    trained, audited, *_ = [info.id for info in images.list_images(workspace, project.id)]
    images.set_split(workspace, [audited], "audit", "ada")
    first = np.zeros((24, 32), np.uint8)
    labels.save(workspace, trained, first + 1, expected_revision=0, author="ada", status="submitted")
    labels.save(workspace, trained, first, expected_revision=1, author="ada", status="submitted")
    labels.save(workspace, trained, first + 1, expected_revision=2, author="ada", status="draft")
    labels.save(workspace, audited, first + 2, expected_revision=0, author="ada", status="submitted")
    assert len(seen_classes(workspace, project)) == 1


def test_one_class_leaves_nothing_to_learn(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "cells", [ClassSpec("nucleus")], "ada")
    with pytest.raises(RoundRefused, match="tells classes apart"):  # before anybody labels for it
        round_requests.request_round(workspace, project.id, "ada", "a test")
    image_id = add_image(workspace, project.id, 1)
    label_map = labels.read(workspace, image_id)[0] * 0
    labels.save(workspace, image_id, label_map, expected_revision=0, author="ada", status="submitted")
    with pytest.raises(RoundRefused, match="Add another on the Project page, such as background"):
        round_requests.request_round(workspace, project.id, "ada", "a test")
    assert "tells classes apart" in start_advice(workspace, project.id).reason
    projects.add_class(workspace, project.id, ClassSpec("background"), "ada")
    assert round_requests.request_round(workspace, project.id, "ada", "a test").state == "queued"


def test_an_archived_class_is_none_to_tell_apart(workspace: Workspace, claimed: RoundInfo) -> None:
    rounds.fail(workspace, claimed.id, WORKER, "Memory ran out.")

    def archive(*indices: int, archived: bool = True) -> None:
        changes = {index: projects.ClassChange(archived=archived) for index in indices}
        projects.update_classes(workspace, claimed.project_id, changes, "ada")

    archive(1)
    assert start_advice(workspace, claimed.project_id).reason.startswith("Round 1 failed")
    archive(2)
    advice = start_advice(workspace, claimed.project_id)
    assert not advice.ready
    assert "this project has one that is not archived. Add another" in advice.reason
    with pytest.raises(RoundRefused, match="has one that is not archived"):
        round_requests.request_round(workspace, claimed.project_id, "ada", "a test")
    archive(0)
    assert "has none that is not archived" in start_advice(workspace, claimed.project_id).reason
    archive(0, 1, archived=False)
    assert round_requests.request_round(workspace, claimed.project_id, "ada", "a test").state == "queued"


def test_advice_tells_of_the_round_at_work(
    workspace: Workspace, project: ProjectInfo, queued: RoundInfo
) -> None:
    def reason() -> str:
        return start_advice(workspace, project.id).reason

    assert reason() == "Round 1 waits for a worker: the Training page says how to start one"
    workers.worker_seen(workspace, WORKER, "cpu")
    assert reason() == "Round 1 is about to start"
    rounds.claim(workspace, WORKER, lease_s=30)
    assert reason() == "A round is training now"
    rounds.report(workspace, queued.id, WORKER, state="scoring", lease_s=30)
    assert reason() == "A round is scoring the images now"


def test_advice_respects_the_switch(workspace: Workspace) -> None:
    manual = ProjectSettings(start=StartRule(automatic=False))
    project = make_project(workspace, images=9, settings=manual)
    submit_some(workspace, project, 9)
    assert start_advice(workspace, project.id).reason == "Automatic rounds are off: press Train now"


def test_a_round_needs_labels_and_stands_alone(workspace: Workspace, project: ProjectInfo) -> None:
    with pytest.raises(RoundRefused, match="no label"):
        round_requests.request_round(workspace, project.id, "ada", "too early")
    submit_some(workspace, project, 1)
    first = round_requests.request_round(workspace, project.id, "ada", "now", RoundSettings(steps=7))
    assert (first.number, first.state, first.config.steps) == (1, "queued", 7)
    with pytest.raises(RoundRefused, match="Round 1 is waiting"):
        round_requests.request_round(workspace, project.id, "bob", "again")
    assert rounds.live_round(workspace, project.id) == first


def test_an_image_that_becomes_an_audit_image_meanwhile_is_not_trained_on(
    workspace: Workspace, project: ProjectInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, *others = submit_some(workspace, project, 3)
    put = workspace.blobs.put

    def put_while_it_is_moved(data: bytes) -> str:
        images.set_split(workspace, [moved], "audit", "ben")
        return put(data)

    monkeypatch.setattr(workspace.blobs, "put", put_while_it_is_moved)
    queued = round_requests.request_round(workspace, project.id, "ada", "3 new labels")
    assert [label.image_id for label in rounds.snapshot(workspace, queued.id).labels] == others


def test_a_snapshot_holds_the_newest_submitted_labels_of_train(
    workspace: Workspace, project: ProjectInfo
) -> None:
    one, two, audit, excluded = submit_some(workspace, project, 4)
    submit(workspace, one, status="draft")
    submit(workspace, two)
    images.set_split(workspace, [audit], "audit", "ada")
    images.set_split(workspace, [excluded], "excluded", "ada")
    requested = round_requests.request_round(workspace, project.id, "ada", "now")
    projects.add_class(workspace, project.id, ClassSpec("late"), "ada")
    submit(workspace, two)
    taken, class_count, _ = rounds.snapshot(workspace, requested.id)
    assert [(entry.image_id, entry.revision) for entry in taken] == [(one, 1), (two, 2)]
    assert class_count == 3
    assert taken[0].blob == labels.history(workspace, one)[-1].blob


def test_a_snapshot_holds_the_pool_in_few_numbers(workspace: Workspace, project: ProjectInfo) -> None:
    submit_some(workspace, project, 1)
    pool = images.list_images(workspace, project.id, "pool")
    images.set_split(workspace, [pool[1].id], "excluded", "ada")
    requested = round_requests.request_round(workspace, project.id, "ada", "now")
    submit(workspace, pool[0].id)
    runs = rounds.snapshot(workspace, requested.id).unlabelled
    assert runs == [range(pool[0].id, pool[1].id), range(pool[2].id, pool[-1].id + 1)]


def test_a_snapshot_of_before_the_pool_was_kept_is_read() -> None:
    old = b'{"labels":[[7,2,"a blob"]],"classes":3}'
    assert decode_snapshot(old) == ([SnapshotLabel(7, 2, "a blob")], 3, None)
    assert encode_snapshot(decode_snapshot(old)) == old


def test_a_round_goes_to_one_worker(workspace: Workspace, project: ProjectInfo, claimed: RoundInfo) -> None:
    assert (claimed.state, claimed.worker) == ("training", WORKER)
    assert claimed.started_at is not None
    assert rounds.claim(workspace, "elsewhere:2", lease_s=30) is None
    assert rounds.claim(workspace, "elsewhere:2", lease_s=30, project_id=project.id + 1) is None


def test_projects_know_nothing_of_each_others_rounds(workspace: Workspace, queued: RoundInfo) -> None:
    other = make_project(workspace, images=4, size=(2, 2), name="meadows")
    first, *pool = [info.id for info in images.list_images(workspace, other.id)]
    submit(workspace, first)
    advice = start_advice(workspace, other.id)
    assert (advice.changed, advice.reason) == (1, "1 of 4 new labels for the first round")
    requested = round_requests.request_round(workspace, other.id, "ada", "a test")
    assert (queued.number, requested.number) == (1, 1)
    taken = rounds.snapshot(workspace, requested.id)
    assert [label.image_id for label in taken.labels] == [first]
    assert taken.unlabelled == [range(pool[0], pool[-1] + 1)]
    claimed = rounds.claim(workspace, WORKER, lease_s=30, project_id=other.id)
    assert claimed is not None
    assert claimed.id == requested.id


def test_new_labels_are_counted_by_images_and_what_is_handed_in_unchanged_is_not_new(
    workspace: Workspace,
) -> None:
    other = make_project(workspace, images=4, size=(2, 2), name="meadows")
    first, second, *_ = [info.id for info in images.list_images(workspace, other.id)]

    def changed() -> int:
        return start_advice(workspace, other.id).changed

    submit(workspace, first)
    submit(workspace, first)
    submit(workspace, second)
    images.set_split(workspace, [second], "excluded", "ada")
    assert images.set_split(workspace, [second, first], "pool", "ada") == 1
    assert changed() == 2
    round_requests.request_round(workspace, other.id, "ada", "a test")
    submit(workspace, first)
    assert changed() == 0
    labels.save(
        workspace,
        first,
        np.ones((2, 2), np.uint8),
        expected_revision=images.image(workspace, first).revision,
        author="ada",
        status="submitted",
    )
    assert changed() == 1


def test_a_round_that_was_to_be_cancelled_when_its_worker_died_is_not_taken_up_again(
    workspace: Workspace, claimed: RoundInfo
) -> None:
    rounds.request_cancel(workspace, claimed.id, "ada")
    assert rounds.get_round(workspace, claimed.id).state == "training"
    assert rounds.claim(workspace, "elsewhere:2", lease_s=30, now=time.time() + 31) is None
    assert rounds.get_round(workspace, claimed.id).state == "cancelled"


def test_a_silent_worker_loses_its_round_and_keeps_its_progress(
    workspace: Workspace, claimed: RoundInfo
) -> None:
    rounds.report(workspace, claimed.id, WORKER, step=40, steps=150, checkpoint="checkpoints/1", lease_s=30)
    taken = rounds.claim(workspace, "elsewhere:2", lease_s=30, now=time.time() + 31)
    assert taken is not None
    assert (taken.id, taken.step, taken.checkpoint) == (claimed.id, 40, "checkpoints/1")
    assert claimed.started_at is not None
    assert taken.started_at is not None
    assert taken.started_at - claimed.started_at > 30, "nobody worked on it meanwhile"
    again = rounds.claim(workspace, "elsewhere:2", lease_s=30)
    assert again is not None
    assert again.started_at == taken.started_at
    with pytest.raises(LeaseLost, match="elsewhere:2"):
        rounds.report(workspace, claimed.id, WORKER, step=41, lease_s=30)
    with pytest.raises(LeaseLost):
        rounds.publish(workspace, claimed.id, WORKER, [], {})


def test_a_killed_worker_of_this_machine_loses_its_round_at_once(
    workspace: Workspace, project: ProjectInfo, queued: RoundInfo
) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    name = f"{socket.gethostname()}:{process.pid}"
    assert rounds.claim(workspace, name, lease_s=600) is not None
    workers.worker_seen(workspace, name, "cpu")
    mine = f"{socket.gethostname()}:{os.getpid()}"
    assert rounds.claim(workspace, mine, lease_s=30) is None
    process.kill()
    # On Linux the killed process is recognised even before its parent has asked for it.
    if sys.platform == "linux":
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()
    assert workers.live_workers(workspace) == []
    taken = rounds.claim(workspace, mine, lease_s=30)
    process.wait()
    assert taken is not None
    assert taken.id == queued.id


def test_reports_are_stored_and_answered(
    workspace: Workspace, project: ProjectInfo, claimed: RoundInfo
) -> None:
    points = [(1, "loss", 0.9), (2, "loss", math.nan), (2, "audit_miou", 0.25)]
    assert rounds.report(
        workspace,
        claimed.id,
        WORKER,
        step=2,
        steps=10,
        eta_seconds=8.5,
        note="Smaller batch",
        metrics=points,
        lease_s=30,
    )
    found = rounds.get_round(workspace, claimed.id)
    assert (found.step, found.steps, found.eta_seconds, found.note) == (2, 10, 8.5, "Smaller batch")
    assert rounds.curve(workspace, claimed.id) == [(2, "audit_miou", 0.25), (1, "loss", 0.9)]
    assert rounds.curve(workspace, claimed.id, "loss") == [(1, "loss", 0.9)]
    rounds.request_cancel(workspace, claimed.id, "ada")
    assert not rounds.report(workspace, claimed.id, WORKER, lease_s=30)
    rounds.cancelled(workspace, claimed.id, WORKER)
    assert rounds.get_round(workspace, claimed.id).state == "cancelled"
    with pytest.raises(LeaseLost, match="has ended"):
        rounds.report(workspace, claimed.id, WORKER, lease_s=30)
    with pytest.raises(RoundRefused):
        rounds.request_cancel(workspace, claimed.id, "ada")
    with pytest.raises(InvalidInput):
        rounds.report(workspace, claimed.id, WORKER, state="done", lease_s=30)


def test_a_round_nobody_works_on_is_cancelled_at_once(workspace: Workspace, queued: RoundInfo) -> None:
    rounds.request_cancel(workspace, queued.id, "ada")
    found = rounds.get_round(workspace, queued.id)
    assert found.state == "cancelled"
    assert found.finished_at is not None
    assert rounds.claim(workspace, WORKER, lease_s=30) is None


def test_publishing_changes_the_screen_in_one_step(
    workspace: Workspace, project: ProjectInfo, claimed: RoundInfo
) -> None:
    pool = [info.id for info in images.list_images(workspace, project.id, "pool")]
    ranking = [
        NewPrediction(image_id, 0.5, rank, {"sentence": "unsure"})
        for rank, image_id in enumerate(pool, start=1)
    ]
    with pytest.raises(InvalidInput):
        rounds.publish(workspace, claimed.id, WORKER, [NewPrediction(pool[0], math.nan, 1, {})], {})
    rounds.publish(workspace, claimed.id, WORKER, ranking, {"audit_miou": 0.4, "class_iou": {0: math.nan}})
    found = rounds.get_round(workspace, claimed.id)
    assert found.state == "done"
    assert found.finished_at is not None
    assert found.metrics == {"audit_miou": 0.4, "class_iou": {"0": None}}
    assert projects.get_project(workspace, project.id).current_round_id == claimed.id
    progress = queue.progress(workspace, project.id)
    assert (progress.round, progress.current_round_number) == (None, 1)
    submit_some(workspace, project, 1)
    second = round_requests.request_round(workspace, project.id, "ada", "now")
    assert (second.number, second.parent_id) == (2, claimed.id)
    assert [info.number for info in rounds.history(workspace, project.id)] == [2, 1]


def test_a_failed_publication_leaves_the_old_ranking(
    workspace: Workspace, project: ProjectInfo, claimed: RoundInfo
) -> None:
    pool = [info.id for info in images.list_images(workspace, project.id, "pool")]
    twice = [NewPrediction(pool[0], 0.5, 1, {}), NewPrediction(pool[0], 0.4, 2, {})]
    with pytest.raises(Exception, match="UNIQUE"):
        rounds.publish(workspace, claimed.id, WORKER, twice, {})
    assert rounds.get_round(workspace, claimed.id).state == "training"
    assert projects.get_project(workspace, project.id).current_round_id is None
    rounds.fail(workspace, claimed.id, WORKER, "The ranking named an image twice.")
    found = rounds.get_round(workspace, claimed.id)
    assert (found.state, found.error) == ("failed", "The ranking named an image twice.")
    assert rounds.live_round(workspace, project.id) is None
    assert start_advice(workspace, project.id).reason == "Round 1 failed: the Training page says why"


def test_a_publication_in_pieces_shows_nothing_before_its_end(
    workspace: Workspace, project: ProjectInfo, claimed: RoundInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "_ROWS_A_TRANSACTION", 2)
    pool = [info.id for info in images.list_images(workspace, project.id, "pool")]
    ranking = [NewPrediction(image_id, 0.5, rank, {}) for rank, image_id in enumerate(pool, start=1)]
    parts = 0

    def die_after(parts_before: int) -> Callable[..., dict[str, Any]]:
        def row(round_id: int, one: NewPrediction) -> dict[str, Any]:
            nonlocal parts
            parts += 1
            if parts > parts_before:
                raise KeyboardInterrupt
            assert all(item.rank is None for item in queue.ranked_images(workspace, project.id)[0])
            return prediction_row(round_id, one)

        return row

    prediction_row = predictions._prediction_row
    monkeypatch.setattr(predictions, "_prediction_row", die_after(5))
    with pytest.raises(KeyboardInterrupt):
        rounds.publish(workspace, claimed.id, WORKER, ranking, {})
    assert projects.get_project(workspace, project.id).current_round_id is None
    with workspace.database.reading() as session:
        assert session.query(Prediction).count() == 4

    later = time.time() + 31
    assert rounds.claim(workspace, "elsewhere:2", lease_s=60, now=later) is not None
    monkeypatch.setattr(predictions, "_prediction_row", prediction_row)
    with pytest.raises(LeaseLost):
        rounds.publish(workspace, claimed.id, WORKER, ranking, {})
    rounds.publish(workspace, claimed.id, "elsewhere:2", ranking[::-1], {})
    shown, _ = queue.ranked_images(workspace, project.id)
    assert [item.image.id for item in shown][: len(pool)] == pool
    with workspace.database.reading() as session:
        assert session.query(Prediction).count() == len(pool)


class TestOldPredictions:
    @pytest.fixture
    def past(self, workspace: Workspace, project: ProjectInfo) -> list[RoundInfo]:
        """Publish six rounds of four images each, and give a seventh up that had stored some of its own."""
        labelled, *pool = [info.id for info in images.list_images(workspace, project.id)]
        submit(workspace, labelled)
        seen = some_embeddings(pool[:4], [0.0, 1.0, 2.0, 3.0], 0.9)
        done = [publish_ranking(workspace, project.id, pool[:4], seen) for _ in range(6)]
        given_up = round_requests.request_round(workspace, project.id, "ada", "a test")
        with workspace.database.writing() as session:
            session.add(
                Prediction(round_id=given_up.id, **self.row(pool[0]))  # as a worker that died leaves it
            )
        rounds.request_cancel(workspace, given_up.id, "ada")
        return done

    def row(self, image_id: int) -> dict[str, Any]:
        return {"image_id": image_id, "score": 0.5, "rank": 1, "place": 1.0, "why": {}}

    def left(self, workspace: Workspace) -> dict[int, int]:
        """Return by round how many predictions are left."""
        with workspace.database.reading() as session:
            rows = session.query(Prediction.round_id, func.count()).group_by(Prediction.round_id)
            return dict(rows.tuples().all())

    def test_those_of_the_newest_rounds_stay(
        self, workspace: Workspace, project: ProjectInfo, past: list[RoundInfo]
    ) -> None:
        live = round_requests.request_round(workspace, project.id, "ada", "a test")
        with workspace.database.writing() as session:
            session.add(Prediction(round_id=live.id, **self.row(2)))
            session.get_one(Project, project.id).current_round_id = past[1].id
        other = make_project(workspace, images=2, name="other")
        submit(workspace, 13)
        elsewhere = publish_ranking(workspace, other.id, [14])
        labels_before = labels.history(workspace, 1)
        predictions.forget_old_predictions(workspace, project.id, 3)
        kept = [past[1], *past[3:]]
        assert self.left(workspace) == {one.id: 4 for one in kept} | {live.id: 1, elsewhere.id: 1}
        after = {info.id: info for info in rounds.history(workspace, project.id)}
        for info in past:
            seen = info.embeddings_blob if info in kept else None
            assert after[info.id] == dataclasses.replace(info, embeddings_blob=seen)
        assert labels.history(workspace, 1) == labels_before

    def test_a_kept_round_can_be_gone_back_to(
        self, workspace: Workspace, project: ProjectInfo, past: list[RoundInfo]
    ) -> None:
        shown = [item.image.id for item in queue.ranked_images(workspace, project.id)[0]]
        predictions.forget_old_predictions(workspace, project.id, 3)
        sweep_blobs(workspace, older_than_s=-60)
        with workspace.database.writing() as session:
            session.get_one(Project, project.id).current_round_id = past[3].id
        items, _ = queue.ranked_images(workspace, project.id)
        assert [item.image.id for item in items] == shown
        assert [item.rank for item in items[:4]] == [1, 2, 3, 4]
        assert workspace.blobs.get(str(items[0].map_blob)) == b"suggestion"
        assert embeddings.of_project(workspace, project.id) is not None

    def test_killed_in_the_middle_it_leaves_whole_rounds_to_look_at(
        self,
        workspace: Workspace,
        project: ProjectInfo,
        past: list[RoundInfo],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(predictions, "_REMOVED_A_TRANSACTION", 3)
        parts = iter([False, False])
        predictions.forget_old_predictions(workspace, project.id, 3, lambda: next(parts, True))
        left = self.left(workspace)
        assert sum(left.values()) == 6 * 4 + 1 - 2 * 3
        assert [left[info.id] for info in past[3:]] == [4, 4, 4]
        predictions.forget_old_predictions(workspace, project.id, 3)
        assert self.left(workspace) == {info.id: 4 for info in past[3:]}

    def test_whoever_saves_gets_a_turn(
        self,
        workspace: Workspace,
        project: ProjectInfo,
        past: list[RoundInfo],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(predictions, "_REMOVED_A_TRANSACTION", 1)
        saved: list[int] = []

        def save() -> bool:
            saved.append(submit(workspace, 12).revision)
            return False

        predictions.forget_old_predictions(workspace, project.id, 3, save)
        assert saved == [*range(1, 3 * 4 + 1 + 2)]


class TestColdStart:
    def later(self) -> float:
        return time.time() + QUIET_S + 1

    def publish(self, workspace: Workspace, project: ProjectInfo) -> list[int]:
        claimed = rounds.claim(workspace, WORKER, lease_s=60)
        assert claimed is not None
        assert (claimed.number, claimed.snapshot_blob, claimed.parent_id) == (COLD_START, None, None)
        pool = [info.id for info in images.list_images(workspace, project.id, "pool")][::-1]
        ranking = [
            NewPrediction(image_id, 1 / rank, rank, {"sentence": "typical of 40 images like it"})
            for rank, image_id in enumerate(pool, start=1)
        ]
        rounds.publish(workspace, claimed.id, WORKER, ranking, {"ranked_by": {"choice": "typiclust"}})
        return pool

    def test_it_orders_the_first_images(self, workspace: Workspace) -> None:
        off = ProjectSettings(annotation=AnnotationSettings(audit_every=0))
        project = make_project(workspace, images=7, settings=off)
        assert not cold_start_is_due(workspace, project.id, self.later())
        add_image(workspace, project.id, 7)
        assert not cold_start_is_due(workspace, project.id)
        assert cold_start_is_due(workspace, project.id, self.later())
        requested = round_requests.request_cold_start(workspace, project.id)
        assert (requested.number, requested.state) == (COLD_START, "queued")
        assert not cold_start_is_due(workspace, project.id, self.later())
        with pytest.raises(RoundRefused, match="under way"):
            round_requests.request_cold_start(workspace, project.id)
        pool = self.publish(workspace, project)
        first, *_ = items = queue.next_images(workspace, project.id, "ada", 8)
        assert [item.image.id for item in items] == pool
        assert first.why == "Rank 1 of 8: typical of 40 images like it"
        assert queue.progress(workspace, project.id).current_round_number == COLD_START
        assert not cold_start_is_due(workspace, project.id, self.later())

    def test_what_was_drawn_for_the_audit_waits_for_an_order_too(
        self, workspace: Workspace, project: ProjectInfo
    ) -> None:
        small = make_project(workspace, images=8, name="eight")
        assert cold_start_is_due(workspace, small.id, self.later())
        queue.next_images(workspace, small.id, "ada", 6)
        assert images.split_counts(workspace, small.id)["audit"] == 2
        assert cold_start_is_due(workspace, small.id, self.later())

    def test_it_counts_as_no_round(self, workspace: Workspace, project: ProjectInfo) -> None:
        round_requests.request_cold_start(workspace, project.id)
        assert start_advice(workspace, project.id).reason == "0 of 4 new labels for the first round"
        submit_some(workspace, project, 3)
        first = round_requests.request_round(workspace, project.id, "ada", "now")
        assert (first.number, first.parent_id) == (1, None)
        live = rounds.live_round(workspace, project.id)
        assert live is not None
        assert live.number == COLD_START
        with pytest.raises(RoundRefused, match="Round 1 is waiting"):
            round_requests.request_round(workspace, project.id, "ada", "again")
        self.publish(workspace, project)
        claimed = rounds.claim(workspace, WORKER, lease_s=60)
        assert claimed is not None
        assert claimed.id == first.id
        rounds.fail(workspace, first.id, WORKER, "a test")
        second = round_requests.request_round(workspace, project.id, "ada", "now")
        assert (second.number, second.parent_id) == (2, None)
        assert [info.number for info in rounds.history(workspace, project.id)] == [2, 1, 0]

    def test_half_of_a_new_order_is_never_shown_for_the_old_one(
        self, workspace: Workspace, project: ProjectInfo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown: list[int | None] = []

        def watched(*_: object) -> None:
            shown.append(projects.get_project(workspace, project.id).current_round_id)

        monkeypatch.setattr(embeddings, "of_blob", watched)
        for _ in range(2):
            round_requests.request_cold_start(workspace, project.id)
            self.publish(workspace, project)
        assert shown == [None, None]

    def test_it_does_not_forbid_audit(self, workspace: Workspace, project: ProjectInfo) -> None:
        (labelled,) = submit_some(workspace, project, 1)
        round_requests.request_cold_start(workspace, project.id)
        images.set_split(workspace, [labelled], "audit", "ada")
        assert images.image(workspace, labelled).split == "audit"

    def test_a_round_that_has_trained_stands(self, workspace: Workspace, project: ProjectInfo) -> None:
        slow = round_requests.request_cold_start(workspace, project.id)
        submit_some(workspace, project, 1)
        trained = round_requests.request_round(workspace, project.id, "ada", "now")
        for _ in range(2):  # two workers: the cold start ends last
            rounds.claim(workspace, WORKER, lease_s=60)
            with workspace.database.writing() as session:
                session.get_one(Round, slow.id).lease_until = time.time() + 60
                session.get_one(Round, slow.id).worker = "elsewhere:2"
        rounds.publish(workspace, trained.id, WORKER, [], {})
        rounds.publish(workspace, slow.id, "elsewhere:2", [], {})
        assert projects.get_project(workspace, project.id).current_round_id == trained.id
        assert not cold_start_is_due(workspace, project.id, self.later())
        with pytest.raises(RoundRefused, match="orders the images already"):
            round_requests.request_cold_start(workspace, project.id)

    def test_many_new_images_ask_for_another(self, workspace: Workspace, project: ProjectInfo) -> None:
        round_requests.request_cold_start(workspace, project.id)
        before = self.publish(workspace, project)
        for number in range(12, 15):
            add_image(workspace, project.id, number)
        assert not cold_start_is_due(workspace, project.id, self.later())
        newest = add_image(workspace, project.id, 15)
        assert not cold_start_is_due(workspace, project.id)
        assert cold_start_is_due(workspace, project.id, self.later())
        again = round_requests.request_cold_start(workspace, project.id)
        shown, _ = queue.ranked_images(workspace, project.id)
        assert [item.image.id for item in shown][:12] == before
        self.publish(workspace, project)
        shown, _ = queue.ranked_images(workspace, project.id)
        assert [item.image.id for item in shown][:2] == [newest, newest - 1]
        assert [info.id for info in rounds.history(workspace, project.id)] == [again.id]

    def test_a_failure_is_not_tried_again_on_the_same_images(
        self, workspace: Workspace, project: ProjectInfo
    ) -> None:
        requested = round_requests.request_cold_start(workspace, project.id)
        rounds.claim(workspace, WORKER, lease_s=60)
        rounds.fail(workspace, requested.id, WORKER, "a test")
        assert not cold_start_is_due(workspace, project.id, self.later())
        add_image(workspace, project.id, 12)
        assert cold_start_is_due(workspace, project.id, self.later())
        assert round_requests.request_cold_start(workspace, project.id).error is None


def test_workers_are_forgotten_after_silence(workspace: Workspace) -> None:
    workers.worker_seen(workspace, WORKER, "cpu")
    workers.worker_seen(workspace, WORKER, "cuda")
    (found,) = workers.live_workers(workspace)
    assert (found.name, found.device) == (WORKER, "cuda")
    assert workers.live_workers(workspace, now=time.time() + 31) == []


def test_a_starting_worker_is_waited_for_longer(workspace: Workspace) -> None:
    workers.worker_starting(workspace, WORKER)
    (found,) = workers.live_workers(workspace, now=time.time() + 120)
    assert found.is_starting
    assert workers.live_workers(workspace, now=time.time() + 181) == []
    workers.worker_seen(workspace, WORKER, "cpu")
    (found,) = workers.live_workers(workspace)
    assert not found.is_starting
    assert workers.live_workers(workspace, now=time.time() + 31) == []


def test_what_does_not_exist_is_said(workspace: Workspace, project: ProjectInfo) -> None:
    with pytest.raises(NotFound):
        rounds.get_round(workspace, 99)
    with pytest.raises(NotFound):
        start_advice(workspace, 99)
    with pytest.raises(NotFound):
        queue.progress(workspace, 99)
