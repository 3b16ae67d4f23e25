"""When a round should begin by itself, and why not yet."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from storage.changed_labels import any_taken_out
from storage.classes_to_learn import find_too_few_classes, seen_classes
from storage.projects import project_row
from storage.round_rows import cold_start_row, newest_row, newest_training_row, training_stands
from storage.schema import COLD_START, LIVE_ROUND_STATES, Event, Image, Project, Round, RoundKind
from storage.settings import ORDER_FIELDS, ProjectSettings, RoundSettings, read_settings
from storage.wording import count_of
from storage.workers import WorkerInfo, find_live_workers, find_projects_at_work, is_worked_on
from storage.workspace import Workspace

HOW_TO_START_ONE = "the Training page says how to start one"
WHY_IT_FAILED = "the Training page says why"
ORDERED_FROM = 8
"""Images in the pool from which an order of them is worth computing before any label exists, and new ones
from which they are worth ranking between two trainings."""
QUIET_S = 5.0
"""No such order is computed before no image was imported for so long."""
COMPARED_ON = 2
"""Audit images without which nobody could say whether a round that trains on is worse."""


@dataclass(frozen=True)
class StartAdvice:
    """Whether a round should start by itself now, and the sentence that says why or why not.

    ``changed`` labels came or were taken out, ``needed`` start the next training. A round of another ``kind``
    than ``trains`` may be worth starting before. ``why`` is the reason that the round itself is given,
    empty for none that should start.
    """

    ready: bool
    reason: str
    changed: int
    needed: int
    kind: RoundKind
    why: str


def start_advice(workspace: Workspace, project_id: int, now: float | None = None) -> StartAdvice:
    """Say whether a round should start by itself.

    Raises:
        NotFound: there is no such project.
    """
    with workspace.database.reading() as session:
        return advise(session, project_row(session, project_id), time.time() if now is None else now)


def advise(session: Session, project: Project, now: float) -> StartAdvice:
    """Say whether a round should start by itself, within the caller's transaction."""
    settings = read_settings(ProjectSettings, project.settings)
    rule = settings.start
    newest = newest_row(session, project.id)
    last = newest_training_row(session, project.id) if newest is not None else None
    changed = (
        # A round that trains on may have begun without what is back by now.
        max(0, project.labels_changed - last.labels_changed) if last else _train_images(session, project.id)
    )
    needed, since = rule.min_changed, "since the last round started"
    if last is None:
        needed, since = rule.first_labels, "for the first round"
    elif last.state in ("cancelled", "failed") and not training_stands(session, project.id):
        # The first round is still to come; counted from here, what was ended does not begin again at once.
        needed = rule.first_labels

    @cache
    def is_less() -> bool:
        # Labels that were taken out are changed and not new; it is asked for only where the screen says so.
        return last is not None and changed > 0 and any_taken_out(session, project.id)

    def labels() -> str:
        return "changed labels" if is_less() else "new labels"

    def advice(ready: bool, reason: str) -> StartAdvice:
        why = f"{changed} {labels()} {since}" if ready else ""
        return StartAdvice(ready, reason, changed, needed, "trains", why)

    if project.archived_at is not None:
        return advice(False, "This project is archived: restore it to train it")
    live = find_live_workers(session, now, project.id)
    worker_missing = not live
    if newest is not None and newest.state in LIVE_ROUND_STATES:
        if worker_missing and not is_worked_on(newest, now):
            return advice(False, f"Round {newest.number} waits for a worker: {HOW_TO_START_ONE}")
        return advice(
            False,
            {
                "queued": f"Round {newest.number} is about to start",
                "training": "A round is training now",
                "scoring": "A round is scoring the images now",
            }[newest.state],
        )
    if too_few := find_too_few_classes(session, project.id):
        return advice(False, too_few)
    if last is not None and last.state == "failed" and changed < needed:
        return advice(False, f"Round {last.number} failed: {WHY_IT_FAILED}")
    if not rule.automatic:
        return advice(False, "Automatic rounds are off: press Train now")
    if changed < needed:
        waits = advice(False, f"{changed} of {needed} {labels()} {since}")
        if newest is None or last is None or worker_missing or _any_live_round(session, live):
            return waits
        if why := _worth_ranking_again(session, project, newest, settings, now):
            meanwhile = f"{waits.reason}: the images are ranked again meanwhile"
            return replace(waits, ready=True, reason=meanwhile, kind="ranks", why=f"Ranks again: {why}")
        if _may_train_on(session, last, settings):
            meanwhile = f"{waits.reason}: the model trains on meanwhile"
            come = "labels change" if is_less() else "new labels come"
            why = f"Trains on while {come}: {changed} of {needed}"
            return replace(waits, ready=True, reason=meanwhile, kind="trains_on", why=why)
        return waits
    seen = len(seen_classes(session, project.id, enough=rule.min_classes))
    if seen < rule.min_classes:
        return advice(False, f"Labels show {seen} of {rule.min_classes} classes needed")
    if worker_missing:
        return advice(False, f"No worker is running: {HOW_TO_START_ONE}")
    quiet = _age(project.labels_changed_at or 0.0, now)
    # Somebody who submits every few seconds would otherwise never see a round.
    if quiet < rule.quiet_seconds and changed < 2 * needed:
        wait = math.ceil(rule.quiet_seconds - quiet)
        return advice(
            False,
            f"{changed} {labels()}: a round starts after {count_of(wait, 'more second')} without another",
        )
    others = find_projects_at_work(session)
    if len(others) >= len(live):
        first = "the first look at the images" if project.name in others else others[0]
        return advice(True, f"{changed} {labels()}: a round starts once the worker is done with {first}")
    return advice(True, f"{changed} {labels()}: a round can start")


def _may_train_on(session: Session, last: Round, settings: ProjectSettings) -> bool:
    """Return whether a further round may follow the last one before enough new labels are there.

    Not after one that failed, that was worse or that a person ended, nor where it could not go on from the
    last weights or be compared with them. One that gave way counts as one of them, and another may follow.
    """
    further = settings.start.further_rounds
    if not further or not (last.state == "done" or _gave_way(session, last)):
        return False  # Every browser asks this every few seconds.
    now, before = settings.round, read_settings(RoundSettings, last.config)
    same_network = all(getattr(now, name) == getattr(before, name) for name in ("encoder", "decoder", "head"))
    if not now.warm_start or not same_network:
        return False
    audit = select(Image.id).where(
        Image.project_id == last.project_id, Image.split == "audit", Image.labelled_revision > 0
    )
    if len(session.scalars(audit.limit(COMPARED_ON)).all()) < COMPARED_ON:
        return False
    of_these_labels = select(func.count()).where(
        Round.project_id == last.project_id,
        Round.number > COLD_START,
        Round.kind != "ranks",
        Round.labels_changed == last.labels_changed,
    )
    return session.scalars(of_these_labels).one() <= further


def _gave_way(session: Session, last: Round) -> bool:
    """Return whether a round that trains on was ended for what goes first, and not by a person."""
    if last.kind != "trains_on" or last.state != "cancelled" or not last.cancel_requested:
        return False
    by_person = select(Event.id).where(
        Event.project_id == last.project_id, Event.at >= last.created_at, Event.kind == "cancel"
    )
    return session.scalar(by_person.limit(1)) is None


def _worth_ranking_again(
    session: Session, project: Project, newest: Round, settings: ProjectSettings, now: float
) -> str | None:
    """Say what the newest ranking does not know yet and a training need not be waited for; None for nothing.

    What one that was cancelled or failed should have brought is not tried again.
    """
    current = session.get(Round, project.current_round_id) if project.current_round_id else None
    if current is None or current.number == COLD_START:
        return None
    last = newest if newest.kind == "ranks" else current
    ranked = read_settings(RoundSettings, last.config)
    if any(getattr(ranked, name) != getattr(settings.round, name) for name in ORDER_FIELDS):
        return "other settings say which images come next"
    # It looked at the images that there were when a worker took it.
    looked_at = last.started_at or last.created_at
    imported_at = _newest_import(session, project.id)
    if imported_at is None or not looked_at < imported_at <= now - QUIET_S:
        return None
    newer = Image.id > _newest_image_until(session, project.id, looked_at)
    of_pool = select(func.count()).where(Image.project_id == project.id, Image.split == "pool", newer)
    count = session.scalars(of_pool).one()
    return count_of(count, "new image") if count >= ORDERED_FROM else None


def _newest_import(session: Session, project_id: int) -> float | None:
    newest = select(Image.imported_at).where(Image.project_id == project_id).order_by(Image.id.desc())
    return session.scalar(newest.limit(1))


def _newest_image_until(session: Session, project_id: int, stamp: float) -> int:
    """Return the id of the last image that was imported until then; 0 for none.

    Ids rise, so the walk from the newest image back is short, and every browser asks this every few seconds.
    """
    before = select(Image.id).where(Image.project_id == project_id, Image.imported_at <= stamp)
    return session.scalar(before.order_by(Image.id.desc()).limit(1)) or 0


def _any_live_round(session: Session, workers: Sequence[WorkerInfo]) -> bool:
    """Return whether there is work already for any of the workers."""
    query = select(Round.id).where(Round.state.in_(LIVE_ROUND_STATES))
    alone = {worker.project_id for worker in workers}
    if None not in alone:
        query = query.where(Round.project_id.in_(alone))
    return session.scalar(query.limit(1)) is not None


def _age(stamp: float, now: float) -> float:
    """Return how old a time is, seconds; one from the future, of a clock that was set back, is very old."""
    return now - stamp if stamp <= now else math.inf


def _train_images(session: Session, project_id: int) -> int:
    query = select(func.count()).where(Image.project_id == project_id, Image.split == "train")
    return session.scalars(query).one()


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
        if project_row(session, project_id).archived_at is not None or training_stands(session, project_id):
            return False
        of_project = Image.project_id == project_id
        # Opened soon after the import, the Label page has some drawn for the audit.
        waiting = and_(Image.split.in_(("pool", "audit")), Image.labelled_revision == 0)
        enough = select(Image.id).where(of_project, waiting).limit(ORDERED_FROM)
        if len(session.scalars(enough).all()) < ORDERED_FROM:
            return False
        imported_at = _newest_import(session, project_id)
        if imported_at is None or _age(imported_at, now) <= QUIET_S:
            return False
        last = cold_start_row(session, project_id)
        if last is None or (last.state == "cancelled" and last.error is not None):
            return True
        if last.state in LIVE_ROUND_STATES or imported_at <= last.created_at:
            return False
        if last.state == "failed":
            return True
        last_before = _newest_image_until(session, project_id, last.created_at)
        newer = session.scalar(select(func.count()).where(of_project, Image.id > last_before)) or 0
        every = session.scalar(select(func.count()).where(of_project)) or 0
        return 4 * newer > every - newer
