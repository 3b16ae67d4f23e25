"""Who is at the screen, in which workspace, on which project: the one place where pages ask."""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache
from pathlib import Path

import streamlit as st

from app import sign_in
from app.notices import no_project
from storage import images, projects
from storage.errors import NotFound, WorkspaceError
from storage.images import ImageInfo
from storage.workspace import Workspace, open_workspace

WORKSPACE_VARIABLE = "QUALM_WORKSPACE"
"""Environment variable with the folder of the workspace; :func:`app.server.make_app` sets it."""
PROJECT_VARIABLE = "QUALM_PROJECT"
"""Environment variable with the name or id of the project that opens first; may be missing."""
UNNAMED_ANNOTATOR = "annotator"
"""Name of a session without a browser behind it, as in Streamlit's own page tests."""

OPENED_IMAGE = "opened-image"
"""Session state: the image that the Label page opened because its address named it."""

_PROJECT_KEY = "project"
_MOST_DIGITS = 18
"""Of an id: one with more does not fit into the database."""


def workspace() -> Workspace:
    """Return the workspace of this process, opened once and shared by all pages and routes.

    Raises:
        WorkspaceError: when no workspace was chosen, or it cannot be opened.
    """
    path = os.environ.get(WORKSPACE_VARIABLE)
    if not path:
        raise WorkspaceError("No workspace is open. Start Qualm with: python3 run_app.py serve")
    return _open_once(Path(path))


@lru_cache(maxsize=8)
def _open_once(path: Path) -> Workspace:
    return open_workspace(path)


def annotator() -> str:
    """Return the name under which this browser labels: the e-mail address of OIDC, or the cookie's name."""
    if sign_in.oidc_configured():
        return sign_in.name_of_user(st.user) or UNNAMED_ANNOTATOR
    key = sign_in.secret_key(workspace().path)
    return sign_in.name_in_cookies(key, st.context.cookies) or UNNAMED_ANNOTATOR


def require_user() -> None:
    """Stop the script at a sign-in button when OIDC is configured and nobody is signed in, or can be."""
    if not sign_in.oidc_configured():
        return
    if not sign_in.oidc_works():
        st.error(sign_in.OIDC_BROKEN)
        st.stop()
    if st.user.get("is_logged_in"):
        return
    st.title("Qualm")
    st.write("Sign in to label images.")
    for provider in sign_in.oidc_providers():
        label = f"Sign in with {provider}" if provider else "Sign in"
        st.button(label, type="primary", on_click=st.login, args=(provider,))
    st.stop()


def require_project() -> tuple[Workspace, int]:
    """Return the workspace and the id of the current project; without one, say how to come to it and stop."""
    project_id = current_project_id()
    if project_id is None:
        no_project()
        st.stop()
    return workspace(), project_id


def current_project_id() -> int | None:
    """Return the id of the project this browser works on, or None when there is none to open.

    The choice of this session counts first, then ``?project=`` in the address, then the project the
    server was started with, then the newest project. Only the first two may be archived. The address is
    kept up to date, so that a reload stays where it is.
    """
    known = projects.list_projects(workspace())
    everything = [project.id for project in known]
    live = [project.id for project in known if project.archived_at is None]
    candidates = (
        (st.session_state.get(_PROJECT_KEY), everything),
        (_whole_number(st.query_params.get(_PROJECT_KEY)), everything),
        (_project_of_start(), live),
    )
    chosen = next(
        (candidate for candidate, among in candidates if candidate in among), max(live, default=None)
    )
    if chosen is not None:
        choose_project(chosen)
    return chosen


def choose_project(project_id: int) -> None:
    """Make a project the current one of this browser session."""
    st.session_state[_PROJECT_KEY] = project_id
    if st.query_params.get(_PROJECT_KEY) != str(project_id):
        st.query_params[_PROJECT_KEY] = str(project_id)


def switch_project(project_id: int) -> None:
    """Go on to another project; what the address names of the one before is left behind."""
    # First, as the next click may end this after any line.
    st.session_state[_PROJECT_KEY] = project_id
    st.query_params.clear()
    choose_project(project_id)


def leave_project() -> None:
    """Go on to the project that opens where none is chosen."""
    st.session_state.pop(_PROJECT_KEY, None)
    st.query_params.clear()


def _project_of_start() -> int | None:
    named = os.environ.get(PROJECT_VARIABLE)
    if not named:
        return None
    # As on the command line it is a name, though one may be a number.
    for one in (named, _whole_number(named)):
        with contextlib.suppress(NotFound):
            if one is not None:
                return projects.get_project(workspace(), one).id
    return None


def _whole_number(text: str | None) -> int | None:
    """Return the number that a text is, None for one that no row of the database can have."""
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if text and is_number else None


def image_of_address(parameter: str, project_id: int) -> ImageInfo | None:
    """Return the image whose id a parameter of the address holds; None when it is none of this project's."""
    asked = _whole_number(st.query_params.get(parameter))
    if asked is None:
        return None
    try:
        found = images.image(workspace(), asked)
    except NotFound:
        return None
    return found if found.project_id == project_id else None
