"""What the choice of the next images asks the database, as questions that are made once.

Choosing takes a dozen small questions, and to put one together takes several times as long as to answer it.
All are asked with the values of :class:`storage.next_images._Choice`.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import (
    BindParameter,
    Select,
    SelectBase,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from storage.schema import Image, Prediction, Project

_PROJECT: BindParameter[Any] = bindparam("of_project")
_ROUND: BindParameter[Any] = bindparam("of_round")
_PERSON: BindParameter[Any] = bindparam("person")
_TAKEN: BindParameter[Any] = bindparam("taken", expanding=True)
_START: BindParameter[Any] = bindparam("start")
_HOLDING: BindParameter[Any] = bindparam("holding")
_MOST: BindParameter[Any] = bindparam("most")

_free = or_(Image.leased_by.is_(None), Image.leased_by == _PERSON, Image.leased_until <= bindparam("now"))
_in_pool = and_(Image.split == "pool", Image.skipped_at.is_(None), _free)
_unlabelled = and_(Image.split.in_(("pool", "audit")), Image.labelled_revision == 0)
# Whoever was handed somebody else's draft could only skip it, and put it at the end of the other's queue too.
_not_begun_by_others = or_(Image.draft_by.is_(None), Image.draft_by == _PERSON)

PROJECT = (
    select(Project.name, Project.settings, Project.current_round_id, Project.archived_at)
    .where(Project.id == _PROJECT)
    .with_for_update()
)
"""On PostgreSQL the lock makes two people choose one after the other, as SQLite does anyway."""

_drafts = (
    select(Image.id, Image.id.label("key"))
    .where(
        Image.project_id == _PROJECT,
        Image.draft_by == _PERSON,
        Image.split != "excluded",
        Image.skipped_at.is_(None),
        _free,
    )
    .order_by(Image.id)
    .limit(_MOST)
)
_pinned = (
    select(Image.id, Image.pinned_at.label("key"))
    .where(Image.project_id == _PROJECT, Image.pinned_at.is_not(None), _in_pool)
    .order_by(Image.pinned_at, Image.id)
    .limit(_MOST)
)
_scored = (
    select(Image.id, Prediction.place.label("key"))
    .join(Prediction, Prediction.image_id == Image.id)
    .where(Prediction.round_id == _ROUND, _in_pool, _not_begun_by_others)
    .order_by(Prediction.place)
    .limit(_MOST)
)


SCORED = 2
"""The turn of what is neither begun nor pinned."""


def _turn(number: int, query: SelectBase) -> Select[int, float, int]:
    images = query.subquery()
    return select(literal_column(str(number)).label("turn"), images.c.key, images.c.id)


DRAFTS_PINNED_SCORED = union_all(_turn(0, _drafts), _turn(1, _pinned), _turn(SCORED, _scored)).order_by(
    "turn", "key", "id"
)
"""``most`` of each: a person's drafts (turn 0), what is pinned (1), and the pool by place (``SCORED``)."""

SKIPPED = (
    select(Image.id)
    .where(
        Image.project_id == _PROJECT,
        Image.skipped_at.is_not(None),
        or_(
            and_(_unlabelled, _not_begun_by_others),
            # A correction that was begun waits for its author, whatever the image is labelled with.
            and_(Image.draft_by == _PERSON, Image.split != "excluded"),
        ),
        _free,
    )
    .order_by(Image.skipped_at)
    .limit(_MOST)
)

BEGUN_BY_OTHERS = (
    select(Image.id)
    .where(
        Image.project_id == _PROJECT,
        # Names come after the empty text, so the index on draft_by finds the few there are.
        Image.draft_by > "",
        Image.draft_by != _PERSON,
        _unlabelled,
        _free,
    )
    .order_by(Image.skipped_at.is_not(None), Image.skipped_at, Image.id)
    .limit(_MOST)
)

TRAINED = select(Image.id).where(Image.project_id == _PROJECT, Image.split == "train")


def _shuffled(query: Select[Any]) -> tuple[Select[Any], Select[Any]]:
    # Content hashes are random already: a seeded place to begin makes their order a shuffle
    # that the index on (project_id, split, content_hash) serves without sorting.
    ordered = query.order_by(Image.content_hash).limit(_MOST)
    return ordered.where(Image.content_hash >= _START), ordered.where(Image.content_hash < _START)


def start_of_shuffle(seed: int) -> str:
    """Return the content hash at which the order of the images without a score begins."""
    return hashlib.sha256(f"queue {seed}".encode()).hexdigest()


_has_score = select(Prediction.id).where(Prediction.round_id == _ROUND, Prediction.image_id == Image.id)
UNSCORED = _shuffled(
    select(Image.id).where(Image.project_id == _PROJECT, _in_pool, _not_begun_by_others, ~_has_score.exists())
)
"""One after the other they answer all, ``most`` of each."""

# Content hashes know nothing of the content, so the one that follows a random number is as good
# as one image drawn from all, and the index finds it without reading all. What is on a screen is not drawn:
# its suggestion was seen.
UNTOUCHED = _shuffled(
    select(Image.id).where(
        Image.project_id == _PROJECT,
        _in_pool,
        Image.revision == 0,
        Image.pinned_at.is_(None),
        or_(Image.leased_until.is_(None), Image.leased_until <= bindparam("screen_lease_from")),
        Image.id.not_in(_TAKEN),
    )
)

_skipped = Image.skipped_at.is_not(None)
_in_audit = and_(Image.project_id == _PROJECT, Image.split == "audit")
_waiting = Image.labelled_revision == 0
_of_trained = TRAINED.with_only_columns(func.count()).scalar_subquery()
_of_held = select(func.count()).where(Image.id == _HOLDING, _waiting).scalar_subquery()

_with_others = and_(Image.id.not_in(_TAKEN), or_(~_free, ~_not_begun_by_others))
AUDIT_COUNTS = select(
    func.count().label("drawn"),
    func.count(case((_waiting, 1))).label("waiting"),
    func.count(case((and_(_waiting, _with_others), 1))).label("with_others"),
    func.count(case((and_(_waiting, Image.id.in_(_TAKEN)), 1))).label("begun"),
    func.count(case((and_(_waiting, Image.id.not_in(_TAKEN), ~_with_others, _skipped), 1))).label("put_off"),
    _of_trained.label("trained"),
    _of_held.label("held"),
).where(_in_audit)
"""Beside the audit images: those that train, and whether the held one has no label yet (0 or 1)."""

AUDIT_LEFT_OVER = (
    select(Image.id)
    .where(
        _in_audit,
        _waiting,
        Image.skipped_at.is_(None),
        _free,
        _not_begun_by_others,
        Image.id.not_in(_TAKEN),
    )
    .order_by(Image.content_hash)
    .limit(_MOST)
)

HELD = select(Image.id, Image.project_id, Image.leased_until).where(Image.leased_by == _PERSON)
"""A person holds few images: the index on leased_by finds them, where a condition on the project would tempt
the database to walk all of its images."""

TO_AUDIT = update(Image).where(Image.id == bindparam("drawn")).values(split="audit")

RESERVE = (
    update(Image)
    .where(Image.id.in_(_TAKEN), or_(Image.id.is_distinct_from(_HOLDING), Image.leased_by == _PERSON))
    .values(
        leased_by=_PERSON,
        leased_until=case(
            (
                or_(Image.id == _HOLDING, Image.id == bindparam("first"), Image.draft_by == _PERSON),
                bindparam("until"),
            ),
            (Image.leased_until > bindparam("ahead_until"), Image.leased_until),
            else_=bindparam("ahead_until"),
        ),
    )
)
"""The held image stays reserved, but only while it is this person's, and so does what they have begun. What
was on the screen before stays so for as long as it was to."""
