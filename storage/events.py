"""The journal: who did what when."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from storage.schema import Event, Image
from storage.workspace import Workspace


@dataclass(frozen=True)
class EventInfo:
    """One entry of the journal; ``image`` names the one image it is about, if it is about one."""

    id: int
    project_id: int | None
    at: float
    actor: str
    kind: str
    detail: dict[str, Any]
    image: str | None


_ENTRY = insert(Event)


def record(session: Session, project_id: int | None, actor: str, kind: str, **detail: Any) -> None:
    """Add an entry inside the caller's write transaction; ``detail`` must be JSON."""
    record_each(session, actor, kind, [(project_id, detail)])


def record_each(
    session: Session, actor: str, kind: str, entries: Sequence[tuple[int | None, dict[str, Any]]]
) -> None:
    """Add an entry for each project and its ``detail``, in this order, as :func:`record` does for one."""
    now = time.time()
    rows = [
        {"project_id": project_id, "at": now, "actor": actor, "kind": kind, "detail": detail}
        for project_id, detail in entries
    ]
    if rows:
        # Not through the ORM: that takes as long as the choice of an image.
        session.connection().execute(_ENTRY, rows)


def creation(workspace: Workspace, project_id: int) -> EventInfo | None:
    """Return the entry about the making of a project, with its first ``classes`` in the detail.

    None where the journal does not know.
    """
    query = select(Event).where(Event.project_id == project_id).order_by(Event.id).limit(1)
    with workspace.database.reading() as session:
        row = session.scalars(query).one_or_none()
        if row is None or "created" not in row.detail:
            return None
        return EventInfo(row.id, row.project_id, row.at, row.actor, row.kind, row.detail, image=None)


def recent(workspace: Workspace, project_id: int, limit: int = 50) -> list[EventInfo]:
    """Return the newest ``limit`` entries of a project, newest first."""
    with workspace.database.reading() as session:
        rows = session.scalars(
            select(Event)
            .where(Event.project_id == project_id)
            .order_by(Event.at.desc(), Event.id.desc())
            .limit(limit)
        ).all()
        ids = {row.detail["image"] for row in rows if "image" in row.detail}
        names = dict(session.execute(select(Image.id, Image.name).where(Image.id.in_(ids))).tuples().all())
        return [
            EventInfo(
                row.id,
                row.project_id,
                row.at,
                row.actor,
                row.kind,
                row.detail,
                names.get(row.detail.get("image", 0)),
            )
            for row in rows
        ]
