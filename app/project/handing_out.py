"""The name of a project and how its images are handed out."""

from __future__ import annotations

import streamlit as st

from app import session, settings_form
from app.notices import errors_as_sentences
from storage import projects
from storage.projects import ProjectInfo
from storage.workspace import Workspace


def settings_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the project's name and how images are handed out."""
    with st.form("annotation-settings", border=True):
        name_key = f"rename-{project.id}"
        settings_form.follow(name_key, project.name)
        name = st.text_input("Name of the project", project.name, key=name_key)
        st.markdown("**How images are handed out**")
        annotation = settings_form.fields(
            project.settings.annotation,
            list(type(project.settings.annotation).model_fields),
            key="annotation",
            scope=project.id,
        )
        if st.form_submit_button("Save settings", key="save-annotation", type="primary"):
            with errors_as_sentences():
                projects.change_settings(
                    workspace,
                    project.id,
                    {"annotation": annotation},
                    session.annotator(),
                    name=name if name != project.name else None,
                )
                st.toast("Saved.", icon=":material/check:")
                st.rerun()
