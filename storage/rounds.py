"""Rounds: when one starts, who works on it, what it reports and what it publishes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import String as Text
from sqlalchemy import cast, func, insert, select
from sqlalchemy.orm import Session

from storage import embeddings, events, likeness
from storage.errors import InvalidInput, NotFound, RoundRefused
from storage.finite_json import finite_json
from storage.predictions import NewPrediction, move_predictions_back, remove_predictions, store_predictions
from storage.projects import class_count, project_row
from storage.round_rows import live_row, owned_row, round_row
from storage.schema import (
    COLD_START,
    LIVE_ROUND_STATES,
    ROUND_STATES_AT_WORK,
    Image,
    Label,
    LabelClass,
    Project,
    Round,
    RoundMetric,
    Worker,
)
from storage.settings import ProjectSettings, RoundSettings
from storage.snapshots import Snapshot, SnapshotLabel, decode_snapshot, encode_snapshot
from storage.workers import find_live_workers, is_worked_on
from storage.workspace import Workspace

HOW_TO_START_ONE = "the Training page says how to start one"
COLD_START_FROM = 8
"""Images in the pool from which an order of them is worth computing before any label exists."""
COLD_START_QUIET_S = 5.0
"""A cold start waits until no image was imported for so long."""


@dataclass(frozen=True)
class RoundInfo:
    """A round. Times are epoch seconds; ``steps`` belong to the current state."""

    id: int
    project_id: int
    number: int
    state: str
    reason: str
    config: RoundSettings
    snapshot_blob: str | None
    parent_id: int | None
    labels_changed: int
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


@dataclass(frozen=True)
class StartAdvice:
    """Whether a round should start by itself now, and the sentence that says why or why not.

    ``changed`` labels have been submitted since the last round started, ``needed`` start the next.
    """

    ready: bool
    reason: str
    changed: int
    needed: int


def start_advice(workspace: Workspace, project_id: int, now: float | None = None) -> StartAdvice:
    """Say whether a round should start by itself.

    Raises:
        NotFound: there is no such project.
    """
    with workspace.database.reading() as session:
        return advise(session, project_row(session, project_id), time.time() if now is None else now)


def advise(session: Session, project: Project, now: float) -> StartAdvice:
    """Say whether a round should start by itself, within the caller's transaction."""
    rule = ProjectSettings.model_validate(project.settings).start
    last = session.scalars(
        select(Round)
        .where(Round.project_id == project.id, Round.number > COLD_START)
        .order_by(Round.number.desc())
        .limit(1)
    ).one_or_none()
    changed = project.labels_changed - (last.labels_changed if last else 0)

    def advice(ready: bool, reason: str) -> StartAdvice:
        return StartAdvice(ready, reason, changed, rule.min_changed)

    if project.archived_at is not None:
        return advice(False, "This project is archived: restore it to train it")
    worker_missing = not find_live_workers(session, now)
    if last is not None and last.state in LIVE_ROUND_STATES:
        if worker_missing and not is_worked_on(last, now):
            return advice(False, f"Round {last.number} waits for a worker: {HOW_TO_START_ONE}")
        return advice(
            False,
            {
                "queued": f"Round {last.number} is about to start",
                "training": "A round is training now",
                "scoring": "A round is scoring the images now",
            }[last.state],
        )
    if too_few := _too_few_classes(session, project.id):
        return advice(False, too_few)
    if last is not None and last.state == "failed" and changed < rule.min_changed:
        return advice(False, f"Round {last.number} failed: press Train now to try again")
    if not rule.automatic:
        return advice(False, "Automatic rounds are off: press Train now")
    if changed < rule.min_changed:
        since = "since the last round started" if last else "for the first round"
        return advice(False, f"{changed} of {rule.min_changed} new labels {since}")
    seen = len(seen_classes(session, project.id))
    if seen < rule.min_classes:
        return advice(False, f"Labels show {seen} of {rule.min_classes} classes needed")
    quiet = now - (project.labels_changed_at or 0.0)
    # Somebody who submits every few seconds would otherwise never see a round.
    if quiet < rule.quiet_seconds and changed < 2 * rule.min_changed:
        wait = math.ceil(rule.quiet_seconds - quiet)
        return advice(
            False, f"{changed} new labels: a round starts after {wait} more seconds without a new one"
        )
    if worker_missing:
        return advice(False, f"No worker is running: {HOW_TO_START_ONE}")
    return advice(True, f"{changed} new labels: a round can start")


def too_few_classes(workspace: Workspace, project_id: int) -> str | None:
    """Say why a model would have nothing to tell apart, or return None where it has.

    Archived classes do not count: nobody paints with them.
    """
    with workspace.database.reading() as session:
        return _too_few_classes(session, project_id)


def seen_classes(session: Session, project_id: int) -> set[int]:
    """Return the class indices that occur in the labels the next round would train on."""
    # Few different lists of classes occur among many labels, so the database drops the repeats.
    lists = session.scalars(
        select(cast(Label.class_indices, Text))
        .join(Image, (Image.id == Label.image_id) & (Image.labelled_revision == Label.revision))
        .where(Image.project_id == project_id, Image.split == "train")
        .distinct()
    )
    return {index for indices in lists for index in json.loads(indices)}


def request_round(
    workspace: Workspace,
    project_id: int,
    actor: str,
    reason: str,
    settings: RoundSettings | None = None,
) -> RoundInfo:
    """Queue a round on the labels and the pool as they are now, with ``settings`` or the project's own.

    While the cold start is under way the round waits behind it.

    Raises:
        RoundRefused: a round is waiting or at work already, there is no label to train on, fewer than two
            classes are not archived, or the project is.
        NotFound: there is no such project.
    """
    while True:
        # A label that comes in while the row is being written is new to the round.
        created_at = time.time()
        with workspace.database.reading() as session:
            project = project_row(session, project_id)
            labels_changed = project.labels_changed
            settings = settings or ProjectSettings.model_validate(project.settings).round
            labels = session.execute(
                select(Image.id, Label.revision, Label.blob)
                .join(Label, (Label.image_id == Image.id) & (Label.revision == Image.labelled_revision))
                .where(Image.project_id == project_id, Image.split == "train")
                .order_by(Image.id)
            ).all()
            taken = Snapshot(
                [SnapshotLabel(*row) for row in labels],
                class_count(session, project_id),
                _pool_runs(session, project_id),
            )
            too_few = _too_few_classes(session, project_id)
        if too_few:
            raise RoundRefused(f"{too_few}.")
        if not labels:
            raise RoundRefused("There is no label to train on yet. Label and submit an image first.")
        blob = workspace.blobs.put(encode_snapshot(taken))
        with workspace.database.writing() as session:
            project = project_row(session, project_id, lock=True)
            _refuse_archived(project)
            live = live_row(session, project_id, training=True)
            if live is not None:
                raise RoundRefused(
                    f"Round {live.number} is {'waiting' if live.state == 'queued' else live.state} already. "
                    "Wait until it is done, or cancel it first."
                )
            audit = select(Image.id).where(Image.project_id == project_id, Image.split == "audit")
            if {label.image_id for label in taken.labels} & {*session.scalars(audit)}:
                continue  # It was moved meanwhile, and what measures the model must not train it.
            newest = session.scalar(select(func.max(Round.number)).where(Round.project_id == project_id)) or 0
            row = Round(
                project_id=project_id,
                number=newest + 1,
                state="queued",
                reason=reason[:500],
                config=settings.model_dump(mode="json"),
                snapshot_blob=blob,
                parent_id=_parent_id(session, project),
                labels_changed=labels_changed,
                cancel_requested=False,
                step=0,
                steps=0,
                metrics={},
                created_at=created_at,
            )
            session.add(row)
            session.flush()
            events.record(
                session, project_id, actor, "start", round=row.id, number=row.number, reason=row.reason
            )
            return round_info(row)


def cold_start_is_due(workspace: Workspace, project_id: int, now: float | None = None) -> bool:
    """Say whether the pool should be ordered by typical and diverse images, for want of a model.

    That is when no round has trained or is about to, and the images have not been ordered yet, or more than
    a quarter of those that have been came later. Images still being imported are waited for, and an archived
    project waits to be restored.

    Raises:
        NotFound: there is no such project.
    """
    now = time.time() if now is None else now
    with workspace.database.reading() as session:
        if project_row(session, project_id).archived_at is not None or _training_stands(session, project_id):
            return False
        of_project = Image.project_id == project_id
        pool = select(Image.id).where(of_project, Image.split == "pool").limit(COLD_START_FROM)
        if len(session.scalars(pool).all()) < COLD_START_FROM:
            return False
        imported_at = session.scalar(
            select(Image.imported_at).where(of_project).order_by(Image.id.desc()).limit(1)
        )
        if imported_at is None or now - imported_at <= COLD_START_QUIET_S:
            return False
        last = _cold_start_row(session, project_id)
        if last is None:
            return True
        if last.state in LIVE_ROUND_STATES or imported_at <= last.created_at:
            return False
        if last.state == "failed":
            return True
        # Ids rise, so the walk from the newest image back to the last one of before is short.
        last_before = session.scalar(
            select(Image.id)
            .where(of_project, Image.imported_at <= last.created_at)
            .order_by(Image.id.desc())
            .limit(1)
        )
        newer = session.scalar(select(func.count()).where(of_project, Image.id > (last_before or 0))) or 0
        every = session.scalar(select(func.count()).where(of_project)) or 0
        return 4 * newer > every - newer


def request_cold_start(workspace: Workspace, project_id: int) -> RoundInfo:
    """Queue the round that orders the pool before any label has trained; its number is 0.

    One that has ended before is queued again. Its order stands until the new one is published.

    Raises:
        RoundRefused: it is under way, a round has trained or is about to, or the project is archived.
        NotFound: there is no such project.
    """
    with workspace.database.writing() as session:
        project = project_row(session, project_id, lock=True)
        _refuse_archived(project)
        if _training_stands(session, project_id):
            raise RoundRefused("A round orders the images already, better than a cold start could.")
        row = _cold_start_row(session, project_id)
        if row is None:
            row = Round(project_id=project_id, number=COLD_START, metrics={})
            session.add(row)
        elif row.state in LIVE_ROUND_STATES:
            raise RoundRefused("The cold start is under way already. Wait until it is done.")
        row.state = "queued"
        row.reason = "The images are put in order before any label exists"
        row.config = ProjectSettings.model_validate(project.settings).round.model_dump(mode="json")
        row.labels_changed = project.labels_changed
        row.worker = row.heartbeat_at = row.lease_until = None
        row.cancel_requested = False
        row.step = row.steps = 0
        row.eta_seconds = row.note = row.error = None
        row.created_at = time.time()
        row.started_at = row.finished_at = None
        session.flush()
        events.record(
            session, project_id, "worker", "start", round=row.id, number=COLD_START, reason=row.reason
        )
        return round_info(row)


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


def cancel_live_rounds(session: Session, project_id: int, actor: str) -> None:
    """Cancel all rounds that wait or are at work, within the caller's write transaction."""
    query = select(Round).where(
        Round.project_id == project_id,
        Round.state.in_(LIVE_ROUND_STATES),
        Round.cancel_requested.is_(False),
    )
    for row in session.scalars(query.with_for_update()).all():
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
            row.worker = worker
            row.heartbeat_at = now
            row.lease_until = now + lease_s
            row.started_at = row.started_at or now
            if row.state == "queued":
                row.state = "training"
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
        True to go on, False when the person asked to cancel.

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
        return not row.cancel_requested


def publish(
    workspace: Workspace,
    round_id: int,
    worker: str,
    predictions: Sequence[NewPrediction],
    metrics: dict[str, Any],
    embeddings_blob: str | None = None,
) -> None:
    """End a round as done: its ranking and suggestions become the current ones at once.

    The rows come first, some thousands a transaction, so that whoever saves a label map meanwhile does not
    wait: rows of a round that is not current are on no screen. What is like an image labelled since the
    round began moves back in the same way. A last short transaction makes the round the current one, once
    no label is left that the order does not know. What a worker that died in between has left is removed by
    the next.

    ``embeddings_blob`` is the key of an :class:`storage.formats.embeddings.EmbeddingSet`.

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
            labels_changed = project_row(session, row.project_id).labels_changed
            # People went on labelling while the round trained, and it does not know.
            since = likeness.labelled_since(session, row) if found is not None else []
        if found is not None:
            alike = likeness.alike_rows(found, [one for one in since if one not in moved_for])
            move_predictions_back(workspace, round_id, worker, found.alike_from, alike)
            moved_for.update(since)
        with workspace.database.writing() as session:
            row = owned_row(session, round_id, worker)
            project = project_row(session, row.project_id, lock=True)
            if found is not None and project.labels_changed != labels_changed:
                continue  # Somebody submitted a label meanwhile; what is like it has to move too.
            row.metrics = finite_json(metrics)
            row.embeddings_blob = embeddings_blob
            _end(row, "done", time.time())
            current = session.get(Round, project.current_round_id) if project.current_round_id else None
            # A cold start that took longer than a whole round is out of date.
            if current is None or current.number <= row.number:
                project.current_round_id = row.id
            return


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


def history(workspace: Workspace, project_id: int) -> list[RoundInfo]:
    """Return the rounds of a project, newest first."""
    query = select(Round).where(Round.project_id == project_id).order_by(Round.number.desc())
    with workspace.database.reading() as session:
        return [round_info(row) for row in session.scalars(query)]


def live_round(workspace: Workspace, project_id: int) -> RoundInfo | None:
    """Return the round that waits, trains or scores; None when there is none."""
    with workspace.database.reading() as session:
        row = live_row(session, project_id)
        return round_info(row) if row else None


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
    return RoundInfo(config=RoundSettings.model_validate(row.config), **values)


def find_live_round(session: Session, project_id: int) -> RoundInfo | None:
    """Return the round that waits, trains or scores, within the caller's transaction."""
    row = live_row(session, project_id)
    return round_info(row) if row else None


def _pool_runs(session: Session, project_id: int) -> list[range]:
    """Return the ids of the pool's images, rising, as :class:`storage.snapshots.Snapshot` has them."""
    # Within a run of ids that follow each other, id and place differ by the same number. The database finds
    # the runs sooner than it hands over a million ids, and stops no other thread of this process meanwhile.
    place = func.row_number().over(order_by=Image.id)
    pool = (
        select(Image.id, (Image.id - place).label("run"))
        .where(Image.project_id == project_id, Image.split == "pool")
        .subquery()
    )
    first, last = func.min(pool.c.id), func.max(pool.c.id)
    runs = session.execute(select(first, last).group_by(pool.c.run).order_by(first))
    return [range(start, end + 1) for start, end in runs]


def _cold_start_row(session: Session, project_id: int) -> Round | None:
    return session.scalars(
        select(Round).where(Round.project_id == project_id, Round.number == COLD_START)
    ).one_or_none()


def _training_stands(session: Session, project_id: int) -> bool:
    """Return whether a round of the project has trained, or is waiting or at work."""
    states = ("done", *LIVE_ROUND_STATES)
    found = select(Round.id).where(
        Round.project_id == project_id, Round.number > COLD_START, Round.state.in_(states)
    )
    return session.scalar(found.limit(1)) is not None


def _refuse_archived(project: Project) -> None:
    if project.archived_at is not None:
        raise RoundRefused(f"The project {project.name} is archived. Restore it on the Project page first.")


def _too_few_classes(session: Session, project_id: int) -> str | None:
    archived = session.scalars(select(LabelClass.archived).where(LabelClass.project_id == project_id)).all()
    left = archived.count(False)
    if left > 1:
        return None
    has = ("one" if left else "none") + (" that is not archived" if any(archived) else "")
    return (
        f"A model tells classes apart, and this project has {has}. "
        "Add another on the Project page, such as background"
    )


def _parent_id(session: Session, project: Project) -> int | None:
    """Return the round whose weights the next one may begin from; the cold start has none."""
    if project.current_round_id is None:
        return None
    current = session.get(Round, project.current_round_id)
    return current.id if current is not None and current.number > COLD_START else None


def _cancel(session: Session, row: Round, actor: str) -> None:
    now = time.time()
    row.cancel_requested = True
    if not is_worked_on(row, now):
        _end(row, "cancelled", now)
    events.record(session, row.project_id, actor, "cancel", round=row.id, number=row.number)


def _end(row: Round, state: str, now: float) -> None:
    row.state = state
    row.finished_at = now
    row.lease_until = None
    row.eta_seconds = None
