"""What people do with the images in the queue, what stands at its front, and how far the project is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from storage import embeddings, events, likeness
from storage.early_suggestions import suggesting_round
from storage.images import PlacedImage, image_row, placed_images, update_images
from storage.leases import held_images, holder, lease_seconds, refuse_held, release
from storage.next_images import next_images
from storage.projects import project_row
from storage.queue_items import QueueItem, queue_items
from storage.queue_page import ranked_images
from storage.rounds import RoundInfo, find_live_round
from storage.schema import Image, Prediction, Round
from storage.splits import count_splits
from storage.start_advice import StartAdvice, advise
from storage.workspace import Workspace

__all__ = [
    "ProjectProgress",
    "QueueItem",
    "asked_for",
    "coming_next",
    "front",
    "move_back_alike",
    "next_images",
    "open_image",
    "pin",
    "progress",
    "ranked_images",
    "release_all",
    "renew_lease",
    "skip",
    "unpin",
]

_PIN = (
    update(Image)
    .where(Image.id == bindparam("of_image"))
    .values(pinned_at=bindparam("at"), pinned_by=bindparam("person"), skipped_at=None)
)


@dataclass(frozen=True)
class ProjectProgress:
    """How far a project is: images per split, labelled ones, and when the next round starts.

    ``labelled`` counts the images in train and audit with a submitted label map, ``audit_labelled`` those in
    audit alone: more of these are drawn than labelled. ``suggesting_round_number`` is that of a round which
    shows its suggestions early, see :mod:`storage.early_suggestions`.
    """

    images: int
    pool: int
    train: int
    audit: int
    excluded: int
    labelled: int
    audit_labelled: int
    next_round: StartAdvice
    round: RoundInfo | None
    current_round_number: int | None
    suggesting_round_number: int | None


def asked_for(workspace: Workspace, project_id: int) -> list[int]:
    """Return the ids of what people put in front of the pool: pinned images in their order, then drafts."""
    query = (
        select(Image.id)
        .where(
            Image.project_id == project_id,
            Image.split == "pool",
            or_(Image.pinned_at.is_not(None), Image.draft_by.is_not(None)),
        )
        .order_by(Image.pinned_at.is_(None), Image.pinned_at, Image.id)
    )
    with workspace.database.reading() as session:
        return list(session.scalars(query))


def coming_next(workspace: Workspace, project_id: int, count: int, now: float | None = None) -> list[int]:
    """Return the ids of images of the pool that people see next, at most ``count``.

    Those that are reserved come first, on screens before what is loaded ahead for them; then what is pinned,
    and :func:`front`.

    Raises:
        NotFound: there is no such project.
    """
    now = time.time() if now is None else now
    of_pool = (Image.project_id == project_id, Image.split == "pool")
    # On a screen one is reserved for longer.
    reserved = select(Image.id).where(*of_pool, Image.leased_until > now).order_by(Image.leased_until.desc())
    pinned = select(Image.id).where(*of_pool, Image.pinned_at.is_not(None)).order_by(Image.pinned_at)
    with workspace.database.reading() as session:
        first = [*session.scalars(reserved.limit(count)), *session.scalars(pinned.limit(count))]
    return [*dict.fromkeys([*first, *front(workspace, project_id, count)])][:count]


def front(workspace: Workspace, project_id: int, count: int) -> list[int]:
    """Return the ids of the first images of the pool by place in the current round, at most ``count``.

    Raises:
        NotFound: there is no such project.
    """
    with workspace.database.reading() as session:
        query = (
            select(Image.id)
            .join(Prediction, Prediction.image_id == Image.id)
            .where(
                Prediction.round_id == project_row(session, project_id).current_round_id,
                Image.split == "pool",
                Image.skipped_at.is_(None),
            )
            .order_by(Prediction.place)
            .limit(count)
        )
        return list(session.scalars(query))


def open_image(workspace: Workspace, image_id: int, annotator: str) -> tuple[QueueItem, str | None]:
    """Return an image picked by hand and who else holds it; it is reserved for the person when free.

    Raises:
        NotFound: there is no such image.
    """
    now = time.time()
    with workspace.database.writing() as session:
        row = image_row(session, image_id)
        project = project_row(session, row.project_id, lock=True)
        held_by = holder(row, annotator, now)
        if held_by is None:
            row.leased_by, row.leased_until = annotator, now + lease_seconds(project)
            session.flush()
        return queue_items(session, project.current_round_id, [row.id], annotator)[0], held_by


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
        refuse_held(row, annotator, now)
        row.leased_by, row.leased_until = annotator, now + lease_seconds(project)
        return row.leased_until


def skip(workspace: Workspace, image_id: int, annotator: str) -> None:
    """Put an image at the end of the queue and free it; a draft on it stays, a pin does not.

    There it comes again to everybody, or, when a draft corrects what was submitted, to the author of that.
    One that is labelled, with no draft on it, is in nobody's queue: it is only freed.

    Raises:
        LeaseLost: somebody else holds it.
        NotFound: there is no such image.
    """
    now = time.time()
    with workspace.database.writing() as session:
        row = image_row(session, image_id)
        refuse_held(row, annotator, now)
        row.leased_by = row.leased_until = None
        if row.labelled_revision == 0 or row.draft_by is not None:
            row.skipped_at = now
        row.pinned_at = row.pinned_by = None
        events.record(session, row.project_id, annotator, "skip", image=image_id)


def pin(workspace: Workspace, image_ids: Sequence[int], annotator: str) -> int:
    """Put images of the pool at the front of everybody's queue, in this order; return how many.

    Images pinned before keep their place among them. A skipped image comes back. Images of other splits
    stay where they are: a labelled one is done, and an audit image is drawn, never picked.

    Raises:
        NotFound: there is no such image; then none is pinned.
    """
    now = time.time()
    with workspace.database.writing() as session:
        waiting = [
            (number, image)
            for number, image in enumerate(placed_images(session, image_ids))
            if image.split == "pool" and image.pinned_at is None
        ]
        places = [{"of_image": image.id, "at": now + number * 1e-6} for number, image in waiting]
        if places:
            session.connection().execute(_PIN, [{"person": annotator} | place for place in places])
        return _recorded(session, annotator, "pin", [image for _, image in waiting])


def unpin(workspace: Workspace, image_ids: Sequence[int], annotator: str) -> int:
    """Take pinned images back to where the round has them; return how many.

    Raises:
        NotFound: there is no such image; then none is changed.
    """
    with workspace.database.writing() as session:
        pinned = [image for image in placed_images(session, image_ids) if image.pinned_at is not None]
        update_images(session, [image.id for image in pinned], pinned_at=None, pinned_by=None)
        return _recorded(session, annotator, "unpin", pinned)


def _recorded(session: Session, annotator: str, kind: str, of_images: Sequence[PlacedImage]) -> int:
    """Write into the journal of each project what was done with its images; return how many they are."""
    by_project: dict[int, list[int]] = {}
    for image in of_images:
        by_project.setdefault(image.project_id, []).append(image.id)
    entries = [(project_id, {"images": ids}) for project_id, ids in by_project.items()]
    events.record_each(session, annotator, kind, entries)
    return len(of_images)


def move_back_alike(
    workspace: Workspace,
    image_id: int,
    annotator: str | None = None,
    holding: int | None = None,
    now: float | None = None,
) -> int:
    """Move the images that are much like one just labelled back in the queue; return how many moved.

    :mod:`storage.likeness` says how far. An image on a screen keeps its place: every reserved one does,
    except those that ``annotator``, who submitted the label, has waiting behind the one on the screen. Their
    browser asks for the next images with every submission, and what waits may be another then.

    Nothing moves, and the queue goes on by rank, for an image that does not train (an audit image teaches
    the model nothing that another would repeat), that the round has not seen, or whose first label the round
    knows already; nor where the settings ask for random images. Moving twice for one image changes nothing.

    Args:
        workspace: The workspace.
        image_id: The image.
        annotator: Who submitted its label.
        holding: Id of the image on that person's screen now.
        now: Epoch seconds.

    Raises:
        NotFound: there is no such image.
    """
    now = time.time() if now is None else now
    with workspace.database.reading() as session:
        row = image_row(session, image_id)
        current_id = project_row(session, row.project_id).current_round_id
        current = session.get(Round, current_id) if current_id is not None else None
        if current is None or not likeness.labelled_since(session, current, image_id):
            return 0
        round_id, blob = current.id, current.embeddings_blob
    found = embeddings.of_blob(workspace, blob)
    alike = likeness.alike_rows(found, [image_id]) if found is not None else []
    if found is None or not alike:
        return 0
    with workspace.database.writing() as session:
        # The index on leased_by finds the few there are; names come after the empty text.
        leased = session.execute(
            select(Image.id, Image.leased_by, Image.leased_until).where(Image.leased_by > "")
        ).all()
        on_screen = {
            one.id for one in leased if one.leased_by != annotator and (one.leased_until or 0.0) > now
        } | ({holding} if holding is not None else set())
        return likeness.move_back(
            session,
            session.get_one(Round, round_id),
            found.alike_from,
            alike,
            on_screen=on_screen,
            off_screen={one.id for one in leased} - on_screen,
        )


def release_all(workspace: Workspace, annotator: str) -> None:
    """End every reservation of a person, in every project."""
    with workspace.database.writing() as session:
        release(session, [one.id for one in held_images(session, annotator)])


def progress(workspace: Workspace, project_id: int, now: float | None = None) -> ProjectProgress:
    """Return how far a project is.

    Raises:
        NotFound: there is no such project.
    """
    now = time.time() if now is None else now
    with workspace.database.reading() as session:
        project = project_row(session, project_id)
        counts = count_splits(session, project_id)
        of_splits = (
            select(Image.split, func.count())
            .where(
                Image.project_id == project_id,
                Image.split.in_(("train", "audit")),
                Image.labelled_revision > 0,
            )
            .group_by(Image.split)
        )
        labelled = dict(session.execute(of_splits).tuples().all())
        current = session.get(Round, project.current_round_id) if project.current_round_id else None
        return ProjectProgress(
            images=sum(counts.values()),
            **counts,
            labelled=sum(labelled.values()),
            audit_labelled=labelled.get("audit", 0),
            next_round=advise(session, project, now),
            round=find_live_round(session, project_id),
            current_round_number=current.number if current else None,
            suggesting_round_number=suggesting_round(session, project_id),
        )
