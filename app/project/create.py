"""Making a project, from pasted classes or from those of a data set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

import streamlit as st

from app import session
from app.notices import errors_as_sentences
from app.project.image_import import NEXT_SOURCE, typed_path
from app.project.running_work import RunningWork, running_bar
from storage import projects
from storage.errors import InvalidInput
from storage.import_planning import plan_import
from storage.in_parallel import Progress
from storage.projects import ClassSpec
from storage.workspace import Workspace

LAST_MADE = "last-made-project"
"""Where the session keeps the number of the project that was made last."""
_GREETED = "greeted-project"
_READING = "classes-under-way"
"""Session state: a project's name, the data set whose classes it gets, and the work that reads these."""
_TYPED = ("project-name", "class-source", "class-names")


def class_specs(text: str) -> list[ClassSpec]:
    """Read one class per line; a line may end in a colour, as in ``road #804080``.

    A single line with commas is a list, as the command line takes it: ``soil, crop #00aa00, weed``.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        # A comma may stand before a colour, too.
        lines = [name for name in re.split(r",(?!\s*#)", lines[0]) if name.strip()]
    specs = []
    for line in lines:
        found = re.fullmatch(r"\s*(.*?)[\s,;=:]*(#[0-9a-fA-F]{6})?\s*", line)
        name, colour = found.groups() if found else (line, None)
        specs.append(ClassSpec(name=name, colour=colour))
    return specs


def classes_of(source: str, progress: Progress) -> list[ClassSpec]:
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
    name_read, source_read, reading = st.session_state.get(_READING, ("", "", None))
    if asked:
        source = typed_path(source)
        if reading is not None:
            reading.stop()
            reading = None
        with errors_as_sentences():
            specs = class_specs(text)
            if specs or not source:
                make_project(workspace, name, specs, source)
            name_read, source_read, reading = name, source, RunningWork[list[ClassSpec]]("Reading the masks")
            st.session_state[_READING] = (name_read, source_read, reading)
            reading.begin(lambda progress: classes_of(source, progress))
            reading.wait_a_moment()
    if reading is None:
        return
    if not reading.is_over:
        running_bar(reading, "create-project")
        return
    with errors_as_sentences():
        if not reading.was_stopped:
            make_project(workspace, name_read, reading.outcome(), source_read)
    del st.session_state[_READING]


def make_project(workspace: Workspace, name: str, classes: Sequence[ClassSpec], source: str) -> NoReturn:
    """Make a project, open it and draw the page again, with the source of its classes as that of its images.

    Raises:
        InvalidInput: the name or a class is not accepted.
    """
    made = projects.create_project(workspace, name, classes, session.annotator())
    session.choose_project(made.id)
    st.session_state.pop(_READING, None)
    if source:
        st.session_state[NEXT_SOURCE] = source
    st.session_state[LAST_MADE] = made.id
    st.rerun()
