"""Rounds start for a stated reason, belong to one worker, and publish everything or nothing."""

import math
import os
import socket
import subprocess
import sys
import time

import pytest

from storage import images, labels, projects, queue, rounds
from storage.errors import InvalidInput, LeaseLost, NotFound, RoundRefused
from storage.projects import ClassSpec, ProjectInfo
from storage.rounds import NewPrediction, RoundInfo
from storage.settings import ProjectSettings, RoundSettings, StartRule
from storage.workspace import Workspace
from tests.storage.project_factory import make_project, publish_ranking, submit

WORKER = "elsewhere:1"


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    return make_project(workspace, images=12)


def submit_some(workspace: Workspace, project: ProjectInfo, count: int) -> list[int]:
    chosen = [info.id for info in images.list_images(workspace, project.id, "pool")][:count]
    for image_id in chosen:
        submit(workspace, image_id)
    return chosen


@pytest.fixture
def queued(workspace: Workspace, project: ProjectInfo) -> RoundInfo:
    submit_some(workspace, project, 3)
    return rounds.request_round(workspace, project.id, "ada", "3 new labels")


@pytest.fixture
def claimed(workspace: Workspace, queued: RoundInfo) -> RoundInfo:
    found = rounds.claim(workspace, WORKER, lease_s=30)
    assert found is not None
    assert found.id == queued.id
    return found


def test_advice_names_what_is_missing(workspace: Workspace, project: ProjectInfo) -> None:
    later = time.time() + 25
    assert rounds.start_advice(workspace, project.id).reason == "0 of 8 new labels for the first round"
    done = submit_some(workspace, project, 8)
    advice = rounds.start_advice(workspace, project.id)
    assert not advice.ready
    assert advice.reason.startswith("8 new labels: a round starts after ")
    advice = rounds.start_advice(workspace, project.id, now=later)
    assert advice.reason == "No worker is running: start one with python3 run_app.py worker"
    rounds.worker_seen(workspace, WORKER, "cpu")
    advice = rounds.start_advice(workspace, project.id, now=later)
    assert advice == rounds.StartAdvice(True, "8 new labels: a round can start", 8, 8)
    publish_ranking(workspace, project.id, done)
    submit_some(workspace, project, 3)
    assert (
        rounds.start_advice(workspace, project.id).reason == "3 of 8 new labels since the last round started"
    )


def test_advice_does_not_wait_for_ever_for_quiet(workspace: Workspace) -> None:
    project = make_project(workspace, images=20, settings=ProjectSettings())
    rounds.worker_seen(workspace, WORKER, "cpu")
    submit_some(workspace, project, 15)
    assert not rounds.start_advice(workspace, project.id).ready
    submit_some(workspace, project, 1)
    assert rounds.start_advice(workspace, project.id).ready


def test_advice_waits_for_a_second_class(workspace: Workspace, project: ProjectInfo) -> None:
    for info in images.list_images(workspace, project.id)[:8]:
        label_map = labels.read(workspace, info.id)[0] * 0
        labels.save(workspace, info.id, label_map, expected_revision=0, author="ada", status="submitted")
    assert rounds.start_advice(workspace, project.id).reason == "Labels show 1 of 2 classes needed"


def test_advice_tells_of_the_round_at_work(
    workspace: Workspace, project: ProjectInfo, queued: RoundInfo
) -> None:
    def reason() -> str:
        return rounds.start_advice(workspace, project.id).reason

    assert reason() == "Round 1 waits for a worker: start one with python3 run_app.py worker"
    rounds.worker_seen(workspace, WORKER, "cpu")
    assert reason() == "Round 1 is about to start"
    rounds.claim(workspace, WORKER, lease_s=30)
    assert reason() == "A round is training now"
    rounds.report(workspace, queued.id, WORKER, state="scoring", lease_s=30)
    assert reason() == "A round is scoring the images now"


def test_advice_respects_the_switch(workspace: Workspace) -> None:
    manual = ProjectSettings(start=StartRule(automatic=False))
    project = make_project(workspace, images=9, settings=manual)
    submit_some(workspace, project, 9)
    assert rounds.start_advice(workspace, project.id).reason == "Automatic rounds are off: press Train now"


def test_a_round_needs_labels_and_stands_alone(workspace: Workspace, project: ProjectInfo) -> None:
    with pytest.raises(RoundRefused, match="no label"):
        rounds.request_round(workspace, project.id, "ada", "too early")
    submit_some(workspace, project, 1)
    first = rounds.request_round(workspace, project.id, "ada", "now", RoundSettings(steps=7))
    assert (first.number, first.state, first.config.steps) == (1, "queued", 7)
    with pytest.raises(RoundRefused, match="Round 1 is waiting"):
        rounds.request_round(workspace, project.id, "bob", "again")
    assert rounds.live_round(workspace, project.id) == first


def test_a_snapshot_holds_the_newest_submitted_labels_of_train(
    workspace: Workspace, project: ProjectInfo
) -> None:
    one, two, audit, excluded = submit_some(workspace, project, 4)
    submit(workspace, one, status="draft")
    submit(workspace, two)
    images.set_split(workspace, [audit], "audit", "ada")
    images.set_split(workspace, [excluded], "excluded", "ada")
    requested = rounds.request_round(workspace, project.id, "ada", "now")
    projects.add_class(workspace, project.id, ClassSpec("late"), "ada")
    submit(workspace, two)
    taken, class_count = rounds.snapshot(workspace, requested.id)
    assert [(entry.image_id, entry.revision) for entry in taken] == [(one, 1), (two, 2)]
    assert class_count == 3
    assert taken[0].blob == labels.history(workspace, one)[-1].blob


def test_a_round_goes_to_one_worker(workspace: Workspace, project: ProjectInfo, claimed: RoundInfo) -> None:
    assert (claimed.state, claimed.worker) == ("training", WORKER)
    assert claimed.started_at is not None
    assert rounds.claim(workspace, "elsewhere:2", lease_s=30) is None
    assert rounds.claim(workspace, "elsewhere:2", lease_s=30, project_id=project.id + 1) is None


def test_a_silent_worker_loses_its_round_and_keeps_its_progress(
    workspace: Workspace, claimed: RoundInfo
) -> None:
    rounds.report(workspace, claimed.id, WORKER, step=40, steps=150, checkpoint="checkpoints/1", lease_s=30)
    taken = rounds.claim(workspace, "elsewhere:2", lease_s=30, now=time.time() + 31)
    assert taken is not None
    assert (taken.id, taken.step, taken.checkpoint) == (claimed.id, 40, "checkpoints/1")
    assert taken.started_at == claimed.started_at
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
    rounds.worker_seen(workspace, name, "cpu")
    mine = f"{socket.gethostname()}:{os.getpid()}"
    assert rounds.claim(workspace, mine, lease_s=30) is None
    process.kill()
    time.sleep(0.2)
    # On Linux the killed process is recognised even before its parent has asked for it.
    if sys.platform != "linux":
        process.wait()
    assert rounds.live_workers(workspace) == []
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
    second = rounds.request_round(workspace, project.id, "ada", "now")
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
    assert rounds.start_advice(workspace, project.id).reason == "Round 1 failed: press Train now to try again"


def test_workers_are_forgotten_after_silence(workspace: Workspace) -> None:
    rounds.worker_seen(workspace, WORKER, "cpu")
    rounds.worker_seen(workspace, WORKER, "cuda")
    (found,) = rounds.live_workers(workspace)
    assert (found.name, found.device) == (WORKER, "cuda")
    assert rounds.live_workers(workspace, now=time.time() + 31) == []


def test_what_does_not_exist_is_said(workspace: Workspace, project: ProjectInfo) -> None:
    with pytest.raises(NotFound):
        rounds.get_round(workspace, 99)
    with pytest.raises(NotFound):
        rounds.start_advice(workspace, 99)
    with pytest.raises(NotFound):
        queue.progress(workspace, 99)
