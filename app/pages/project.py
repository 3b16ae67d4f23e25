"""The Project page: make projects, edit classes, import, export, see who did what, hand out images, archive.

Hooks for end-to-end tests, each as the class ``st-key-<hook>``:

* New project: ``project-name``, ``class-names``, ``class-source``, ``create-project``, ``archived-projects``,
  ``restore-<project id>``.
* Images: ``split-counts``, ``import-kind``, ``import-source``, ``import-upload``, ``import-masks``,
  ``import-splits``, ``import-plan``, ``import-report``, ``import-run``, ``import-progress``, ``import-stop``,
  ``import-result``.
* Classes: ``class-<index>-name-<project id>`` (also ``colour``, ``hotkey``, ``archived``), ``save-classes``,
  ``take-back-classes``, ``new-class-name``, ``add-class``.
* Export: ``export-images``, ``export-not-labelled``, ``export``, ``export-download``, ``export-folder``,
  ``export-to-folder``.
* Activity: ``labelling-time``, ``journal``.
* Settings: ``rename-<project id>``, ``annotation-<field>-<project id>``, ``save-annotation``,
  ``archive-<project id>``.

The tabs are called Images, Classes, Export, Activity, Settings and New project.
"""

from __future__ import annotations

import streamlit as st

from app import session
from app.notices import plain
from app.project.activity import activity_section
from app.project.archive import LAST_MOVED, archive_section, archived_section
from app.project.class_list import class_chips, classes_section
from app.project.create import LAST_MADE, create_section, greet_made_project
from app.project.handing_out import settings_section
from app.project.image_import import import_section
from app.project.label_export import export_section
from app.project.splits import splits_section
from storage import projects


def show() -> None:
    """Draw the page: the form alone while there is no project, everything in tabs after that."""
    workspace = session.workspace()
    project_id = session.current_project_id()
    if project_id is None:
        st.subheader("Create a project")
        st.caption(
            "A project is a list of classes and the images you label with them. To see the loop without "
            "images of your own, stop the server and start `python3 run_app.py`: it opens a demo."
        )
        st.caption(
            f"The workspace is {plain(str(workspace.path))}, and no project is open in it. If yours are in "
            "another folder, stop the server and name that with `--workspace`."
        )
        create_section(workspace)
        archived_section(workspace)
        return
    project = projects.get_project(workspace, project_id)
    st.subheader(plain(project.name), anchor=False)
    st.html(class_chips(projects.classes(workspace, project_id)))
    greet_made_project()
    # Under a new key they begin with the first tab: there the images of a new project are imported, and no
    # second click on "Archive this project" meets the next one.
    pictures, classes, export, activity, settings, new = st.tabs(
        ["Images", "Classes", "Export", "Activity", "Settings", "New project"],
        key=f"project-tabs-{st.session_state.get(LAST_MADE)}-{st.session_state.get(LAST_MOVED)}",
    )
    with pictures:
        splits_section(workspace, project)
        import_section(workspace, project)
    with classes:
        st.fragment(classes_section)(workspace, project)
    with export:
        export_section(workspace, project)
    with activity:
        activity_section(workspace, project)
    with settings:
        settings_section(workspace, project)
        archive_section(workspace, project)
    with new:
        create_section(workspace)
        archived_section(workspace)


show()
