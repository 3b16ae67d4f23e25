"""Requests for rounds: what each of them begins from, and why it may be refused."""

from __future__ import annotations

import time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage import events
from storage.classes_to_learn import NO_CLASS_SHOWN, find_too_few_classes, seen_classes
from storage.errors import RoundRefused
from storage.projects import class_count, project_row
from storage.round_rows import cold_start_row, live_rows, newest_row, training_stands
from storage.rounds import RoundInfo, give_way, round_info
from storage.schema import COLD_START, LIVE_ROUND_STATES, Event, Image, Label, Project, Round, RoundKind
from storage.settings import ProjectSettings, RoundSettings, read_settings, with_ranking
from storage.snapshots import Snapshot, SnapshotLabel, encode_snapshot
from storage.workspace import Workspace


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
    :class:`StartRule`: it learns from new labels too, and they still count for the next round. It gives way
    to others, and so does one that only ranks.

    Raises:
        RoundRefused: a round is waiting or at work already and does not give way, there is no label to train
            on, the labels show no class, fewer than two classes are not archived, or the project is.
        NotFound: there is no such project.
    """
    while True:
        # A label that comes in while the row is being written is new to the round.
        created_at = time.time()
        with workspace.database.reading() as session:
            newest_event = session.scalar(select(Event.id).order_by(Event.id.desc()).limit(1)) or 0
            project = project_row(session, project_id)
            labels_changed = project.labels_changed
            settings = settings or read_settings(ProjectSettings, project.settings).round
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
            too_few = find_too_few_classes(session, project_id)
            seen = seen_classes(session, project_id, enough=1)
        if too_few:
            raise RoundRefused(f"{too_few}.")
        if not labels:
            raise RoundRefused("There is no label to train on yet. Label and submit an image first.")
        if not seen:
            raise RoundRefused(NO_CLASS_SHOWN)
        blob = workspace.blobs.put(encode_snapshot(taken))
        with workspace.database.writing() as session:
            project = project_row(session, project_id, lock=True)
            _refuse_archived(project)
            for live in live_rows(session, project_id):
                _give_way_or_refuse(live, {"trains_on", "ranks"})
            trains = select(Image.id).where(Image.project_id == project_id, Image.split == "train")
            taken_out = {label.image_id for label in taken.labels} - {*session.scalars(trains)}
            if taken_out or _any_brought_back(session, project_id, newest_event):
                # What measures the model must not train it, and moves are counted from these labels on.
                continue
            parent = _trained_in_use(session, project)
            row = Round(
                project_id=project_id,
                kind="trains_on" if trains_on else "trains",
                config=settings.model_dump(mode="json"),
                snapshot_blob=blob,
                parent_id=None if parent is None else parent.id,
                labels_changed=labels_changed,
                created_at=created_at,
            )
            return _queued(session, row, actor, reason)


def _any_brought_back(session: Session, project_id: int, after: int) -> bool:
    """Return whether an image came back after an entry of the journal, whatever the clock says of both."""
    moves = select(Event.id).where(Event.id > after, Event.project_id == project_id, Event.kind == "restore")
    return session.scalar(moves.limit(1)) is not None


def request_ranking(workspace: Workspace, project_id: int, actor: str, reason: str) -> RoundInfo:
    """Queue a round that trains nothing and ranks the pool again by the weights of the one in use.

    So changed settings of the choice count, and images imported since then have a place and a suggestion. The
    labels are those the network was trained on: new ones still count for the next training. One that trains
    on gives way; asked for twice it is the same ranking.

    Raises:
        RoundRefused: no round has trained yet, one is waiting or at work, or the project is archived.
        NotFound: there is no such project.
    """
    with workspace.database.writing() as session:
        project = project_row(session, project_id, lock=True)
        _refuse_archived(project)
        trained = _trained_in_use(session, project)
        if trained is None:
            raise RoundRefused("No round has trained yet, so there is no model to rank by. Train one first.")
        of_project = read_settings(ProjectSettings, project.settings).round
        settings = with_ranking(read_settings(RoundSettings, trained.config), of_project)
        for live in live_rows(session, project_id):
            is_alike = live.kind == "ranks" and read_settings(RoundSettings, live.config) == settings
            if is_alike and not live.cancel_requested:
                return round_info(live)
            _give_way_or_refuse(live, {"trains_on"})
        row = Round(
            project_id=project_id,
            kind="ranks",
            config=settings.model_dump(mode="json"),
            snapshot_blob=trained.snapshot_blob,
            parent_id=trained.id,
            created_at=time.time(),
        )
        return _queued(session, row, actor, reason)


def _queued(session: Session, row: Round, actor: str, reason: str) -> RoundInfo:
    """Add a round behind the newest one of its project."""
    newest = newest_row(session, row.project_id)
    row.number = 1 if newest is None else newest.number + 1
    if newest is not None and row.kind != "trains":
        row.labels_changed = newest.labels_changed
    row.state = "queued"
    row.reason = reason[:500]
    row.cancel_requested = False
    row.step = row.steps = 0
    row.metrics = {}
    session.add(row)
    session.flush()
    events.record(session, row.project_id, actor, "start", round=row.id, number=row.number, reason=row.reason)
    return round_info(row)


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
        if training_stands(session, project_id):
            raise RoundRefused("A round orders the images already, better than a cold start could.")
        row = cold_start_row(session, project_id)
        if row is None:
            row = Round(project_id=project_id, number=COLD_START, metrics={})
            session.add(row)
        elif row.state in LIVE_ROUND_STATES:
            raise RoundRefused("The cold start is under way already. Wait until it is done.")
        row.state = "queued"
        row.reason = "The images are put in order before a model exists"
        row.config = read_settings(ProjectSettings, project.settings).round.model_dump(mode="json")
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


def _give_way_or_refuse(live: Round, giving_way: set[RoundKind]) -> None:
    if live.kind not in giving_way:
        if live.cancel_requested:
            raise RoundRefused(f"Round {live.number} is being cancelled. Try again in a few seconds.")
        doing = "waiting" if live.state == "queued" else live.state
        raise RoundRefused(
            f"Round {live.number} is {doing} already. Wait until it is done, or cancel it first."
        )
    if not live.cancel_requested:
        give_way(live, "Another round was asked for, and goes first.")


def _refuse_archived(project: Project) -> None:
    if project.archived_at is not None:
        raise RoundRefused(f"The project {project.name} is archived. Restore it on the Project page first.")


def _trained_in_use(session: Session, project: Project) -> Round | None:
    """Return the round whose weights are in use; before the first one trained there is none."""
    current = session.get(Round, project.current_round_id) if project.current_round_id else None
    if current is None or current.number == COLD_START:
        return None
    return session.get_one(Round, current.trained_id)
