"""An image of the queue with what a person sees beside it, and the sentence that says why it comes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, and_, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from storage.early_suggestions import ShownEarly, early_suggestions
from storage.images import ImageInfo, image_info, is_audit
from storage.schema import COLD_START, PIXEL_SCORES, Image, Label, LabelClass, Prediction, Round

_AUDIT_WHY = "Audit image, drawn at random and labelled blind: it measures the model and never trains it"
_EXCLUDED_WHY = "Excluded: it is neither labelled nor trained on"
_EXCLUDED_LABEL_WHY = "Excluded: its label map is kept and not trained on"
_DRAFT_WHY = "You began this one: your draft is restored"
_SKIPPED_WHY = "Skipped earlier: it comes again when nothing else is left"
_UNSCORED_WHY = "Not scored yet: in random order until the first round is done"
_UNLIKE_WHY = "Not scored by the last round: it comes early because it is unlike what is labelled"
_UNSEEN_WHY = "Not put in order yet: in random order until a round looks at it"
_UNSCORED_LATER_WHY = "Not scored by the last round: in random order until a round looks at it"
_UNLIKE_CLAUSE = "; unlike anything labelled"
"""The end of a round's sentence about an image that was unlike all labelled ones (:mod:`core.reasons`)."""


@dataclass(frozen=True)
class QueueItem:
    """An image to label, with what the person sees beside it.

    ``status`` and ``author`` are those of the newest label revision. What comes from a round is None for an
    audit image, which is labelled blind, and for an image that round has not scored.

    The blobs are of the round ``suggestion_round_id``, mostly the current one, and one at work while that
    shows its suggestions early, see :mod:`storage.early_suggestions`.

    Of the current round, ``ranking_round_number``, are ``rank`` and ``score``; ``place``, what the queue
    sorts by; ``scores`` by the names of :data:`storage.schema.PIXEL_SCORES`; ``novelty``, 1 − cosine with the
    most alike labelled image; ``unsure_of``, the two classes it confuses most, the likelier first; and
    ``like``, the name of the image labelled since that moved this one back. ``ranked`` counts the images it
    ranked. ``pinned`` is True while a person has put the image to the front.
    """

    image: ImageInfo
    revision: int
    status: str | None
    author: str | None
    split: str
    is_audit: bool
    rank: int | None
    score: float | None
    why: str
    suggestion_round_id: int | None
    suggestion_round_number: int | None
    ranking_round_number: int | None
    map_blob: str | None
    uncertainty_blob: str | None
    ranked: int
    place: float | None
    pinned: bool
    scores: dict[str, float]
    novelty: float | None
    unsure_of: tuple[int, int] | None
    like: str | None


class _Newest(NamedTuple):
    """The newest label revision of an image."""

    status: str
    author: str
    labelled_share: float


class _Current(NamedTuple):
    """The current round, and how many images it ranked."""

    id: int
    number: int
    ranked: int


class _Known(NamedTuple):
    """An image and what is known of it; ``like`` is as in :class:`QueueItem`.

    ``names`` are those that the two classes of ``unsure_of`` have now.
    """

    row: Image
    label: _Newest | None
    prediction: Prediction | None
    early: ShownEarly | None
    current: _Current | None
    like: str | None
    names: tuple[str, str] | None


_OF_ROUND: BindParameter[Any] = bindparam("of_round")
_liked = aliased(Image)
_unsure, _against = aliased(LabelClass), aliased(LabelClass)
# Ranks run from 1 without gaps, and the index knows the last one.
_last_rank = select(func.max(Prediction.rank)).where(Prediction.round_id == _OF_ROUND).scalar_subquery()
_ITEMS = (
    select(
        Image,
        Label.status,
        Label.author,
        Label.labelled_share,
        Prediction,
        _liked.name,
        _unsure.name,
        _against.name,
    )
    .add_columns(Round.number, _last_rank)
    .outerjoin(Label, and_(Label.image_id == Image.id, Label.revision == Image.revision))
    .outerjoin(Prediction, and_(Prediction.image_id == Image.id, Prediction.round_id == _OF_ROUND))
    .outerjoin(_liked, and_(_liked.id == Prediction.like_image_id, Prediction.place > Prediction.rank))
    .outerjoin(
        _unsure, and_(_unsure.project_id == Image.project_id, _unsure.index == Prediction.unsure_class)
    )
    .outerjoin(
        _against, and_(_against.project_id == Image.project_id, _against.index == Prediction.unsure_against)
    )
    .outerjoin(Round, Round.id == _OF_ROUND)
    .where(Image.id.in_(bindparam("ids", expanding=True)))
)


def queue_items(
    session: Session,
    round_id: int | None,
    image_ids: Sequence[int],
    annotator: str | None,
    unlike: Collection[int] = (),
) -> list[QueueItem]:
    """Return what ``annotator`` sees of images of one project, whose current round is ``round_id``.

    ``unlike`` has those images that come for being unlike the rest.
    """
    found = session.execute(_ITEMS, {"of_round": round_id, "ids": image_ids}).all()
    early = early_suggestions(session, image_ids)
    items = {
        row.id: _item(
            _Known(
                row,
                _Newest(status, author, labelled_share) if author is not None else None,
                # What a round thinks of an audit image is hidden from whoever labels it.
                prediction if not is_audit(row) else None,
                early.get(row.id) if not is_audit(row) else None,
                _Current(round_id, number, ranked or 0) if round_id is not None else None,
                like,
                (unsure, against) if unsure and against else None,
            ),
            annotator,
            row.id in unlike,
        )
        for row, status, author, labelled_share, prediction, like, unsure, against, number, ranked in found
    }
    return [items[image_id] for image_id in image_ids]


def _item(known: _Known, annotator: str | None, unlike: bool) -> QueueItem:
    row, label, prediction, early, current, like, _ = known
    maps = early or prediction
    ranking = current.number if current and prediction else None
    return QueueItem(
        image=image_info(row),
        revision=row.revision,
        status=label.status if label else None,
        author=label.author if label else None,
        split=row.split,
        is_audit=is_audit(row),
        rank=prediction.rank if prediction else None,
        score=prediction.score if prediction else None,
        why=_why(known, annotator, unlike),
        suggestion_round_id=maps.round_id if maps else None,
        suggestion_round_number=early.round_number if early else ranking,
        ranking_round_number=ranking,
        map_blob=maps.map_blob if maps else None,
        uncertainty_blob=maps.uncertainty_blob if maps else None,
        ranked=current.ranked if current else 0,
        place=prediction.place if prediction else None,
        pinned=is_pinned(row),
        scores=_scores(prediction) if prediction else {},
        novelty=prediction.novelty if prediction else None,
        unsure_of=_unsure_of(prediction) if prediction else None,
        like=like if prediction else None,
    )


def is_pinned(row: Image) -> bool:
    """Return whether a person put the image to the front of the queue and it still waits there."""
    return row.pinned_at is not None and row.split == "pool"


def _scores(prediction: Prediction) -> dict[str, float]:
    found = ((name, getattr(prediction, name)) for name in PIXEL_SCORES)
    return {name: value for name, value in found if value is not None}


def _unsure_of(prediction: Prediction) -> tuple[int, int] | None:
    if prediction.unsure_class is None or prediction.unsure_against is None:
        return None
    return prediction.unsure_class, prediction.unsure_against


def _why(known: _Known, annotator: str | None, unlike: bool) -> str:
    row, label, prediction, _, current, like, names = known
    if row.split == "excluded":
        return _EXCLUDED_WHY if label is None else _EXCLUDED_LABEL_WHY
    if label is not None and label.status == "draft" and not label.labelled_share:
        # What was undone down to nothing is no work to be told of.
        label = None
    if label is not None and label.status == "draft":
        return (
            _DRAFT_WHY if label.author == annotator else f"{label.author} began this one: the draft is shown"
        )
    if label is not None:
        author = "you" if label.author == annotator else label.author
        return f"Labelled by {author} (revision {row.revision}): a new submission replaces it"
    if row.split == "audit":
        return _AUDIT_WHY
    if is_pinned(row):
        return f"Pinned to the front by {'you' if row.pinned_by == annotator else row.pinned_by}"
    if row.skipped_at is not None:
        return _SKIPPED_WHY
    if prediction is not None and current is not None:
        why = f"Rank {prediction.rank:,} of {current.ranked:,}: {_sentence(prediction, names)}"
        return f"{why}; moved back, because {like} is much like it" if like else why
    if unlike:
        return _UNLIKE_WHY
    if current is None:
        return _UNSCORED_WHY
    return _UNSEEN_WHY if current.number == COLD_START else _UNSCORED_LATER_WHY


def _sentence(prediction: Prediction, names: tuple[str, str] | None) -> str:
    sentence = str(prediction.why.get("sentence") or "the model is less sure about the others")
    if prediction.like_image_id is not None:
        # Something like it was labelled since the round wrote that.
        sentence = sentence.removesuffix(_UNLIKE_CLAUSE)
    told = prediction.why.get("names")
    if not told or names is None:
        return sentence
    # Both at once: two classes may have swapped their names.
    return sentence.replace(" against ".join(told), " against ".join(names), 1)
