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
from storage.exporting import ExportResult, export_project, state_to_export
from storage.in_parallel import OnProgress
from storage.projects import ProjectInfo
from storage.schema import NOT_LABELLED, VOID
from storage.wording import size_of
from storage.workspace import Workspace

_ZIP = "prepared-export"
"""Session state, by project: the zip that is made or was made last."""
_FOLDER = "exported-folder"
"""Session state, by project: the work that makes a folder or made the last one."""


class ExportOptions(TypedDict):
    """What :func:`storage.exporting.export_project` is asked for, beside where to."""

    include_images: bool
    drafts: bool
    not_labelled_as: int
    actor: str


def export_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the export: a zip to download, or a folder on the server."""
    last: ExportedZip | None = st.session_state.get(f"{_ZIP}-{project.id}")
    if last is not None:
        fill_in_forgotten(last.options)
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


def fill_in_forgotten(options: ExportOptions) -> None:
    """Set the switches as they were for the last zip: they forget when another page is looked at."""
    # The last that is set below, for the next click may end this anywhere.
    if "export-drafts" in st.session_state:
        return
    st.session_state["export-images"] = options["include_images"]
    st.session_state["export-not-labelled"] = options["not_labelled_as"] == NOT_LABELLED
    st.session_state["export-drafts"] = options["drafts"]


@dataclass(frozen=True)
class ExportedZip:
    """A zip that is made or was made: with which options, and how the project was then."""

    options: ExportOptions
    state: tuple[object, ...]
    work: RunningWork[tuple[Path, list[str]]]


def zip_part(workspace: Workspace, project: ProjectInfo, options: ExportOptions) -> None:
    """Draw the button that makes a zip, and the link to the last one."""

    def state_now() -> tuple[object, ...]:
        drafts, include_images = options["drafts"], options["include_images"]
        return state_to_export(workspace, project.id, drafts=drafts, include_images=include_images)

    key = f"{_ZIP}-{project.id}"
    last: ExportedZip | None = st.session_state.get(key)
    if st.button(
        "Prepare a zip",
        key="export",
        type="primary",
        icon=":material/folder_zip:",
        disabled=last is not None and not last.work.is_over,
    ):
        with errors_as_sentences():
            last = ExportedZip(options, state_now(), RunningWork("Exporting"))
            st.session_state[key] = last
            last.work.begin(lambda progress: prepare_zip(workspace, project, options, progress))
            last.work.wait_a_moment()
    if last is None or last.work.was_stopped:
        return
    if not last.work.is_over:
        running_bar(last.work, "export")
        return
    is_as_then = state_now() == last.state
    with errors_as_sentences():
        if last.work.error is not None and not is_as_then:
            # What was missing may be there by now.
            return
        prepared, report = last.work.outcome()
        # With other options it is not what the button would seem to give.
        if last.options != options or not prepared.exists():
            return
        st.markdown(bullets(report))
        if not is_as_then:
            st.caption("Labels, splits or classes changed since then: prepare the zip again.")
        # A link to a route of ours: Streamlit's own button would take the whole file into memory.
        st.link_button(
            f"Download {prepared.name} ({size_of(prepared.stat().st_size)})",
            zip_url(project.id, prepared.name),
            key="export-download",
            icon=":material/download:",
        )


def folder_part(workspace: Workspace, project: ProjectInfo, options: ExportOptions) -> None:
    """Draw the field and the button of an export to a folder, and what the last one did."""
    key = f"{_FOLDER}-{project.id}"
    work: RunningWork[ExportResult] | None = st.session_state.get(key)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        folder = st.text_input(
            "Or a new folder on the computer that runs Qualm", key="export-folder", placeholder="/data/labels"
        )
        asked = st.button(
            "Export to the folder", key="export-to-folder", disabled=work is not None and not work.is_over
        )
    if asked:
        path = typed_path(folder)

        def exported(progress: OnProgress) -> ExportResult:
            if not path:
                raise InvalidInput("Type the path of a new folder, then export again.")
            return export_project(workspace, project.id, path, **options, progress=progress)

        work = st.session_state[key] = RunningWork[ExportResult]("Exporting")
        work.begin(exported)
        work.wait_a_moment()
    if work is None:
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


def prepare_zip(
    workspace: Workspace, project: ProjectInfo, options: ExportOptions, progress: OnProgress
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
