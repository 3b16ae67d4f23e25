"""The images of a project and the split each one is in."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session

from storage import events
from storage.changed_labels import Moved, changes, labels_of_last_rounds
from storage.errors import InvalidInput, NotFound
from storage.formats.label_map import decode_label_map
from storage.id_batches import id_batches
from storage.projects import project_row
from storage.schema import LIVE_ROUND_STATES, SPLITS, Image, Label, Round
from storage.snapshots import decode_snapshot
from storage.splits import count_splits
from storage.workspace import Workspace

NOT_AUDIT = and_(Image.split != "audit", Image.excluded_from.is_distinct_from("audit"))
"""That :func:`is_audit` says no: what a round thinks of these images may be shown."""
_SIZES_LOOKED_AT = 500


@dataclass(frozen=True)
class SourceFile:
    """The imported file of an image whose stored picture lost depth or channels of it."""

    blob: str
    media_type: str
    bit_depth: int
    """Bits a channel."""
    channels: tuple[str, ...]
    """Their names, one for each."""


@dataclass(frozen=True)
class ImageInfo:
    """An image without its pixels. ``revision`` is the newest label revision, 0 when there is none."""

    id: int
    project_id: int
    name: str
    content_hash: str
    blob: str
    media_type: str
    width: int
    height: int
    split: str
    is_audit: bool
    group: str | None
    truth_blob: str | None
    source: SourceFile | None
    revision: int
    labelled_revision: int
    draft_by: str | None
    leased_by: str | None
    leased_until: float | None
    skipped_at: float | None


class StoredImage(NamedTuple):
    """What a worker needs of an image: whole rows, of all images of a project, take several times as long."""

    id: int
    name: str
    blob: str
    width: int
    height: int
    split: str
    group: str | None
    labelled_revision: int


def add_image(
    workspace: Workspace,
    project_id: int,
    *,
    name: str,
    content_hash: str,
    blob: str,
    media_type: str,
    width: int,
    height: int,
    split: str = "pool",
    excluded_from: str | None = None,
    group: str | None = None,
    truth_blob: str | None = None,
    source: SourceFile | None = None,
) -> int | None:
    """Add an image whose pixels are stored already; return its id, or None when the project has it.

    One that comes in excluded goes to ``excluded_from`` when it is brought back, if that is ``audit``.

    Raises:
        InvalidInput: the name is empty or longer than 1024 characters, or the split is unknown.
        NotFound: there is no such project.
    """
    if not name or len(name) > 1024:
        raise InvalidInput(f"An image name has 1 to 1024 characters, this one {len(name)}. Rename the file.")
    if split not in SPLITS:
        raise _unknown_split(split)
    with workspace.database.writing() as session:
        project_row(session, project_id, lock=True)
        duplicate = session.scalar(
            select(Image.id).where(Image.project_id == project_id, Image.content_hash == content_hash)
        )
        if duplicate is not None:
            return None
        row = Image(
            project_id=project_id,
            name=name,
            content_hash=content_hash,
            blob=blob,
            media_type=media_type,
            width=width,
            height=height,
            split=_unlabelled_split(split),
            excluded_from=excluded_from if split == "excluded" else None,
            group=group[:200] if group else None,
            truth_blob=truth_blob,
            source_blob=source and source.blob,
            source_type=source and source.media_type,
            bit_depth=source and source.bit_depth,
            channels=list(source.channels) if source else None,
            revision=0,
            labelled_revision=0,
            imported_at=time.time(),
        )
        session.add(row)
        session.flush()
        return row.id


def image(workspace: Workspace, image_id: int) -> ImageInfo:
    """Return one image.

    Raises:
        NotFound: there is no such image.
    """
    with workspace.database.reading() as session:
        return image_info(image_row(session, image_id))


def list_images(workspace: Workspace, project_id: int, split: str | None = None) -> list[ImageInfo]:
    """Return the images of a project in the order they were imported, of one split or of all."""
    query = select(Image).where(Image.project_id == project_id).order_by(Image.id)
    if split is not None:
        query = query.where(Image.split == split)
    with workspace.database.reading() as session:
        return [image_info(row) for row in session.scalars(query)]


def stored_images(workspace: Workspace, project_id: int) -> list[StoredImage]:
    """Return the images of a project in the order they were imported."""
    columns = [getattr(Image, name) for name in StoredImage._fields]
    query = select(*columns).where(Image.project_id == project_id).order_by(Image.id)
    with workspace.database.reading() as session:
        return [StoredImage._make(row) for row in session.execute(query)]


def by_content(workspace: Workspace, project_id: int) -> dict[str, ImageInfo]:
    """Return the images of a project by the hash of the file each was imported from."""
    return {info.content_hash: info for info in list_images(workspace, project_id)}


def of_content(workspace: Workspace, project_id: int, content_hash: str) -> ImageInfo | None:
    """Return the image of a project that was imported from the file of that hash; None without one."""
    query = select(Image).where(Image.project_id == project_id, Image.content_hash == content_hash)
    with workspace.database.reading() as session:
        row = session.scalars(query).one_or_none()
        return None if row is None else image_info(row)


def complete(
    workspace: Workspace,
    image_id: int,
    *,
    split: str,
    truth_blob: str | None,
    excluded_from: str | None = None,
) -> None:
    """Give an image what a later import knows of it.

    Its split becomes ``split``, as :func:`add_image` has it, when it waits in the pool, without a label or a
    draft that holds anything, and with nobody at work on it; its truth becomes ``truth_blob`` when none is
    known.

    Raises:
        InvalidInput: the split is unknown.
        NotFound: there is no such image.
    """
    if split not in SPLITS:
        raise _unknown_split(split)
    with workspace.database.writing() as session:
        row = image_row(session, image_id)
        is_free = row.leased_by is None or (row.leased_until or 0.0) <= time.time()
        if row.split == "pool" and is_free and _is_blank(session, row):
            row.split = _unlabelled_split(split)
            row.excluded_from = excluded_from if split == "excluded" else None
        row.truth_blob = row.truth_blob or truth_blob


def _is_blank(session: Session, row: Image) -> bool:
    """Return whether nothing is labelled on an image, be it that all was taken back again."""
    newest = select(Label.labelled_share).where(Label.image_id == row.id, Label.revision == row.revision)
    return row.labelled_revision == 0 and not session.scalar(newest)


def set_split(workspace: Workspace, image_ids: Sequence[int], split: str, actor: str) -> int:
    """Move images to a split, all or none. Return how many were in another one.

    ``pool`` and ``train`` mean the same request, "use it": a labelled image goes to ``train``, an
    unlabelled one to ``pool``, and an audit image that was excluded back to ``audit``, for it measures the
    model. An image that has trained the model never becomes an audit image.

    Raises:
        InvalidInput: the split is unknown, or a round that has trained, or is about to, has an image's label.
        NotFound: there is no such image, or the labels that a round trained on are missing.
    """
    if split not in SPLITS:
        raise _unknown_split(split)
    while True:
        trained = _trained(workspace, image_ids, split == "audit")
        with workspace.database.writing() as session:
            if trained.newest_round != _newest_round(session):
                continue  # a round has taken its labels meanwhile
            placed = placed_images(session, image_ids)
            for row in placed:
                if row.id in trained.image_ids and row.split != "audit":
                    raise InvalidInput(
                        f"{row.name} has already trained the model, so it cannot measure it. "
                        "Choose an image that no round has trained on."
                    )
            return _move(session, placed, split, actor, trained)


def bring_back(workspace: Workspace, image_ids: Sequence[int], actor: str) -> int:
    """Undo the exclusion of images; the others among them stay where they are. Return how many came back.

    An audit image measures the model again. Any other one trains it when it is labelled, and waits in the
    pool when it is not.

    Raises:
        NotFound: there is no such image; then none is brought back.
    """
    while True:
        trained = _trained(workspace, image_ids, False)
        with workspace.database.writing() as session:
            if trained.newest_round != _newest_round(session):
                continue  # a round has taken its labels meanwhile
            excluded = [row for row in placed_images(session, image_ids) if row.split == "excluded"]
            return _move(session, excluded, "pool", actor, trained)


def _move(session: Session, placed: Sequence[PlacedImage], split: str, actor: str, trained: _Trained) -> int:
    """Move images, except those that are there already, and return how many were not."""
    kind = {"excluded": "exclude", "audit": "audit"}.get(split, "restore")
    moves = [(row, target) for row in placed if (target := _target(row, split)) != row.split]
    of_training = [
        Moved(row.id, row.project_id, row.split == "train", target == "train")
        for row, target in moves
        if row.labelled_revision and "train" in (target, row.split)
    ]
    for project_id, count in changes(session, of_training, trained.last).items():
        project = project_row(session, project_id, lock=True)
        project.labels_changed += count
        project.labels_changed_at = time.time()
    entries = [
        (row.project_id, {"image": row.id, "before": row.split, "after": target}) for row, target in moves
    ]
    events.record_each(session, actor, kind, entries)
    alike: dict[tuple[str, str], list[int]] = {}
    for row, target in moves:
        alike.setdefault((row.split, target), []).append(row.id)
    for (before, target), ids in alike.items():
        update_images(session, ids, split=target, excluded_from=before if target == "excluded" else None)
    return len(moves)


def _target(row: PlacedImage, split: str) -> str:
    """Return the split that an image goes to when it is moved to ``split``."""
    if split not in ("pool", "train"):
        return split
    if row.split == "excluded" and row.excluded_from == "audit":
        return "audit"
    return "train" if row.labelled_revision else "pool"


class _Trained(NamedTuple):
    """What has trained, by the rounds up to the ``newest_round`` of the workspace."""

    newest_round: int
    image_ids: set[int]
    """The images whose labels have."""
    last: dict[int, str]
    """The label maps of the last rounds, by image."""


def _trained(workspace: Workspace, image_ids: Sequence[int], ever: bool) -> _Trained:
    """Return what the snapshots of the images' projects have: of the last rounds, and ``ever``.

    Those that ever trained are of rounds that are done or to be done; otherwise they are not looked for.
    """
    with workspace.database.reading() as session:
        placed = placed_images(session, image_ids)
        projects = {row.project_id for row in placed}
        labelled = {row.project_id for row in placed if row.labelled_revision}
        newest = _newest_round(session)
    last = labels_of_last_rounds(workspace, labelled)
    return _Trained(newest, _ever_trained(workspace, projects) if ever else set(), last)


def _ever_trained(workspace: Workspace, projects: AbstractSet[int]) -> set[int]:
    with workspace.database.reading() as session:
        blobs = session.scalars(
            select(Round.snapshot_blob)
            .distinct()
            .where(
                Round.project_id.in_(projects),
                Round.state.in_(("done", *LIVE_ROUND_STATES)),
                Round.snapshot_blob.is_not(None),
            )
        ).all()
    # Outside of any transaction: there may be many, and nobody waits for them.
    snapshots = (decode_snapshot(workspace.blobs.get(blob)) for blob in blobs if blob is not None)
    return {label.image_id for snapshot in snapshots for label in snapshot.labels}


def _newest_round(session: Session) -> int:
    return session.scalar(select(func.max(Round.id))) or 0


def imported_since(workspace: Workspace, project_id: int, stamp: float) -> list[int]:
    """Return the ids of the images of the pool that were imported after a time, newest first."""
    query = select(Image.id).where(
        Image.project_id == project_id, Image.split == "pool", Image.imported_at > stamp
    )
    with workspace.database.reading() as session:
        return list(session.scalars(query.order_by(Image.id.desc())))


def truth(workspace: Workspace, image_id: int) -> np.ndarray:
    """Return the known true label map, ``uint8`` (H, W).

    Raises:
        NotFound: there is no such image, or its truth is not known.
    """
    info = image(workspace, image_id)
    if info.truth_blob is None:
        raise NotFound(f"The truth of {info.name} is not known. Label it by hand.")
    return decode_label_map(workspace.blobs.get(info.truth_blob))


def any_truth(workspace: Workspace, project_id: int) -> bool:
    """Return whether the true label map of any image of the project is known."""
    return _any(workspace, project_id, Image.truth_blob.is_not(None))


def any_labelled(workspace: Workspace, project_id: int, split: str) -> bool:
    """Return whether any image in a split of the project has a submitted label map."""
    return _any(workspace, project_id, and_(Image.split == split, Image.labelled_revision > 0))


def usual_long_side(workspace: Workspace, project_id: int) -> int | None:
    """Return the median long side in pixels of some hundreds of a project's images; None when it has none."""
    sizes = select(Image.width, Image.height).where(Image.project_id == project_id).limit(_SIZES_LOOKED_AT)
    with workspace.database.reading() as session:
        sides = sorted(max(width, height) for width, height in session.execute(sizes))
    return sides[len(sides) // 2] if sides else None


def _any(workspace: Workspace, project_id: int, wanted: ColumnElement[bool]) -> bool:
    one = select(Image.id).where(Image.project_id == project_id, wanted).limit(1)
    with workspace.database.reading() as session:
        return session.scalar(one) is not None


def split_counts(workspace: Workspace, project_id: int) -> dict[str, int]:
    """Return the number of images in every split."""
    with workspace.database.reading() as session:
        return count_splits(session, project_id)


def image_row(session: Session, image_id: int) -> Image:
    """Return the row of an image.

    Raises:
        NotFound: there is no such image.
    """
    row = session.get(Image, image_id)
    if row is None:
        raise _no_such_image(image_id)
    return row


def ids_outside(workspace: Workspace, image_ids: Iterable[int], split: str) -> list[int]:
    """Return those of the images that are in another split, in the order given.

    Raises:
        NotFound: there is no such image.
    """
    with workspace.database.reading() as session:
        return [row.id for row in placed_images(session, image_ids) if row.split != split]


class PlacedImage(NamedTuple):
    """What decides where an image may go, of many images at once: whole rows take several times as long."""

    id: int
    project_id: int
    name: str
    split: str
    excluded_from: str | None
    labelled_revision: int
    pinned_at: float | None


def placed_images(session: Session, image_ids: Iterable[int]) -> list[PlacedImage]:
    """Return where images are, in the order of their ids, each once.

    Raises:
        NotFound: there is no such image.
    """
    wanted = list(dict.fromkeys(image_ids))
    columns = [getattr(Image, name) for name in PlacedImage._fields]
    found: dict[int, PlacedImage] = {}
    for part in id_batches(wanted):
        rows = session.execute(select(*columns).where(Image.id.in_(part)))
        found.update((row.id, PlacedImage._make(row)) for row in rows)
    for image_id in wanted:
        if image_id not in found:
            raise _no_such_image(image_id)
    return [found[image_id] for image_id in wanted]


def update_images(session: Session, image_ids: Sequence[int], **values: Any) -> None:
    """Give all of these images the same ``values``, inside the caller's write transaction."""
    for part in id_batches(image_ids):
        session.execute(
            update(Image).where(Image.id.in_(part)).values(**values),
            execution_options={"synchronize_session": False},
        )


def is_audit(row: Image) -> bool:
    """Return whether the image measures the model, or did and would again if its exclusion were undone."""
    return "audit" in (row.split, row.excluded_from)


def image_info(row: Image) -> ImageInfo:
    """Return a row as a value that outlives its session."""
    return ImageInfo(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        content_hash=row.content_hash,
        blob=row.blob,
        media_type=row.media_type,
        width=row.width,
        height=row.height,
        split=row.split,
        is_audit=is_audit(row),
        group=row.group,
        truth_blob=row.truth_blob,
        source=_source(row),
        revision=row.revision,
        labelled_revision=row.labelled_revision,
        draft_by=row.draft_by,
        leased_by=row.leased_by,
        leased_until=row.leased_until,
        skipped_at=row.skipped_at,
    )


def _source(row: Image) -> SourceFile | None:
    if row.source_blob is None:
        return None
    return SourceFile(row.source_blob, row.source_type or "", row.bit_depth or 0, tuple(row.channels or ()))


def _unlabelled_split(split: str) -> str:
    """Return where an image of a split is that has no label yet."""
    # A split of "train" holds labels: the image joins it with its first submitted label map.
    return "pool" if split == "train" else split


def _no_such_image(image_id: int) -> NotFound:
    return NotFound(f"There is no image number {image_id}. Load the page again.")


def _unknown_split(split: str) -> InvalidInput:
    return InvalidInput(f"{split} is not a split. Choose one of {', '.join(SPLITS)}.")
