"""Putting a project away, and bringing it back."""

from __future__ import annotations

import time

import streamlit as st

from app import session
from app.notices import empty_state, errors_as_sentences, plain
from storage import projects
from storage.archiving import archive_project, restore_project
from storage.projects import ProjectInfo
from storage.workspace import Workspace

LAST_MOVED = "project-last-moved-at"
"""Where the session keeps when it archived or restored a project last."""


def archive_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the button that takes the project out of the list, and do it when it was pressed."""
    with st.container(border=True):
        st.markdown("**Archive**")
        st.caption(
            "The project leaves the list of projects, and no round trains for it: one that waits or is at "
            "work is cancelled. Nothing is deleted, and **New project** lists it to be restored."
        )
        if st.button("Archive this project", key=f"archive-{project.id}", icon=":material/archive:"):
            with errors_as_sentences():
                archive_project(workspace, project.id, session.annotator())
                session.leave_project()
                st.session_state[LAST_MOVED] = time.time()
                st.toast(
                    f"{plain(project.name)} is archived. "
                    "It can be restored below the form for a new project.",
                    icon=":material/archive:",
                )
                st.rerun()


def archived_section(workspace: Workspace) -> None:
    """List the archived projects, each with a button that restores and opens it, if there are any."""
    archived = [project for project in projects.list_projects(workspace) if project.archived_at is not None]
    if not archived:
        return
    with st.container(border=True, key="archived-projects"):
        st.markdown("**Archived projects**")
        for project in archived:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(plain(project.name), width="stretch")
                _restore_button(workspace, project)


def archived_notice(workspace: Workspace, project: ProjectInfo) -> None:
    """Say in the place of a page that its project is archived, and how to go on."""
    place = empty_state(
        f"{plain(project.name)} is archived",
        "Nothing of it is deleted. Restore it to go on with it.",
        key="archived-project",
    )
    with place, st.container(horizontal=True, horizontal_alignment="center"):
        _restore_button(workspace, project)
        st.button("Leave it archived", key="leave-archived", on_click=session.leave_project)


def _restore_button(workspace: Workspace, project: ProjectInfo) -> None:
    if st.button("Restore", key=f"restore-{project.id}", icon=":material/unarchive:"):
        with errors_as_sentences():
            restore_project(workspace, project.id, session.annotator())
            if session.current_project_id() != project.id:
                session.switch_project(project.id)
            st.session_state[LAST_MOVED] = time.time()
            st.toast(f"{plain(project.name)} is restored.", icon=":material/unarchive:")
            st.rerun()
