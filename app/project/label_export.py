"""Exporting the label maps of a project: a zip to download, or a folder on the server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypedDict

import streamlit as st

from app import session
from app.notices import bullets, errors_as_sentences, plain
from app.prepared_zips import prepared_folder, remove_old, zip_url
from app.progress_bar import progress_bar
from app.project.image_import import typed_path
from storage.errors import InvalidInput
from storage.exporting import export_project, state_to_export
from storage.projects import ProjectInfo
from storage.schema import NOT_LABELLED, VOID
from storage.workspace import Workspace

_PREPARED = "prepared-export"
"""Session state: of which project, with which options and with how many revisions a zip was made."""
_ZIP = "prepared-zip"
"""Session state: its path, and what is in it, in sentences."""


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
        exported = {"drafts": drafts, "include_images": include_images}
        left, right = st.columns(2)
        with left:
            if st.button("Prepare a zip", key="export", type="primary", icon=":material/folder_zip:"):
                with errors_as_sentences():
                    there = state_to_export(workspace, project.id, **exported)
                    target, sentences = prepare_zip(workspace, project, options)
                    st.session_state[_PREPARED] = (project.id, options, there)
                    st.session_state[_ZIP] = (target, sentences)
            *prepared_for, there = st.session_state.get(_PREPARED, (None, None, 0))
            prepared, report = st.session_state.get(_ZIP, (None, ()))
            # With other options it is not what the button would seem to give.
            if prepared_for == [project.id, options] and prepared.exists():
                st.markdown(bullets(report))
                if state_to_export(workspace, project.id, **exported) != there:
                    st.caption("Labels, splits or classes changed since then: prepare the zip again.")
                # A link to a route of ours: Streamlit's own button would take the whole file into memory.
                st.link_button(
                    f"Download {prepared.name} ({size(prepared.stat().st_size)})",
                    zip_url(project.id, prepared.name),
                    key="export-download",
                    icon=":material/download:",
                )
        with right:
            with st.container(horizontal=True, vertical_alignment="bottom"):
                folder = st.text_input(
                    "Or a new folder on the computer that runs Qualm",
                    key="export-folder",
                    placeholder="/data/labels",
                )
                asked = st.button("Export to the folder", key="export-to-folder")
            # Below the row: in it the message would leave no width for the path.
            if asked:
                with errors_as_sentences():
                    if not folder.strip():
                        raise InvalidInput("Type the path of a new folder, then export again.")
                    path = typed_path(folder)
                    with progress_bar("Exporting") as moved:
                        result = export_project(workspace, project.id, path, **options, progress=moved)
                    for sentence in result.report():
                        if sentence in result.lost:
                            st.warning(plain(sentence), icon=":material/warning:")
                        else:
                            st.success(plain(sentence), icon=":material/check:")


def prepare_zip(workspace: Workspace, project: ProjectInfo, options: ExportOptions) -> tuple[Path, list[str]]:
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
    with progress_bar("Exporting") as moved:
        result = export_project(workspace, project.id, target, **options, replace=True, progress=moved)
    remove_old(target.parent, keep=target)
    return target, result.report()


def file_name(project_name: str) -> str:
    """Return a project's name as a file name that every system accepts, of 80 bytes at most."""
    name = re.sub(r"[^\w.-]+", "-", project_name).strip("-.")
    return name.encode()[:80].decode(errors="ignore") or "labels"


def size(count: int) -> str:
    """Return a number of bytes for a person."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
