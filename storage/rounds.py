"""Rounds: who works on one, what it reports and what it publishes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from storage import embeddings, events, likeness
from storage.changed_labels import any_taken_out
from storage.errors import InvalidInput, NotFound, RoundRefused
from storage.finite_json import finite_json
from storage.predictions import NewPrediction, move_predictions_back, remove_predictions, store_predictions
from storage.projects import project_row
from storage.round_rows import live_row, owned_row, round_row
from storage.schema import (
    COLD_START,
    LIVE_ROUND_STATES,
    ROUND_STATES_AT_WORK,
    Project,
    Round,
    RoundKind,
    RoundMetric,
    Worker,
)
from storage.settings import ProjectSettings, RoundSettings, read_settings
from storage.snapshots import Snapshot, decode_snapshot
from storage.workers import is_held, is_worked_on
from storage.workspace import Workspace

_LONG_QUEUED_S = 5.0
"""A round that no worker has taken for so long has none that is free."""


@dataclass(frozen=True)
class RoundInfo:
    """A round. Times are epoch seconds; ``steps`` belong to the current state.

    ``trained_id`` is that of the round that trained its network: its own, or for one that ranks its parent's.
    """

    id: int
    project_id: int
    number: int
    state: str
    reason: str
    config: RoundSettings
    snapshot_blob: str | None
    parent_id: int | None
    trained_id: int
    labels_changed: int
    kind: RoundKind
    worker: str | None
    heartbeat_at: float | None
    lease_until: float | None
    cancel_requested: bool
    step: int
    steps: int
    eta_seconds: float | None
    note: str | None
    error: str | None
    checkpoint: str | None
    embeddings_blob: str | None
    metrics: dict[str, Any]
    created_at: float
    started_at: float | None
    finished_at: float | None

    @property
    def waits_for_worker(self) -> bool:
        """Whether the round has not ended, and no worker has it that may still be alive."""
        return self.state in LIVE_ROUND_STATES and not is_held(self.worker, self.lease_until, time.time())


def request_cancel(workspace: Workspace, round_id: int, actor: str) -> None:
    """Ask the worker to stop at the next step; a round nobody works on is cancelled at once.

    Raises:
        NotFound: there is no such round.
        RoundRefused: it has ended already.
    """
    with workspace.database.writing() as session:
        row = round_row(session, round_id, lock=True)
        if row.state not in LIVE_ROUND_STATES:
            raise RoundRefused(
                f"Round {row.number} has ended already ({row.state}). Nothing is left to cancel."
            )
        _cancel(session, row, actor)


def cancel_live_rounds(session: Session, project_id: int, actor: str, why: str) -> None:
    """Cancel all rounds that wait or are at work, within the caller's write transaction.

    ``why`` stands as their error, and a cold start that ended with one is asked for again.
    """
    query = select(Round).where(
        Round.project_id == project_id,
        Round.state.in_(LIVE_ROUND_STATES),
        Round.cancel_requested.is_(False),
    )
    for row in session.scalars(query.with_for_update()).all():
        row.error = why
        _cancel(session, row, actor)


def claim(
    workspace: Workspace, worker: str, lease_s: float, project_id: int | None = None, now: float | None = None
) -> RoundInfo | None:
    """Take the oldest round that waits or whose worker is gone; None when there is none.

    Args:
        workspace: The workspace.
        worker: ``host:pid`` of the process that will do the work.
        lease_s: How long the round stays this worker's without a report, in seconds.
        project_id: Only rounds of this project.
        now: Epoch seconds.
    """
    now = time.time() if now is None else now
    query = select(Round).where(Round.state.in_(LIVE_ROUND_STATES)).order_by(Round.created_at, Round.id)
    if project_id is not None:
        query = query.where(Round.project_id == project_id)
    with workspace.database.writing() as session:
        for row in session.scalars(query.with_for_update()):
            if is_worked_on(row, now) and row.worker != worker:
                continue
            if row.cancel_requested:
                _end(row, "cancelled", now)
                continue
            if row.worker != worker:
                # A night without a worker is no minute of work, and this one looks at the images of today.
                row.started_at = now
            row.worker = worker
            row.heartbeat_at = now
            row.lease_until = now + lease_s
            if row.state == "queued":
                row.state = "scoring" if row.kind == "ranks" else "training"
            return round_info(row)
    return None


def snapshot(workspace: Workspace, round_id: int) -> Snapshot:
    """Return the labels and the pool a round trains on and the number of classes, as at its request.

    Raises:
        NotFound: there is no such round, or its snapshot is missing.
    """
    info = get_round(workspace, round_id)
    if info.snapshot_blob is None:
        raise NotFound(f"Round {info.number} has no snapshot of its labels. Start a new round.")
    return decode_snapshot(workspace.blobs.get(info.snapshot_blob))


def report(
    workspace: Workspace,
    round_id: int,
    worker: str,
    *,
    lease_s: float,
    state: str | None = None,
    step: int | None = None,
    steps: int | None = None,
    eta_seconds: float | None = None,
    note: str | None = None,
    checkpoint: str | None = None,
    metrics: Iterable[tuple[int, str, float]] = (),
) -> bool:
    """Renew the worker's lease and store its progress; what is None stays as it is.

    Args:
        workspace: The workspace.
        round_id: The round.
        worker: Name under which it was claimed.
        lease_s: The lease lasts so many seconds from now.
        state: ``training`` or ``scoring``.
        step: Steps done in this state.
        steps: Steps of this state.
        eta_seconds: Seconds until the round is done.
        note: What the person should know.
        checkpoint: Folder of the newest checkpoint, relative to the workspace.
        metrics: Curve points as (step, name, value); values that are not finite are left out.

    Returns:
        True to go on, False when the person asked to cancel, or when a round that trains on, while too few
        labels are new, keeps another one waiting.

    Raises:
        InvalidInput: a worker cannot report this state.
        LeaseLost: the round has ended, or another worker has it.
    """
    now = time.time()
    if state is not None and state not in ROUND_STATES_AT_WORK:
        raise InvalidInput(f"A worker cannot report the state {state}. Report training or scoring.")
    points = [
        {"round_id": round_id, "step": at, "name": name, "value": float(value)}
        for at, name, value in metrics
        if math.isfinite(value)
    ]
    given = {
        "state": state,
        "step": step,
        "steps": steps,
        "eta_seconds": eta_seconds,
        "note": note[:2000] if note else note,
        "checkpoint": checkpoint,
    }
    with workspace.database.writing() as session:
        row = owned_row(session, round_id, worker)
        for name, value in given.items():
            if value is not None:
                setattr(row, name, value)
        row.heartbeat_at = now
        row.lease_until = now + lease_s
        if points:
            session.execute(insert(RoundMetric), points)
        seen = session.scalars(select(Worker).where(Worker.name == worker)).one_or_none()
        if seen is not None:
            seen.heartbeat_at = now
        if row.kind == "trains_on" and not row.cancel_requested and row.state == "training":
            _give_way_if_due(session, row, now, takes_all=seen is None or seen.project_id is None)
        return not row.cancel_requested


def forget_points(workspace: Workspace, round_id: int, worker: str, *, behind: int) -> None:
    """Remove the curve points of a round that lie behind a step.

    Raises:
        LeaseLost: the round has ended, or another worker has it.
    """
    with workspace.database.writing() as session:
        owned_row(session, round_id, worker)
        session.execute(
            delete(RoundMetric).where(RoundMetric.round_id == round_id, RoundMetric.step > behind)
        )


def publish(
    workspace: Workspace,
    round_id: int,
    worker: str,
    predictions: Sequence[NewPrediction],
    metrics: dict[str, Any],
    embeddings_blob: str | None = None,
) -> bool:
    """End a round as done: its ranking and suggestions become the current ones at once.

    The rows come first, some thousands a transaction, so that whoever saves a label map meanwhile does not
    wait: predictions of a round that is not current are on no screen. What is like an image labelled since
    the round began moves back in the same way. A last short transaction makes the round the current one,
    once no label is left that the order does not know. What a worker that died in between has left is
    removed by the next.

    ``embeddings_blob`` is the key of an :class:`storage.formats.embeddings.EmbeddingSet`.

    Returns:
        False, and the round has not ended, when one that trains on was to give way meanwhile: what goes first
        begins from the weights that were in use when it was asked for, and would put them in use again.

    Raises:
        LeaseLost: the round has ended, or another worker has it.
        InvalidInput: a score is not a finite number.
    """
    if not all(math.isfinite(prediction.score) for prediction in predictions):
        raise InvalidInput(
            "A score of the ranking is not a number. Start the round again with a lower learning rate."
        )
    remove_predictions(workspace, round_id, worker)
    store_predictions(workspace, round_id, worker, predictions)
    found = embeddings.of_blob(workspace, embeddings_blob)
    moved_for: set[int] = set()
    while True:
        with workspace.database.reading() as session:
            row = round_row(session, round_id)
            before = _change_of_labels(project_row(session, row.project_id))
            # People went on labelling while the round trained, and it does not know.
            since = likeness.labelled_since(session, row) if found is not None else []
        if found is not None:
            alike = likeness.alike_rows(found, [one for one in since if one not in moved_for])
            move_predictions_back(workspace, round_id, worker, found.alike_from, alike)
            moved_for.update(since)
        with workspace.database.writing() as session:
            row = owned_row(session, round_id, worker)
            if row.kind == "trains_on" and row.cancel_requested:
                return False
            project = project_row(session, row.project_id, lock=True)
            if found is not None and _change_of_labels(project) != before:
                continue  # Somebody submitted a label meanwhile; what is like it has to move too.
            row.metrics = finite_json(metrics)
            row.embeddings_blob = embeddings_blob
            row.error = None  # It was to be cancelled, and was done before.
            _end(row, "done", time.time())
            current = session.get(Round, project.current_round_id) if project.current_round_id else None
            # A cold start that took longer than a whole round is out of date.
            if current is None or current.number <= row.number:
                project.current_round_id = row.id
            return True


def fail(workspace: Workspace, round_id: int, worker: str, error: str) -> None:
    """End a round as failed; ``error`` says why, for the person.

    Raises:
        LeaseLost: the round has ended, or another worker has it.
    """
    with workspace.database.writing() as session:
        row = owned_row(session, round_id, worker)
        row.error = error[:4000]
        _end(row, "failed", time.time())


def cancelled(workspace: Workspace, round_id: int, worker: str) -> None:
    """End a round as cancelled.

    Raises:
        LeaseLost: the round has ended, or another worker has it.
    """
    with workspace.database.writing() as session:
        _end(owned_row(session, round_id, worker), "cancelled", time.time())


def get_round(workspace: Workspace, round_id: int) -> RoundInfo:
    """Return one round.

    Raises:
        NotFound: there is no such round.
    """
    with workspace.database.reading() as session:
        return round_info(round_row(session, round_id))


def trained_round(workspace: Workspace, info: RoundInfo) -> RoundInfo:
    """Return the round that trained the network of a round: itself, or for one that ranks its parent."""
    return get_round(workspace, info.trained_id)


def history(workspace: Workspace, project_id: int) -> list[RoundInfo]:
    """Return the rounds of a project, newest first."""
    query = select(Round).where(Round.project_id == project_id).order_by(Round.number.desc())
    with workspace.database.reading() as session:
        return [round_info(row) for row in session.scalars(query)]


def live_or_newest(workspace: Workspace, project_id: int) -> list[RoundInfo]:
    """Return the rounds that have not ended, by number; without one, the round with the highest number."""
    of_project = select(Round).where(Round.project_id == project_id)
    live = of_project.where(Round.state.in_(LIVE_ROUND_STATES)).order_by(Round.number)
    newest = of_project.order_by(Round.number.desc()).limit(1)
    with workspace.database.reading() as session:
        return [round_info(row) for row in session.scalars(live).all() or session.scalars(newest)]


def any_trained(workspace: Workspace, project_id: int) -> bool:
    """Return whether a round of the project has trained a model."""
    done = select(Round.id).where(
        Round.project_id == project_id, Round.number > COLD_START, Round.state == "done"
    )
    with workspace.database.reading() as session:
        return session.scalar(done.limit(1)) is not None


def label_batches(workspace: Workspace, info: RoundInfo) -> int:
    """Return on how many different states of the labels a project's rounds began, up to this one.

    Further rounds on the same labels (:class:`storage.settings.StartRule`) do not count.
    """
    with workspace.database.reading() as session:
        return session.scalars(
            select(func.count(Round.labels_changed.distinct())).where(
                Round.project_id == info.project_id, Round.number > COLD_START, Round.number <= info.number
            )
        ).one()


def live_round(workspace: Workspace, project_id: int) -> RoundInfo | None:
    """Return the round that waits, trains or scores; None when there is none."""
    with workspace.database.reading() as session:
        return find_live_round(session, project_id)


def give_way(row: Round, why: str) -> None:
    """Cancel a round that trains on or ranks, for what goes first, within the caller's write transaction."""
    now = time.time()
    row.cancel_requested = True
    row.note = f"{row.note} {why}" if row.note else why
    if not is_worked_on(row, now):
        _end(row, "cancelled", now)


def curve(workspace: Workspace, round_id: int, name: str | None = None) -> list[tuple[int, str, float]]:
    """Return the curve points of a round as (step, name, value), by name and step."""
    query = (
        select(RoundMetric.step, RoundMetric.name, RoundMetric.value)
        .where(RoundMetric.round_id == round_id)
        .order_by(RoundMetric.name, RoundMetric.step, RoundMetric.id)
    )
    if name is not None:
        query = query.where(RoundMetric.name == name)
    with workspace.database.reading() as session:
        return [(step, label, value) for step, label, value in session.execute(query)]


def round_info(row: Round) -> RoundInfo:
    """Return a row as a value that outlives its session."""
    values = {name: getattr(row, name) for name in RoundInfo.__dataclass_fields__ if name != "config"}
    return RoundInfo(config=read_settings(RoundSettings, row.config), **values)


def find_live_round(session: Session, project_id: int) -> RoundInfo | None:
    """Return the round that waits, trains or scores, within the caller's transaction."""
    row = live_row(session, project_id)
    return round_info(row) if row else None


def _change_of_labels(project: Project) -> tuple[int, float | None]:
    """Return what every change of the labels to train on changes, be it that one undoes another."""
    return project.labels_changed, project.labels_changed_at


def _cancel(session: Session, row: Round, actor: str) -> None:
    now = time.time()
    row.cancel_requested = True
    if not is_worked_on(row, now):
        _end(row, "cancelled", now)
    events.record(session, row.project_id, actor, "cancel", round=row.id, number=row.number)


def _give_way_if_due(session: Session, row: Round, now: float, *, takes_all: bool) -> None:
    """Cancel a round that trains on once enough labels are new, or another project's round waits for long.

    The latter only where its worker ``takes_all``: one of this project alone could not take that round.
    """
    project = project_row(session, row.project_id)
    rule = read_settings(ProjectSettings, project.settings).start
    new = project.labels_changed - row.labels_changed
    if rule.automatic and new >= rule.min_changed:
        came = "labels changed" if any_taken_out(session, row.project_id) else "new labels came"
        give_way(row, f"{new} {came}, and a round that learns from them goes first.")
        return
    if not takes_all:
        return
    # A worker that has nothing to do takes it sooner.
    waits = select(Round.id).where(Round.state == "queued", Round.created_at < now - _LONG_QUEUED_S).limit(1)
    if session.scalar(waits) is not None:
        give_way(row, "A round of another project waited, and goes first.")


def _end(row: Round, state: str, now: float) -> None:
    row.state = state
    row.finished_at = now
    row.lease_until = None
    row.eta_seconds = None
