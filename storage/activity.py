"""How long people worked on the images they labelled."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, literal_column, select
from sqlalchemy.orm import aliased

from storage.schema import Image, Label, Round
from storage.workspace import Workspace


@dataclass(frozen=True)
class LabelledImage:
    """An image when a person submitted its label map for the first time.

    ``seconds`` is all the work on it up to then, pauses left out, whoever did it. ``round_number`` names the
    round whose suggestion the person saw, None when there was none; ``at`` is in epoch seconds.
    """

    image_id: int
    author: str
    seconds: float
    round_number: int | None
    at: float


_ZERO: ColumnElement[int] = literal_column("0")


def labelled_by_hand(workspace: Workspace, project_id: int) -> list[LabelledImage]:
    """Return the images of a project that people submitted in the browser, in that order.

    Imported label maps are none of them: nobody's time is known.
    """
    # Only the browser names its submissions, and the index on that name finds the few beside a million
    # imported ones. The sums keep SQLite from walking all images or all label maps of the project instead.
    first = (
        select((Label.image_id + _ZERO).label("image_id"), func.min(Label.revision).label("revision"))
        .join(Image, Image.id == Label.image_id)
        .where(Label.submission_id > "", Label.status != "draft", Image.project_id + _ZERO == project_id)
        .group_by(Label.image_id + _ZERO)
        .subquery()
    )
    up_to = aliased(Label)
    rows = (
        select(Label.image_id, Label.author, func.sum(up_to.seconds_spent), Round.number, Label.created_at)
        .join(first, and_(first.c.image_id == Label.image_id, first.c.revision == Label.revision))
        .join(up_to, and_(up_to.image_id == Label.image_id, up_to.revision <= Label.revision))
        .outerjoin(Round, Round.id == Label.round_shown_id)
        .group_by(Label.id, Round.number)
        .order_by(Label.created_at, Label.id)
    )
    with workspace.database.reading() as session:
        return [LabelledImage(*row) for row in session.execute(rows)]
