"""The Label page: the canvas draws all of it.

``?image=ID`` in the address opens that image instead of the next one of the queue.
"""

from __future__ import annotations

import streamlit as st

from app import session
from app.canvas.component import label_canvas
from app.notices import no_images
from storage import images, projects


def show() -> None:
    """Draw the page for the current project."""
    workspace, project_id = session.require_project()
    if not sum(images.split_counts(workspace, project_id).values()):
        no_images()
        return
    opened = session.image_of_address("image", project_id)
    if opened is not None and st.session_state.get(session.OPENED_IMAGE) == opened.id:
        # The page runs again, mostly because the person went on from the image: a reload must not take them
        # back. One that is still on the screen is there after a reload all the same.
        del st.query_params["image"]
        opened = None
    st.session_state[session.OPENED_IMAGE] = opened.id if opened else None
    label_canvas(
        project_id=project_id,
        annotator=session.annotator(),
        classes=projects.classes(workspace, project_id),
        project_names={one.id: one.name for one in projects.list_projects(workspace)},
        open_image=opened.id if opened else None,
        demo=images.any_truth(workspace, project_id),
    )


show()
