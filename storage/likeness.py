"""Images much like one that was just labelled teach less: they move back in the queue.

With s the cosine of an image with the most alike one labelled since the round, and a the cosine up to which
two images of the round count as different, ρ = clip((s − a) / (1 − a), 0, 1) is how alike the two are, and
the image waits at the place ``rank + ρ · (rank + 4 · batch)`` in place of its rank: a copy of what was just
labelled lets at least four batches go first, and as many images as stood before it once more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Float, bindparam, func, select, update
from sqlalchemy.orm import Session

from storage.embeddings import positions
from storage.formats.embeddings import EmbeddingSet
from storage.schema import COLD_START, Image, Label, Prediction, Round
from storage.settings import RoundSettings, read_settings

BATCHES_BACK = 4
BY_CHANCE = ("random", "improved_random")
"""Choices of a batch that keep their order."""


def labelled_since(session: Session, current: Round, image_id: int | None = None) -> list[int]:
    """Return the images that train and got their first label after the labels of a round were read.

    One that only ranks read none: its network knows those of the round it has the weights of. With
    ``image_id`` only that one is asked about.
    """
    trained = session.get_one(Round, current.trained_id)
    first = func.min(Label.created_at)
    query = (
        select(Label.image_id)
        .join(Image, Image.id == Label.image_id)
        .where(Image.project_id == current.project_id, Image.split == "train", Label.status != "draft")
        .group_by(Label.image_id)
        .having(first >= trained.created_at)
        .order_by(Label.image_id)
    )
    return list(session.scalars(query if image_id is None else query.where(Label.image_id == image_id)))


def alike_rows(embeddings: EmbeddingSet, labelled: Sequence[int]) -> list[dict[str, Any]]:
    """Return what :func:`move_back` stores for every image that is like one of those labelled.

    Args:
        embeddings: Where the round sees the images.
        labelled: Ids of images; those it has not seen have no effect.
    """
    own = positions(embeddings, np.array(labelled, np.int64))
    own = own[own >= 0]
    if not len(own):
        return []
    cosines, nearest = _most_alike(embeddings, own)
    alike = np.flatnonzero(cosines > embeddings.alike_from)
    columns = (
        embeddings.image_ids[alike].tolist(),
        np.minimum(cosines[alike], 1.0).tolist(),
        embeddings.image_ids[nearest[alike]].tolist(),
        shares(cosines[alike], embeddings.alike_from).tolist(),
    )
    names = ("at_image", "new_likeness", "new_like_image", "share")
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def move_back(
    session: Session,
    current: Round,
    alike_from: float,
    rows: Sequence[dict[str, Any]],
    *,
    on_screen: Collection[int],
    off_screen: Collection[int] = (),
) -> int:
    """Move images of a round back in the queue as far as their likeness rises; return how many moved.

    None does where the settings ask for random images: those would not be random any more. A cold start asks
    for typical ones whatever they say.

    Args:
        session: A write transaction.
        current: The round.
        alike_from: That of its embeddings.
        rows: What :func:`alike_rows` returned.
        on_screen: Ids of images that keep their place. How alike they are is stored all the same.
        off_screen: Ids of images that may have been on a screen before: they move as far as they would have.
    """
    settings = read_settings(RoundSettings, current.config)
    if settings.batch_choice in BY_CHANCE and current.number != COLD_START:
        return 0
    behind = BATCHES_BACK * settings.choice_batch
    kept = set(on_screen)
    connection = session.connection()
    rising = (
        update(Prediction)
        .where(
            Prediction.round_id == current.id,
            Prediction.image_id == bindparam("at_image"),
            Prediction.likeness < bindparam("new_likeness"),
        )
        .values(likeness=bindparam("new_likeness"), like_image_id=bindparam("new_like_image"))
    )
    staying = [row for row in rows if row["at_image"] in kept]
    if staying:
        connection.execute(rising, staying)
    moving = [row for row in rows if row["at_image"] not in kept]
    moved = 0
    if moving:
        place = Prediction.rank + bindparam("share", type_=Float) * (Prediction.rank + behind)
        moved = connection.execute(rising.values(place=place), moving).rowcount
    return moved + _settle(session, current, alike_from, behind, set(off_screen) - kept)


def shares(cosines: NDArray[Any], alike_from: float) -> NDArray[np.float64]:
    """Return how alike images of these cosines are: 0 up to ``alike_from``, 1 for a copy; ``(N,)``."""
    if alike_from >= 1.0:
        return np.zeros(len(cosines))
    found: NDArray[np.float64] = np.clip((cosines.astype(np.float64) - alike_from) / (1.0 - alike_from), 0, 1)
    return found


def _most_alike(
    embeddings: EmbeddingSet, own: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return for each of N images the highest cosine with another one of ``own``, and which that is."""
    highest = embeddings.vectors @ embeddings.vectors[own[0]]
    nearest = np.full(len(highest), own[0], np.int64)
    highest[own[0]] = -np.inf
    for at in own[1:]:
        cosines = embeddings.vectors @ embeddings.vectors[at]
        cosines[at] = -np.inf
        closer = cosines > highest
        highest[closer] = cosines[closer]
        nearest[closer] = at
    return highest, nearest


def _settle(
    session: Session, current: Round, alike_from: float, behind: int, image_ids: Collection[int]
) -> int:
    """Give images that were on a screen the place that their likeness means; return how many moved."""
    rows = session.execute(
        select(Prediction.image_id, Prediction.rank, Prediction.place, Prediction.likeness).where(
            Prediction.round_id == current.id,
            Prediction.image_id.in_(image_ids),
            Prediction.like_image_id.is_not(None),
        )
    ).all()
    parts = shares(np.array([row.likeness for row in rows], np.float64), alike_from)
    late = [
        {"at_image": row.image_id, "new_place": place}
        for row, share in zip(rows, parts, strict=True)
        if (place := row.rank + float(share) * (row.rank + behind)) > row.place
    ]
    if late:
        session.connection().execute(
            update(Prediction)
            .where(Prediction.round_id == current.id, Prediction.image_id == bindparam("at_image"))
            .values(place=bindparam("new_place")),
            late,
        )
    return len(late)
