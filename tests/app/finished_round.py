"""Rounds that are done, for charts and tables of them."""

from __future__ import annotations

from storage.rounds import RoundInfo
from storage.schema import RoundKind
from storage.settings import RoundSettings


def finished(
    number: int, state: str = "done", kind: RoundKind = "trains", parent: int | None = None, **metrics: object
) -> RoundInfo:
    """Return a round with these final metrics."""
    return RoundInfo(
        id=number,
        project_id=1,
        number=number,
        state=state,
        reason="",
        config=RoundSettings(),
        snapshot_blob=None,
        parent_id=parent,
        trained_id=parent or number if kind == "ranks" else number,
        labels_changed=0,
        kind=kind,
        worker=None,
        heartbeat_at=None,
        lease_until=None,
        cancel_requested=False,
        step=0,
        steps=0,
        eta_seconds=None,
        note=None,
        error=None,
        checkpoint=None,
        embeddings_blob=None,
        metrics=metrics,
        created_at=0.0,
        started_at=0.0,
        finished_at=60.0,
    )
