"""How many images of a project are in which split."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.schema import SPLITS, Image


def count_splits(session: Session, project_id: int) -> dict[str, int]:
    """Return the number of images in every split, within the caller's transaction."""
    of_project = Image.project_id == project_id
    # Most images are in the pool where there are many: to count all and the few others is quicker.
    every = session.scalar(select(func.count()).where(of_project)) or 0
    others = session.execute(
        select(Image.split, func.count())
        .where(of_project, Image.split.in_([split for split in SPLITS if split != "pool"]))
        .group_by(Image.split)
    )
    counts = dict.fromkeys(SPLITS, 0) | dict(others.tuples().all())
    return counts | {"pool": every - sum(counts.values())}
