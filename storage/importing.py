"""The carrying out of an import that was planned."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

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
from storage.in_parallel import Progress, in_parallel
from storage.prepared_images import PreparedImage, prepared_image
from storage.present_labels import is_label_newest, present_label, was_brought
from storage.schema import NOT_LABELLED
from storage.settings import ProjectSettings, read_settings
from storage.workspace import Workspace


def run_import(
    workspace: Workspace,
    project_id: int,
    plan: ImportPlan,
    actor: str,
    progress: Progress | None = None,
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
    known = images.by_content(workspace, project_id)
    imported = already_there = whole = 0
    masks: Counter[MaskBecomes] = Counter()
    problems: list[Problem] = []

    def has_all(info: ImageInfo, entry: PlannedImage) -> bool:
        if entry.mask_becomes is None:
            return True
        if entry.mask_becomes == "truth":
            return info.truth_blob is not None
        # What an earlier import brought and a person took back again is not there.
        return present_label(workspace, info) is not None and was_brought(
            workspace, info, entry.author, entry.mask_becomes
        )

    def is_complete(entry: PlannedImage) -> bool:
        info = known.get(entry.content_hash)
        return info is not None and has_all(info, entry)

    def add(prepared: PreparedImage) -> None:
        nonlocal imported, already_there
        entry, truth_blob = prepared.entry, prepared.truth_blob
        revision = 0
        image_id = _add(workspace, project_id, prepared)
        if image_id is not None:
            imported += 1
        elif entry.known or prepared.image is not None:
            already_there += 1
            # Another import may have brought it since this one began, and its label as well.
            info = images.of_content(workspace, project_id, entry.content_hash)
            if info is None or has_all(info, entry):
                return
            is_in_the_way = entry.mask_becomes != "truth" and present_label(workspace, info) is not None
            if is_in_the_way and not (entry.over_label and is_label_newest(info)):
                raise LabelConflict(info.revision, labels.history(workspace, info.id)[0].author)
            image_id, revision = info.id, info.revision
            if prepared.label_map is not None or truth_blob is not None:
                images.complete(
                    workspace,
                    image_id,
                    split=entry.split,
                    excluded_from="audit" if entry.is_measure else None,
                    truth_blob=truth_blob,
                )
        if image_id is None:
            return
        if truth_blob is not None:
            masks["truth"] += 1
        if prepared.label_map is not None:
            kind: MaskBecomes = "draft" if entry.mask_becomes == "draft" else "label"
            saved = labels.save(
                workspace,
                image_id,
                prepared.label_map,
                expected_revision=revision,
                author=entry.author,
                status="draft" if kind == "draft" else "submitted",
                blind=entry.blind,
            )
            masks[kind] += 1
            if entry.draft is not None and prepared.draft_map is not None:
                labels.save(
                    workspace,
                    image_id,
                    prepared.draft_map,
                    expected_revision=saved.revision,
                    author=entry.draft.author,
                    blind=entry.draft.blind,
                )
                masks["draft"] += 1

    def how_far() -> contextlib.AbstractContextManager[None]:
        return _saying_how_far(lambda: whole, len(plan.entries))

    try:
        with (
            how_far(),
            OpenSource(plan.source) as opened,
            closing(
                in_parallel(
                    lambda entry: (
                        None if is_complete(entry) else prepared_image(workspace, opened, plan, entry)
                    ),
                    plan.entries,
                    lambda entry: entry.path,
                    progress,
                )
            ) as results,
        ):
            for prepared in results:
                if prepared is None:
                    already_there += 1
                    whole += 1
                    continue
                problems += prepared.problems
                try:
                    add(prepared)
                except (DiskFull, WorkspaceError):
                    raise
                except QualmError as error:
                    entry = prepared.entry
                    name = entry.mask if isinstance(error, LabelConflict) and entry.mask else entry.path
                    problems.append(Problem(name, _why_not_added(error)))
                else:
                    whole += not prepared.problems
    finally:
        # One that was stopped brought images, too.
        with how_far(), workspace.database.writing() as session:
            events.record(
                session,
                project_id,
                actor,
                "import",
                images=imported,
                labels=masks["label"],
                drafts=masks["draft"],
                truths=masks["truth"],
                problems=len(problems),
                source=str(plan.source) if isinstance(plan.source, (str, Path)) else "upload",
            )
        # Not together with the entry, which is to stay when this fails; the next import makes up for it.
        with how_far(), workspace.database.writing() as session:
            project = projects.project_row(session, project_id, lock=True)
            settings = read_settings(ProjectSettings, project.settings)
            audit_draw.let_in(session, project_id, settings.annotation, actor)
    return ImportResult(
        imported,
        labelled=masks["label"],
        drafts=masks["draft"],
        truths=masks["truth"],
        already_there=already_there,
        problems=tuple(problems),
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


@contextlib.contextmanager
def _saying_how_far(whole: Callable[[], int], of: int) -> Iterator[None]:
    """Let an error that ends an import say how many images are in, and what brings the rest.

    Raises:
        DiskFull: The block raised it.
        WorkspaceError: Likewise.
    """
    try:
        yield
    except (DiskFull, WorkspaceError) as error:
        are = "image is" if of == 1 else "images are"
        kept = (
            f"{whole():,} of {of:,} {are} in and complete; the same source, imported again, brings the rest"
        )
        if isinstance(error, DiskFull):
            raise DiskFull(error.where, kept) from error
        if isinstance(error, WorkspaceBusy):
            raise WorkspaceBusy(error.where, error.waited_s, kept) from error
        raise WorkspaceError(f"{error} {kept}.") from error


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


def _add(workspace: Workspace, project_id: int, prepared: PreparedImage) -> int | None:
    entry, image = prepared.entry, prepared.image
    if image is None or prepared.blob is None:
        return None
    return images.add_image(
        workspace,
        project_id,
        name=entry.name,
        content_hash=entry.content_hash,
        blob=prepared.blob,
        media_type=image.media_type,
        width=image.width,
        height=image.height,
        split=entry.split,
        excluded_from="audit" if entry.is_measure else None,
        group=entry.group,
        truth_blob=prepared.truth_blob,
        source=prepared.source,
    )
