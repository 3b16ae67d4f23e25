"""The Streamlit script behind every page: who, which project, which page.

Hooks for end-to-end tests: ``.st-key-project-picker`` (the project picker in the header),
``.st-key-user-bar`` (who is signed in, beside it), ``.st-key-no-project`` (the hint where a page needs a
project), ``.st-key-archived-project`` (what stands in the place of every page of an archived project), the
navigation links by their titles Label, Queue, Training and Project.
"""

from __future__ import annotations

import streamlit as st

from app import session, sign_in, style
from app.notices import errors_as_sentences
from app.project.archive import archived_notice
from storage import projects
from storage.projects import ProjectInfo

style.apply()

PAGES = [
    st.Page("pages/annotate.py", title="Label", icon=":material/brush:", default=True),
    st.Page("pages/queue.py", title="Queue", icon=":material/grid_view:", url_path="queue"),
    st.Page("pages/training.py", title="Training", icon=":material/model_training:", url_path="training"),
    st.Page("pages/project.py", title="Project", icon=":material/folder:", url_path="project"),
]


def user_menu() -> None:
    """Say who is signed in, with a button to sign out; there is none of it without OIDC."""
    if not sign_in.oidc_configured():
        return
    with st.container(key="user-bar"), st.popover("", icon=":material/person:"):
        # As plain text: a name is another's, and no Markdown.
        st.text(f"Signed in as {session.annotator()}")
        st.button("Sign out", key="sign-out", on_click=st.logout)


def project_picker() -> ProjectInfo | None:
    """Let the person choose the project that all pages show, and return it; None when there is none.

    An archived project is among those to choose from only while it is the one that is open.
    """
    current = session.current_project_id()
    if current is None:
        return None
    everything = {project.id: project for project in projects.list_projects(session.workspace())}
    names = {
        project.id: project.name
        for project in everything.values()
        if project.archived_at is None or project.id == current
    }
    st.session_state["project-picker"] = current
    with st.container(key="project-bar"):
        st.selectbox(
            "Project",
            list(names),
            format_func=lambda project_id: names.get(project_id, ""),
            label_visibility="collapsed",
            key="project-picker",
            on_change=lambda: session.switch_project(st.session_state["project-picker"]),
        )
    return everything[current]


page = st.navigation(PAGES, position="top")
session.require_user()
user_menu()
with errors_as_sentences():
    project = project_picker()
    if project is not None and project.archived_at is not None:
        archived_notice(session.workspace(), project)
    else:
        page.run()
