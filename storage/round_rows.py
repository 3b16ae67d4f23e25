"""Rows of rounds, found within the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.errors import LeaseLost, NotFound
from storage.schema import COLD_START, LIVE_ROUND_STATES, Round, RoundKind


def round_row(session: Session, round_id: int, *, lock: bool = False) -> Round:
    """Return the row of a round; with ``lock`` nobody else changes it before the transaction ends.

    Raises:
        NotFound: there is no such round.
    """
    query = select(Round).where(Round.id == round_id)
    row = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"There is no round with the id {round_id}. Load the page again.")
    return row


def owned_row(session: Session, round_id: int, worker: str) -> Round:
    """Return the row of a round that the worker has, locked.

    Raises:
        LeaseLost: the round has ended, or another worker has it.
        NotFound: there is no such round.
    """
    row = round_row(session, round_id, lock=True)
    if row.state not in LIVE_ROUND_STATES or row.worker != worker:
        ended = row.state not in LIVE_ROUND_STATES
        raise LeaseLost(
            row.worker,
            f"Round {row.number} {'has ended' if ended else f'is now done by worker {row.worker}'}. "
            "This worker leaves it and takes the next one.",
        )
    return row


def live_row(session: Session, project_id: int) -> Round | None:
    """Return the round that is live, the one before any that waits behind it; None without one."""
    query = select(Round).where(Round.project_id == project_id, Round.state.in_(LIVE_ROUND_STATES))
    return session.scalars(query.order_by(Round.number).limit(1)).one_or_none()


def live_rows(session: Session, project_id: int) -> list[Round]:
    """Return the rounds that are live, but for the cold start, locked."""
    query = select(Round).where(
        Round.project_id == project_id, Round.state.in_(LIVE_ROUND_STATES), Round.number > COLD_START
    )
    return list(session.scalars(query.order_by(Round.number).with_for_update()))


def newest_row(session: Session, project_id: int) -> Round | None:
    """Return the round with the highest number, whatever it does; None before the first."""
    return _newest_of_kinds(session, project_id, get_args(RoundKind))


def newest_training_row(session: Session, project_id: int) -> Round | None:
    """Return the newest round that trains, on new labels or on with those of the one before; or None."""
    return _newest_of_kinds(session, project_id, ("trains", "trains_on"))


def newest_row_on_new_labels(session: Session, project_id: int) -> Round | None:
    """Return the newest round that the changed labels are counted from; None before the first.

    Of others the count goes on from the one before them.
    """
    return _newest_of_kinds(session, project_id, ("trains",))


def _newest_of_kinds(session: Session, project_id: int, kinds: Collection[str]) -> Round | None:
    query = select(Round).where(
        Round.project_id == project_id, Round.number > COLD_START, Round.kind.in_(kinds)
    )
    return session.scalars(query.order_by(Round.number.desc()).limit(1)).one_or_none()


def cold_start_row(session: Session, project_id: int) -> Round | None:
    """Return the cold start of a project, in whatever state; None before it was ever asked for."""
    return session.scalars(
        select(Round).where(Round.project_id == project_id, Round.number == COLD_START)
    ).one_or_none()


def training_stands(session: Session, project_id: int) -> bool:
    """Return whether a round of the project has trained, or is waiting or at work."""
    states = ("done", *LIVE_ROUND_STATES)
    found = select(Round.id).where(
        Round.project_id == project_id, Round.number > COLD_START, Round.state.in_(states)
    )
    return session.scalar(found.limit(1)) is not None
