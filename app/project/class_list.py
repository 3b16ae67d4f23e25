"""The classes of a project: shown as chips, edited as rows, added, archived."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from app import session, settings_form
from app.kept_press import kept_press
from app.notices import errors_as_sentences, plain
from storage import projects
from storage.errors import InvalidInput
from storage.projects import HOTKEYS, ClassChange, ClassInfo, ClassSpec, ProjectInfo
from storage.workspace import Workspace

CLASSES_PER_PAGE = 20
CHIPS = 40
FIELDS = ("colour", "name", "hotkey", "archived")
_ADDED = "class-added"
"""Session state: a class was just added, so that the field of its name is to be emptied."""


def hotkey_name(code: str) -> str:
    """Return what is printed on the key of a ``KeyboardEvent.code``."""
    return code.removeprefix("Digit").removeprefix("Key") or "none"


def class_chips(classes: Sequence[ClassInfo]) -> str:
    """Return the first classes as HTML chips with colour and hotkey, and how many more there are."""
    chips = []
    for info in classes[:CHIPS]:
        key = f"<kbd>{escape(hotkey_name(info.hotkey))}</kbd>" if info.hotkey else ""
        chips.append(
            f'<span class="q-chip{" q-archived" if info.archived else ""}">'
            f'<i style="background:{info.colour}"></i>{escape(info.name)}{key}</span>'
        )
    if len(classes) > CHIPS:
        chips.append(f'<span class="q-muted">and {len(classes) - CHIPS} more</span>')
    return f'<div class="q-chips">{"".join(chips)}</div>'


def classes_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the class list as rows to edit, and the field that adds a class."""
    everything = projects.classes(workspace, project.id)
    pages = -(-len(everything) // CLASSES_PER_PAGE)
    page = st.pagination(pages, key=f"class-page-{project.id}") if pages > 1 else 1
    taken_back = kept_press("take-back-classes", project.id)
    if taken_back.waits:
        with taken_back.heard():
            take_back(project.id)
    unsaved = note_unsaved(everything, project.id)
    with st.container(border=True):
        widths = [0.5, 0.8, 4, 1.6, 1.2, 2]
        for column, title in zip(
            st.columns(widths), ("Index", "Colour", "Name", "Hotkey", "Archived", ""), strict=True
        ):
            column.caption(title)
        for info in everything[(page - 1) * CLASSES_PER_PAGE : page * CLASSES_PER_PAGE]:
            class_row(info, widths, project.id, unsaved.get(info.index, {}))
        edited = [dataclasses.replace(info, **unsaved.get(info.index, {})) for info in everything]
        changed = [stored.name for stored, info in zip(everything, edited, strict=True) if stored != info]
        st.caption(
            "A class is never deleted, so that its index keeps its meaning. An archived one is no longer "
            "offered for painting, suggested or trained on; what was painted with it stays."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Save classes", key="save-classes", type="primary"):
                with errors_as_sentences():
                    save_classes(workspace, project, everything, edited)
                    unsaved.clear()
                    st.toast("Saved.", icon=":material/check:")
                    st.rerun()
            if changed:
                st.button("Take back", key="take-back-classes", on_click=taken_back.note)
                st.caption(plain(f"Not saved yet: {', '.join(changed)}."))
    if st.session_state.pop(_ADDED, False):
        st.session_state["new-class-name"] = ""
    with st.form("add-class-form", border=True):
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
                st.session_state[_ADDED] = True
                st.rerun()


def unsaved_classes(project_id: int) -> dict[int, dict[str, Any]]:
    """Return what was entered and is not saved, by class index and field."""
    kept: dict[int, dict[str, Any]] = st.session_state.setdefault(f"unsaved-classes-{project_id}", {})
    return kept


def note_unsaved(everything: Sequence[ClassInfo], project_id: int) -> dict[int, dict[str, Any]]:
    """Bring what was entered and is not saved up to date, and return it.

    Fields left alone follow what is stored. One on a page of the list that was just turned is still known
    here, and forgotten after this run.
    """
    unsaved = unsaved_classes(project_id)
    for info in everything:
        for field in FIELDS:
            key = _widget_key(info.index, field, project_id)
            if key not in st.session_state:
                continue
            stored, entered = _shown(getattr(info, field)), unsaved.setdefault(info.index, {})
            settings_form.follow(key, stored)
            entered.pop(field, None)
            value = st.session_state[key]
            if value != stored:
                entered[field] = None if field == "hotkey" and not value else value
    return unsaved


def take_back(project_id: int) -> None:
    """Forget what was entered and is not saved; to be asked for before its fields are drawn."""
    unsaved = unsaved_classes(project_id)
    for index, field in itertools.product(unsaved, FIELDS):
        st.session_state.pop(_widget_key(index, field, project_id), None)
    unsaved.clear()


def class_row(info: ClassInfo, widths: Sequence[float], project_id: int, unsaved: Mapping[str, Any]) -> None:
    """Draw one class as a row of fields; those that were not on the screen begin with what is ``unsaved``."""
    index, colour, name, hotkey, archived, _ = st.columns(widths, vertical_alignment="center")
    index.markdown(f"{info.index}")
    keys = ("", *HOTKEYS) if info.hotkey in (None, *HOTKEYS) else ("", info.hotkey, *HOTKEYS)

    def key(field: str) -> str:
        widget_key = _widget_key(info.index, field, project_id)
        if widget_key not in st.session_state:
            stored = getattr(info, field)
            settings_form.follow(widget_key, _shown(stored))
            st.session_state[widget_key] = _shown(unsaved.get(field, stored))
        return widget_key

    colour.color_picker("Colour", key=key("colour"), label_visibility="collapsed")
    name.text_input("Name", key=key("name"), label_visibility="collapsed")
    hotkey.selectbox("Hotkey", keys, format_func=hotkey_name, key=key("hotkey"), label_visibility="collapsed")
    archived.checkbox("Archived", key=key("archived"), label_visibility="collapsed")


def _shown(value: object) -> object:
    """Return a value as its widget holds it: no hotkey is an empty one there."""
    return "" if value is None else value


def _widget_key(index: int, field: str, project_id: int) -> str:
    return f"class-{index}-{field}-{project_id}"


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
    before = {info.index: info for info in everything}
    changes = {
        info.index: change_of(before[info.index], info) for info in edited if info != before[info.index]
    }
    projects.update_classes(workspace, project.id, changes, session.annotator())


def change_of(before: ClassInfo, after: ClassInfo) -> ClassChange:
    """Return what differs, so that the rest is left to whoever changes it meanwhile."""
    return ClassChange(
        name=None if after.name == before.name else after.name,
        colour=None if after.colour == before.colour else after.colour,
        hotkey=None if after.hotkey == before.hotkey else after.hotkey or "",
        archived=None if after.archived == before.archived else after.archived,
    )
