"""Exporting the label maps of a project: a zip to download, or a folder on the server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import streamlit as st

from app import session
from app.notices import bullets, errors_as_sentences, plain
from app.prepared_zips import prepared_folder, remove_old, zip_url
from app.project.image_import import typed_path
from app.project.running_work import RunningWork, running_bar
from storage.errors import InvalidInput
from storage.exporting import ExportResult, Progress, export_project, state_to_export
from storage.projects import ProjectInfo
from storage.schema import NOT_LABELLED, VOID
from storage.workspace import Workspace

_ZIP = "prepared-export"
"""Session state: the zip that is made or was made last."""
_FOLDER = "exported-folder"
"""Session state: of which project a folder is made or was made last, and the work."""


class ExportOptions(TypedDict):
    """What :func:`storage.exporting.export_project` is asked for, beside where to."""

    include_images: bool
    drafts: bool
    not_labelled_as: int
    actor: str


def export_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the export: a zip to download, or a folder on the server."""
    with st.container(border=True):
        st.markdown("**Export label maps**")
        st.caption(
            "One index PNG per submitted image (a class is its index, void is 255) and a manifest.json with "
            "classes, splits, authors and revisions. The same labels give the same bytes."
        )
        with st.container(horizontal=True, gap="large"):
            include_images = st.toggle("Put the images beside the label maps", key="export-images")
            apart = st.toggle(
                "Keep pixels that are not labelled apart",
                key="export-not-labelled",
                help="They become 254. Otherwise they become 255 like void, which training code ignores.",
            )
            drafts = st.toggle(
                "Drafts too",
                key="export-drafts",
                help="Label maps that were painted and not submitted, in the place of older ones.",
            )
        options = ExportOptions(
            include_images=include_images,
            drafts=drafts,
            not_labelled_as=NOT_LABELLED if apart else VOID,
            actor=session.annotator(),
        )
        left, right = st.columns(2)
        with left:
            zip_part(workspace, project, options)
        with right:
            folder_part(workspace, project, options)


@dataclass(frozen=True)
class ExportedZip:
    """A zip that is made or was made: of what, with which options, and how the project was then."""

    project_id: int
    options: ExportOptions
    state: tuple[object, ...]
    work: RunningWork[tuple[Path, list[str]]]


def zip_part(workspace: Workspace, project: ProjectInfo, options: ExportOptions) -> None:
    """Draw the button that makes a zip, and the link to the last one."""

    def state_now() -> tuple[object, ...]:
        drafts, include_images = options["drafts"], options["include_images"]
        return state_to_export(workspace, project.id, drafts=drafts, include_images=include_images)

    last: ExportedZip | None = st.session_state.get(_ZIP)
    if st.button(
        "Prepare a zip",
        key="export",
        type="primary",
        icon=":material/folder_zip:",
        disabled=last is not None and not last.work.is_over,
    ):
        with errors_as_sentences():
            last = ExportedZip(project.id, options, state_now(), RunningWork("Exporting"))
            st.session_state[_ZIP] = last
            last.work.begin(lambda progress: prepare_zip(workspace, project, options, progress))
            last.work.wait_a_moment()
    if last is None or last.project_id != project.id:
        return
    if not last.work.is_over:
        running_bar(last.work, "export")
        return
    # With other options it is not what the button would seem to give.
    if last.options != options or last.work.was_stopped:
        return
    with errors_as_sentences():
        prepared, report = last.work.outcome()
        if not prepared.exists():
            return
        st.markdown(bullets(report))
        if state_now() != last.state:
            st.caption("Labels, splits or classes changed since then: prepare the zip again.")
        # A link to a route of ours: Streamlit's own button would take the whole file into memory.
        st.link_button(
            f"Download {prepared.name} ({size(prepared.stat().st_size)})",
            zip_url(project.id, prepared.name),
            key="export-download",
            icon=":material/download:",
        )
    if last.work.error is not None:
        # Said once: what is missing may be there by the next look.
        del st.session_state[_ZIP]


def folder_part(workspace: Workspace, project: ProjectInfo, options: ExportOptions) -> None:
    """Draw the field and the button of an export to a folder, and what the last one did."""
    made_of, work = st.session_state.get(_FOLDER, (None, None))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        folder = st.text_input(
            "Or a new folder on the computer that runs Qualm", key="export-folder", placeholder="/data/labels"
        )
        asked = st.button(
            "Export to the folder", key="export-to-folder", disabled=work is not None and not work.is_over
        )
    if asked:
        path = typed_path(folder)

        def exported(progress: Progress) -> ExportResult:
            if not path:
                raise InvalidInput("Type the path of a new folder, then export again.")
            return export_project(workspace, project.id, path, **options, progress=progress)

        made_of, work = project.id, RunningWork[ExportResult]("Exporting")
        st.session_state[_FOLDER] = (made_of, work)
        work.begin(exported)
        work.wait_a_moment()
    if work is None or made_of != project.id:
        return
    # Below the row: in it the message would leave no width for the path.
    if not work.is_over:
        running_bar(work, "export-folder")
        return
    if work.was_stopped:
        st.caption("Stopped; no folder was made.")
        return
    with errors_as_sentences():
        result = work.outcome()
        for sentence in result.report():
            if sentence in result.lost:
                st.warning(plain(sentence), icon=":material/warning:")
            else:
                st.success(plain(sentence), icon=":material/check:")
    if work.error is not None:
        del st.session_state[_FOLDER]


def prepare_zip(
    workspace: Workspace, project: ProjectInfo, options: ExportOptions, progress: Progress
) -> tuple[Path, list[str]]:
    """Export to the zip file that a project and its options have, in the place of an older one.

    What was prepared with other options more than a day ago is removed.

    Returns:
        The path of the file, and what was exported, in sentences.

    Raises:
        InvalidInput: nothing is labelled.
        DiskFull: there is no space; the older file is still there.
        WorkspaceError: the workspace cannot be written to.
    """
    name = file_name(project.name)
    name += "-with-images" if options["include_images"] else ""
    name += "-with-drafts" if options["drafts"] else ""
    name += "-254" if options["not_labelled_as"] == NOT_LABELLED else ""
    target = prepared_folder(workspace, project.id) / f"{name}.zip"
    result = export_project(workspace, project.id, target, **options, replace=True, progress=progress)
    remove_old(target.parent, keep=target)
    return target, result.report()


def file_name(project_name: str) -> str:
    """Return a project's name as a file name that every system accepts, of 80 bytes at most."""
    name = re.sub(r"[^\w.-]+", "-", project_name).strip("-.")
    return name.encode()[:80].decode(errors="ignore") or "labels"


def size(count: int) -> str:
    """Return a number of bytes for a person."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
