"""Suggestions of a round before it is done: of the images that come next, while it scores the others.

A large pool takes minutes to score, and whoever labels meanwhile would have the suggestions of the round
before, or none. The order of the queue and its reasons stay those of the current round until the new one is
done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
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


def early_suggestions(session: Session, image_ids: Sequence[int]) -> dict[int, EarlySuggestion]:
    """Return what live rounds suggest of images already, by image id."""
    # There are no more than one round shows: what ended ones did is removed with the next that is done.
    query = (
        select(EarlySuggestion)
        .join(Round, Round.id == EarlySuggestion.round_id)
        .where(Round.state.in_(LIVE_ROUND_STATES), EarlySuggestion.image_id.in_(image_ids))
    )
    return {one.image_id: one for one in session.scalars(query)}


def suggests_early(session: Session, round_id: int) -> bool:
    """Return whether a round shows suggestions before it is done."""
    query = select(EarlySuggestion.image_id).where(EarlySuggestion.round_id == round_id).limit(1)
    return session.scalar(query) is not None


def forget_early_suggestions(session: Session, round_ids: Sequence[int]) -> None:
    """Remove those of rounds, within the caller's write transaction."""
    session.execute(delete(EarlySuggestion).where(EarlySuggestion.round_id.in_(round_ids)))
