"""The Project page: create a project, edit its classes, import, export, and how images are handed out.

Hooks for end-to-end tests, each as the class ``st-key-<hook>``:

* New project: ``project-name``, ``class-names``, ``class-source``, ``create-project``.
* Images: ``split-counts``, ``import-kind``, ``import-source``, ``import-upload``, ``import-masks``,
  ``import-splits``, ``import-plan``, ``import-report``, ``import-run``, ``import-result``.
* Classes: ``class-<index>-name-<project id>`` (also ``colour``, ``hotkey``, ``archived``), ``save-classes``,
  ``new-class-name``, ``add-class``.
* Export: ``export-images``, ``export-not-labelled``, ``export``, ``export-download``, ``export-folder``,
  ``export-to-folder``.
* Settings: ``rename-<project id>``, ``annotation-<field>-<project id>``, ``save-annotation``.

The tabs are called Images, Classes, Export, Settings and New project.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TypedDict
from uuid import uuid4

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import session, settings_form
from app.notices import bullets, duration, errors_as_sentences, plain
from storage import images, projects
from storage.errors import InvalidInput
from storage.exporting import export_project
from storage.formats.image_file import IMAGE_SUFFIXES
from storage.importing import ImportPlan, MasksAs, plan_import, run_import
from storage.projects import HOTKEYS, ClassInfo, ClassSpec, ProjectInfo
from storage.schema import NOT_LABELLED, VOID
from storage.workspace import Workspace

MASKS_AS: dict[MasksAs, str] = {"labels": "Submitted labels", "truth": "Hidden truth", "ignore": "Nothing"}
UPLOAD_TYPES = ["zip", *(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES), "txt", "csv", "json"]
SPLIT_COLOURS = {"pool": "#8a91a5", "train": "#2e9e6b", "audit": "#9063d8", "excluded": "#c9ced9"}
SPLIT_MEANINGS = {
    "pool": "not labelled yet; trains without labels",
    "train": "labelled; trains the model",
    "audit": "drawn at random, labelled blind, never trained on",
    "excluded": "left out of everything",
}
CLASSES_PER_PAGE = 20


# --- Create ------------------------------------------------------------------------------------------


def class_specs(text: str) -> list[ClassSpec]:
    """Read one class per line; a line may end in a colour, as in ``road #804080``."""
    specs = []
    for line in text.splitlines():
        if not line.strip():
            continue
        found = re.fullmatch(r"\s*(.*?)[\s,;=:]*(#[0-9a-fA-F]{6})?\s*", line)
        name, colour = found.groups() if found else (line, None)
        specs.append(ClassSpec(name=name, colour=colour))
    return specs


def classes_of(source: Path) -> list[ClassSpec]:
    """Return the classes of a data set, as its masks and its class list name them.

    Raises:
        InvalidInput: it cannot be opened, or names no classes.
    """
    plan = plan_import(source, progress=progress_bar("Reading the masks"))
    if not plan.classes:
        raise InvalidInput(
            f"{source} has no masks and no class list. Paste the names of the classes instead."
        )
    return list(plan.classes)


def create_section(workspace: Workspace) -> None:
    """Draw the form that makes a project, from pasted classes or from those of a data set."""
    with st.form("create-project-form", border=True):
        left, right = st.columns([2, 3])
        name = left.text_input("Name", placeholder="Street scenes", key="project-name")
        source = left.text_input(
            "Or take the classes from a data set (folder or zip)",
            placeholder="/data/camvid",
            key="class-source",
            help="Its masks say which classes there are. Leave the list on the right empty.",
        )
        text = right.text_area(
            "Classes, one per line",
            placeholder="sky\nroad\ncar #cc3333",
            height=190,
            key="class-names",
            help="A colour may follow the name, as in: road #804080. Colours and hotkeys can change later. "
            "Pixels nobody has labelled and pixels to ignore need no class of their own.",
        )
        if st.form_submit_button(
            "Create project", key="create-project", type="primary", icon=":material/add:"
        ):
            with errors_as_sentences():
                specs = class_specs(text)
                if not specs and source.strip():
                    specs = classes_of(Path(source.strip()).expanduser())
                made = projects.create_project(workspace, name, specs, session.annotator())
                session.choose_project(made.id)
                if source.strip():
                    st.session_state["next-import-source"] = source.strip()
                st.rerun()


# --- Images ------------------------------------------------------------------------------------------


def split_counts(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw how many images are in which split."""
    counts = images.split_counts(workspace, project.id)
    total = sum(counts.values())
    with st.container(border=True, key="split-counts"):
        if not total:
            st.markdown(
                "**No images yet.** Import a folder or a zip below; then label them on the Label page."
            )
            return
        bar = "".join(
            f'<span style="flex:{counts[split]};background:{colour}" title="{split}: {counts[split]}"></span>'
            for split, colour in SPLIT_COLOURS.items()
            if counts.get(split)
        )
        legend = "".join(
            f'<span class="q-chip" title="{SPLIT_MEANINGS[split]}"><i style="background:{colour}"></i>'
            f"{split} <strong>{counts.get(split, 0):,}</strong></span>"
            for split, colour in SPLIT_COLOURS.items()
        )
        st.html(
            f'<div class="q-line"><strong>{total:,} images</strong></div>'
            f'<div class="q-split-bar">{bar}</div><div class="q-chips">{legend}</div>'
        )


def uploaded_source(workspace: Workspace, files: Sequence[UploadedFile]) -> Path:
    """Write what was uploaded into the workspace and return the zip or the folder to import from.

    Raises:
        InvalidInput: nothing was uploaded, or a zip together with other files.
    """
    zips = [file for file in files if file.name.lower().endswith(".zip")]
    if not files:
        raise InvalidInput(
            "Nothing is uploaded yet. Drop a zip or images on the field above, then check again."
        )
    if zips and len(files) > 1:
        raise InvalidInput(
            "Upload one zip, or several images, but not both at once. Remove some and check again."
        )
    uploads = workspace.path / "uploads"
    if uploads.exists():
        shutil.rmtree(uploads, ignore_errors=True)
    folder = uploads / uuid4().hex
    folder.mkdir(parents=True)
    for file in files:
        with (folder / Path(file.name).name).open("wb") as target:
            shutil.copyfileobj(file, target)
    return folder / Path(zips[0].name).name if zips else folder


def progress_bar(what: str) -> Callable[[int, int, str], None]:
    """Return a callback ``(done, of, name)`` that moves a bar with the time left; the bar goes at the end."""
    bar = st.progress(0.0, text=what)
    began = time.monotonic()
    shown = 0.0

    def moved(done: int, of: int, name: str) -> None:
        nonlocal shown
        now = time.monotonic()
        if done >= of:
            bar.empty()
        elif now - shown >= 0.1:
            shown = now
            left = f", about {duration((now - began) / done * (of - done))} left" if done else ""
            bar.progress(done / of, text=f"{what}: {done:,} of {of:,}{left}")

    return moved


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
            if prefill := st.session_state.pop("next-import-source", None):
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
        if checked:
            st.session_state.pop("import-outcome", None)
            st.session_state.pop("planned-import", None)
            with errors_as_sentences():
                if kind != "Upload" and not path:
                    raise InvalidInput("Type the path of a folder or a zip file, then check again.")
                source = uploaded_source(workspace, files) if kind == "Upload" else Path(path).expanduser()
                plan = plan_import(
                    source,
                    workspace=workspace,
                    project_id=project.id,
                    masks_as=masks_as,
                    follow_splits=follow_splits,
                    progress=progress_bar("Reading (nothing is imported yet)"),
                )
                st.session_state["planned-import"] = (project.id, plan)
        planned_for, plan_now = st.session_state.get("planned-import", (None, None))
        if plan_now is not None and planned_for == project.id:
            import_plan(workspace, project, plan_now)
        if outcome := st.session_state.get("import-outcome"):
            with st.container(key="import-result"):
                st.success(plain(outcome[0]), icon=":material/check:")
                st.markdown(bullets(outcome[1:]))


def import_plan(workspace: Workspace, project: ProjectInfo, plan: ImportPlan) -> None:
    """Draw the dry run's report and the button that imports what it found."""
    with st.container(key="import-report", gap="xsmall"):
        st.markdown(bullets(plan.report()))
    if not plan.entries:
        return
    images_to_come = f"Import {plan.new_images:,} images" if plan.new_images else "Add the missing labels"
    if st.button(images_to_come, key="import-run", icon=":material/upload:", type="primary"):
        with errors_as_sentences():
            st.caption(
                "Stay on this page until it is done; if it stops, import again and it goes on where it was."
            )
            result = run_import(
                workspace, project.id, plan, session.annotator(), progress=progress_bar("Importing")
            )
            st.session_state["import-outcome"] = result.report()
            st.session_state.pop("planned-import", None)
            shutil.rmtree(workspace.path / "uploads", ignore_errors=True)
            st.rerun()


# --- Classes -----------------------------------------------------------------------------------------


def hotkey_name(code: str) -> str:
    """Return what is printed on the key of a ``KeyboardEvent.code``."""
    return code.removeprefix("Digit").removeprefix("Key") or "none"


def class_chips(classes: Sequence[ClassInfo]) -> str:
    """Return the class list as HTML chips with colour and hotkey."""
    chips = []
    for info in classes:
        key = f"<kbd>{escape(hotkey_name(info.hotkey))}</kbd>" if info.hotkey else ""
        chips.append(
            f'<span class="q-chip{" q-archived" if info.archived else ""}">'
            f'<i style="background:{info.colour}"></i>{escape(info.name)}{key}</span>'
        )
    return f'<div class="q-chips">{"".join(chips)}</div>'


def classes_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the class list as rows to edit, and the field that adds a class."""
    everything = projects.classes(workspace, project.id)
    pages = -(-len(everything) // CLASSES_PER_PAGE)
    page = st.pagination(pages, key=f"class-page-{project.id}") if pages > 1 else 1
    shown = everything[(page - 1) * CLASSES_PER_PAGE : page * CLASSES_PER_PAGE]
    with st.form("classes", border=True):
        widths = [0.5, 0.8, 4, 1.6, 1.2, 2]
        for column, title in zip(
            st.columns(widths), ("Index", "Colour", "Name", "Hotkey", "Archived", ""), strict=True
        ):
            column.caption(title)
        edited = [class_row(info, widths, project.id) for info in shown]
        st.caption(
            "A class is never deleted, so that its index keeps its meaning. An archived one is no longer "
            "offered for painting; what was painted with it stays."
        )
        if st.form_submit_button("Save classes", key="save-classes", type="primary"):
            with errors_as_sentences():
                save_classes(workspace, project, everything, edited)
                st.rerun()
    with st.form("add-class-form", border=True, clear_on_submit=True):
        left, middle, right = st.columns([5, 1, 2], vertical_alignment="bottom")
        name = left.text_input("New class", placeholder="Name", key="new-class-name")
        colour = middle.color_picker(
            "Colour",
            projects.default_colour(min(len(everything), 253)),
            key=f"new-class-colour-{len(everything)}",
        )
        if right.form_submit_button("Add class", key="add-class", icon=":material/add:", width="stretch"):
            with errors_as_sentences():
                projects.add_class(workspace, project.id, ClassSpec(name, colour), session.annotator())
                st.rerun()


def class_row(info: ClassInfo, widths: Sequence[float], project_id: int) -> ClassInfo:
    """Draw one class as a row of fields and return what they hold."""
    index, colour, name, hotkey, archived, _ = st.columns(widths, vertical_alignment="center")
    index.markdown(f"{info.index}")
    keys = ("", *HOTKEYS) if info.hotkey in (None, *HOTKEYS) else ("", info.hotkey, *HOTKEYS)

    def key(field: str) -> str:
        return f"class-{info.index}-{field}-{project_id}"

    return ClassInfo(
        index=info.index,
        colour=colour.color_picker("Colour", info.colour, key=key("colour"), label_visibility="collapsed"),
        name=name.text_input("Name", info.name, key=key("name"), label_visibility="collapsed"),
        hotkey=hotkey.selectbox(
            "Hotkey",
            keys,
            index=keys.index(info.hotkey or ""),
            format_func=hotkey_name,
            key=key("hotkey"),
            label_visibility="collapsed",
        )
        or None,
        archived=archived.checkbox(
            "Archived", info.archived, key=key("archived"), label_visibility="collapsed"
        ),
    )


def save_classes(
    workspace: Workspace, project: ProjectInfo, everything: Sequence[ClassInfo], edited: Sequence[ClassInfo]
) -> None:
    """Store the rows that differ from what is stored.

    Raises:
        InvalidInput: two classes share a hotkey or a name, or a name is empty.
    """
    after = {info.index: info for info in [*everything, *edited]}
    holders: dict[str, str] = {}
    for info in after.values():
        if info.hotkey and info.hotkey in holders:
            raise InvalidInput(
                f"{holders[info.hotkey]} and {info.name} both have the hotkey {hotkey_name(info.hotkey)}. "
                "Choose another key for one of them, then save again."
            )
        if info.hotkey:
            holders[info.hotkey] = info.name
    actor = session.annotator()
    before = {info.index: info for info in everything}
    for info in edited:
        old = before[info.index]
        if old.hotkey and old.hotkey != info.hotkey:
            projects.update_class(workspace, project.id, info.index, actor=actor, hotkey="")
    for info in edited:
        if info != before[info.index]:
            projects.update_class(
                workspace,
                project.id,
                info.index,
                actor=actor,
                name=info.name,
                colour=info.colour,
                hotkey=info.hotkey,
                archived=info.archived,
            )


# --- Export ------------------------------------------------------------------------------------------


class ExportOptions(TypedDict):
    """What :func:`storage.exporting.export_project` is asked for, beside where to."""

    include_images: bool
    not_labelled_as: int
    actor: str


def export_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the export: a zip to download, or a folder on the server."""
    with st.container(border=True):
        st.markdown("**Export label maps**")
        st.caption(
            "One index PNG per labelled image (a class is its index, void is 255) and a manifest.json with "
            "classes, splits, authors and revisions. The same labels give the same bytes."
        )
        with st.container(horizontal=True, gap="large"):
            include_images = st.toggle("Put the images beside the label maps", key="export-images")
            apart = st.toggle(
                "Keep pixels that are not labelled apart",
                key="export-not-labelled",
                help="They become 254. Otherwise they become 255 like void, which training code ignores.",
            )
        options = ExportOptions(
            include_images=include_images,
            not_labelled_as=NOT_LABELLED if apart else VOID,
            actor=session.annotator(),
        )
        left, right = st.columns(2)
        with left:
            if st.button("Prepare a zip", key="export", type="primary", icon=":material/folder_zip:"):
                with errors_as_sentences():
                    target = workspace.path / "exports" / f"{file_name(project.name)}.zip"
                    target.parent.mkdir(exist_ok=True)
                    target.unlink(missing_ok=True)
                    result = export_project(
                        workspace,
                        project.id,
                        target,
                        **options,
                        progress=progress_bar("Exporting"),
                    )
                    st.session_state["prepared-export"] = (project.id, target, result.report())
            prepared_for, prepared, report = st.session_state.get("prepared-export", (None, None, ()))
            if prepared_for == project.id and prepared.exists():
                st.markdown(bullets(report))
                st.download_button(
                    f"Download {prepared.name} ({size(prepared.stat().st_size)})",
                    prepared.read_bytes(),
                    file_name=prepared.name,
                    mime="application/zip",
                    key="export-download",
                    icon=":material/download:",
                    on_click="ignore",
                )
        with right, st.container(horizontal=True, vertical_alignment="bottom"):
            folder = st.text_input(
                "Or a new folder on the computer that runs Qualm",
                key="export-folder",
                placeholder="/data/labels",
            )
            if st.button("Export to the folder", key="export-to-folder"):
                with errors_as_sentences():
                    if not folder.strip():
                        raise InvalidInput("Type the path of a new folder, then export again.")
                    result = export_project(
                        workspace,
                        project.id,
                        Path(folder.strip()).expanduser(),
                        **options,
                        progress=progress_bar("Exporting"),
                    )
                    for sentence in result.report():
                        st.success(plain(sentence), icon=":material/check:")


def file_name(project_name: str) -> str:
    """Return a project's name as a file name that every system accepts."""
    return re.sub(r"[^\w.-]+", "-", project_name).strip("-.")[:80] or "labels"


def size(count: int) -> str:
    """Return a number of bytes for a person."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


# --- Settings ----------------------------------------------------------------------------------------


def annotation_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the project's name and how images are handed out."""
    with st.form("annotation-settings", border=True):
        name = st.text_input("Name of the project", project.name, key=f"rename-{project.id}")
        st.markdown("**How images are handed out**")
        values = settings_form.fields(
            project.settings.annotation,
            list(type(project.settings.annotation).model_fields),
            key="annotation",
            scope=project.id,
        )
        if st.form_submit_button("Save settings", key="save-annotation", type="primary"):
            with errors_as_sentences():
                actor = session.annotator()
                annotation = settings_form.changed(project.settings.annotation, values)
                projects.rename_project(workspace, project.id, name, actor)
                projects.update_settings(
                    workspace,
                    project.id,
                    project.settings.model_copy(update={"annotation": annotation}),
                    actor,
                )
                st.rerun()


def show() -> None:
    """Draw the page: the form alone while there is no project, everything in tabs after that."""
    workspace = session.workspace()
    project_id = session.current_project_id()
    if project_id is None:
        st.subheader("Create your first project")
        st.caption(
            "A project is a list of classes and the images you label with them. To see the loop without "
            "images of your own, stop the server and start `python3 run_app.py`: it opens a demo."
        )
        create_section(workspace)
        return
    project = projects.get_project(workspace, project_id)
    st.subheader(project.name)
    st.html(class_chips(projects.classes(workspace, project_id)))
    pictures, classes, export, settings, new = st.tabs(
        ["Images", "Classes", "Export", "Settings", "New project"]
    )
    with pictures:
        split_counts(workspace, project)
        import_section(workspace, project)
    with classes:
        classes_section(workspace, project)
    with export:
        export_section(workspace, project)
    with settings:
        annotation_section(workspace, project)
    with new:
        create_section(workspace)


show()
