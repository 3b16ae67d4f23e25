"""The carrying out of an import that was planned."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage import audit_draw, events, images, labels, projects
from storage.errors import (
    DiskFull,
    InvalidInput,
    LabelConflict,
    LeaseLost,
    QualmError,
    WorkspaceBusy,
    WorkspaceError,
)
from storage.formats.archives import OpenSource, Problem
from storage.images import ImageInfo
from storage.import_plan import ImportPlan, ImportResult, MaskBecomes, PlannedImage
from storage.in_parallel import OnProgress, in_parallel
from storage.prepared_images import PreparedImage, planned_label_map, prepared_image
from storage.present_labels import is_label_newest, present_label, was_brought
from storage.schema import NOT_LABELLED
from storage.settings import ProjectSettings, read_settings
from storage.workspace import Workspace


@dataclass
class _Import:
    """An import under way: what it is to bring, and what it has brought so far."""

    workspace: Workspace
    project_id: int
    plan: ImportPlan
    known: Mapping[str, ImageInfo]
    """The images that the project had when it began, by the hash of the file of each."""
    imported: int = 0
    already_there: int = 0
    whole: int = 0
    """Images that are in with all that the plan says of them."""
    masks: Counter[MaskBecomes] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @contextlib.contextmanager
    def saying_how_far(self) -> Iterator[None]:
        """Let an error that ends an import say how many images are in, and what brings the rest.

        Raises:
            DiskFull: The block raised it.
            WorkspaceError: Likewise.
        """
        try:
            yield
        except (DiskFull, WorkspaceError) as error:
            of = len(self.plan.entries)
            are = "image is" if of == 1 else "images are"
            kept = (
                f"{self.whole:,} of {of:,} {are} in and complete; the same source, imported again, "
                "brings the rest"
            )
            if isinstance(error, DiskFull):
                raise DiskFull(error.where, kept) from error
            if isinstance(error, WorkspaceBusy):
                raise WorkspaceBusy(error.where, error.waited_s, kept) from error
            raise WorkspaceError(f"{error} {kept}.") from error


def run_import(
    workspace: Workspace,
    project_id: int,
    plan: ImportPlan,
    actor: str,
    progress: OnProgress | None = None,
) -> ImportResult:
    """Carry out a plan. A file that fails becomes a problem and the rest goes on.

    Images that the project has by content gain only the label or the truth they lack, so an import that was
    stopped or killed is finished by running it again; a draft of which all was taken back is no label. Blobs
    are written before the rows that name them.

    Raises:
        InvalidInput: The source is gone, or the project lacks classes that the plan proposed.
        NotFound: There is no such project.
        DiskFull: The disk filled up. What came in until then is complete, and the sentence says how much
            that is; free space and run it again.
        WorkspaceError: The workspace cannot be written to; likewise.
    """
    started = time.monotonic()
    project_id = projects.get_project(workspace, project_id).id
    _require_classes(workspace, project_id, plan)
    current = _Import(workspace, project_id, plan, images.by_content(workspace, project_id))
    try:
        with current.saying_how_far(), OpenSource(plan.source) as opened:
            _bring_in(current, opened, progress)
    finally:
        # One that was stopped brought images, too.
        with current.saying_how_far():
            _record(current, actor)
        # Not together with the entry, which is to stay when this fails; the next import makes up for it.
        with current.saying_how_far():
            _let_into_audit(current, actor)
    return ImportResult(
        current.imported,
        labelled=current.masks["label"],
        drafts=current.masks["draft"],
        truths=current.masks["truth"],
        already_there=current.already_there,
        problems=tuple(current.problems),
        seconds=time.monotonic() - started,
        left_out=plan.left_out,
    )


def _require_classes(workspace: Workspace, project_id: int, plan: ImportPlan) -> None:
    needed = {
        value
        for of_kind in plan.meaning.values.values()
        for value in of_kind.values()
        if value < NOT_LABELLED
    }
    present = len(projects.classes(workspace, project_id))
    if plan.masks and needed and max(needed) >= present:
        raise InvalidInput(
            f"The masks use {max(needed) + 1} classes, but the project has {present}. Add the "
            "missing classes, or check the source again for this project."
        )


def _bring_in(current: _Import, opened: OpenSource, progress: OnProgress | None) -> None:
    """Add what the project lacks of the images of the plan, and their label maps, and count it.

    Raises:
        DiskFull: The disk filled up.
        WorkspaceError: The workspace cannot be written to.
    """

    def prepare(entry: PlannedImage) -> PreparedImage | None:
        info = current.known.get(entry.content_hash)

        def read() -> NDArray[np.uint8] | None:
            label_map = planned_label_map(opened, current.plan, entry, str(entry.mask))
            return None if isinstance(label_map, Problem) else label_map

        if info is not None and _has_all(current.workspace, info, entry, read):
            return None
        return prepared_image(current.workspace, opened, current.plan, entry)

    with closing(in_parallel(prepare, current.plan.entries, lambda entry: entry.path, progress)) as results:
        for prepared in results:
            if prepared is None:
                current.already_there += 1
                current.whole += 1
                continue
            current.problems += prepared.problems
            try:
                _add(current, prepared)
            except (DiskFull, WorkspaceError):
                raise
            except QualmError as error:
                entry = prepared.entry
                name = entry.mask if isinstance(error, LabelConflict) and entry.mask else entry.path
                current.problems.append(Problem(name, _why_not_added(error)))
            else:
                current.whole += not prepared.problems


def _has_all(
    workspace: Workspace, info: ImageInfo, entry: PlannedImage, read: Callable[[], NDArray[np.uint8] | None]
) -> bool:
    """Tell whether an image that the project has lacks nothing that an entry says of it.

    ``read`` returns the label map that its mask is, or None where it cannot be read.
    """
    if entry.mask_becomes is None:
        return True
    if entry.mask_becomes == "truth":
        return info.truth_blob is not None
    # What an earlier import brought and a person took back again is not there.
    return present_label(workspace, info) is not None and was_brought(
        workspace, info, entry.author, entry.mask_becomes, read
    )


def _add(current: _Import, prepared: PreparedImage) -> None:
    """Write the rows of an image, or those it lacks, and count them.

    Raises:
        QualmError: The image, or its label, was refused.
    """
    revision = 0
    image_id = _add_image(current, prepared)
    if image_id is not None:
        current.imported += 1
    elif prepared.entry.known or prepared.image is not None:
        current.already_there += 1
        info = _completed(current, prepared)
        if info is not None:
            image_id, revision = info.id, info.revision
    if image_id is None:
        return
    if prepared.truth_blob is not None:
        current.masks["truth"] += 1
    _save_label_maps(current, prepared, image_id, revision)


def _add_image(current: _Import, prepared: PreparedImage) -> int | None:
    entry, image = prepared.entry, prepared.image
    if image is None or prepared.blob is None:
        return None
    return images.add_image(
        current.workspace,
        current.project_id,
        name=entry.name,
        content_hash=entry.content_hash,
        blob=prepared.blob,
        media_type=image.media_type,
        width=image.width,
        height=image.height,
        split=entry.split,
        excluded_from="audit" if entry.is_audit else None,
        group=entry.group,
        truth_blob=prepared.truth_blob,
        source=prepared.source,
    )


def _completed(current: _Import, prepared: PreparedImage) -> ImageInfo | None:
    """Give an image that the project has the split and the truth that it lacks.

    Returns:
        The image as it was; None where it lacks nothing any more, or nothing is there to give it.

    Raises:
        LabelConflict: It has another label map than the one that is to come.
    """
    workspace, entry, label_map = current.workspace, prepared.entry, prepared.label_map
    if label_map is None and prepared.truth_blob is None:
        return None
    # Another import may have brought it since this one began, and its label as well.
    info = images.of_content(workspace, current.project_id, entry.content_hash)
    if info is None or _has_all(workspace, info, entry, lambda: label_map):
        return None
    is_in_the_way = entry.mask_becomes != "truth" and present_label(workspace, info) is not None
    if is_in_the_way and not (is_label_newest(info) and info.revision == entry.over_revision):
        raise LabelConflict(info.revision, labels.history(workspace, info.id)[0].author)
    images.complete(
        workspace,
        info.id,
        split=entry.split,
        excluded_from="audit" if entry.is_audit else None,
        truth_blob=prepared.truth_blob,
    )
    return info


def _save_label_maps(current: _Import, prepared: PreparedImage, image_id: int, revision: int) -> None:
    """Save the label map that an image comes with, and the draft over that, and count them.

    Raises:
        LabelConflict: Somebody has saved another one meanwhile.
        LeaseLost: Somebody is at work on the image.
    """
    entry = prepared.entry
    if prepared.label_map is None:
        return
    kind: MaskBecomes = "draft" if entry.mask_becomes == "draft" else "label"
    saved = labels.save(
        current.workspace,
        image_id,
        prepared.label_map,
        expected_revision=revision,
        author=entry.author,
        status="draft" if kind == "draft" else "submitted",
        blind=entry.blind,
    )
    current.masks[kind] += 1
    if entry.draft is not None and prepared.draft_map is not None:
        labels.save(
            current.workspace,
            image_id,
            prepared.draft_map,
            expected_revision=saved.revision,
            author=entry.draft.author,
            blind=entry.draft.blind,
        )
        current.masks["draft"] += 1


def _why_not_added(error: QualmError) -> str:
    """Say why an image or its label was refused, to somebody who imports and does not label."""
    if isinstance(error, LabelConflict):
        return (
            f"{error.author or 'Someone'} saved a label map of its image in the meantime, so this mask is "
            "left out."
        )
    if isinstance(error, LeaseLost):
        return (
            f"{error.held_by or 'Someone'} is working on this image now, so its label map is left out. "
            "Import the same source again later: one that is still missing comes in then."
        )
    return str(error)


def _record(current: _Import, actor: str) -> None:
    source = current.plan.source
    with current.workspace.database.writing() as session:
        events.record(
            session,
            current.project_id,
            actor,
            "import",
            images=current.imported,
            labels=current.masks["label"],
            drafts=current.masks["draft"],
            truths=current.masks["truth"],
            problems=len(current.problems),
            source=str(source) if isinstance(source, (str, Path)) else "upload",
        )


def _let_into_audit(current: _Import, actor: str) -> None:
    with current.workspace.database.writing() as session:
        project = projects.project_row(session, current.project_id, lock=True)
        settings = read_settings(ProjectSettings, project.settings)
        audit_draw.let_in(session, current.project_id, settings.annotation, actor)
