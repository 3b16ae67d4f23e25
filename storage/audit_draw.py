"""How many images measure the model, and what becomes of those drawn ahead for that when the project changes.

All that a project will come to are drawn with the first that is due, before the model has asked for the hard
ones (:mod:`storage.queue`). What nobody has seen of them can leave its place without a bias.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from storage import events
from storage.schema import Event, Image
from storage.settings import AnnotationSettings

EARLY = 4
"""So many audit images come at twice the rate, at most every second: the first rounds are measured on the
same images then, and a temperature can be fitted to them."""


def early_rate(settings: AnnotationSettings) -> int:
    """Return of how many labelled images one is for audit, for the first ``EARLY``."""
    return max(2, settings.audit_every // 2)


def due(settings: AnnotationSettings, labelled: int) -> int:
    """Return how many of so many labelled images are for audit."""
    if settings.audit_every == 0:
        return 0
    early = min(EARLY, labelled // early_rate(settings))
    return min(settings.audit_target, max(labelled // settings.audit_every, early))


def give_back(session: Session, project_id: int, settings: AnnotationSettings, actor: str) -> None:
    """Return to the pool what these settings want less of than was drawn, as far as nobody has seen it.

    Inside the caller's write transaction, in which the settings have changed.
    """
    waiting = _unseen(session, project_id)
    images, drawn = _sizes(session, project_id)
    surplus = min(len(waiting), drawn - due(settings, images))
    if surplus > 0:
        left = np.random.default_rng([settings.seed, drawn]).choice(waiting, surplus, replace=False)
        _change(session, project_id, actor, drawn=[], returned=left.tolist())


def let_in(
    session: Session, project_id: int, new: Sequence[int], settings: AnnotationSettings, actor: str
) -> None:
    """Give images that were imported just now the part of the audit that they are of the project.

    They take the places of images drawn earlier that nobody has seen. Otherwise the audit would measure the
    model on the first import alone.

    Inside the caller's write transaction.

    Args:
        session: Of the transaction.
        project_id: The project.
        new: The ids of the images.
        settings: Of the project.
        actor: Who did it, for the journal.
    """
    if not new:
        return
    waiting = _unseen(session, project_id)
    if not waiting:
        return
    images, drawn = _sizes(session, project_id)
    chance = np.random.default_rng([settings.seed, max(new)])
    # So that many small imports get their part, too, it is rounded by chance.
    places = int(min(len(waiting), drawn * len(new) / images + chance.random()))
    left = chance.choice(waiting, places, replace=False).tolist()
    # Of the new ones some may have a label or a person already.
    asked = chance.permutation(new)[: 10 * places].tolist()
    wanted = select(Image.id).where(Image.id.in_(asked), Image.split == "pool", _untouched())
    free = {*session.scalars(wanted), *left}
    come = [image_id for image_id in asked if image_id in free][:places]
    _change(session, project_id, actor, drawn=come, returned=left)


def _change(session: Session, project_id: int, actor: str, *, drawn: list[int], returned: list[int]) -> None:
    session.execute(update(Image).where(Image.id.in_(returned)).values(split="pool"))
    session.execute(update(Image).where(Image.id.in_(drawn)).values(split="audit"))
    events.record(session, project_id, actor, "audit", drawn=drawn, returned=returned)


def _sizes(session: Session, project_id: int) -> tuple[int, int]:
    """Return how many images a project has, without the excluded ones, and how many of them are for audit."""
    counts = session.execute(
        select(Image.split, func.count()).where(Image.project_id == project_id).group_by(Image.split)
    )
    of_split = dict(counts.tuples().all())
    return sum(of_split.values()) - of_split.get("excluded", 0), of_split.get("audit", 0)


def _unseen(session: Session, project_id: int) -> list[int]:
    """Return the ids of drawn audit images that wait for their turn and were on no screen yet."""
    waiting = session.scalars(
        select(Image.id)
        .where(Image.project_id == project_id, Image.split == "audit", _untouched())
        .order_by(Image.id)
    ).all()
    if not waiting:
        return []
    # What people put there or imported as such stays, and what was once drawn only to be handed out at once.
    drawn: set[int] = set()
    entries = select(Event.detail).where(Event.project_id == project_id, Event.kind == "audit")
    for detail in session.scalars(entries.order_by(Event.id)):
        if isinstance(
            detail.get("drawn"), list
        ):  # Once they were drawn one by one, and handed out with that.
            drawn -= {*detail.get("returned", ())}
            drawn |= {*detail["drawn"]}
    return [image_id for image_id in waiting if image_id in drawn]


def _untouched() -> ColumnElement[bool]:
    return and_(
        Image.revision == 0,
        Image.skipped_at.is_(None),
        Image.pinned_at.is_(None),
        or_(Image.leased_until.is_(None), Image.leased_until <= time.time()),
    )
