"""Predictions of rounds: what one thinks of each image, stored, moved back, removed and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from storage import likeness
from storage.early_suggestions import forget_early_suggestions
from storage.finite_json import finite_json
from storage.projects import project_row
from storage.round_rows import owned_row
from storage.schema import LIVE_ROUND_STATES, PIXEL_SCORES, Prediction, Round
from storage.workspace import Workspace

_ROWS_A_TRANSACTION = 2000
"""Predictions stored or moved in one go, so that nobody who saves waits for long."""
_REMOVED_A_TRANSACTION = 500
"""Predictions removed in one go: each has to be looked up in a dozen indexes."""


@dataclass(frozen=True)
class NewPrediction:
    """What a round thinks of one image; ``rank`` 1 is labelled first, ``why`` holds a ``sentence``.

    ``scores`` are by the names of :data:`storage.schema.PIXEL_SCORES`; ``unsure_of`` are the
    two classes the round confuses most there, the likelier first.
    """

    image_id: int
    score: float
    rank: int
    why: dict[str, Any]
    scores: Mapping[str, float] = field(default_factory=dict)
    novelty: float | None = None
    unsure_of: tuple[int, int] | None = None
    map_blob: str | None = None
    uncertainty_blob: str | None = None


def store_predictions(
    workspace: Workspace, round_id: int, worker: str, predictions: Sequence[NewPrediction]
) -> None:
    """Store what a round thinks of the images, a part at a time.

    Raises:
        LeaseLost: the round has ended, or another worker has it.
    """
    for start in range(0, len(predictions), _ROWS_A_TRANSACTION):
        rows = [_prediction_row(round_id, one) for one in predictions[start : start + _ROWS_A_TRANSACTION]]
        with workspace.database.writing() as session:
            owned_row(session, round_id, worker)
            session.execute(insert(Prediction), rows)


def move_predictions_back(
    workspace: Workspace, round_id: int, worker: str, alike_from: float, rows: Sequence[dict[str, Any]]
) -> None:
    """Move images of a round that is on no screen yet back in its order, a part at a time.

    Raises:
        LeaseLost: the round has ended, or another worker has it.
    """
    for start in range(0, len(rows), _ROWS_A_TRANSACTION):
        with workspace.database.writing() as session:
            row = owned_row(session, round_id, worker)
            part = rows[start : start + _ROWS_A_TRANSACTION]
            likeness.move_back(session, row, alike_from, part, on_screen=())


def remove_predictions(workspace: Workspace, round_id: int, worker: str) -> None:
    """Remove what an earlier attempt at the round has stored, a part at a time.

    Raises:
        LeaseLost: the round has ended, or another worker has it.
    """
    while True:
        with workspace.database.writing() as session:
            row = owned_row(session, round_id, worker)
            if not _remove_part(session, [round_id]):
                return
            # A repeated cold start is the current round; half of its order would be a wrong one.
            project = project_row(session, row.project_id, lock=True)
            if project.current_round_id == round_id:
                project.current_round_id = None


def forget_old_predictions(
    workspace: Workspace, project_id: int, kept: int, stopping: Callable[[], bool] = lambda: False
) -> None:
    """Remove what rounds think of the images once nobody can need it any more, and where they see them.

    That of the ``kept`` newest rounds that are done stays, and so does that of the current round and of any
    that is under way. Of the others stay the curves, the metrics and the labels they trained on. Rows go
    some hundreds a transaction, so that nobody who saves waits; whatever stops this in the middle leaves
    the rest to the next time.

    Args:
        workspace: The workspace.
        project_id: The project.
        kept: How many rounds can still be looked at or gone back to.
        stopping: Asked before each transaction; nothing more is removed once it returns True.

    Raises:
        NotFound: there is no such project.
    """
    while not stopping():
        with workspace.database.writing() as session:
            of_project = Round.project_id == project_id
            done = select(Round.id).where(of_project, Round.state == "done").order_by(Round.number.desc())
            needed = {*session.scalars(done.limit(kept)), project_row(session, project_id).current_round_id}
            ended = select(Round.id).where(of_project, Round.state.not_in(LIVE_ROUND_STATES))
            ended_ids = session.scalars(ended).all()
            forget_early_suggestions(session, ended_ids)
            old = [round_id for round_id in ended_ids if round_id not in needed]
            session.execute(
                update(Round)
                .where(Round.id.in_(old), Round.embeddings_blob.is_not(None))
                .values(embeddings_blob=None)
            )
            if not _remove_part(session, old):
                return


def _remove_part(session: Session, round_ids: Sequence[int]) -> bool:
    """Remove as many predictions of the rounds as fit in one transaction; return whether there were any."""
    some = select(Prediction.id).where(Prediction.round_id.in_(round_ids)).limit(_REMOVED_A_TRANSACTION)
    ids = session.scalars(some).all()
    if ids:
        session.execute(delete(Prediction).where(Prediction.id.in_(ids)))
    return bool(ids)


def _prediction_row(round_id: int, prediction: NewPrediction) -> dict[str, Any]:
    unsure_class, unsure_against = prediction.unsure_of or (None, None)
    return {
        "round_id": round_id,
        "image_id": prediction.image_id,
        "score": float(prediction.score),
        "rank": int(prediction.rank),
        "place": float(prediction.rank),
        "likeness": 0.0,
        "novelty": prediction.novelty,
        "unsure_class": unsure_class,
        "unsure_against": unsure_against,
        **{name: prediction.scores.get(name) for name in PIXEL_SCORES},
        "why": finite_json(prediction.why),
        "map_blob": prediction.map_blob,
        "uncertainty_blob": prediction.uncertainty_blob,
    }
