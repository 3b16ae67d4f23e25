"""Where a round sees the images of a project, and which of them look alike to it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.errors import NotFound
from storage.formats.embeddings import EmbeddingSet, decode_embeddings
from storage.images import NOT_AUDIT, image_row
from storage.projects import project_row
from storage.schema import Image, Prediction, Project, Round
from storage.workspace import Workspace

log = logging.getLogger("qualm.embeddings")

_KEPT_BYTES = 512 * 2**20
"""Decoded sets stay in memory up to this size together, the newest one in any case."""


@dataclass(frozen=True)
class MapPoints:
    """The images of a project on a plane, for a map of them; N is 0 before the first round.

    Attributes:
        round_number: the round that saw them so, 0 for the cold start; None before the first.
        image_ids: ``(N,)`` int64.
        x: ``(N,)`` float32 in [0, 1].
        y: ``(N,)`` float32 in [0, 1].
        split: ``(N,)`` names of the splits they are in now.
        score: ``(N,)`` float64, NaN without one and for audit images, which are labelled blind.
        place: ``(N,)`` float64, place in the queue, NaN as for the score.
    """

    round_number: int | None
    image_ids: NDArray[np.int64]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    split: NDArray[np.str_]
    score: NDArray[np.float64]
    place: NDArray[np.float64]


class _DecodedSets:
    """Sets by the key of their blob: what is decoded once serves every thread and every request.

    The key is the hash of the content, so that an entry is never out of date.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sets: OrderedDict[str, EmbeddingSet] = OrderedDict()

    def get(self, workspace: Workspace, blob: str) -> EmbeddingSet:
        # Whoever comes while another decodes waits for it, which costs less than decoding twice.
        with self._lock:
            found = self._sets.get(blob)
            if found is None:
                found = decode_embeddings(workspace.blobs.get(blob))
                self._sets[blob] = found
            self._sets.move_to_end(blob)
            while (
                len(self._sets) > 1 and sum(one.vectors.nbytes for one in self._sets.values()) > _KEPT_BYTES
            ):
                self._sets.popitem(last=False)
            return found


_decoded = _DecodedSets()


def of_round(workspace: Workspace, round_id: int) -> EmbeddingSet | None:
    """Return where a round sees the images; None when it has no such file or the file is damaged.

    The set is shared: its arrays are never written to.

    Raises:
        NotFound: there is no such round.
    """
    with workspace.database.reading() as session:
        row = session.get(Round, round_id)
        if row is None:
            raise NotFound(f"There is no round with the id {round_id}. Load the page again.")
        blob = row.embeddings_blob
    return of_blob(workspace, blob)


def of_blob(workspace: Workspace, blob: str | None) -> EmbeddingSet | None:
    """Return the set stored under a key; None without one, or when it is missing or damaged."""
    if blob is None:
        return None
    try:
        return _decoded.get(workspace, blob)
    except (NotFound, ValueError) as error:
        log.warning("the queue goes on without embeddings, by rank alone: %s", error)
        return None


def of_project(workspace: Workspace, project_id: int) -> EmbeddingSet | None:
    """Return the set of the current round, or else of the newest that has one; None when none has.

    Raises:
        NotFound: there is no such project.
    """
    with workspace.database.reading() as session:
        shown = _shown_round(session, project_row(session, project_id))
        blob = shown.embeddings_blob if shown else None
    return of_blob(workspace, blob)


def newest_with(workspace: Workspace, project_id: int, image_ids: NDArray[np.int64]) -> EmbeddingSet | None:
    """Return the set of the newest round that has seen any of the images; None when none has."""
    with workspace.database.reading() as session:
        blobs = session.scalars(
            select(Round.embeddings_blob)
            .where(Round.project_id == project_id, Round.embeddings_blob.is_not(None))
            .order_by(Round.number.desc())
        ).all()
    for blob in blobs:
        found = of_blob(workspace, blob)
        if found is not None and (positions(found, image_ids) >= 0).any():
            return found
    return None


def positions(found: EmbeddingSet, image_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where ``image_ids`` ``(M,)`` stand in a set of N images, ``(M,)``; −1 for those not in it."""
    if not len(found.image_ids):
        return np.full(len(image_ids), -1, np.int64)
    at = np.minimum(np.searchsorted(found.image_ids, image_ids), len(found.image_ids) - 1)
    return np.where(found.image_ids[at] == image_ids, at, -1).astype(np.int64)


def most_alike(workspace: Workspace, image_id: int, count: int) -> list[tuple[int, float]]:
    """Return the images most like one, by the current round: (image id, cosine), the most alike first.

    Excluded images are left out, and so is the image itself. Empty when the round has not seen the image.

    Raises:
        NotFound: there is no such image.
    """
    with workspace.database.reading() as session:
        row = image_row(session, image_id)
        current_id = project_row(session, row.project_id).current_round_id
        excluded = session.scalars(
            select(Image.id).where(Image.project_id == row.project_id, Image.split == "excluded")
        ).all()
    found = of_round(workspace, current_id) if current_id is not None else None
    if found is None:
        return []
    left_out = positions(found, np.array([*excluded, image_id], np.int64))
    if left_out[-1] < 0:
        return []
    cosines = found.vectors @ found.vectors[left_out[-1]]
    cosines[left_out[left_out >= 0]] = -np.inf
    count = min(count, int(np.isfinite(cosines).sum()))
    if count < 1:
        return []
    nearest = np.argpartition(-cosines, count - 1)[:count]
    nearest = nearest[np.lexsort((found.image_ids[nearest], -cosines[nearest]))]
    return [(int(found.image_ids[at]), min(1.0, float(cosines[at]))) for at in nearest]


def map_points(workspace: Workspace, project_id: int) -> MapPoints:
    """Return the plane of the current round's set, or of the newest round that has one.

    Raises:
        NotFound: there is no such project.
    """
    with workspace.database.reading() as session:
        project = project_row(session, project_id)
        shown = _shown_round(session, project)
        number, blob = (shown.number, shown.embeddings_blob) if shown else (None, None)
        rows = session.execute(
            select(Image.id, Image.split, Prediction.score, Prediction.place)
            .outerjoin(
                Prediction,
                (Prediction.image_id == Image.id)
                & (Prediction.round_id == project.current_round_id)
                & NOT_AUDIT,
            )
            .where(Image.project_id == project_id)
            .order_by(Image.id)
        ).all()
    found = of_blob(workspace, blob)
    if found is None:
        number, found = None, _NOTHING
    at = positions(found, np.array([row.id for row in rows], np.int64))
    known = [(row, place) for row, place in zip(rows, at, strict=True) if place >= 0]
    plane = found.plane[[place for _, place in known]].reshape(-1, 2)
    return MapPoints(
        round_number=number,
        image_ids=np.array([row.id for row, _ in known], np.int64),
        x=plane[:, 0],
        y=plane[:, 1],
        split=np.array([row.split for row, _ in known], np.str_),
        score=np.array([row.score for row, _ in known], np.float64),
        place=np.array([row.place for row, _ in known], np.float64),
    )


_NOTHING = EmbeddingSet(
    np.zeros(0, np.int64), np.zeros((0, 1), np.float32), np.zeros((0, 2), np.float32), alike_from=1.0
)


def _shown_round(session: Session, project: Project) -> Round | None:
    if project.current_round_id is not None:
        current = session.get(Round, project.current_round_id)
        if current is not None and current.embeddings_blob is not None:
            return current
    return session.scalars(
        select(Round)
        .where(Round.project_id == project.id, Round.embeddings_blob.is_not(None))
        .order_by(Round.number.desc())
        .limit(1)
    ).first()
