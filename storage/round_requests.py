"""Requests for rounds: when one may and should begin, and why not."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, replace

from sqlalchemy import Select, cast, func, select
from sqlalchemy import String as Text
from sqlalchemy.orm import Session

from storage import events
from storage.errors import RoundRefused
from storage.projects import class_count, project_row
from storage.round_rows import live_rows
from storage.rounds import RoundInfo, give_way, round_info
from storage.schema import (
    COLD_START,
    LIVE_ROUND_STATES,
    MAX_CLASSES,
    Image,
    Label,
    LabelClass,
    Project,
    Round,
)
from storage.settings import ProjectSettings, RoundSettings
from storage.snapshots import Snapshot, SnapshotLabel, encode_snapshot
from storage.workers import find_live_workers, find_projects_at_work, is_worked_on
from storage.workspace import Workspace

HOW_TO_START_ONE = "the Training page says how to start one"
COLD_START_FROM = 8
"""Images in the pool from which an order of them is worth computing before any label exists."""
COLD_START_QUIET_S = 5.0
"""A cold start waits until no image was imported for so long."""
COMPARED_ON = 2
"""Audit images without which nobody could say whether a round that trains on is worse."""
_LABELS_LOOKED_AT = 1000
"""So many labels are searched for classes before all of them are."""


@dataclass(frozen=True)
class StartAdvice:
    """Whether a round should start by itself now, and the sentence that says why or why not.

    ``changed`` labels have been submitted, ``needed`` start the next round; ``since`` says since when. With
    ``trains_on`` there are fewer than that, and the round is a further one of :class:`StartRule`.
    """

    ready: bool
    reason: str
    changed: int
    needed: int
    since: str
    trains_on: bool = False


def start_advice(workspace: Workspace, project_id: int, now: float | None = None) -> StartAdvice:
    """Say whether a round should start by itself.

    Raises:
        NotFound: there is no such project.
    """
    with workspace.database.reading() as session:
        return advise(session, project_row(session, project_id), time.time() if now is None else now)


def advise(session: Session, project: Project, now: float) -> StartAdvice:
    """Say whether a round should start by itself, within the caller's transaction."""
    settings = ProjectSettings.model_validate(project.settings)
    rule = settings.start
    last = session.scalars(
        select(Round)
        .where(Round.project_id == project.id, Round.number > COLD_START)
        .order_by(Round.number.desc())
        .limit(1)
    ).one_or_none()
    changed = project.labels_changed - last.labels_changed if last else _train_images(session, project.id)
    needed = rule.min_changed if last else rule.first_labels
    since = "since the last round started" if last else "for the first round"

    def advice(ready: bool, reason: str) -> StartAdvice:
        return StartAdvice(ready, reason, changed, needed, since)

    if project.archived_at is not None:
        return advice(False, "This project is archived: restore it to train it")
    live = find_live_workers(session, now, project.id)
    worker_missing = not live
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
    if last is not None and last.state == "failed" and changed < needed:
        return advice(False, f"Round {last.number} failed: the Training page says why")
    if not rule.automatic:
        return advice(False, "Automatic rounds are off: press Train now")
    if changed < needed:
        waits = advice(False, f"{changed} of {needed} new labels {since}")
        if last is None or worker_missing or not _may_train_on(session, last, settings):
            return waits
        return replace(
            waits, ready=True, trains_on=True, reason=f"{waits.reason}: the model trains on meanwhile"
        )
    seen = len(seen_classes(session, project.id, enough=rule.min_classes))
    if seen < rule.min_classes:
        return advice(False, f"Labels show {seen} of {rule.min_classes} classes needed")
    quiet = _age(project.labels_changed_at or 0.0, now)
    # Somebody who submits every few seconds would otherwise never see a round.
    if quiet < rule.quiet_seconds and changed < 2 * needed:
        wait = math.ceil(rule.quiet_seconds - quiet)
        return advice(
            False, f"{changed} new labels: a round starts after {wait} more seconds without a new one"
        )
    if worker_missing:
        return advice(False, f"No worker is running: {HOW_TO_START_ONE}")
    others = find_projects_at_work(session)
    if len(others) >= len(live):
        first = "the first look at the images" if project.name in others else others[0]
        return advice(True, f"{changed} new labels: a round starts once the worker is done with {first}")
    return advice(True, f"{changed} new labels: a round can start")


def _may_train_on(session: Session, last: Round, settings: ProjectSettings) -> bool:
    """Return whether a further round may follow the last one before enough new labels are there.

    Not after one that failed, that was worse or that a person ended, nor while a worker has any other to do,
    nor where it could not go on from the last weights or be compared with them.
    """
    further = settings.start.further_rounds
    if not further or last.state != "done":  # Every browser asks this every few seconds.
        return False
    now, before = settings.round, RoundSettings.model_validate(last.config)
    same_network = all(getattr(now, name) == getattr(before, name) for name in ("encoder", "decoder", "head"))
    if not now.warm_start or not same_network:
        return False
    audit = select(Image.id).where(
        Image.project_id == last.project_id, Image.split == "audit", Image.labelled_revision.is_not(None)
    )
    if len(session.scalars(audit.limit(COMPARED_ON)).all()) < COMPARED_ON:
        return False
    waiting_or_at_work = select(Round.id).where(Round.state.in_(LIVE_ROUND_STATES)).limit(1)
    if session.scalar(waiting_or_at_work) is not None:
        return False
    of_these_labels = select(func.count()).where(
        Round.project_id == last.project_id,
        Round.number > COLD_START,
        Round.labels_changed == last.labels_changed,
    )
    return session.scalars(of_these_labels).one() <= further


def _age(stamp: float, now: float) -> float:
    """Return how old a time is, seconds; one from the future, of a clock that was set back, is very old."""
    return now - stamp if stamp <= now else math.inf


def _train_images(session: Session, project_id: int) -> int:
    query = select(func.count()).where(Image.project_id == project_id, Image.split == "train")
    return session.scalars(query).one()


def too_few_classes(workspace: Workspace, project_id: int) -> str | None:
    """Say why a model would have nothing to tell apart, or return None where it has.

    Archived classes do not count: nobody paints with them.
    """
    with workspace.database.reading() as session:
        return _too_few_classes(session, project_id)


def seen_classes(session: Session, project_id: int, enough: int = MAX_CLASSES) -> set[int]:
    """Return the class indices that occur in the labels the next round would train on.

    It does not train on what is of an archived class. Once ``enough`` are found, others may be left out.
    """
    archived = select(LabelClass.index).where(LabelClass.project_id == project_id, LabelClass.archived)
    left_out = set(session.scalars(archived))
    lists = (
        select(cast(Label.class_indices, Text))
        .join(Image, (Image.id == Label.image_id) & (Image.labelled_revision == Label.revision))
        .where(Image.project_id == project_id, Image.split == "train")
    )

    def shown(some: Select[str]) -> set[int]:
        found = {index for indices in session.scalars(some) for index in json.loads(indices)}
        return found - left_out

    # Every browser asks this every few seconds. A few labels nearly always show enough; all may be very many.
    few = shown(lists.limit(_LABELS_LOOKED_AT))
    # Few different lists of classes occur among many labels, so the database drops the repeats.
    return few if len(few) >= enough else shown(lists.distinct())


def request_round(
    workspace: Workspace,
    project_id: int,
    actor: str,
    reason: str,
    settings: RoundSettings | None = None,
    *,
    trains_on: bool = False,
) -> RoundInfo:
    """Queue a round on the labels and the pool as they are now, with ``settings`` or the project's own.

    While the cold start is under way the round waits behind it. One that ``trains_on`` is a further one of
    :class:`StartRule`: it learns from new labels too, they still count for the next round, and it gives way
    to any other.

    Raises:
        RoundRefused: a round is waiting or at work already and does not give way, there is no label to train
            on, the labels show no class, fewer than two classes are not archived, or the project is.
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
            seen = seen_classes(session, project_id, enough=1)
        if too_few:
            raise RoundRefused(f"{too_few}.")
        if not labels:
            raise RoundRefused("There is no label to train on yet. Label and submit an image first.")
        if not seen:
            raise RoundRefused(
                "The labels show no class: all of their pixels are void, not labelled or of an archived "
                "class. Paint a class in one of the images and submit it first."
            )
        blob = workspace.blobs.put(encode_snapshot(taken))
        with workspace.database.writing() as session:
            project = project_row(session, project_id, lock=True)
            _refuse_archived(project)
            for live in live_rows(session, project_id):
                if not live.trains_on:
                    doing = "waiting" if live.state == "queued" else live.state
                    raise RoundRefused(
                        f"Round {live.number} is {doing} already. Wait until it is done, or cancel it first."
                    )
                if not live.cancel_requested:
                    give_way(live, "Another round was asked for, and goes first.")
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
                trains_on=trains_on,
                cancel_requested=False,
                step=0,
                steps=0,
                metrics={},
                created_at=created_at,
            )
            if trains_on:
                row.labels_changed = session.scalars(
                    select(Round.labels_changed).where(Round.project_id == project_id, Round.number == newest)
                ).one()
            session.add(row)
            session.flush()
            events.record(
                session, project_id, actor, "start", round=row.id, number=row.number, reason=row.reason
            )
            return round_info(row)


def cold_start_is_due(workspace: Workspace, project_id: int, now: float | None = None) -> bool:
    """Say whether the pool should be ordered by typical and diverse images, for want of a model.

    That is when no round has trained or is about to, and the images have not been ordered yet, or more than
    a quarter of those that have been came later, or that order was cancelled with the project. Images still
    being imported are waited for, and an archived project waits to be restored.

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
        if imported_at is None or _age(imported_at, now) <= COLD_START_QUIET_S:
            return False
        last = _cold_start_row(session, project_id)
        if last is None or (last.state == "cancelled" and last.error is not None):
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
