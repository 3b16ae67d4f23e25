"""Importing images into a project: where from, the dry run and its report, the import itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import session
from app.notices import bullets, errors_as_sentences, image_count, plain
from app.progress_bar import progress_bar, progress_text
from app.project.running_import import RunningImport, begin_import, forget_ended_import, import_of
from storage.errors import InvalidInput
from storage.formats.image_file import IMAGE_SUFFIXES
from storage.import_plan import ImportPlan, MasksAs
from storage.importing import plan_import
from storage.projects import ProjectInfo
from storage.workspace import Workspace

MASKS_AS: dict[MasksAs, str] = {"labels": "Submitted labels", "truth": "Hidden truth", "ignore": "Nothing"}
UPLOAD_TYPES = ["zip", *(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES), "txt", "csv", "json"]
NEXT_SOURCE = "next-import-source"
"""Session state: a path to put into the field of the source when the section is drawn next."""
_BEGUN = "begun-import"
"""Session state: the import of an upload that was begun last from here."""
_UPLOADS_DONE = "uploads-done"
"""Session state: how many uploads were imported; each leaves an empty field for the next."""
_PLANNED = "planned-import"
"""Session state: what the form asked for when it was checked, and the plan for that."""


def import_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the import: where from, the dry run's report, and the import itself."""
    last = import_of(workspace, project.id)
    is_running = last is not None and not last.is_over
    begun_key, done_key = f"{_BEGUN}-{project.id}", f"{_UPLOADS_DONE}-{project.id}"
    begun = st.session_state.get(begun_key)
    if begun is not None and begun.is_complete:
        del st.session_state[begun_key]
        st.session_state[done_key] = st.session_state.get(done_key, 0) + 1
    with st.container(border=True, key="import"):
        st.markdown("**Import images**")
        kind = st.segmented_control(
            "Where from",
            ("Folder or zip on the server", "Upload"),
            default="Folder or zip on the server",
            required=True,
            key="import-kind",
            label_visibility="collapsed",
        )
        files: list[UploadedFile] = []
        path = ""
        if kind == "Upload":
            with st.container(key="import-upload"):
                files = (
                    st.file_uploader(
                        "A zip, or images with or without masks",
                        type=UPLOAD_TYPES,
                        accept_multiple_files=True,
                        key=f"import-upload-{project.id}-{st.session_state.get(done_key, 0)}",
                    )
                    or []
                )
        else:
            if prefill := st.session_state.pop(NEXT_SOURCE, None):
                st.session_state["import-source"] = prefill
            elif last is not None and last.source and "import-source" not in st.session_state:
                # The field forgets when another page is looked at.
                st.session_state["import-source"] = last.source
            path = typed_path(
                st.text_input(
                    "Path of a folder or zip file on the computer that runs Qualm",
                    placeholder="/data/street-scenes",
                    key="import-source",
                )
            )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            masks_as = st.segmented_control(
                "Masks become",
                list(MASKS_AS),
                default="labels",
                required=True,
                format_func=lambda name: MASKS_AS[name],
                key="import-masks",
                help="Masks are matched to images by their file names, also to images that the project has. "
                "Hidden truth trains nothing: it lets a button on the Label page answer in your place, to "
                "try the loop.",
            )
            follow_splits = st.toggle(
                "Folders named val and test keep their split",
                True,
                key="import-splits",
                help="val becomes audit, test stays out of training. Otherwise every image goes to the pool.",
            )
            checked = st.button(
                "Check",
                key="import-plan",
                icon=":material/fact_check:",
                type="primary",
                # Pressed too soon it would say that nothing is there, of a file that is on its way.
                disabled=is_running or (kind == "Upload" and not files),
            )
        asked = (project.id, kind, path, tuple(file.file_id for file in files), masks_as, follow_splits)
        if checked:
            forget_ended_import(workspace, project.id)
            last = None
            st.session_state.pop(_PLANNED, None)
            with errors_as_sentences():
                if kind != "Upload" and not path:
                    raise InvalidInput("Type the path of a folder or a zip file, then check again.")
                with progress_bar("Reading (nothing is imported yet)") as moved:
                    plan = plan_import(
                        [(file.name, file.getvalue()) for file in files] if kind == "Upload" else path,
                        workspace=workspace,
                        project_id=project.id,
                        masks_as=masks_as,
                        follow_splits=follow_splits,
                        progress=moved,
                    )
                st.session_state[_PLANNED] = (asked, plan)
        if last is not None and is_running:
            st.fragment(import_progress, run_every=0.5)(last)
            return
        planned_for, planned = st.session_state.get(_PLANNED, (None, None))
        if planned_for == asked:
            import_plan(workspace, project, planned, uploaded_name(files) if kind == "Upload" else path)
        elif planned_for and planned_for[0] == project.id:
            st.caption("The source or its settings changed: check again to see what would be imported now.")
        if last is not None:
            import_outcome(last)


def typed_path(text: str) -> str:
    """Return a path as it was typed, without the quotation marks that file managers copy with it."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def uploaded_name(files: Sequence[UploadedFile]) -> str:
    """Return what an upload is called in a sentence: its first file, and how many more there are."""
    more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
    return f"the uploaded {files[0].name}{more}"


def import_plan(workspace: Workspace, project: ProjectInfo, plan: ImportPlan, source: str) -> None:
    """Draw the dry run's report on ``source``, and the button that imports what it found."""
    with st.container(key="import-report", gap="xsmall"):
        st.caption(plain(f"Checked {source}:"))
        st.markdown(bullets(plan.report()))
    if not plan.changes:
        return
    images_to_come = f"Import {image_count(plan.new_images)}" if plan.new_images else "Add the missing labels"
    if st.button(images_to_come, key="import-run", icon=":material/upload:", type="primary"):
        with errors_as_sentences():
            begun = begin_import(workspace, project.id, plan, session.annotator())
            if begun.source is None:
                st.session_state[f"{_BEGUN}-{project.id}"] = begun
            st.session_state.pop(_PLANNED, None)
            st.rerun()


def import_progress(running: RunningImport) -> None:
    """Draw the bar of an import, which runs whoever looks, and the button that stops it."""
    if running.is_over:
        st.rerun(scope="app")
    with st.container(key="import-progress"):
        share = running.done / running.of
        line = progress_text("Importing", running.done, running.of, time.monotonic() - running.began)
        st.progress(share, text=line)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Stopping" if running.is_stopping else "Stop",
                key="import-stop",
                icon=":material/stop_circle:",
                disabled=running.is_stopping,
                on_click=running.stop,
            )
            st.caption("You may leave this page, or close it: the import goes on while the server runs.")


def import_outcome(ended: RunningImport) -> None:
    """Say what an import did, or why it failed."""
    with st.container(key="import-result"), errors_as_sentences():
        if ended.error is not None:
            raise ended.error
        outcome, *more = ended.report or []
        st.success(plain(outcome), icon=":material/check:")
        if more:
            st.markdown(bullets(more))
