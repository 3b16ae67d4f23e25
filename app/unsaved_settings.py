"""What the form of the Training page holds and the project does not, for all buttons that save it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st
from pydantic import BaseModel

from app import session, settings_form
from storage import projects
from storage.settings import PRESET_FIELDS, Preset, ProjectSettings, RoundSettings, StartRule, with_preset
from storage.workspace import Workspace


@dataclass(frozen=True)
class UnsavedSettings:
    """What the form of the settings holds and the project does not.

    Attributes:
        round: New values of the round's settings by field, those of a chosen preset included.
        start: New values of the start rule.
        entered: Those of ``round`` that were entered into a field.
        own_scopes: By name, the scope of a field that has another one than the project.
        names: What the changed fields are called.
        overtaken: Those of ``names`` that somebody else saved another value of since theirs was entered.
    """

    round: dict[str, Any]
    start: dict[str, Any]
    entered: dict[str, Any]
    own_scopes: Mapping[str, object]
    names: list[str]
    overtaken: list[str]


def preset_key(project_id: int) -> str:
    """Return the key of the widget that holds the chosen preset."""
    return f"round-preset-{project_id}"


def scopes_with(preset: Preset | None, project_id: int) -> dict[str, object]:
    """Return the scopes of the fields that a preset fills in; the others keep what was entered into them."""
    return dict.fromkeys(PRESET_FIELDS, f"{project_id}-{preset}") if preset else {}


def unsaved_settings(workspace: Workspace, project_id: int) -> UnsavedSettings:
    """Return what the form holds now, be it drawn with that already or not.

    Raises:
        NotFound: there is no such project.
    """
    settings = projects.get_project(workspace, project_id).settings
    # One that was just saved goes when the form is drawn, and would fill in what was changed before saving.
    was_saved = _saved_key(project_id) in st.session_state
    preset = None if was_saved else st.session_state.get(preset_key(project_id))
    own_scopes = scopes_with(preset, project_id)
    shown = with_preset(settings.round, preset) if preset else settings.round
    filled_in = {
        name: value for name, value in shown.model_dump().items() if value != getattr(settings.round, name)
    }
    entered = settings_form.entered(shown, key="round", scope=project_id, own_scopes=own_scopes)
    start = settings_form.entered(settings.start, key="start", scope=project_id)
    overtaken = settings_form.overtaken(entered, key="round", scope=project_id, own_scopes=own_scopes)
    return UnsavedSettings(
        filled_in | entered,
        start,
        entered,
        own_scopes,
        names=_titles(RoundSettings, filled_in | entered) + _titles(StartRule, start),
        overtaken=_titles(RoundSettings, overtaken)
        + _titles(StartRule, settings_form.overtaken(start, key="start", scope=project_id)),
    )


def _titles(model: type[BaseModel], names: Iterable[str]) -> list[str]:
    return [settings_form.title_of_field(name, model.model_fields[name]) for name in names]


def discard_unsaved(settings: ProjectSettings, project_id: int) -> None:
    """Let the form hold what is stored, before it is drawn."""
    preset = st.session_state.get(preset_key(project_id))
    settings_form.discard(settings.round, key="round", scope=project_id)
    settings_form.discard(settings.start, key="start", scope=project_id)
    if preset:
        st.session_state[preset_key(project_id)] = None
        settings_form.forget(PRESET_FIELDS, key="round", scope=f"{project_id}-{preset}")


def were_saved(project_id: int) -> bool:
    """Return whether the settings were saved since this was asked last; to be asked before they are drawn."""
    return bool(st.session_state.pop(_saved_key(project_id), False))


def _saved_key(project_id: int) -> str:
    """Return the key of what is True from when the settings were saved until the form is drawn again."""
    return f"saved-settings-{project_id}"


def save_settings(workspace: Workspace, project_id: int, and_then: Callable[[], None] = lambda: None) -> None:
    """Store what the form of the settings holds and the project does not.

    Args:
        workspace: The workspace.
        project_id: The project.
        and_then: What is done with the settings stored. It must ask Streamlit for nothing, so that the next
            click cannot end this between the two.

    Raises:
        NotFound: there is no such project.
        pydantic.ValidationError: a value does not fit; nothing is changed.
    """
    annotator = session.annotator()
    unsaved = unsaved_settings(workspace, project_id)
    if unsaved.names:
        changes = {"round": unsaved.round, "start": unsaved.start}
        projects.change_settings(workspace, project_id, changes, annotator)
    and_then()
    if not unsaved.names:
        return
    # First of all: the next click may end this in any line, and a preset then filled in what was changed.
    st.session_state[_saved_key(project_id)] = True
    settings_form.saved(unsaved.entered, key="round", scope=project_id, own_scopes=unsaved.own_scopes)
    settings_form.saved(unsaved.start, key="start", scope=project_id)
