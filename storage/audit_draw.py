"""How many images measure the model, and what becomes of those drawn ahead for that when the project changes.

All that a project will come to are drawn with the first that is due, before the model has asked for the hard
ones (:mod:`storage.next_images`). What nobody has seen of them can leave its place without a bias, and images
that were just imported can take one: the model has asked for none of them yet.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from storage import events
from storage.schema import Event, Image
from storage.settings import AnnotationSettings
from storage.splits import count_splits

EARLY = 4
"""How many audit images come at twice the rate, at most every second: the first rounds are measured on the
same images then, and a temperature can be fitted to them."""


class _Drawn(NamedTuple):
    """What the journal tells of the draws of a project."""

    images: set[int]
    """Their ids, as far as they were not returned."""
    newest: int
    """The highest id of an image that there was then; 0 without a draw."""


def early_rate(settings: AnnotationSettings) -> int:
    """Return of how many labelled images one is for audit, for the first ``EARLY``."""
    return max(2, settings.audit_every // 2)


def due(settings: AnnotationSettings, labelled: int) -> int:
    """Return how many of so many labelled images are for audit."""
    if settings.audit_every == 0:
        return 0
    early = min(EARLY, labelled // early_rate(settings))
    return min(settings.audit_target, max(labelled // settings.audit_every, early))


def record(
    session: Session, project_id: int, actor: str, drawn: Collection[int], returned: Collection[int] = ()
) -> None:
    """Write into the journal which images were drawn, and which of an earlier draw went back to the pool."""
    detail: dict[str, object] = {"drawn": [*drawn]}
    if drawn:
        detail["newest"] = session.scalar(select(func.max(Image.id)))
    if returned:
        detail["returned"] = [*returned]
    events.record(session, project_id, actor, "audit", **detail)


def give_back(
    session: Session, project_id: int, before: AnnotationSettings, now: AnnotationSettings, actor: str
) -> None:
    """Return to the pool what settings want less of than those before, as far as nobody has seen it.

    Inside the caller's write transaction, in which the settings have changed.
    """
    is_rarer = now.audit_every == 0 or now.audit_every > before.audit_every > 0
    if not is_rarer and now.audit_target >= before.audit_target:
        return
    counts = count_splits(session, project_id)
    images = sum(counts.values()) - counts["excluded"]
    known = _drawn(session, project_id).images
    # More may have been drawn than are due by now, where images were excluded since.
    wanted_before = max(due(before, images), len(_in_audit(session, project_id, known)))
    fewer = min(wanted_before, counts["audit"]) - due(now, images)
    if fewer <= 0:
        return
    waiting = _in_audit(session, project_id, known, _untouched())
    chance = np.random.default_rng([now.seed, fewer])
    left = chance.choice(waiting, min(fewer, len(waiting)), replace=False).tolist()
    _move(session, left, "audit", "pool")
    if left:
        record(session, project_id, actor, drawn=[], returned=left)


def let_in(session: Session, project_id: int, settings: AnnotationSettings, actor: str) -> None:
    """Draw from the images that came after the last draw, as many as they are of the project.

    More images have a larger audit. When it is as large as it will be, they take the places of images that
    nobody has seen. Otherwise an audit would measure the model on the first import, and on what the model had
    left of the others when they were due. Nothing happens before the first draw.

    Inside a write transaction, to be called after an import.
    """
    known = _drawn(session, project_id)
    if not known.newest or settings.audit_every == 0:
        return
    is_new = and_(Image.project_id == project_id, Image.split == "pool", Image.id > known.newest)
    new, newest = session.execute(select(func.count(), func.max(Image.id)).where(is_new)).one()
    if not new:
        return
    counts = count_splits(session, project_id)
    drawn = _in_audit(session, project_id, known.images)
    images = sum(counts.values()) - counts["excluded"]
    size = len(drawn) + max(0, due(settings, images) - counts["audit"])
    # What was imported for the audit, or put there by hand, stands for itself.
    part = size * new / (counts["pool"] + counts["train"] + len(drawn))
    if part < 1:
        return  # With the next images it will be one.
    chance = np.random.default_rng([settings.seed, newest])
    waiting = _in_audit(session, project_id, known.images, _untouched())
    places = min(int(part + chance.random()), size - len(drawn) + len(waiting))
    free = session.scalars(select(Image.id).where(is_new, _untouched()).order_by(Image.id)).all()
    come = chance.choice(free, min(places, len(free)), replace=False).tolist()
    left = chance.choice(waiting, max(0, len(drawn) + len(come) - size), replace=False).tolist()
    _move(session, left, "audit", "pool")
    _move(session, come, "pool", "audit")
    if come:
        record(session, project_id, actor, drawn=come, returned=left)


def _move(session: Session, image_ids: list[int], before: str, after: str) -> None:
    if image_ids:
        # On PostgreSQL a person may pin or open one meanwhile, who holds no lock on the project.
        one = update(Image).where(Image.id == bindparam("of_image"), Image.split == before, _untouched())
        moved = [{"of_image": image_id} for image_id in image_ids]
        session.connection().execute(one.values(split=after), moved)


def _drawn(session: Session, project_id: int) -> _Drawn:
    images: set[int] = set()
    newest = 0
    entries = select(Event.detail).where(Event.project_id == project_id, Event.kind == "audit")
    for detail in session.scalars(entries.order_by(Event.id)):
        drawn = detail.get("drawn")
        # Once they were drawn one by one, to be handed out at once.
        if isinstance(drawn, list):
            images -= {*detail.get("returned", ())}
            images |= {*drawn}
            newest = max(newest, detail.get("newest") or max(drawn, default=0))
    return _Drawn(images, newest)


def _in_audit(
    session: Session, project_id: int, drawn: set[int], *conditions: ColumnElement[bool]
) -> list[int]:
    """Return the ids of the images for audit that were drawn, ascending."""
    audit = select(Image.id).where(Image.project_id == project_id, Image.split == "audit", *conditions)
    return [image_id for image_id in session.scalars(audit.order_by(Image.id)) if image_id in drawn]


def _untouched() -> ColumnElement[bool]:
    """Return the condition that nobody has labelled, skipped, pinned or opened an image."""
    return and_(
        Image.revision == 0,
        Image.skipped_at.is_(None),
        Image.pinned_at.is_(None),
        or_(Image.leased_until.is_(None), Image.leased_until <= time.time()),
    )
