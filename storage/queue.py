"""Who labels which image next, and how far the project is."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from storage import events
from storage.errors import InvalidInput, LeaseLost
from storage.images import ImageInfo, count_splits, image_info, image_row
from storage.projects import project_row
from storage.rounds import RoundInfo, StartAdvice, advise, find_live_round, seen_classes
from storage.schema import Image, Label, Prediction, Project, Round
from storage.settings import AnnotationSettings, ProjectSettings
from storage.workspace import Workspace

EARLY_AUDIT = 4
"""So many audit images come at twice the rate, at most every second: the first rounds are measured on the
same images then, and a temperature can be fitted to them."""

_AUDIT_WHY = "Audit image, drawn at random and labelled blind: it measures the model and never trains it"
_DRAFT_WHY = "You began this one: your draft is restored"
_SKIPPED_WHY = "Skipped earlier: it comes again because nothing else is left"
_UNSCORED_WHY = "Not scored yet: in random order until the first round is done"
_UNSCORED_LATER_WHY = "Not scored by the last round: in random order until the next round is done"


@dataclass(frozen=True)
class QueueItem:
    """An image to label, with what the person sees beside it.

    ``status`` and ``author`` are those of the newest label revision. ``rank``, ``score`` and the blobs
    come from the current round and are None for an audit image, which is labelled blind, and for an
    image that round has not scored. ``ranked`` counts the images the round ranked.
    """

    image: ImageInfo
    revision: int
    status: str | None
    author: str | None
    split: str
    blind: bool
    rank: int | None
    score: float | None
    why: str
    round_id: int | None
    round_number: int | None
    map_blob: str | None
    uncertainty_blob: str | None
    ranked: int


@dataclass(frozen=True)
class Progress:
    """How far a project is: images per split, labelled ones, and when the next round starts.

    ``labelled`` counts the images in train and audit with a submitted label map; ``classes_seen``
    the classes that occur in the labels of train.
    """

    images: int
    pool: int
    train: int
    audit: int
    excluded: int
    labelled: int
    classes_seen: int
    next_round: StartAdvice
    round: RoundInfo | None
    current_round_number: int | None


def next_images(
    workspace: Workspace,
    project_id: int,
    annotator: str,
    count: int,
    holding: int | None = None,
    now: float | None = None,
) -> list[QueueItem]:
    """Reserve and return the next ``count`` images for a person, fewer when there are no more.

    Own drafts come first, then audit images at the set rate between the pool by rank of the current
    round, then the pool that is not scored in a seeded random order, and skipped images last. An image
    reserved for somebody else is never among them. Other reservations of this person end.

    Args:
        workspace: The workspace.
        project_id: The project.
        annotator: Name of the person.
        count: How many images, at least 1.
        holding: Id of the image on the person's screen; it stays reserved and is not returned.
        now: Epoch seconds.

    Raises:
        NotFound: there is no such project.
    """
    if count < 1:
        raise InvalidInput("Ask for at least one image.")
    now = time.time() if now is None else now
    with workspace.database.writing() as session:
        # On PostgreSQL the lock makes two people choose one after the other, as SQLite does anyway.
        project = project_row(session, project_id, lock=True)
        settings = ProjectSettings.model_validate(project.settings).annotation
        chosen = _Choice(session, project, settings, annotator, holding, now).images(count)
        ids = [row.id for row in chosen]
        _release(session, annotator, project_id, keep=[*ids, *([holding] if holding is not None else [])])
        until = now + settings.lease_minutes * 60
        for row in chosen:
            row.leased_by, row.leased_until = annotator, until
        if holding is not None:
            session.execute(
                update(Image)
                .where(Image.id == holding, Image.leased_by == annotator)
                .values(leased_until=until)
            )
        session.flush()
        return _items(session, project, chosen, annotator)


class _Choice:
    """The choice of the next images within one write transaction."""

    def __init__(
        self,
        session: Session,
        project: Project,
        settings: AnnotationSettings,
        annotator: str,
        holding: int | None,
        now: float,
    ) -> None:
        self.session = session
        self.project = project
        self.settings = settings
        self.annotator = annotator
        self.holding = holding
        self.now = now
        self.free = or_(Image.leased_by.is_(None), Image.leased_by == annotator, Image.leased_until <= now)
        self.taken: set[int] = {holding} if holding is not None else set()

    def images(self, count: int) -> list[Image]:
        chosen = list(self.session.scalars(self._drafts().limit(count)))
        self.taken.update(row.id for row in chosen)
        pool = self._pool(2 * count)
        audit = _AuditDraw(self, count)
        while len(chosen) < count:
            row = audit.take(len(chosen)) or next((row for row in pool if row.id not in self.taken), None)
            if row is None:
                row = audit.take_left_over()
            if row is None:
                row = next((row for row in self._skipped(2 * count) if row.id not in self.taken), None)
            if row is None:
                break
            chosen.append(row)
            self.taken.add(row.id)
        return chosen

    def _drafts(self) -> Select[Image]:
        return (
            select(Image)
            .where(
                Image.project_id == self.project.id,
                Image.draft_by == self.annotator,
                Image.split != "excluded",
                Image.skipped_at.is_(None),
                Image.id.not_in(self.taken),
                self.free,
            )
            .order_by(Image.id)
        )

    def _pool(self, limit: int) -> Iterator[Image]:
        waiting = and_(Image.split == "pool", Image.skipped_at.is_(None), self.free)
        current = self.project.current_round_id
        scored: ColumnElement[bool] | None = None
        if current is not None:
            yield from self.session.scalars(
                select(Image)
                .join(Prediction, Prediction.image_id == Image.id)
                .where(Prediction.round_id == current, waiting)
                .order_by(Prediction.rank)
                .limit(limit)
            )
            scored = (
                select(Prediction.id)
                .where(Prediction.round_id == current, Prediction.image_id == Image.id)
                .exists()
            )
        # Content hashes are random already: a seeded place to begin makes their order a shuffle
        # that the index on (project_id, split, content_hash) serves without sorting.
        start = hashlib.sha256(f"queue {self.settings.seed}".encode()).hexdigest()
        for part in (Image.content_hash >= start, Image.content_hash < start):
            query = select(Image).where(Image.project_id == self.project.id, part, waiting)
            if scored is not None:
                query = query.where(~scored)
            yield from self.session.scalars(query.order_by(Image.content_hash).limit(limit))

    def _skipped(self, limit: int) -> Sequence[Image]:
        return self.session.scalars(
            select(Image)
            .where(
                Image.project_id == self.project.id,
                Image.skipped_at.is_not(None),
                Image.split.in_(("pool", "audit")),
                Image.labelled_revision == 0,
                self.free,
            )
            .order_by(Image.skipped_at)
            .limit(limit)
        ).all()


class _AuditDraw:
    """Audit images at the set rate, the first ones sooner.

    Those drawn earlier and still without a label come before new ones.
    """

    def __init__(self, choice: _Choice, count: int) -> None:
        self.choice = choice
        self.untouched: Sequence[int] | None = None
        session, project_id = choice.session, choice.project.id
        counts = count_splits(session, project_id)
        self.drawn = counts["audit"]
        in_audit = (Image.project_id == project_id, Image.split == "audit")
        waiting = (*in_audit, Image.labelled_revision == 0)
        without_label = session.scalar(select(func.count()).select_from(Image).where(*waiting)) or 0
        labelled = self.drawn - without_label
        with_others = session.scalar(select(func.count()).select_from(Image).where(*waiting, ~choice.free))
        own = Image.id.in_(choice.taken)
        begun = session.scalar(select(func.count()).select_from(Image).where(*waiting, own, choice.free))
        self.handed_out = labelled + (with_others or 0) + (begun or 0)
        self.submitted = counts["train"] + labelled
        if choice.holding is not None:
            held = session.get(Image, choice.holding)
            self.submitted += int(held is not None and held.labelled_revision == 0)
        self.left_over = list(
            session.scalars(
                select(Image)
                .where(*waiting, Image.skipped_at.is_(None), choice.free, ~own)
                .order_by(Image.id)
                .limit(count)
            )
        )

    def take(self, position: int) -> Image | None:
        """Return the audit image due at this position of the batch; None when none is due or left."""
        every, target = self.choice.settings.audit_every, self.choice.settings.audit_target
        if every == 0:
            return None
        count = self.submitted + position + 1
        due = max(count // every, min(EARLY_AUDIT, count // max(2, every // 2)))
        if self.handed_out >= min(target, due):
            return None
        row = self.take_left_over()
        if row is None and self.drawn < target:
            row = self._draw()
        if row is not None:
            self.handed_out += 1
        return row

    def take_left_over(self) -> Image | None:
        """Return an audit image drawn earlier; None when there is none."""
        return self.left_over.pop(0) if self.left_over else None

    def _draw(self) -> Image | None:
        choice = self.choice
        if self.untouched is None:
            self.untouched = choice.session.scalars(
                select(Image.id)
                .where(
                    Image.project_id == choice.project.id,
                    Image.split == "pool",
                    Image.revision == 0,
                    Image.skipped_at.is_(None),
                    choice.free,
                )
                .order_by(Image.content_hash)
            ).all()
        candidates = [image_id for image_id in self.untouched if image_id not in choice.taken]
        if not candidates:
            return None
        generator = np.random.default_rng([choice.settings.seed, self.drawn])
        row = image_row(choice.session, candidates[int(generator.integers(len(candidates)))])
        row.split = "audit"
        self.drawn += 1
        events.record(
            choice.session, choice.project.id, choice.annotator, "audit", image=row.id, drawn=self.drawn
        )
        return row


def open_image(workspace: Workspace, image_id: int, annotator: str) -> tuple[QueueItem, str | None]:
    """Return an image picked by hand and who else holds it; it is reserved for the person when free.

    Raises:
        NotFound: there is no such image.
    """
    now = time.time()
    with workspace.database.writing() as session:
        row = image_row(session, image_id)
        project = project_row(session, row.project_id, lock=True)
        held_by = _holder(row, annotator, now)
        if held_by is None:
            row.leased_by, row.leased_until = annotator, now + _lease_seconds(project)
            session.flush()
        return _items(session, project, [row], annotator)[0], held_by


def renew_lease(workspace: Workspace, image_id: int, annotator: str) -> float:
    """Reserve the image for another lease and return until when, in epoch seconds.

    Raises:
        LeaseLost: somebody else holds it.
        NotFound: there is no such image.
    """
    now = time.time()
    with workspace.database.writing() as session:
        row = image_row(session, image_id)
        project = project_row(session, row.project_id, lock=True)
        _refuse_held(row, annotator, now)
        row.leased_by, row.leased_until = annotator, now + _lease_seconds(project)
        return row.leased_until


def skip(workspace: Workspace, image_id: int, annotator: str) -> None:
    """Put an image at the end of the queue and free it; a draft on it stays.

    Raises:
        LeaseLost: somebody else holds it.
        NotFound: there is no such image.
    """
    now = time.time()
    with workspace.database.writing() as session:
        row = image_row(session, image_id)
        _refuse_held(row, annotator, now)
        row.skipped_at, row.leased_by, row.leased_until = now, None, None
        events.record(session, row.project_id, annotator, "skip", image=image_id)


def release_all(workspace: Workspace, annotator: str) -> None:
    """End every reservation of a person, in every project."""
    with workspace.database.writing() as session:
        _release(session, annotator, None, keep=())


def ranked_images(
    workspace: Workspace,
    project_id: int,
    *,
    split: str | None = None,
    state: str | None = None,
    name: str | None = None,
    order: str = "rank",
    offset: int = 0,
    limit: int = 60,
) -> tuple[list[QueueItem], int]:
    """Return one page of a project's images by rank of the current round, and how many there are in all.

    Args:
        workspace: The workspace.
        project_id: The project.
        split: Only this split.
        state: Only ``draft`` (the newest revision is one), ``submitted`` (or approved), ``unlabelled``
            (no revision at all) or ``skipped`` images.
        name: Only images whose name contains this, in whatever case.
        order: ``rank`` of the current round, ``name``, or ``newest`` label first; images without a rank or
            a label come last, the excluded ones after all others.
        offset: Images before this page.
        limit: Images on this page.

    Raises:
        NotFound: there is no such project.
    """
    conditions = [Image.project_id == project_id]
    if split is not None:
        conditions.append(Image.split == split)
    if state is not None:
        if state not in _STATES:
            raise InvalidInput(f"{state} is not a label state. Choose one of {', '.join(_STATES)}.")
        conditions.append(_STATES[state])
    if name is not None:
        conditions.append(Image.name.icontains(name, autoescape=True))
    if order not in ("rank", "name", "newest"):
        raise InvalidInput(f"{order} is not an order of images. Choose one of rank, name, newest.")
    with workspace.database.reading() as session:
        project = project_row(session, project_id)
        total = session.scalar(select(func.count()).select_from(Image).where(*conditions)) or 0
        page = select(Image).where(*conditions)
        if order == "name":
            page = page.order_by(Image.name)
        elif order == "newest":
            newest = and_(Label.image_id == Image.id, Label.revision == Image.revision)
            page = page.outerjoin(Label, newest).order_by(
                case((Label.created_at.is_(None), 1), else_=0), Label.created_at.desc()
            )
        elif project.current_round_id is not None:
            # The rank of an audit image would tell about the model, and it is labelled blind.
            of_round = and_(
                Prediction.image_id == Image.id,
                Prediction.round_id == project.current_round_id,
                Image.split != "audit",
            )
            page = page.outerjoin(Prediction, of_round).order_by(
                case((Prediction.rank.is_(None), 1), else_=0), Prediction.rank
            )
        excluded_last = case((Image.split == "excluded", 1), else_=0)
        page = page.order_by(excluded_last, Image.content_hash)
        rows = session.scalars(page.offset(offset).limit(limit)).all()
        return _items(session, project, rows, annotator=None), total


_STATES: dict[str, ColumnElement[bool]] = {
    "draft": Image.draft_by.is_not(None),
    "submitted": and_(Image.labelled_revision > 0, Image.draft_by.is_(None)),
    "unlabelled": Image.revision == 0,
    "skipped": Image.skipped_at.is_not(None),
}


def progress(workspace: Workspace, project_id: int, now: float | None = None) -> Progress:
    """Return how far a project is.

    Raises:
        NotFound: there is no such project.
    """
    now = time.time() if now is None else now
    with workspace.database.reading() as session:
        project = project_row(session, project_id)
        counts = count_splits(session, project_id)
        labelled = session.scalar(
            select(func.count())
            .select_from(Image)
            .where(
                Image.project_id == project_id,
                Image.split.in_(("train", "audit")),
                Image.labelled_revision > 0,
            )
        )
        current = session.get(Round, project.current_round_id) if project.current_round_id else None
        return Progress(
            images=sum(counts.values()),
            **counts,
            labelled=labelled or 0,
            classes_seen=len(seen_classes(session, project_id)),
            next_round=advise(session, project, now),
            round=find_live_round(session, project_id),
            current_round_number=current.number if current else None,
        )


def _items(
    session: Session, project: Project, rows: Sequence[Image], annotator: str | None
) -> list[QueueItem]:
    ids = [row.id for row in rows]
    labels = {
        label.image_id: label
        for label in session.scalars(
            select(Label)
            .join(Image, (Image.id == Label.image_id) & (Image.revision == Label.revision))
            .where(Image.id.in_(ids))
        )
    }
    current = session.get(Round, project.current_round_id) if project.current_round_id else None
    predictions: dict[int, Prediction] = {}
    ranked = 0
    if current is not None:
        predictions = {
            prediction.image_id: prediction
            for prediction in session.scalars(
                select(Prediction).where(Prediction.round_id == current.id, Prediction.image_id.in_(ids))
            )
        }
        # Ranks run from 1 without gaps, and the index knows the last one.
        ranked = (
            session.scalar(select(func.max(Prediction.rank)).where(Prediction.round_id == current.id)) or 0
        )
    return [
        _item(row, labels.get(row.id), predictions.get(row.id), current, ranked, annotator) for row in rows
    ]


def _item(
    row: Image,
    label: Label | None,
    prediction: Prediction | None,
    current: Round | None,
    ranked: int,
    annotator: str | None,
) -> QueueItem:
    blind = row.split == "audit"
    if blind:
        prediction = None
    return QueueItem(
        image=image_info(row),
        revision=row.revision,
        status=label.status if label else None,
        author=label.author if label else None,
        split=row.split,
        blind=blind,
        rank=prediction.rank if prediction else None,
        score=prediction.score if prediction else None,
        why=_why(row, label, prediction, current, ranked, annotator),
        round_id=current.id if current and prediction else None,
        round_number=current.number if current and prediction else None,
        map_blob=prediction.map_blob if prediction else None,
        uncertainty_blob=prediction.uncertainty_blob if prediction else None,
        ranked=ranked,
    )


def _why(
    row: Image,
    label: Label | None,
    prediction: Prediction | None,
    current: Round | None,
    ranked: int,
    annotator: str | None,
) -> str:
    if label is not None and label.status == "draft":
        return (
            _DRAFT_WHY if label.author == annotator else f"{label.author} began this one: the draft is shown"
        )
    if label is not None:
        return f"Labelled by {label.author} (revision {label.revision}): a new submission replaces it"
    if row.split == "audit":
        return _AUDIT_WHY
    if row.split == "excluded":
        return "Excluded: it is neither labelled nor trained on"
    if row.skipped_at is not None:
        return _SKIPPED_WHY
    if prediction is not None:
        return f"Rank {prediction.rank} of {ranked}: {_sentence(prediction.why)}"
    return _UNSCORED_WHY if current is None else _UNSCORED_LATER_WHY


def _sentence(why: dict[str, Any]) -> str:
    return str(why.get("sentence") or "the model is less sure about the others")


def _holder(row: Image, annotator: str, now: float) -> str | None:
    if row.leased_by in (None, annotator) or (row.leased_until or 0.0) <= now:
        return None
    return row.leased_by


def _refuse_held(row: Image, annotator: str, now: float) -> None:
    held_by = _holder(row, annotator, now)
    if held_by is not None:
        raise LeaseLost(held_by)


def _lease_seconds(project: Project) -> float:
    return ProjectSettings.model_validate(project.settings).annotation.lease_minutes * 60


def _release(session: Session, annotator: str, project_id: int | None, keep: Collection[int]) -> None:
    # A person holds few images: the index on leased_by finds them, where a condition on the project
    # would tempt the database to walk all of its images.
    held = session.execute(select(Image.id, Image.project_id).where(Image.leased_by == annotator)).tuples()
    ended = [
        image_id
        for image_id, owner in held
        if image_id not in keep and (project_id is None or owner == project_id)
    ]
    if ended:
        session.execute(update(Image).where(Image.id.in_(ended)).values(leased_by=None, leased_until=None))
