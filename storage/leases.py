"""Reservations of images: an image belongs to one person while it is on their screen, or waits behind it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Row, update
from sqlalchemy.orm import Session

from storage import queue_questions as questions
from storage.errors import LeaseLost
from storage.schema import Image, Project
from storage.settings import ProjectSettings, read_settings


def holder(row: Image, annotator: str, now: float) -> str | None:
    """Return who else has an image reserved; None when nobody has."""
    if row.leased_by in (None, annotator) or (row.leased_until or 0.0) <= now:
        return None
    return row.leased_by


def refuse_held(row: Image, annotator: str, now: float) -> None:
    """Refuse an image that somebody else has reserved.

    Raises:
        LeaseLost: somebody else holds it.
    """
    held_by = holder(row, annotator, now)
    if held_by is not None:
        raise LeaseLost(held_by)


def lease_seconds(project: Project) -> float:
    """Return how long an image on a screen stays reserved."""
    return read_settings(ProjectSettings, project.settings).annotation.lease_minutes * 60


def held_images(session: Session, annotator: str) -> Sequence[Row[int, int, float | None]]:
    """Return the image, the project and the end of each reservation of a person, be it over by now."""
    return session.connection().execute(questions.HELD, {"person": annotator}).all()


def release(session: Session, image_ids: Sequence[int]) -> None:
    """End the reservations of images, whosever they are."""
    if image_ids:
        session.execute(
            update(Image).where(Image.id.in_(image_ids)).values(leased_by=None, leased_until=None),
            execution_options={"synchronize_session": False},
        )
