"""Label maps of images: every saved revision, each on top of the one before."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage import events
from storage.errors import InvalidInput, InvalidLabelMap, LabelConflict, NotFound
from storage.formats.archives import natural_order
from storage.formats.label_map import count_values, decode_label_map, encode_label_map
from storage.images import ImageInfo, image_info, image_row
from storage.leases import lease_seconds, refuse_held
from storage.projects import class_count, project_row
from storage.schema import LABEL_STATUSES, NOT_LABELLED, VOID, Image, Label, Round
from storage.workspace import Workspace

__all__ = [
    "LabelInfo",
    "SavedLabel",
    "classes_shown",
    "decode_label_map",
    "encode_label_map",
    "history",
    "previous_of_group",
    "read",
    "save",
]


@dataclass(frozen=True)
class SavedLabel:
    """What became of a save. ``repeated`` is True when the same request had been answered before.

    ``split`` is the image's now: in ``excluded`` the label map is kept and trains nothing.
    """

    image_id: int
    revision: int
    status: str
    labelled_share: float
    created_at: float
    split: str
    repeated: bool = False


@dataclass(frozen=True)
class LabelInfo:
    """One revision of an image's label map, without its pixels."""

    image_id: int
    revision: int
    blob: str
    author: str
    status: str
    labelled_share: float
    class_indices: tuple[int, ...]
    seconds_spent: float
    blind: bool
    round_shown_id: int | None
    submission_id: str | None
    created_at: float


def save(
    workspace: Workspace,
    image_id: int,
    label_map: np.ndarray,
    *,
    expected_revision: int,
    author: str,
    status: str = "draft",
    seconds_spent: float = 0.0,
    blind: bool = False,
    round_shown_id: int | None = None,
    submission_id: str | None = None,
) -> SavedLabel:
    """Save a label map as revision ``expected_revision + 1``.

    A submitted label map moves its image from pool to train, frees its lease and clears its skip.
    A draft leaves the split alone and reserves the image for its author.

    Args:
        workspace: The workspace.
        image_id: The image.
        label_map: ``uint8`` (H, W) in the image's size: class indices, 254 not labelled, 255 void.
        expected_revision: The revision the author started from; 0 when there was none.
        author: Name of the annotator.
        status: ``draft``, ``submitted`` or ``approved``.
        seconds_spent: Time the author spent on it since the revision before, in seconds.
        blind: True when no suggestion was shown.
        round_shown_id: The round whose suggestion was shown; one that the project has not is left out.
        submission_id: Name of this request, unique; the same one again gets the first answer again.

    Raises:
        InvalidInput: there is no such status, or the submission's name was used for another image.
        LabelConflict: another revision is the newest by now; nothing was saved.
        LeaseLost: someone else is working on the image; nothing was saved.
        InvalidLabelMap: the type, the size or a value does not fit the image, or nothing is labelled.
        NotFound: there is no such image.
        DiskFull: there is no space.
    """
    if status not in LABEL_STATUSES:
        raise InvalidInput(f"{status} is not a status. Choose one of {', '.join(LABEL_STATUSES)}.")
    with workspace.database.reading() as session:
        info = image_info(image_row(session, image_id))
        classes = class_count(session, info.project_id)
        # A page may be older than the backup that was restored under it.
        of_project = select(Round.id).where(Round.id == round_shown_id, Round.project_id == info.project_id)
        round_shown_id = session.scalar(of_project)
    _require_fit(label_map, info)
    counts = count_values(label_map)
    indices = _checked_indices(counts, info, classes)
    labelled = 1.0 - counts[NOT_LABELLED] / label_map.size
    if status != "draft" and labelled == 0.0:
        raise InvalidLabelMap("Nothing is labelled yet. Paint at least one region, or skip the image.")
    new = Label(
        image_id=image_id,
        revision=expected_revision + 1,
        blob=workspace.blobs.put(encode_label_map(label_map)),
        author=author,
        status=status,
        labelled_share=labelled,
        class_indices=indices,
        seconds_spent=max(0.0, float(seconds_spent)),
        blind=blind,
        round_shown_id=round_shown_id,
        submission_id=submission_id,
        created_at=time.time(),
    )
    with workspace.database.writing() as session:
        first = _answered(session, submission_id, image_id)
        return first or _append(session, new, {"draft": "draft", "approved": "approve"}.get(status, "submit"))


def read(workspace: Workspace, image_id: int, revision: int | None = None) -> tuple[np.ndarray, int]:
    """Return a label map, ``uint8`` (H, W), and its revision: the newest one, or the one asked for.

    An image nobody has labelled gives 254 everywhere and revision 0.

    Raises:
        NotFound: there is no such image or revision.
    """
    with workspace.database.reading() as session:
        row = image_row(session, image_id)
        wanted = row.revision if revision is None else revision
        if wanted == 0:
            return np.full((row.height, row.width), NOT_LABELLED, np.uint8), 0
        blob = _label_row(session, image_id, wanted).blob
    return decode_label_map(workspace.blobs.get(blob)), wanted


def previous_of_group(workspace: Workspace, image_id: int) -> tuple[np.ndarray, ImageInfo]:
    """Return the label map of the image before this one, ``uint8`` (H, W), and that image.

    That is the nearest one before it by name, as people count, that is of the same group and size and has
    a submitted or approved label map; the newest of those is returned, never a draft. It is what a person
    vouched for, whatever split its image is in.

    Raises:
        NotFound: there is no such image, it has no group, or none before it fits.
    """
    with workspace.database.reading() as session:
        info = image_info(image_row(session, image_id))
        if info.group is None:
            raise NotFound(f"{info.name} belongs to no group: nothing comes before it. Label it by itself.")
        same = select(Image).where(
            Image.project_id == info.project_id,
            Image.group == info.group,
            Image.width == info.width,
            Image.height == info.height,
            Image.labelled_revision > 0,
            Image.id != info.id,
        )
        place = (natural_order(info.name), info.id)
        before = [row for row in session.scalars(same) if (natural_order(row.name), row.id) < place]
        if not before:
            raise NotFound(
                f"No image of {info.group} before {info.name} has a submitted label map of its size yet. "
                "Label one, then copy it."
            )
        previous = image_info(max(before, key=lambda row: (natural_order(row.name), row.id)))
        blob = _label_row(session, previous.id, previous.labelled_revision).blob
    return decode_label_map(workspace.blobs.get(blob)), previous


def history(workspace: Workspace, image_id: int) -> list[LabelInfo]:
    """Return every revision of an image, newest first."""
    query = select(Label).where(Label.image_id == image_id).order_by(Label.revision.desc())
    with workspace.database.reading() as session:
        return [
            LabelInfo(
                image_id=row.image_id,
                revision=row.revision,
                blob=row.blob,
                author=row.author,
                status=row.status,
                labelled_share=row.labelled_share,
                class_indices=tuple(row.class_indices),
                seconds_spent=row.seconds_spent,
                blind=row.blind,
                round_shown_id=row.round_shown_id,
                submission_id=row.submission_id,
                created_at=row.created_at,
            )
            for row in session.scalars(query)
        ]


def classes_shown(
    workspace: Workspace, project_id: int, revisions: Collection[tuple[int, int]]
) -> list[tuple[int, ...]]:
    """Return the class indices that label maps of a project show, given as image id and revision."""
    wanted = set(revisions)
    query = (
        select(Label.image_id, Label.revision, Label.class_indices)
        .join(Image, Image.id == Label.image_id)
        .where(Image.project_id == project_id)
    )
    with workspace.database.reading() as session:
        rows = session.execute(query)
        return [tuple(row.class_indices) for row in rows if (row.image_id, row.revision) in wanted]


def _require_fit(label_map: np.ndarray, info: ImageInfo) -> None:
    if label_map.dtype != np.uint8 or label_map.shape != (info.height, info.width):
        raise InvalidLabelMap(
            f"The label map of {info.name} must be uint8 of {info.width}×{info.height} pixels, "
            f"this one is {label_map.dtype} of shape {label_map.shape}. Load the image again."
        )


def _checked_indices(counts: Sequence[int], info: ImageInfo, classes: int) -> list[int]:
    indices = [value for value, count in enumerate(counts) if count and value not in (NOT_LABELLED, VOID)]
    if indices and indices[-1] >= classes:
        raise InvalidLabelMap(
            f"The label map of {info.name} holds class {indices[-1]}, and the project has "
            f"only 0 to {classes - 1}. Add the class, or load the image again."
        )
    return indices


def _answered(session: Session, submission_id: str | None, image_id: int) -> SavedLabel | None:
    if submission_id is None:
        return None
    row = session.scalars(select(Label).where(Label.submission_id == submission_id)).one_or_none()
    if row is None:
        return None
    if row.image_id != image_id:
        raise InvalidInput("This request was already used for another image. Load the page again.")
    split = image_row(session, image_id).split
    return SavedLabel(
        row.image_id, row.revision, row.status, row.labelled_share, row.created_at, split, repeated=True
    )


def _append(session: Session, new: Label, kind: str) -> SavedLabel:
    """Add a revision and all that follows from it, or raise with nothing changed."""
    now = new.created_at
    # Compare and swap: the one statement that decides between two savers of the same revision.
    swapped = session.connection().execute(
        update(Image)
        .where(Image.id == new.image_id, Image.revision == new.revision - 1)
        .values(revision=new.revision)
    )
    row = image_row(session, new.image_id)
    session.refresh(row)
    if swapped.rowcount != 1:
        raise LabelConflict(row.revision, _author(session, row))
    refuse_held(row, new.author, now)
    project = project_row(session, row.project_id)
    goes_on = new.status == "draft" and row.draft_by == new.author
    if new.status == "draft":
        row.draft_by = row.leased_by = new.author
        row.leased_until = now + lease_seconds(project)
    else:
        is_new = not _has_label_map(session, row, new.blob)
        row.labelled_revision = new.revision
        row.draft_by = row.leased_by = row.leased_until = row.skipped_at = None
        if row.split == "pool":
            row.split = "train"
        if row.split == "train" and is_new:
            project = project_row(session, row.project_id, lock=True)
            project.labels_changed += 1
            project.labels_changed_at = now
    session.add(new)
    if not goes_on:  # the journal tells that a draft was begun, not each of its automatic saves
        events.record(session, row.project_id, new.author, kind, image=new.image_id, revision=new.revision)
    return SavedLabel(new.image_id, new.revision, new.status, new.labelled_share, now, row.split)


def _has_label_map(session: Session, row: Image, blob: str) -> bool:
    """Whether what was last submitted for an image is the same label map."""
    submitted = select(Label.blob).where(Label.image_id == row.id, Label.revision == row.labelled_revision)
    return session.scalar(submitted) == blob


def _author(session: Session, row: Image) -> str | None:
    return session.scalar(
        select(Label.author).where(Label.image_id == row.id, Label.revision == row.revision)
    )


def _label_row(session: Session, image_id: int, revision: int) -> Label:
    row = session.scalars(
        select(Label).where(Label.image_id == image_id, Label.revision == revision)
    ).one_or_none()
    if row is None:
        raise NotFound(f"This image has no revision {revision}. Load its history again.")
    return row
