"""Suggestions of a round before it is done: of the images that come next, while it scores the others.

A large pool takes minutes to score, and whoever labels meanwhile would have the suggestions of the round
before, or none. The order of the queue and its reasons stay those of the current round until the new one is
done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.orm import Session

from storage.round_rows import owned_row
from storage.schema import LIVE_ROUND_STATES, EarlySuggestion, Round
from storage.workspace import Workspace


@dataclass(frozen=True)
class EarlyMaps:
    """The keys of what a round suggests of an image, and of the chance that it is wrong."""

    image_id: int
    map_blob: str
    uncertainty_blob: str


class ShownEarly(NamedTuple):
    """What a person sees of an image, and which round it is of."""

    map_blob: str
    uncertainty_blob: str
    round_id: int
    round_number: int


_OF_IMAGES = (
    select(
        EarlySuggestion.image_id,
        EarlySuggestion.map_blob,
        EarlySuggestion.uncertainty_blob,
        EarlySuggestion.round_id,
        Round.number,
    )
    .join(Round, Round.id == EarlySuggestion.round_id)
    .where(Round.state.in_(LIVE_ROUND_STATES), EarlySuggestion.image_id.in_(bindparam("ids", expanding=True)))
)
_SUGGESTING = (
    select(func.max(Round.number))
    .join(EarlySuggestion, EarlySuggestion.round_id == Round.id)
    .where(Round.state.in_(LIVE_ROUND_STATES), Round.project_id == bindparam("of_project"))
)


def suggest_early(workspace: Workspace, round_id: int, worker: str, suggestions: Sequence[EarlyMaps]) -> None:
    """Show what a round suggests of some images; they take the place of those that it showed before.

    Raises:
        LeaseLost: the round has ended, or another worker has it.
    """
    rows = [{"round_id": round_id, **vars(one)} for one in suggestions]
    with workspace.database.writing() as session:
        owned_row(session, round_id, worker)
        forget_early_suggestions(session, [round_id])
        if rows:
            session.execute(insert(EarlySuggestion), rows)


def early_suggestions(session: Session, image_ids: Sequence[int]) -> dict[int, ShownEarly]:
    """Return what rounds at work suggest of images already, by image id."""
    found = session.execute(_OF_IMAGES, {"ids": image_ids})
    return {row.image_id: ShownEarly._make(row[1:]) for row in found}


def suggesting_round(session: Session, project_id: int) -> int | None:
    """Return the number of the round of a project that shows suggestions before it is done."""
    return session.scalar(_SUGGESTING, {"of_project": project_id})


def forget_early_suggestions(session: Session, round_ids: Sequence[int]) -> None:
    """Remove those of rounds within the caller's write transaction."""
    session.execute(delete(EarlySuggestion).where(EarlySuggestion.round_id.in_(round_ids)))
