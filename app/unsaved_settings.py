"""What the form of the Training page holds and the project does not, for all buttons that save it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import session, settings_form
from storage import projects
from storage.settings import RoundSettings, StartRule
from storage.workspace import Workspace

_UNSAVED = "unsaved-settings"
"""Session state: what the form of the settings held when it was drawn last, an :class:`UnsavedSettings`."""
_SAVED = "saved-settings"
"""Session state: True from when they were saved until the form is drawn again."""


@dataclass(frozen=True)
class UnsavedSettings:
    """What the form of the settings holds and the project does not.

    Attributes:
        project_id: The project.
        round: New values of the round's settings by field, those of a chosen preset included.
        start: New values of the start rule.
        entered: Those of ``round`` that were entered into a field.
        own_scopes: By name, the scope of a field that has another one than the project.
    """

    project_id: int
    round: dict[str, Any]
    start: dict[str, Any]
    entered: dict[str, Any]
    own_scopes: Mapping[str, object]

    @property
    def names(self) -> list[str]:
        """What the changed fields are called."""
        return [
            settings_form.title_of_field(name, model.model_fields[name])
            for model, values in ((RoundSettings, self.round), (StartRule, self.start))
            for name in values
        ]


def note_unsaved(unsaved: UnsavedSettings) -> UnsavedSettings:
    """Keep what the form holds for :func:`save_settings`, in the place of what it held before."""
    st.session_state[_UNSAVED] = unsaved
    return unsaved


def were_saved() -> bool:
    """Return whether the settings were saved since this was asked last; to be asked before they are drawn."""
    return bool(st.session_state.pop(_SAVED, False))


def save_settings(workspace: Workspace, project_id: int) -> None:
    """Store what the form of the settings holds and the project does not.

    Raises:
        NotFound: there is no such project.
        pydantic.ValidationError: a value does not fit; nothing is changed.
    """
    unsaved: UnsavedSettings | None = st.session_state.get(_UNSAVED)
    if unsaved is None or unsaved.project_id != project_id or not unsaved.names:
        return
    projects.change_settings(
        workspace, project_id, {"round": unsaved.round, "start": unsaved.start}, session.annotator()
    )
    settings_form.saved(unsaved.entered, key="round", scope=project_id, own_scopes=unsaved.own_scopes)
    settings_form.saved(unsaved.start, key="start", scope=project_id)
    del st.session_state[_UNSAVED]
    st.session_state[_SAVED] = True
