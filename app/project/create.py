"""Making a project, from pasted classes or from those of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import streamlit as st

from app import session
from app.notices import errors_as_sentences
from app.project.image_import import NEXT_SOURCE, typed_path
from app.project.running_work import RunningWork, running_bar
from storage import projects
from storage.errors import InvalidInput
from storage.import_planning import plan_import
from storage.in_parallel import OnProgress
from storage.projects import ClassSpec, ProjectInfo
from storage.typed_classes import typed_classes
from storage.workspace import Workspace

LAST_MADE = "last-made-project"
"""Where the session keeps the number of the project that was made last."""
_GREETED = "greeted-project"
_MAKING = "project-under-way"
"""Session state: the project that is made, or that could not be made last."""
_TYPED = ("project-name", "class-source", "class-names")


@dataclass(frozen=True)
class MadeProject:
    """What was typed to make a project, and the work that makes it, of which the project comes."""

    name: str
    source: str
    classes: str
    work: RunningWork[ProjectInfo]

    def is_wanted(self, *typed: str) -> bool:
        """Return whether this is what was typed now, and is being made or was made."""
        is_same = (self.name, self.source, self.classes) == typed
        return is_same and not self.work.is_stopping and self.work.error is None


def classes_of(source: str, progress: OnProgress) -> list[ClassSpec]:
    """Return the classes of a data set, as its masks and its class list name them.

    Raises:
        InvalidInput: it cannot be opened, or names no classes.
    """
    plan = plan_import(source, classes_alone=True, progress=progress)
    if not plan.classes:
        raise InvalidInput(
            f"{source} has no masks and no class list. Paste the names of the classes instead."
        )
    return list(plan.classes)


def greet_made_project() -> None:
    """Say that a project was made in the run before, and empty the form for the next one."""
    made = st.session_state.get(LAST_MADE)
    if made == st.session_state.get(_GREETED):
        return
    st.session_state[_GREETED] = made
    for key in _TYPED:
        st.session_state[key] = ""
    st.toast("The project is made. Now bring in its images.", icon=":material/check:")


def create_section(workspace: Workspace) -> None:
    """Draw the form that makes a project, from pasted classes or from those of a data set."""
    last: MadeProject | None = st.session_state.get(_MAKING)
    if last is not None and "class-names" not in st.session_state:
        # The fields forget when another page is looked at.
        for key, typed in zip(_TYPED, (last.name, last.source, last.classes), strict=True):
            st.session_state[key] = typed
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
            "Background is a class, too: a model needs two to tell apart. Pixels nobody has labelled and "
            "pixels to ignore need none.",
        )
        asked = st.form_submit_button(
            "Create project", key="create-project", type="primary", icon=":material/add:"
        )
    if asked and not (last is not None and last.is_wanted(name, source, text)):
        if last is not None:
            last.work.stop()
        annotator = session.annotator()
        last = MadeProject(name, source, text, RunningWork("Reading the masks"))
        st.session_state[_MAKING] = last
        last.work.begin(partial(made_project, workspace, last, annotator))
        last.work.wait_a_moment()
    # One that was made before the stop was heard is there, and opened.
    if last is None or (last.work.is_stopping and last.work.result is None):
        return
    if not last.work.is_over:
        running_bar(last.work, "create-project")
        return
    with errors_as_sentences():
        made = last.work.outcome()
        session.choose_project(made.id)
        if path := typed_path(last.source):
            st.session_state[NEXT_SOURCE] = path
        st.session_state[LAST_MADE] = made.id
        # The last of all: a run that ends before is done once more.
        st.session_state.pop(_MAKING, None)
        st.rerun()


def made_project(
    workspace: Workspace, typed: MadeProject, annotator: str, progress: OnProgress
) -> ProjectInfo:
    """Make the project that was typed, with the classes of its data set where none were.

    Raises:
        InvalidInput: the name or a class is not accepted, or the data set names no classes.
    """
    classes, source = typed_classes(typed.classes), typed_path(typed.source)
    if not classes and source:
        classes = classes_of(source, progress)
        typed.work.go_on()
    return projects.create_project(workspace, typed.name, classes, annotator)
