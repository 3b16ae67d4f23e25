"""Which classes a round could learn to tell apart."""

from __future__ import annotations

import json

from sqlalchemy import Select, cast, select
from sqlalchemy import String as Text
from sqlalchemy.orm import Session

from storage.schema import MAX_CLASSES, Image, Label, LabelClass
from storage.workspace import Workspace

NO_CLASS_SHOWN = (
    "The labels show no class: all of their pixels are void, not labelled or of an archived class. Paint a "
    "class in one of the images and submit it first."
)
"""Why nothing could be learned from the labels where :func:`seen_classes` finds none."""
_LABELS_LOOKED_AT = 1000
"""How many labels are searched for classes before all of them are."""


def too_few_classes(workspace: Workspace, project_id: int) -> str | None:
    """Say why a model would have nothing to tell apart, or return None where it has.

    Archived classes do not count: nobody paints with them.
    """
    with workspace.database.reading() as session:
        return find_too_few_classes(session, project_id)


def find_too_few_classes(session: Session, project_id: int) -> str | None:
    """Say what :func:`too_few_classes` says, within the caller's transaction."""
    archived = session.scalars(select(LabelClass.archived).where(LabelClass.project_id == project_id)).all()
    left = archived.count(False)
    if left > 1:
        return None
    has = ("one" if left else "none") + (" that is not archived" if any(archived) else "")
    return (
        f"A model tells classes apart, and this project has {has}. "
        "Add another on the Project page, such as background"
    )


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
