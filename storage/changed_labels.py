"""How far the labels to train on have gone from those that the last round trains on, as images are moved.

A move counts by what comes of it: an image that is taken out and brought back changes nothing.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.errors import NotFound
from storage.id_batches import id_batches
from storage.round_rows import newest_row_on_new_labels
from storage.schema import Event, Image, Label
from storage.snapshots import decode_snapshot
from storage.workspace import Workspace


class Moved(NamedTuple):
    """A labelled image that goes to another split."""

    id: int
    project_id: int
    trained: bool
    """Its label is to be trained on before the move."""
    trains: bool
    """It is so after it."""


def labels_of_last_rounds(workspace: Workspace, project_ids: Iterable[int]) -> dict[int, str]:
    """Return the blob of each label map that the last rounds of projects were asked to train on, by image.

    Where the list of a round is lost or damaged, moves are counted as though it had none: they must go on.
    """
    with workspace.database.reading() as session:
        rows = [newest_row_on_new_labels(session, project_id) for project_id in project_ids]
        blobs = [row.snapshot_blob for row in rows if row is not None and row.snapshot_blob is not None]
    found: dict[int, str] = {}
    # Outside of any transaction: one may be of many labels, and nobody waits for it.
    for blob in blobs:
        with contextlib.suppress(NotFound, ValueError, KeyError, TypeError):
            labels = decode_snapshot(workspace.blobs.get(blob)).labels
            found.update((label.image_id, label.blob) for label in labels)
    return found


def changes(session: Session, moved: Sequence[Moved], last: Mapping[int, str]) -> Counter[int]:
    """Return by how much the count of changed labels of each project rises or falls as images are moved.

    Args:
        session: Of the transaction that moves them.
        moved: Images whose labels are trained on before or after.
        last: As :func:`labels_of_last_rounds` returns them.
    """
    blobs = _labels(session, [one.id for one in moved])
    counts: Counter[int] = Counter()
    for one in moved:
        before, after = (blobs.get(one.id) if trains else None for trains in (one.trained, one.trains))
        was_other, is_other = (label != last.get(one.id) for label in (before, after))
        counts[one.project_id] += is_other - was_other
    return counts


def any_taken_out(session: Session, project_id: int) -> bool:
    """Return whether a label was taken out of the training since the last round counted the changed ones."""
    last = newest_row_on_new_labels(session, project_id)
    moves = select(Event.id).where(
        Event.project_id == project_id,
        Event.kind.in_(("exclude", "audit")),
        Event.detail["before"].as_string() == "train",
    )
    if last is not None:
        moves = moves.where(Event.at >= last.created_at)
    return session.scalar(moves.limit(1)) is not None


def _labels(session: Session, image_ids: Sequence[int]) -> dict[int, str]:
    """Return the blob of what was last submitted for each image."""
    submitted = select(Image.id, Label.blob).join(
        Label, (Label.image_id == Image.id) & (Label.revision == Image.labelled_revision)
    )
    found: dict[int, str] = {}
    for part in id_batches(image_ids):
        found.update(session.execute(submitted.where(Image.id.in_(part))).tuples().all())
    return found
