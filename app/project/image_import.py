"""Importing images into a project: where from, the dry run and its report, the import itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import session
from app.notices import bullets, errors_as_sentences, plain
from app.project.running_import import (
    KINDS,
    AskedImport,
    RunningImport,
    begin_import,
    forget_ended_import,
    import_of,
)
from app.project.running_work import RunningWork, running_bar
from storage.errors import InvalidInput
from storage.formats.archives import Source
from storage.formats.image_file import IMAGE_SUFFIXES
from storage.import_plan import ImportPlan, MasksAs
from storage.import_planning import plan_import
from storage.in_parallel import OnProgress
from storage.projects import ProjectInfo
from storage.wording import count_of
from storage.workspace import Workspace

MASKS_AS: dict[MasksAs, str] = {"labels": "Submitted labels", "truth": "Hidden truth", "ignore": "Nothing"}
UPLOAD_TYPES = ["zip", *(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES), "txt", "csv", "json"]
NEXT_SOURCE = "next-import-source"
"""Session state: a path to put into the field of the source when the section is drawn next."""
_BEGUN = "begun-import"
"""Session state: the import of an upload that was begun last from here."""
_UPLOADS_DONE = "uploads-done"
"""Session state: how many uploads were imported; each leaves an empty field for the next."""
_CHECK = "checked-import"
"""Session state, by project: the check that was begun last from here."""
_TOLD = "told-import"
"""Session state, by project: the import whose outcome was said last, and what the form asked for then."""

_FORM_OF = "import-form-of"
"""Session state: the project whose import the fields were filled in for."""


@dataclass(frozen=True)
class CheckedImport:
    """What the form asked for when it was checked, and the check that makes a plan of it."""

    asked: AskedImport
    work: RunningWork[ImportPlan]


def import_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the import: where from, the dry run's report, and the import itself."""
    last = import_of(workspace, project.id)
    is_running = last is not None and not last.work.is_over
    checked = check_to_show(project.id, last)
    uploads_done = note_imported_upload(project.id)
    filled_in = fill_in_forgotten(project.id, checked.asked if checked else last.asked if last else None)
    if checked is not None and filled_in is not None:
        checked = keep_check(project.id, dataclasses.replace(checked, asked=filled_in))
    with st.container(border=True, key="import"):
        st.markdown("**Import images**")
        asked, files, is_pressed = import_form(f"import-upload-{project.id}-{uploads_done}", is_running)
        if is_pressed:
            forget_ended_import(workspace, project.id)
            last = None
            if checked is not None:
                checked.work.stop()
            checked = begin_check(workspace, project, asked, files)
        if last is not None and is_running:
            running_bar(
                last.work,
                "import",
                "You may leave this page, or close it: the import goes on while the server runs.",
            )
            return
        if checked is not None:
            check_outcome(workspace, project, checked, asked)
        if last is not None and is_to_tell(project.id, last, asked):
            import_outcome(last)


def check_to_show(project_id: int, last: RunningImport | None) -> CheckedImport | None:
    """Return the check that was begun last from here, unless its import was begun."""
    key = f"{_CHECK}-{project_id}"
    checked: CheckedImport | None = st.session_state.get(key)
    plan = checked.work.result if checked is not None else None
    if checked is None or plan is None or last is None or plan is not last.plan():
        return checked
    # Its button began the import; the next click may have ended the run before it could say so.
    if checked.asked.kind == "Upload":
        st.session_state[f"{_BEGUN}-{project_id}"] = last
    del st.session_state[key]
    return None


def keep_check(project_id: int, checked: CheckedImport) -> CheckedImport:
    """Note the check that was begun last from here, and return it."""
    st.session_state[f"{_CHECK}-{project_id}"] = checked
    return checked


def note_imported_upload(project_id: int) -> int:
    """Return how many uploads of this session were imported; one that just was empties its field."""
    begun_key, done_key = f"{_BEGUN}-{project_id}", f"{_UPLOADS_DONE}-{project_id}"
    begun: RunningImport | None = st.session_state.get(begun_key)
    if begun is not None and begun.work.result is not None:
        del st.session_state[begun_key]
        st.session_state[done_key] = st.session_state.get(done_key, 0) + 1
    return int(st.session_state.get(done_key, 0))


def import_form(upload_key: str, is_running: bool) -> tuple[AskedImport, list[UploadedFile], bool]:
    """Draw the fields, and return what they ask for, the uploaded files, and whether *Check* was pressed."""
    kind = (
        st.segmented_control(
            "Where from", KINDS, required=True, key="import-kind", label_visibility="collapsed"
        )
        or KINDS[0]
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
                    key=upload_key,
                )
                or []
            )
    else:
        if prefill := st.session_state.pop(NEXT_SOURCE, None):
            st.session_state["import-source"] = prefill
        path = typed_path(
            st.text_input(
                "Path of a folder or zip file on the computer that runs Qualm",
                placeholder="/data/street-scenes",
                key="import-source",
            )
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        masks_as = (
            st.segmented_control(
                "Masks become",
                list(MASKS_AS),
                required=True,
                format_func=lambda name: MASKS_AS[name],
                key="import-masks",
                help="Masks are matched to images by their file names, also to images that the project "
                "has. Hidden truth trains nothing: it lets a button on the Label page answer in your "
                "place, to try the loop.",
            )
            or "labels"
        )
        follow_splits = st.toggle(
            "Folders named val and test keep their split",
            key="import-splits",
            help="val becomes audit, test stays out of training. Otherwise every image goes to the pool.",
        )
        is_pressed = st.button(
            "Check",
            key="import-plan",
            icon=":material/fact_check:",
            type="primary",
            # Pressed too soon it would say that nothing is there, of a file that is on its way.
            disabled=is_running or (kind == "Upload" and not files),
        )
    uploaded = tuple(file.file_id for file in files)
    return AskedImport(kind, path, uploaded, masks_as, follow_splits), files, is_pressed


def begin_check(
    workspace: Workspace, project: ProjectInfo, asked: AskedImport, files: Sequence[UploadedFile]
) -> CheckedImport:
    """Begin to read what was asked for, and wait a moment for the plan."""
    source = [(file.name, file.getvalue()) for file in files] if asked.kind == "Upload" else asked.path

    def plan_of_source(progress: OnProgress) -> ImportPlan:
        if not source:
            raise InvalidInput("Type the path of a folder or a zip file, then check again.")
        return plan_import(
            source,
            workspace=workspace,
            project_id=project.id,
            masks_as=asked.masks_as,
            follow_splits=asked.follow_splits,
            progress=progress,
        )

    checked = keep_check(project.id, CheckedImport(asked, RunningWork("Reading (nothing is imported yet)")))
    checked.work.begin(plan_of_source)
    checked.work.wait_a_moment()
    return checked


def check_outcome(
    workspace: Workspace, project: ProjectInfo, checked: CheckedImport, asked: AskedImport
) -> None:
    """Draw how far the check is, or what it found for ``asked``, what the form asks for now."""
    work = checked.work
    if not work.is_over:
        running_bar(work, "check")
    elif work.was_stopped:
        st.caption("Stopped; nothing was imported.")
    elif checked.asked == asked:
        with errors_as_sentences():
            plan = work.outcome()
            import_plan(workspace, project, plan, asked)
    elif work.error is None:
        st.caption("The source or its settings changed: check again to see what would be imported now.")


def typed_path(text: str) -> str:
    """Return a path as it was typed, without the quotation marks that file managers copy with it."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def fill_in_forgotten(project_id: int, asked: AskedImport | None) -> AskedImport | None:
    """Fill in what was asked for last, or what is usual: the fields forget when another page is looked at.

    Those of another project give way, too, where something was asked for in this one.

    Args:
        project_id: The project.
        asked: What was asked for last in it; None for nothing.

    Returns:
        What was filled in; uploaded files are gone from their field. None where nothing was forgotten.
    """
    # The last that is filled in below, for the next click may end this anywhere.
    is_there = "import-splits" in st.session_state
    if is_there and (asked is None or st.session_state.get(_FORM_OF) == project_id):
        st.session_state[_FORM_OF] = project_id
        return None
    filled_in = AskedImport() if asked is None else dataclasses.replace(asked, files=())
    if filled_in.path:
        st.session_state["import-source"] = filled_in.path
    st.session_state["import-kind"] = filled_in.kind
    st.session_state["import-masks"] = filled_in.masks_as
    st.session_state[_FORM_OF] = project_id
    st.session_state["import-splits"] = filled_in.follow_splits
    return filled_in


def source_name(source: Source) -> str:
    """Return what a source is called in a sentence: an upload by its first file and the number of others."""
    if isinstance(source, (str, Path)):
        return str(source)
    more = f" and {len(source) - 1:,} more" if len(source) > 1 else ""
    return f"the uploaded {source[0][0]}{more}"


def import_plan(workspace: Workspace, project: ProjectInfo, plan: ImportPlan, asked: AskedImport) -> None:
    """Draw the report of a dry run, and the button that imports what it found."""
    with st.container(key="import-report", gap="xsmall"):
        st.caption(plain(f"Checked {source_name(plan.source)}:"))
        st.markdown(bullets(plan.report()))
    if not plan.changes:
        return
    images_to_come = (
        f"Import {count_of(plan.new_images, 'image')}" if plan.new_images else "Add the missing labels"
    )
    if st.button(images_to_come, key="import-run", icon=":material/upload:", type="primary"):
        with errors_as_sentences():
            begin_import(workspace, project.id, plan, asked, session.annotator())
            st.rerun()


def is_to_tell(project_id: int, ended: RunningImport, asked: AskedImport) -> bool:
    """Return whether to say what an import did: until another source is chosen than when it was said."""
    key = f"{_TOLD}-{project_id}"
    told, beside = st.session_state.get(key, (None, asked))
    if told is not ended:
        beside = asked
        st.session_state[key] = (ended, asked)
    is_beside = (asked.files, asked.path) == (beside.files, beside.path)
    return is_beside or (asked.files in ((), ended.asked.files) and asked.path in ("", ended.asked.path))


def import_outcome(ended: RunningImport) -> None:
    """Say what an import did, or why it failed."""
    with st.container(key="import-result"), errors_as_sentences():
        outcome, *more = ended.report()
        st.success(plain(outcome), icon=":material/check:")
        if more:
            st.markdown(bullets(more))
        st.page_link("pages/annotate.py", label="Label images", icon=":material/brush:")
