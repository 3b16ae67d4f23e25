"""One page of everything that is in a project, in the order and by the filters a person chose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Exists, Select, and_, exists, func, or_, select, union
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.errors import InvalidInput
from storage.images import NOT_AUDIT
from storage.projects import project_row
from storage.queue_items import QueueItem, queue_items
from storage.queue_questions import start_of_shuffle
from storage.schema import PIXEL_SCORES, SPLITS, Image, Label, Prediction, Project
from storage.settings import ProjectSettings, read_settings
from storage.splits import count_splits
from storage.workspace import Workspace

ORDERS = ("place", "name", "newest", "novelty", *PIXEL_SCORES, "given")
MOST_GIVEN = 20_000
"""Images that can be asked for by their ids at a time: databases take so many values in one question."""
NEAR_AN_END = 10_000
"""With so few images before a page, and most that meet the conditions, asking one by one is quicker."""

FEW_SCORED = 100_000
"""Above so many, asking each image for its score is quicker than a list of the scored ones."""

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
    annotator: str | None = None,
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
        name: Only images whose name contains this; A to Z in whatever case, other letters (on SQLite) only
            in the case given.
        unsure_of: Only images where the current round takes this class for another, or another for it.
        image_ids: Only these images.
        order: ``place`` in the queue, as images are handed out to somebody without a draft (pinned ones, the
            pool by place, what is not scored in its random order, and what was skipped), and behind that
            what waits for the audit and what was labelled since the round; ``name``; ``newest`` label first;
            ``novelty`` or one of :data:`storage.schema.PIXEL_SCORES`, the highest first; ``given``, that of
            ``image_ids``. Images that have no such value come last, the excluded ones after all others.
        offset: Images before this page.
        limit: Images on this page.
        annotator: Who looks: of their own drafts is said that they are theirs.

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
        conditions.append(_named(name, workspace.database.engine.dialect.name))
    if image_ids is not None:
        conditions.append(Image.id.in_(image_ids))
    with workspace.database.reading() as session:
        project = project_row(session, project_id)
        filters = _Filters(project, split, conditions, unsure_of).narrowed(session)
        ranked = session.scalar(_last_rank(project)) or 0
        filters = filters._replace(few_scored=ranked <= FEW_SCORED)
        if order == "given":
            wanted = set(session.scalars(filters.images(Image.id)))
            ids = [image_id for image_id in dict.fromkeys(image_ids or ()) if image_id in wanted]
            total, ids = len(ids), ids[offset : offset + limit]
        else:
            total = filters.count(session)
            filters = filters.for_page(session, offset, limit, total)
            ids = _slice(session, _parts(filters, order), offset, limit, total)
        return queue_items(session, project.current_round_id, ids, annotator), total


def _named(part: str, dialect: str) -> ColumnElement[bool]:
    """Return the condition that a name contains this, A to Z in whatever case."""
    # SQLite's LIKE knows no case of A to Z, and its lower() would know no more letters and double the time.
    contains = Image.name.contains if dialect == "sqlite" else Image.name.icontains
    return contains(part, autoescape=True)


class _Filters(NamedTuple):
    """Which images are shown: those that meet all conditions, or, where they are known, those of ``ids``."""

    project: Project
    split: str | None
    conditions: list[ColumnElement[bool]]
    unsure_of: int | None
    ids: Sequence[int] | None = None
    asks_one_by_one: bool = False
    """Whether each image on the way to the page is asked for the conditions; otherwise all are, ahead."""
    few_scored: bool = False
    """Whether the ids of what the round has scored make a short list."""

    def images(self, *columns: Any) -> Select[Any]:
        """Return the question for the images, asked of the table of images."""
        query = self._of_images(*columns)
        if self.unsure_of is not None:
            query = query.where(Image.id.in_(self.of_round().where(*self._unsure())), NOT_AUDIT)
        return query

    def predictions(self) -> Select[int]:
        """Return the question for the ids of the scored images, asked of the table of predictions.

        An index there has the order and all that is needed, so that a page far down costs little.
        """
        query = self.of_round().where(Prediction.image_id.not_in(self.of_project(Image.split == "audit")))
        if self.ids is not None:
            query = query.where(Prediction.image_id.in_(self.ids))
        if self.unsure_of is not None:
            measures = self.of_project(Image.split == "excluded", Image.excluded_from == "audit")
            query = query.where(*self._unsure(), Prediction.image_id.not_in(measures))
        if self.split == "pool":
            query = query.where(Prediction.image_id.not_in(self.of_project(Image.split.in_(_OTHERS))))
        elif self.split is not None:
            query = query.where(Prediction.image_id.in_(self.of_project(Image.split == self.split)))
        if self.conditions and self.asks_one_by_one:
            query = query.where(exists().where(Image.id == Prediction.image_id, *self.conditions))
        elif self.conditions:
            query = query.where(Prediction.image_id.in_(self.of_project(*self.conditions)))
        return query

    def scored_of(self, split: str) -> Select[int]:
        """Return the question for the ids of the scored images of a split with few, asked one by one.

        Asked otherwise, SQLite would look through all predictions for them.
        """
        prediction = self.prediction_of_image(Prediction.id)
        if self.unsure_of is not None:
            prediction = prediction.where(*self._unsure())
        return self._of_images(Image.id).where(Image.split == split, NOT_AUDIT, prediction.exists())

    def prediction_of_image(self, *columns: Any) -> Select[Any]:
        """Return the question for what the current round thinks of the image in the question around it."""
        return select(*columns).where(
            Prediction.round_id == self.project.current_round_id, Prediction.image_id == Image.id
        )

    def narrowed(self, session: Session) -> _Filters:
        """Return filters that find the same images by their ids, where they are few.

        A part of a name is looked for in every name, which is then done once and not for each question.
        """
        if not self.conditions:
            return self
        ids = session.scalars(self.images(Image.id).limit(MOST_GIVEN + 1)).all()
        return self if len(ids) > MOST_GIVEN else _Filters(self.project, None, [], None, ids)

    def for_page(self, session: Session, offset: int, limit: int, total: int) -> _Filters:
        """Return filters that find the same images, as is quickest for this page of ``total``."""
        to_an_end = min(offset, max(0, total - offset - limit))
        if not self.conditions or to_an_end > NEAR_AN_END:
            return self
        every = sum(count_splits(session, self.project.id).values())
        return self._replace(asks_one_by_one=2 * total >= every)

    def count(self, session: Session) -> int:
        """Return how many images there are."""
        if self.ids is not None:
            return len(self.ids)
        if self.unsure_of is not None:
            return session.scalar(self.predictions().with_only_columns(func.count())) or 0
        if self.split == "pool" and not self.conditions:
            return count_splits(session, self.project.id)["pool"]
        return session.scalar(self.images(func.count())) or 0

    def _of_images(self, *columns: Any) -> Select[Any]:
        if self.ids is not None:
            # With the project beside the ids, SQLite would look through all of its images.
            return select(*columns).where(Image.id.in_(self.ids))
        query = select(*columns).where(Image.project_id == self.project.id, *self.conditions)
        return query if self.split is None else query.where(Image.split == self.split)

    def of_round(self) -> Select[int]:
        """Return the question for the ids of the images that the current round has scored."""
        return select(Prediction.image_id).where(Prediction.round_id == self.project.current_round_id)

    def _unsure(self) -> list[ColumnElement[bool]]:
        return [or_(Prediction.unsure_class == self.unsure_of, Prediction.unsure_against == self.unsure_of)]

    def of_project(self, *conditions: ColumnElement[bool]) -> Select[int]:
        """Return the question for the ids of the project's images that meet conditions."""
        return select(Image.id).where(Image.project_id == self.project.id, *conditions)


class _Part(NamedTuple):
    """Images that come one after the other in a page, and what they are sorted by."""

    images: Select[Any]
    keys: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...]
    descending: bool = False
    any: Select[bool] | None = None
    """A question that is quickly answered, where looking for images that are seldom there takes long."""

    def question(self, backwards: bool = False) -> Select[Any]:
        """Return the question for their ids in order, or from the last one to the first."""
        down = self.descending != backwards
        return self.images.order_by(*(key.desc() if down else key for key in self.keys))


def _parts(filters: _Filters, order: str) -> list[_Part]:
    """Return what makes the images in their order, one part after the other; no image is in two."""
    images = filters.images(Image.id)
    if order == "name":
        return [_Part(images, (Image.name, Image.id))]
    if order == "newest":
        newest = and_(Label.image_id == Image.id, Label.revision == Image.revision)
        untouched = images.where(Image.revision == 0)
        return [
            _Part(images.join(Label, newest), (Label.created_at, Image.id), descending=True),
            _Part(untouched.where(Image.split != "excluded"), (Image.content_hash,)),
            _Part(untouched.where(Image.split == "excluded"), (Image.content_hash,)),
        ]
    scored = filters.predictions().where(
        Prediction.image_id.not_in(filters.of_project(Image.split == "excluded"))
    )
    if order == "place":
        pinned = and_(Image.pinned_at.is_not(None), Image.split == "pool")
        are_pinned = filters.of_project(pinned)
        skipped = and_(Image.skipped_at.is_not(None), Image.pinned_at.is_(None), Image.split == "pool")
        are_skipped = filters.of_project(skipped)
        # What was labelled since the round waits for nothing any more.
        labelled = filters.of_project(Image.split == "train")
        return [
            _Part(images.where(pinned), (Image.pinned_at, Image.id)),
            _Part(
                scored.where(
                    Prediction.image_id.not_in(are_pinned),
                    Prediction.image_id.not_in(are_skipped),
                    Prediction.image_id.not_in(labelled),
                ),
                (Prediction.place, Prediction.image_id),
            ),
            *_unscored(filters, are_pinned, are_skipped),
            # As they are handed out: once nothing else is left.
            _Part(images.where(skipped), (Image.skipped_at, Image.id)),
            *_waiting_for_audit(filters),
            _Part(
                filters.scored_of("train"),
                (filters.prediction_of_image(Prediction.place).scalar_subquery(), Image.id),
            ),
            *_others_without(filters, Prediction.place),
        ]
    value: InstrumentedAttribute[Any] = getattr(Prediction, order)
    return [
        _Part(scored.where(value.is_not(None)), (value, Prediction.image_id), descending=True),
        *_without_value(filters, value),
    ]


def _without_value(filters: _Filters, value: InstrumentedAttribute[Any]) -> list[_Part]:
    """Return the images that have no such value of the round, or show none, in any order."""
    if filters.unsure_of is None:
        pool = _pool_without(filters, value)
        return [pool, *_waiting_for_audit(filters), *_others_without(filters, value)]
    # The round is unsure of none that it has not scored.
    excluded = filters.of_project(Image.split == "excluded")
    scored = filters.predictions().where(value.is_(None), Prediction.image_id.not_in(excluded))
    return [_Part(scored, (Prediction.image_id,)), *_others_without(filters, value)]


def _unscored(filters: _Filters, *elsewhere: Select[int]) -> list[_Part]:
    """Return the pool that the round has not scored, shuffled as it is handed out.

    What an older round saw and is unlike all labelled images is handed out before the rest of it: that takes
    the embeddings of all, and is known of the first images only.
    """
    if filters.unsure_of is not None:
        return []
    pool = _pool_without(filters, Prediction.place, *elsewhere)
    start = start_of_shuffle(read_settings(ProjectSettings, filters.project.settings).annotation.seed)
    halves = (Image.content_hash >= start, Image.content_hash < start)
    return [pool._replace(images=pool.images.where(half)) for half in halves]


def _pool_without(filters: _Filters, value: InstrumentedAttribute[Any], *elsewhere: Select[int]) -> _Part:
    """Return the images of the pool that have no such value and whose ids ``elsewhere`` does not have."""
    images = filters.images(Image.id).where(Image.split == "pool")
    if filters.few_scored:
        # One short list is looked into in half the time, where most images are not in it.
        scored = filters.of_round().where(value.is_not(None))
        images = images.where(Image.id.not_in(union(scored, *elsewhere)))
    else:
        images = images.where(~_has(filters, value), *(Image.id.not_in(ids) for ids in elsewhere))
    return _Part(images, (Image.content_hash,), any=_any_left(filters.project, value))


def _waiting_for_audit(filters: _Filters) -> list[_Part]:
    """Return the images drawn for the audit without a label, which come at a time that nobody is to know."""
    if filters.unsure_of is not None:
        return []  # Of an audit image the screen does not say what the round is unsure of.
    waiting = and_(Image.split == "audit", Image.labelled_revision == 0)
    return [_Part(filters.images(Image.id).where(waiting), (Image.content_hash,))]


def _others_without(filters: _Filters, value: InstrumentedAttribute[Any]) -> list[_Part]:
    """Return what is labelled or excluded and has no value of the round, or shows none."""
    if filters.unsure_of is not None:
        return [_Part(filters.scored_of("excluded"), (Image.id,))]
    images, by_hash = filters.images(Image.id), (Image.content_hash,)
    return [
        _Part(images.where(~_has(filters, value), Image.split == "train"), by_hash),
        _Part(images.where(Image.split == "audit", Image.labelled_revision > 0), by_hash),
        _Part(images.where(Image.split == "excluded"), by_hash),
    ]


def _has(filters: _Filters, value: InstrumentedAttribute[Any]) -> Exists:
    """Return the condition that the image in the question around it has a value of the round."""
    prediction = filters.prediction_of_image(Prediction.id)
    if value is not Prediction.place:
        prediction = prediction.where(value.is_not(None))
    return prediction.exists()


def _any_left(project: Project, value: InstrumentedAttribute[Any]) -> Select[bool]:
    """Return the question whether an image of the pool may lack a value of the round."""
    of_project, of_round = Image.project_id == project.id, Prediction.round_id == project.current_round_id
    prediction = select(Prediction.id).where(of_round)
    other = select(func.count()).where(
        of_project, Image.split.in_(_OTHERS), ~prediction.where(Prediction.image_id == Image.id).exists()
    )
    every = select(func.count()).where(of_project)
    scored = func.coalesce(_last_rank(project).scalar_subquery(), 0)
    missing = every.scalar_subquery() > scored + other.scalar_subquery()
    return select(or_(missing, prediction.where(value.is_(None)).exists()))


def _last_rank(project: Project) -> Select[int]:
    """Return the question for how many images the round has scored: ranks run from 1 without gaps."""
    return select(func.max(Prediction.rank)).where(Prediction.round_id == project.current_round_id)


def _slice(session: Session, parts: Sequence[_Part], offset: int, limit: int, total: int) -> list[int]:
    """Return ``limit`` ids from ``offset`` on of the ``total`` that the parts have."""
    limit = min(limit, total - offset)
    if limit <= 0:
        return []
    behind = total - offset - limit
    # From the end there are more small parts to ask for, which has to pay.
    if offset <= 2 * behind:
        return _walk(session, parts, offset, limit)
    return _walk(session, parts[::-1], behind, limit, backwards=True)[::-1]


def _walk(
    session: Session, parts: Sequence[_Part], offset: int, limit: int, backwards: bool = False
) -> list[int]:
    """Return ``limit`` ids from ``offset`` on of what the parts answer one after the other."""
    found: list[int] = []
    answers: dict[Select[bool], bool] = {}
    for part in parts:
        # Both halves of a shuffle ask the same.
        if part.any is not None and part.any not in answers:
            answers[part.any] = bool(session.scalar(part.any))
        if part.any is not None and not answers[part.any]:
            continue
        page = session.scalars(part.question(backwards).offset(offset).limit(limit - len(found))).all()
        found += page
        if len(found) == limit:
            break
        if page or not offset:
            offset = 0
        else:
            # The page begins behind this part, and only then is it worth knowing how long the part is.
            offset -= session.scalar(select(func.count()).select_from(part.images.subquery())) or 0
    return found
