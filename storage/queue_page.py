"""One page of everything that is in a project, in the order and by the filters a person chose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from storage.errors import InvalidInput
from storage.projects import project_row
from storage.queue_items import QueueItem, queue_items
from storage.schema import PIXEL_SCORES, SPLITS, Image, Label, Prediction, Project
from storage.workspace import Workspace

ORDERS = ("place", "name", "newest", "novelty", *PIXEL_SCORES, "given")
MOST_GIVEN = 20_000
"""Images that can be asked for by their ids at a time: databases take so many values in one question."""

_OTHERS = [split for split in SPLITS if split != "pool"]
_STATES: dict[str, ColumnElement[bool]] = {
    "draft": Image.draft_by.is_not(None),
    "submitted": and_(Image.labelled_revision > 0, Image.draft_by.is_(None)),
    "unlabelled": Image.revision == 0,
    "skipped": Image.skipped_at.is_not(None),
}


def ranked_images(
    workspace: Workspace,
    project_id: int,
    *,
    split: str | None = None,
    state: str | None = None,
    name: str | None = None,
    unsure_of: int | None = None,
    image_ids: Sequence[int] | None = None,
    order: str = "place",
    offset: int = 0,
    limit: int = 60,
) -> tuple[list[QueueItem], int]:
    """Return one page of a project's images, and how many there are in all.

    Nothing here tells what the model thinks of an audit image, which is labelled blind: it has no score, is
    in no order but that of names, labels and ids, and is not found by what the model is unsure of.

    Args:
        workspace: The workspace.
        project_id: The project.
        split: Only this split.
        state: Only ``draft`` (the newest revision is one), ``submitted`` (or approved), ``unlabelled``
            (no revision at all) or ``skipped`` images.
        name: Only images whose name contains this, in whatever case.
        unsure_of: Only images where the current round takes this class for another, or another for it.
        image_ids: Only these images.
        order: ``place`` in the queue (pinned images first, behind all the places what was labelled since the
            round); ``name``; ``newest`` label first; ``novelty`` or one of
            :data:`storage.schema.PIXEL_SCORES`, the highest first; ``given``, that of ``image_ids``. Images
            that have no such value come last, the excluded ones after all others.
        offset: Images before this page.
        limit: Images on this page.

    Raises:
        InvalidInput: the order or a filter is not known, or too many images are asked for by id.
        NotFound: there is no such project.
    """
    if state is not None and state not in _STATES:
        raise InvalidInput(f"{state} is not a label state. Choose one of {', '.join(_STATES)}.")
    if order not in ORDERS:
        raise InvalidInput(f"{order} is not an order of images. Choose one of {', '.join(ORDERS)}.")
    if image_ids is not None and len(image_ids) > MOST_GIVEN:
        raise InvalidInput(
            f"{len(image_ids):,} images are too many to show at once. Choose at most {MOST_GIVEN:,}."
        )
    if order == "given" and image_ids is None:
        raise InvalidInput("There is no order to show the images in. Choose images first.")
    conditions: list[ColumnElement[bool]] = []
    if state is not None:
        conditions.append(_STATES[state])
    if name is not None:
        conditions.append(Image.name.icontains(name, autoescape=True))
    if image_ids is not None:
        conditions.append(Image.id.in_(image_ids))
    with workspace.database.reading() as session:
        project = project_row(session, project_id)
        filters = _Filters(project, split, conditions, unsure_of).narrowed(session)
        if order == "given":
            wanted = set(session.scalars(filters.images(Image.id)))
            ids = [image_id for image_id in dict.fromkeys(image_ids or ()) if image_id in wanted]
            total, ids = len(ids), ids[offset : offset + limit]
        else:
            total = filters.count(session)
            ids = _slice(session, _parts(filters, order), offset, limit)
        return queue_items(session, project, ids, annotator=None), total


class _Filters(NamedTuple):
    """Which images are shown."""

    project: Project
    split: str | None
    conditions: list[ColumnElement[bool]]
    unsure_of: int | None

    def images(self, *columns: Any) -> Select[Any]:
        """Return the question for the images, asked of the table of images."""
        query = select(*columns).where(Image.project_id == self.project.id, *self.conditions)
        if self.split is not None:
            query = query.where(Image.split == self.split)
        if self.unsure_of is not None:
            query = query.where(Image.id.in_(self._of_round().where(*self._unsure())), Image.split != "audit")
        return query

    def predictions(self) -> Select[int]:
        """Return the question for the ids of the scored images, asked of the table of predictions.

        An index there has the order and all that is needed, so that a page far down costs little.
        """
        query = self._of_round().where(Prediction.image_id.not_in(self.of_project(Image.split == "audit")))
        if self.unsure_of is not None:
            query = query.where(*self._unsure())
        if self.split == "pool":
            query = query.where(Prediction.image_id.not_in(self.of_project(Image.split.in_(_OTHERS))))
        elif self.split is not None:
            query = query.where(Prediction.image_id.in_(self.of_project(Image.split == self.split)))
        if self.conditions:
            query = query.where(Prediction.image_id.in_(self.of_project(*self.conditions)))
        return query

    def narrowed(self, session: Session) -> _Filters:
        """Return filters that find the same images by their ids, where they are few.

        A part of a name is looked for in every name, which is then done once and not for each question.
        """
        if not self.conditions:
            return self
        ids = session.scalars(self.images(Image.id).limit(MOST_GIVEN + 1)).all()
        return self if len(ids) > MOST_GIVEN else self._replace(conditions=[Image.id.in_(ids)])

    def count(self, session: Session) -> int:
        """Return how many images there are."""
        if self.unsure_of is not None:
            return session.scalar(self.predictions().with_only_columns(func.count())) or 0
        if self.split == "pool" and not self.conditions:
            # Most images are in the pool where there are many, and the index knows the number of all.
            of_project = select(func.count()).where(Image.project_id == self.project.id)
            every = session.scalar(of_project) or 0
            return every - (session.scalar(of_project.where(Image.split.in_(_OTHERS))) or 0)
        return session.scalar(self.images(func.count())) or 0

    def _of_round(self) -> Select[int]:
        return select(Prediction.image_id).where(Prediction.round_id == self.project.current_round_id)

    def _unsure(self) -> list[ColumnElement[bool]]:
        return [or_(Prediction.unsure_class == self.unsure_of, Prediction.unsure_against == self.unsure_of)]

    def of_project(self, *conditions: ColumnElement[bool]) -> Select[int]:
        """Return the question for the ids of the project's images that meet conditions."""
        return select(Image.id).where(Image.project_id == self.project.id, *conditions)


def _parts(filters: _Filters, order: str) -> list[Select[Any]]:
    """Return questions for image ids whose answers, one after the other, are the images in their order."""
    images = filters.images(Image.id)
    if order == "name":
        return [images.order_by(Image.name, Image.id)]
    if order == "newest":
        newest = and_(Label.image_id == Image.id, Label.revision == Image.revision)
        labelled = images.join(Label, newest).order_by(Label.created_at.desc(), Image.id)
        return [labelled, *_shuffled(images.where(Image.revision == 0))]
    scored = filters.predictions().where(
        Prediction.image_id.not_in(filters.of_project(Image.split == "excluded"))
    )
    of_image = select(Prediction.id).where(
        Prediction.image_id == Image.id, Prediction.round_id == filters.project.current_round_id
    )
    if order == "place":
        pinned = and_(Image.pinned_at.is_not(None), Image.split == "pool")
        # What was labelled since the round waits for nothing any more.
        labelled = filters.of_project(Image.split == "train")
        in_order = scored.order_by(Prediction.place, Prediction.image_id)
        parts = [
            images.where(pinned).order_by(Image.pinned_at, Image.id),
            in_order.where(
                Prediction.image_id.not_in(filters.of_project(pinned)), Prediction.image_id.not_in(labelled)
            ),
            in_order.where(Prediction.image_id.in_(labelled)),
        ]
        images = images.where(or_(Image.pinned_at.is_(None), Image.split != "pool"))
    else:
        value = getattr(Prediction, order)
        parts = [scored.where(value.is_not(None)).order_by(value.desc(), Prediction.image_id.desc())]
        of_image = of_image.where(value.is_not(None))
    return [*parts, *_shuffled(images.where(or_(Image.split.in_(("audit", "excluded")), ~of_image.exists())))]


def _shuffled(images: Select[Any]) -> list[Select[Any]]:
    """Return images by content hash, which is random, the excluded ones last."""
    images = images.order_by(Image.content_hash)
    return [images.where(Image.split != "excluded"), images.where(Image.split == "excluded")]


def _slice(session: Session, parts: Sequence[Select[Any]], offset: int, limit: int) -> list[int]:
    """Return ``limit`` ids from ``offset`` on of what the parts answer one after the other."""
    found: list[int] = []
    for part in parts:
        page = session.scalars(part.offset(offset).limit(limit - len(found))).all()
        found += page
        if len(found) == limit:
            break
        if page or not offset:
            offset = 0
        else:
            # The page begins behind this part, and only then is it worth knowing how long the part is.
            offset -= session.scalar(select(func.count()).select_from(part.order_by(None).subquery())) or 0
    return found
