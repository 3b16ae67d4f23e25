"""The Label page: the canvas draws all of it.

``?image=ID`` in the address opens that image instead of the next one of the queue.
"""

from __future__ import annotations

import streamlit as st

from app import session
from app.canvas.component import label_canvas
from app.notices import empty_state, no_project
from storage import images, projects
from storage.errors import NotFound
from storage.images import ImageInfo


def image_of_address(project_id: int) -> ImageInfo | None:
    """Return the image that the address asks for; None when it names none of this project's."""
    asked = st.query_params.get("image", "")
    if not (asked.isascii() and asked.isdigit()):
        return None
    try:
        found = images.image(session.workspace(), int(asked))
    except NotFound:
        return None
    return found if found.project_id == project_id else None


def show() -> None:
    """Draw the page for the current project."""
    project_id = session.current_project_id()
    if project_id is None:
        no_project()
        return
    workspace = session.workspace()
    if not sum(images.split_counts(workspace, project_id).values()):
        empty_state(
            "No images yet",
            "Import a folder or a zip of images on the **Project** page, then come back here to label them.",
        )
        st.page_link("pages/project.py", label="Import images", icon=":material/upload:")
        return
    opened = image_of_address(project_id)
    label_canvas(
        project_id=project_id,
        annotator=session.annotator(),
        classes=[info for info in projects.classes(workspace, project_id) if not info.archived],
        open_image=opened.id if opened else None,
        demo=True,
    )


show()
