"""Importing images into a project: where from, the dry run and its report, the import itself."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import session
from app.notices import bullets, errors_as_sentences, image_count, plain
from app.progress_bar import progress_bar
from storage.errors import InvalidInput
from storage.formats.image_file import IMAGE_SUFFIXES
from storage.import_plan import ImportPlan, MasksAs
from storage.importing import plan_import, run_import
from storage.projects import ProjectInfo
from storage.workspace import Workspace

MASKS_AS: dict[MasksAs, str] = {"labels": "Submitted labels", "truth": "Hidden truth", "ignore": "Nothing"}
UPLOAD_TYPES = ["zip", *(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES), "txt", "csv", "json"]
NEXT_SOURCE = "next-import-source"
"""Session state: a path to put into the field of the source when the section is drawn next."""
_PLANNED = "planned-import"
"""Session state: what the form asked for when it was checked, and the plan for that."""
_OUTCOME = "import-outcome"


def import_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the import: where from, the dry run's report, and the import itself."""
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
            files = (
                st.file_uploader(
                    "A zip, or images with or without masks",
                    type=UPLOAD_TYPES,
                    accept_multiple_files=True,
                    key="import-upload",
                )
                or []
            )
        else:
            if prefill := st.session_state.pop(NEXT_SOURCE, None):
                st.session_state["import-source"] = prefill
            path = st.text_input(
                "Path of a folder or zip file on the computer that runs Qualm",
                placeholder="/data/street-scenes",
                key="import-source",
            ).strip()
        with st.container(horizontal=True, vertical_alignment="bottom"):
            masks_as = st.segmented_control(
                "Masks become",
                list(MASKS_AS),
                default="labels",
                required=True,
                format_func=lambda name: MASKS_AS[name],
                key="import-masks",
                help="Masks are matched to images by their file names. Hidden truth trains nothing: it lets "
                "a button on the Label page answer in your place, to try the loop.",
            )
            follow_splits = st.toggle(
                "Folders named val and test keep their split",
                True,
                key="import-splits",
                help="val becomes audit, test stays out of training. Otherwise every image goes to the pool.",
            )
            checked = st.button("Check", key="import-plan", icon=":material/fact_check:", type="primary")
        asked = (project.id, kind, path, tuple(file.file_id for file in files), masks_as, follow_splits)
        if checked:
            st.session_state.pop(_OUTCOME, None)
            st.session_state.pop(_PLANNED, None)
            with errors_as_sentences():
                if kind == "Upload" and not files:
                    raise InvalidInput(
                        "Nothing is uploaded yet. Drop a zip or images above, then check again."
                    )
                if kind != "Upload" and not path:
                    raise InvalidInput("Type the path of a folder or a zip file, then check again.")
                plan = plan_import(
                    [(file.name, file.getvalue()) for file in files] if kind == "Upload" else path,
                    workspace=workspace,
                    project_id=project.id,
                    masks_as=masks_as,
                    follow_splits=follow_splits,
                    progress=progress_bar("Reading (nothing is imported yet)"),
                )
                st.session_state[_PLANNED] = (asked, plan)
        planned_for, planned = st.session_state.get(_PLANNED, (None, None))
        if planned_for == asked:
            import_plan(workspace, project, planned, uploaded_name(files) if kind == "Upload" else path)
        elif planned_for and planned_for[0] == project.id:
            st.caption("The source or its settings changed: check again to see what would be imported now.")
        done_for, outcome = st.session_state.get(_OUTCOME, (None, ()))
        if done_for == project.id:
            with st.container(key="import-result"):
                st.success(plain(outcome[0]), icon=":material/check:")
                if outcome[1:]:
                    st.markdown(bullets(outcome[1:]))


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
            st.caption(
                "Stay on this page until it is done; if it stops, import again and it goes on where it was."
            )
            result = run_import(
                workspace, project.id, plan, session.annotator(), progress=progress_bar("Importing")
            )
            st.session_state[_OUTCOME] = (project.id, result.report())
            st.session_state.pop(_PLANNED, None)
            st.rerun()
