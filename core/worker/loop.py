"""The worker process: starts the rounds that are due, runs the queued ones, and says that it lives."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from pathlib import Path

from core.heartbeat import repeated
from core.worker.claim import HEARTBEAT_S, LEASE_S
from core.worker.device import pick_device
from core.worker.round import run_round
from storage import projects, round_requests, rounds, workers
from storage.errors import RoundRefused
from storage.schema import COLD_START
from storage.start_advice import StartAdvice, cold_start_is_due, start_advice
from storage.workspace import Workspace, open_workspace

log = logging.getLogger("qualm.worker")

NICENESS = 10
"""Training gives way to the web process and the browser, which then answer at once even on two cores."""
AUTOGROUP = Path("/proc/self/autogroup")


def run_worker(
    workspace_path: Path,
    *,
    device: str = "auto",
    project: str | int | None = None,
    once: bool = False,
    poll_s: float = 1.0,
    supervisor: int | None = None,
) -> int:
    """Start rounds that are due and run the queued ones, until told to stop by SIGTERM or Ctrl+C.

    Told to stop in mid-round, it saves a checkpoint first, and the next worker goes on from there.

    Args:
        workspace_path: folder of the workspace.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        project: name or id; only its rounds are run. None runs those of every project.
        once: return after one round, or when there is none; a cold start before it does not count.
        poll_s: pause between looks at the database, seconds.
        supervisor: process that started this one; end when it is gone, perhaps before this is called.

    Returns:
        The number of rounds run here, however they ended.

    Raises:
        QualmError: the workspace, the project or the device cannot be used.
    """
    parent = supervisor
    if supervisor is not None and os.name == "nt":
        # There the launcher of a virtual environment is between the two.
        parent = os.getppid()
    chosen_device = pick_device(device)
    _give_way()
    workspace = open_workspace(workspace_path)
    project_id = None if project is None else projects.get_project(workspace, project).id
    worker = workers.worker_name(os.getpid())
    stop = threading.Event()

    def stopping() -> bool:
        return stop.is_set() or (parent is not None and os.getppid() != parent)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    log.info("worker %s is ready on %s for %s", worker, chosen_device, workspace.path)
    run = 0
    with repeated(
        HEARTBEAT_S, lambda: workers.worker_seen(workspace, worker, str(chosen_device), project_id)
    ):
        while not stopping():
            try:
                _request_due_rounds(workspace, project_id)
                claimed = rounds.claim(workspace, worker, LEASE_S, project_id=project_id)
                waiting = once and claimed is None and _any_live_round(workspace, project_id)
            except Exception:
                log.exception("looking for work failed; trying again")
                stop.wait(10 * poll_s)
                continue
            if claimed is not None:
                run_round(workspace, claimed, worker, chosen_device, stopping=stopping)
                run += 1
            was_cold_start = claimed is not None and claimed.number == COLD_START
            if once and not waiting and not was_cold_start:
                break
            if claimed is None:
                stop.wait(poll_s)
    log.info("worker %s ends", worker)
    workspace.close()
    return run


def _give_way() -> None:
    """Let whatever else the machine does go before this process.

    Where Linux shares processors between sessions first (``sched_autogroup``), niceness counts only among
    processes of one session, and the browser is in another. There the worker gets a session of its own, which
    is nice as a whole; one that a shell started as a job cannot leave its session and stays as it is.
    """
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    if not AUTOGROUP.exists():
        return
    with contextlib.suppress(OSError):
        os.setsid()
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            AUTOGROUP.write_text(str(NICENESS))


def _request_due_rounds(workspace: Workspace, project_id: int | None) -> None:
    for project in projects.list_projects(workspace):
        if project_id not in (None, project.id):
            continue
        advice = start_advice(workspace, project.id)
        try:
            if advice.ready:
                _request(workspace, project.id, advice)
            elif cold_start_is_due(workspace, project.id):
                round_requests.request_cold_start(workspace, project.id)
        except RoundRefused as refusal:
            log.info("%s: %s", project.name, refusal)


def _request(workspace: Workspace, project_id: int, advice: StartAdvice) -> None:
    if advice.kind == "ranks":
        round_requests.request_ranking(workspace, project_id, "worker", advice.why)
    else:
        trains_on = advice.kind == "trains_on"
        round_requests.request_round(workspace, project_id, "worker", advice.why, trains_on=trains_on)


def _any_live_round(workspace: Workspace, project_id: int | None) -> bool:
    ids = (
        [project.id for project in projects.list_projects(workspace)] if project_id is None else [project_id]
    )
    return any(rounds.live_round(workspace, number) is not None for number in ids)
