"""Export of label maps as index PNGs with a class list and a manifest, as a folder or a zip file.

::

    classes.json                     index, name, colour, hotkey and whether it is archived
    manifest.json                    tool, values, for each image where its label map comes from, and what
                                     was left out because its file is lost
    label_maps/<split>/<stem>.png    index PNG with the palette of the project's colours
    submitted/<split>/<stem>.png     the one that was submitted, where a draft has its place
    images/<split>/<stem>.<ext>      on request
    sources/<split>/<stem>.<ext>     with them: the imported file where its image lost depth or channels

The same project gives the same bytes: entries are sorted, nothing holds the time, and files in a zip file
carry a fixed one. An import reads the result back exactly where pixels that are not labelled are kept apart
from void, or there are none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select, true
from sqlalchemy.exc import SQLAlchemyError

from storage import events, images, labels, projects
from storage.errors import InvalidInput, QualmError
from storage.export_contents import ExportContents
from storage.export_target import WRITER, ExportTarget, refuse_existing, write_folder, write_zip
from storage.files import file_error, given_path
from storage.images import ImageInfo
from storage.in_parallel import OnProgress
from storage.new_folders import place_of_new_folder, remove_abandoned
from storage.projects import ProjectInfo
from storage.schema import NOT_LABELLED, VOID, Image
from storage.wording import count_of
from storage.workspace import Workspace

log = logging.getLogger("qualm.exporting")

_MOST_NAMED = 20
"""How many of what was left out are named in a report; the manifest names all."""


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote."""

    path: Path
    label_maps: int
    images: int
    drafts: int
    """Label maps that nobody has submitted yet."""
    drafts_left_out: int
    """Images with a draft that is newer than what was exported of them, if anything was."""
    lost: tuple[str, ...] = ()
    """What was left out because its file is missing or damaged, a sentence each."""

    def report(self) -> list[str]:
        """Return the result in sentences."""
        beside = f" and {count_of(self.images, 'image')}" if self.images else ""
        lines = [f"{count_of(self.label_maps, 'label map')}{beside} written to {self.path}."]
        if self.drafts:
            are = "is a draft" if self.drafts == 1 else "are drafts"
            lines.append(f"{self.drafts:,} of them {are}; the manifest says which.")
        if self.drafts_left_out:
            have = (
                "1 image has a draft"
                if self.drafts_left_out == 1
                else f"{self.drafts_left_out:,} images have drafts"
            )
            lines.append(f"{have} that nobody has submitted; drafts are left out.")
        lines += self.lost[:_MOST_NAMED]
        if len(self.lost) > _MOST_NAMED:
            lines.append(f"{len(self.lost) - _MOST_NAMED:,} more are left out; the manifest names them all.")
        return lines


def export_project(
    workspace: Workspace,
    project_id: int,
    target: str | Path,
    *,
    include_images: bool = False,
    drafts: bool = False,
    not_labelled_as: int = VOID,
    replace: bool = False,
    actor: str = "export",
    progress: OnProgress | None = None,
) -> ExportResult:
    """Write the newest submitted label map of every image to a new folder or ``.zip`` file.

    These are the label maps that rounds learn from. It appears under its name only when it is complete, and
    is then whole even if the journal cannot be written. What the workspace has lost, or has damaged, is left
    out and named; what was submitted stands in for a draft that is.

    Args:
        workspace: The workspace.
        project_id: The project.
        target: A path that ends in ``.zip``, or a folder that does not exist or is empty, or a link to one.
        include_images: Write the upright images too, those without labels as well, and the imported files
            of those that lost depth or channels.
        drafts: Write a draft in the place of the label map that was submitted before it, or of none; then
            the submitted one lies in a folder of its own.
        not_labelled_as: What a pixel that is not labelled becomes: 255, as training code expects, or 254
            to keep it apart from void.
        replace: Take the place of an older ``.zip`` file.
        actor: Who did it, for the journal.
        progress: Called after each image.

    Raises:
        InvalidInput: The target exists and is not an empty folder, is where a disk begins, lies in the
            workspace outside of its folder ``exports``, or is no path; nothing is labelled; or
            ``not_labelled_as`` is neither 254 nor 255.
        NotFound: There is no such project.
        DiskFull: There is no space; nothing is left behind.
        WorkspaceError: The target cannot be written, or not one label map can be read.
    """
    if not_labelled_as not in (NOT_LABELLED, VOID):
        raise InvalidInput("Pixels that are not labelled can become 254 or 255, nothing else.")
    path = given_path(target).absolute()
    is_zip = path.suffix.lower() == ".zip"
    is_new = not (replace and is_zip)
    if not is_zip:
        path = place_of_new_folder(path, WRITER)
    elif is_new:
        refuse_existing(path)
    _refuse_own_folders(workspace, path)
    project = projects.get_project(workspace, project_id)
    everything = images.list_images(workspace, project.id)
    revisions = {info.id: _exported_revision(workspace, info, drafts) for info in everything}
    chosen = [info for info in everything if revisions[info.id] or include_images]
    drafts_left_out = 0 if drafts else _newer_drafts(workspace, everything)
    if not any(revisions.values()):
        raise _nothing_labelled(project, drafts_left_out)
    contents = ExportContents(
        workspace, project, revisions, include_images=include_images, not_labelled_as=not_labelled_as
    )

    def write_all(out: ExportTarget) -> None:
        contents.write(out, chosen, progress)

    for downloads in (workspace.path / "exports").glob("*/"):
        remove_abandoned(downloads)
    try:
        if is_zip:
            write_zip(path, write_all, is_new)
        else:
            write_folder(path, write_all)
    except OSError as error:
        raise file_error(error, path) from error
    result = ExportResult(
        path,
        label_maps=sum("label_map" in row for row in contents.rows),
        images=sum("image" in row for row in contents.rows),
        drafts=sum(row.get("status") == "draft" for row in contents.rows),
        drafts_left_out=drafts_left_out,
        lost=tuple(contents.lost),
    )
    try:
        with workspace.database.writing() as session:
            events.record(
                session, project.id, actor, "export", label_maps=result.label_maps, target=str(path)
            )
    except (QualmError, SQLAlchemyError):
        # The export is in its place, perhaps on another disk than a full one that holds the journal.
        log.exception("the journal lacks the export to %s", path)
    return result


def state_to_export(
    workspace: Workspace, project_id: int, *, drafts: bool = False, include_images: bool = True
) -> tuple[object, ...]:
    """Return what differs once an export would: label maps (``drafts`` when wanted), splits, classes."""
    revision = Image.revision if drafts else Image.labelled_revision
    query = (
        select(Image.split, func.count(), func.sum(revision), func.sum(Image.id))
        .where(Image.project_id == project_id, true() if include_images else revision > 0)
        .group_by(Image.split)
        .order_by(Image.split)
    )
    with workspace.database.reading() as session:
        splits = [tuple(row) for row in session.execute(query)]
    return *splits, *projects.classes(workspace, project_id)


def _exported_revision(workspace: Workspace, info: ImageInfo, drafts: bool) -> int:
    """Return which label map of an image is exported, 0 for none."""
    if not drafts or info.revision == info.labelled_revision:
        return info.labelled_revision
    # Someone painted and took all of it back.
    is_empty = labels.history(workspace, info.id)[0].labelled_share == 0
    return info.labelled_revision if is_empty else info.revision


def _newer_drafts(workspace: Workspace, everything: Sequence[ImageInfo]) -> int:
    """Return how many images have a draft that is newer than what was submitted of them, if anything was."""
    return sum(
        _exported_revision(workspace, info, drafts=True) > info.labelled_revision
        for info in everything
        if info.revision > info.labelled_revision
    )


def _nothing_labelled(project: ProjectInfo, drafts: int) -> InvalidInput:
    if drafts:
        return InvalidInput(
            f"Nobody has submitted a label map of {project.name} yet. Submit some, or export the drafts "
            "too: --drafts on the command line, “Drafts too” on the Project page."
        )
    return InvalidInput(f"No image of {project.name} is labelled yet. Label some and submit, then export.")


def _refuse_own_folders(workspace: Workspace, path: Path) -> None:
    """Refuse a target among the workspace's own files, which are removed once nothing names them."""
    own, place = workspace.path.resolve(), path.resolve()
    if place.is_relative_to(own) and not place.is_relative_to(own / "exports"):
        raise InvalidInput(
            f"{path} lies in the workspace, among files that Qualm itself removes. Choose a place outside of "
            f"{workspace.path}."
        )
