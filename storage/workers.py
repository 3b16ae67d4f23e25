"""Workers: which processes are alive, and what they are at work on."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from storage.schema import ROUND_STATES_AT_WORK, Project, Round, Worker
from storage.workspace import Workspace

WORKER_SILENCE_S = 30.0
"""A worker not heard of for so many seconds is taken for gone."""
WORKER_START_S = 180.0
"""So long a worker may take to load what it trains with, from a cold disk, before it is first heard of."""
STARTING = "starting"
"""What stands in the place of a worker's device while it still loads."""


@dataclass(frozen=True)
class WorkerInfo:
    """A worker process that has been heard of lately, or that is starting (:data:`STARTING`).

    It runs the rounds of all projects, or of the one with ``project_id`` alone.
    """

    name: str
    device: str
    heartbeat_at: float
    project_id: int | None

    @property
    def is_starting(self) -> bool:
        """Whether the process still loads what it trains with."""
        return self.device == STARTING


def worker_name(pid: int) -> str:
    """Return what a worker of this machine is called: ``host:pid``."""
    return f"{socket.gethostname()}:{pid}"


def worker_starting(workspace: Workspace, name: str, project_id: int | None = None) -> None:
    """Note that the process ``name`` (``host:pid``) was started and will be a worker once it has loaded."""
    worker_seen(workspace, name, STARTING, project_id)


def worker_seen(workspace: Workspace, name: str, device: str, project_id: int | None = None) -> None:
    """Note that the worker ``name`` (``host:pid``) is alive and computes on ``device``.

    With ``project_id`` it runs the rounds of that project alone.
    """
    now = time.time()
    with workspace.database.writing() as session:
        row = session.scalars(select(Worker).where(Worker.name == name)).one_or_none()
        if row is None:
            session.add(Worker(name=name, device=device[:40], heartbeat_at=now, project_id=project_id))
        else:
            row.device, row.heartbeat_at, row.project_id = device[:40], now, project_id


def live_workers(
    workspace: Workspace, project_id: int | None = None, now: float | None = None
) -> list[WorkerInfo]:
    """Return the workers heard of in the last 30 seconds or just starting, without those known to be dead.

    With ``project_id`` those that run rounds of that project.
    """
    with workspace.database.reading() as session:
        return find_live_workers(session, time.time() if now is None else now, project_id)


def projects_at_work(workspace: Workspace) -> list[str]:
    """Return the names of the projects with a round that trains or scores, the oldest round first."""
    with workspace.database.reading() as session:
        return find_projects_at_work(session)


def find_projects_at_work(session: Session) -> list[str]:
    """Return what :func:`projects_at_work` returns, within the caller's transaction."""
    query = (
        select(Project.name)
        .join(Round, Round.project_id == Project.id)
        .where(Round.state.in_(ROUND_STATES_AT_WORK))
        .order_by(Round.id)
    )
    return list(session.scalars(query))


def find_live_workers(session: Session, now: float, project_id: int | None = None) -> list[WorkerInfo]:
    """Return what :func:`live_workers` returns, within the caller's transaction."""
    silence = case((Worker.device == STARTING, WORKER_START_S), else_=WORKER_SILENCE_S)
    query = select(Worker).where(Worker.heartbeat_at > now - silence).order_by(Worker.name)
    if project_id is not None:
        query = query.where(Worker.project_id.is_(None) | (Worker.project_id == project_id))
    return [
        WorkerInfo(row.name, row.device, row.heartbeat_at, row.project_id)
        for row in session.scalars(query)
        if not _known_dead(row.name)
    ]


def is_worked_on(row: Round, now: float) -> bool:
    """Return whether a worker holds the round and may still be alive."""
    return is_held(row.worker, row.lease_until, now)


def is_held(worker: str | None, lease_until: float | None, now: float) -> bool:
    """Return whether a lease of ``worker`` (``host:pid``) has not run out, and it may still be alive."""
    return worker is not None and (lease_until or 0.0) > now and not _known_dead(worker)


def _known_dead(worker: str) -> bool:
    """Return True when ``host:pid`` names a process of this machine that does not run any more."""
    host, _, number = worker.rpartition(":")
    if host != socket.gethostname() or not number.isdigit() or os.name == "nt":
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    # A killed process whose parent has not asked for it yet still has a number, and on Linux a state.
    try:
        return Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
