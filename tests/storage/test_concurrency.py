"""One trainer and four labelling clients write at once: nobody is locked out and nothing is lost."""

import multiprocessing
import time
import uuid
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import SynchronizedArray
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest

from storage import images, labels, queue, round_requests, rounds, workers
from storage.errors import LabelConflict, LeaseLost
from storage.schema import NOT_LABELLED
from storage.settings import AnnotationSettings, ProjectSettings
from storage.workspace import Workspace, open_workspace
from tests.storage.project_factory import make_project, publish_ranking, submit

SECONDS = 4.0
PATIENCE_S = 60.0
"""So much longer it goes on where little happened: a busy machine may give a process no turn for a while."""
CLIENTS = ("ada", "bob", "eve", "kim")
ENOUGH = {"steps": 5 * SECONDS + 1, "refused": 1, **dict.fromkeys(CLIENTS, 1)}
"""What must have happened at least: steps of the trainer, refused saves of all, saves of each."""
SIZE = (48, 64)
# A fresh interpreter for each process, as in real life: nothing of SQLite is inherited.
PROCESSES = multiprocessing.get_context("spawn")


def start_time(ready: Barrier) -> float:
    """Wait until every process has loaded its modules and opened the workspace; return the time."""
    ready.wait(timeout=240)
    return time.time()


def count(what: str, happened: "SynchronizedArray[int]") -> None:
    with happened.get_lock():
        happened[list(ENOUGH).index(what)] += 1


def goes_on(since: float, happened: "SynchronizedArray[int]") -> bool:
    seconds = time.time() - since
    is_enough = all(number >= least for number, least in zip(happened[:], ENOUGH.values(), strict=True))
    return seconds < SECONDS or (not is_enough and seconds < SECONDS + PATIENCE_S)


def train_on(
    path: Path,
    round_id: int,
    ready: Barrier,
    happened: "SynchronizedArray[int]",
    told: "SimpleQueue[tuple[str, object]]",
) -> None:
    """Report progress as fast as it goes, far more often than the worker's once a second."""
    workspace = open_workspace(path)
    step = 0
    try:
        since = start_time(ready)
        while goes_on(since, happened):
            step += 1
            rounds.report(
                workspace,
                round_id,
                "elsewhere:1",
                step=step,
                steps=10**6,
                metrics=[(step, "loss", 1 / step), (step, "audit_miou", 0.5)],
                lease_s=60,
            )
            workers.worker_seen(workspace, "elsewhere:1", "cpu")
            count("steps", happened)
        told.put(("trainer", step))
    except BaseException as error:
        told.put(("error", repr(error)))
        raise


def label_on(
    path: Path,
    name: str,
    shared: list[int],
    ready: Barrier,
    happened: "SynchronizedArray[int]",
    told: "SimpleQueue[tuple[str, object]]",
) -> None:
    """Save drafts on images of one's own and fight for the shared ones; tell every save that succeeded."""
    workspace = open_workspace(path)
    generator = np.random.default_rng(list(name.encode()))
    saved: list[tuple[int, int, int]] = []
    refused = 0
    try:
        project_id = images.image(workspace, shared[0]).project_id
        since = start_time(ready)
        while goes_on(since, happened):
            own = queue.next_images(workspace, project_id, name, 2)
            for image_id in [*(item.image.id for item in own), *shared]:
                _, revision = labels.read(workspace, image_id)
                label_map = np.full(SIZE, generator.integers(0, 3), np.uint8)
                label_map[0, :2] = generator.integers(0, 3, 2)
                label_map[1, 0] = NOT_LABELLED
                try:
                    done = labels.save(
                        workspace,
                        image_id,
                        label_map,
                        expected_revision=revision,
                        author=name,
                        # A draft would keep the others out of a shared image for its lease.
                        status="submitted" if image_id in shared else "draft",
                        submission_id=str(uuid.uuid4()),
                    )
                    saved.append((image_id, done.revision, int(label_map.sum())))
                    count(name, happened)
                except (LabelConflict, LeaseLost):
                    refused += 1
                    count("refused", happened)
            queue.progress(workspace, project_id)
        told.put((name, (saved, refused)))
    except BaseException as error:
        told.put(("error", repr(error)))
        raise


@pytest.mark.slow
def test_a_trainer_and_four_clients_write_at_once(workspace: Workspace) -> None:
    free = ProjectSettings(annotation=AnnotationSettings(audit_every=0))
    project = make_project(workspace, images=16, size=SIZE, settings=free)
    ids = [info.id for info in images.list_images(workspace, project.id)]
    shared = ids[:3]
    for image_id in shared:
        submit(workspace, image_id)
    publish_ranking(workspace, project.id, ids[3:])
    requested = round_requests.request_round(workspace, project.id, "ada", "a test")
    assert rounds.claim(workspace, "elsewhere:1", lease_s=60) is not None

    told: SimpleQueue[tuple[str, object]] = PROCESSES.SimpleQueue()
    ready = PROCESSES.Barrier(1 + len(CLIENTS))
    happened = PROCESSES.Array("l", len(ENOUGH))
    processes = [
        PROCESSES.Process(target=train_on, args=(workspace.path, requested.id, ready, happened, told)),
        *(
            PROCESSES.Process(target=label_on, args=(workspace.path, name, shared, ready, happened, told))
            for name in CLIENTS
        ),
    ]
    for process in processes:
        process.start()
    answers = dict(told.get() for _ in processes)
    for process in processes:
        process.join()
    assert "error" not in answers, answers["error"]
    assert [process.exitcode for process in processes] == [0] * 5

    saves: dict[int, dict[int, int]] = {image_id: {} for image_id in ids}
    conflicts = 0
    for name in CLIENTS:
        saved, refused = answers[name]
        assert saved
        conflicts += refused
        for image_id, revision, content in saved:
            assert revision not in saves[image_id], "two clients were given the same revision"
            saves[image_id][revision] = content
    assert conflicts > 0, "the clients never met, so this showed nothing"
    for image_id in ids:
        first = 1 if image_id in shared else 0
        history = labels.history(workspace, image_id)
        assert images.image(workspace, image_id).revision == len(history) == len(saves[image_id]) + first
        for revision, content in saves[image_id].items():
            assert int(labels.read(workspace, image_id, revision)[0].sum()) == content
    steps = answers["trainer"]
    assert steps >= ENOUGH["steps"]
    assert rounds.get_round(workspace, requested.id).step == steps
    assert len(rounds.curve(workspace, requested.id)) == 2 * steps
